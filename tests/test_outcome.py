"""What is told of a job that came to its end, by the answers that are kept."""

import pytest

from engine.jobs.outcome import outcome
from storage.records import FrameRecord, JobRecord
from storage.store import Store

FRAMES = 9
JOB = JobRecord(
    id="a1",
    status="running",
    video_path="/videos/lake.mp4",
    video_name="lake.mp4",
    video_size=1,
    video_mtime_ns=1,
    provider="fake",
    model="fake-1",
    digest="d",
    load_options={},
    tags=("dog",),
    prompt="",
    prompt_sha256="p",
    sampling={},
    frames_total=FRAMES,
    created_at=0.0,
)


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path)
    store.add_job(JOB)
    yield store
    store.close()


def test_of_several_failures_the_last_one_is_told_and_no_answer_is_read_for_it(store, monkeypatch):
    errors = {2: "The model stumbled.", 6: "The model fell.", 4: "The model sat down."}
    for number in (*errors, *(set(range(FRAMES)) - set(errors))):
        state, error = ("failed", errors[number]) if number in errors else ("answered", "")
        store.add_frame(FrameRecord("a1", number, number, state, {}, "A dog.", error=error), 0.1)
    monkeypatch.setattr(Store, "frames", lambda *_, **__: pytest.fail("all answers are read"))
    said = f"6 of {FRAMES} frames were read; 3 failed. The model fell."
    assert outcome(JOB, store) == ("completed_with_errors", said)


def test_without_a_failure_nothing_is_told(store):
    store.add_frame(FrameRecord("a1", 0, 0, "answered", {"dog": 1.0}), 0.1)
    assert outcome(JOB, store) == ("completed", "")
    assert store.runs.last_error("a1") == ""
