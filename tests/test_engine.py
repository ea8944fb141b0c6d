"""The engine's verbs on real parts: the built-in provider, the tiny model, a real store, real videos."""

import errno
import json
import shutil
import threading
from dataclasses import asdict
from pathlib import Path

import pytest
from fixtures.videos import colour_video

from engine.engine import Engine
from engine.errors import Busy, InvalidInput, MediaError, OutOfSpace
from engine.events.jobs import ENDED
from engine.events.switching import SwitchFinished
from engine.settings import GenerationSettings
from engine.video.request import AnalysisRequest
from tests.running import opened

WAIT = 60  # seconds after which a test gives up
TINY = Path(__file__).parent / "fixtures" / "tiny_model"


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "signal.mp4"
    colour_video(path, ["red", "blue", "green"])
    return path


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A model shelf with the tiny model, one without weights, and a broken one."""
    shelf = tmp_path / "models"
    shutil.copytree(TINY, shelf / "tiny")
    shutil.copytree(TINY, shelf / "broken")
    weights = shelf / "broken" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return shelf


@pytest.fixture
def engine(tmp_path: Path, shelf: Path):
    engine = opened(tmp_path, shelf)
    yield engine
    engine.close()


def ended(engine: Engine, job_id: str):
    pause = threading.Event()
    for _ in range(WAIT * 100):
        job = engine.job(job_id)
        if job.status in ENDED | {"paused"}:
            return job
        pause.wait(0.01)
    raise AssertionError(f"the job is {job.status}")


def switched(engine: Engine, *how, **more) -> SwitchFinished:
    run = engine.begin_switch(*how, **more)
    assert run.wait(WAIT)
    assert isinstance(run.latest, SwitchFinished)
    return run.latest


def test_it_starts_with_the_built_in_provider_and_nothing_to_download(engine):
    status = engine.status()
    assert (status.state, status.provider, status.model) == ("ready", "builtin", "scene-facts")
    assert status.vision and status.busy == () and status.last_error == ""


def test_the_built_in_provider_analyses_a_video_into_frames_and_spans(engine, video):
    request = AnalysisRequest.of(video, "mostly red, mostly blue, mostly green", interval=0.5)
    assert ended(engine, engine.submit_video(request).job_id).status == "completed"
    result = engine.job_result(engine.jobs()[0].job_id)
    assert [f.time for f in result.frames] == [0, 0.5, 1, 1.5, 2, 2.5, 2.9]
    assert [(s.tag, s.start, s.end) for s in result.spans] == [
        ("mostly red", 0, 1),
        ("mostly blue", 1, 2),
        ("mostly green", 2, 3),
    ]
    assert result.summary["tags"]["mostly blue"] == {"seconds": 1.0, "spans": 1, "hits": 2}


def test_the_tiny_model_names_what_is_there_and_when(engine, video):
    assert switched(engine, "transformers", "tiny").success
    request = AnalysisRequest.of(video, "red, blue", "What colour is this?", 1.0)
    job = ended(engine, engine.submit_video(request).job_id)
    assert (job.status, job.provider, job.model) == ("completed", "transformers", "tiny")
    frames = engine.frames(job.job_id)
    assert [frame.caption for frame in frames] == ["red", "blue", "green", "green"]
    assert [[tag for tag, p in frame.tags.items() if p > 0.5] for frame in frames] == [
        ["red"],
        ["blue"],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("provider", "model", "named"),
    [
        ("transformers", "nowhere", "nowhere"),
        ("transformers", "broken", "broken"),
        ("magic", "wand", "magic"),
        ("builtin", "other", "other"),
    ],
)
def test_a_model_that_cannot_be_had_leaves_the_old_one_and_says_why(engine, provider, model, named):
    result = switched(engine, provider, model)
    assert not result.success and named in result.message and "Traceback" not in result.message
    status = engine.status()
    assert (status.model, status.last_error) == ("scene-facts", result.message)
    assert switched(engine, "transformers", "tiny").success
    assert engine.status().last_error == ""


def test_an_unknown_option_is_refused_by_name(engine):
    result = switched(engine, "transformers", "tiny", options={"colour": "green"})
    assert not result.success and "colour" in result.message


def test_options_are_kept_per_model_until_they_are_given_back(engine):
    assert switched(engine, "transformers", "tiny", options={"dtype": "float32"}).success
    engine.unload_model()
    assert switched(engine, "transformers", "tiny").success
    assert engine.backend_info().load_options == {"dtype": "float32"}
    assert switched(engine, "transformers", "tiny", options={"dtype": None}).success
    assert engine.backend_info().load_options == {}


def test_model_and_settings_are_as_they_were_after_a_restart(tmp_path, shelf):
    first = opened(tmp_path, shelf)
    assert switched(first, "transformers", "tiny", options={"dtype": "float32"}).success
    first.set_generation(temperature=0.1, seed=7)
    first.close()
    second = opened(tmp_path, shelf)
    assert second._switches[-1].wait(WAIT)
    assert (second.status().provider, second.status().model) == ("transformers", "tiny")
    assert second.backend_info().load_options == {"dtype": "float32"}
    assert second.generation() == GenerationSettings(temperature=0.1, seed=7)
    second.close()


def test_a_model_that_is_gone_after_a_restart_is_said_and_the_built_in_one_serves(tmp_path, shelf):
    first = opened(tmp_path, shelf)
    assert switched(first, "transformers", "tiny").success
    first.close()
    shutil.rmtree(shelf / "tiny")
    second = opened(tmp_path, shelf)
    assert second._switches[-1].wait(WAIT)
    assert second.status().model == "scene-facts" and "tiny" in second.status().last_error
    second.close()


def test_unloading_goes_back_to_the_built_in_provider_unless_something_runs(engine, video):
    assert switched(engine, "transformers", "tiny").success
    job = engine.submit_video(AnalysisRequest.of(video, "red", interval=0.1))
    while engine.status().busy == () and engine.job(job.job_id).status in ("queued", "running"):
        pass  # a job this small may even have ended
    try:
        assert engine.unload_model().model == "scene-facts"
    except Busy as busy:
        assert "signal.mp4" in str(busy)
    ended(engine, job.job_id)
    assert engine.unload_model().model == "scene-facts"


def test_generation_settings_are_checked_by_name_and_kept_whole(engine):
    before = engine.generation()
    with pytest.raises(InvalidInput, match="temperature"):
        engine.set_generation(temperature=9, seed=3)
    with pytest.raises(InvalidInput, match="warmth"):
        engine.set_generation(warmth=1)
    assert engine.generation() == before


def test_two_changes_of_the_settings_at_once_are_both_kept(engine):
    changes = [{"top_k": 7}, {"seed": 11}, {"temperature": 0.5}, {"top_p": 0.5}]
    threads = [threading.Thread(target=engine.set_generation, kwargs=change) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert engine.generation() == GenerationSettings(top_k=7, seed=11, temperature=0.5, top_p=0.5)


def test_codes_are_refused_of_a_model_that_reads_none(engine, video):
    assert switched(engine, "transformers", "tiny").success
    with pytest.raises(InvalidInput, match="codes"):
        engine.submit_video(AnalysisRequest.of(video, "red", options={"codes": True}))


def test_a_full_disk_is_said_when_a_file_is_written(engine, video, monkeypatch):
    job = ended(engine, engine.submit_video(AnalysisRequest.of(video, "dark", interval=1)).job_id)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.video.exports.writing.os.fsync", full)
    with pytest.raises(OutOfSpace, match="disk is full"):
        engine.export_job(job.job_id, "json")
    assert list((engine._store.folder / "exports").iterdir()) == []


@pytest.mark.parametrize("uploaded", [False, True])
def test_a_video_that_is_gone_after_the_look_at_it_is_named(engine, video, tmp_path, monkeypatch, uploaded):
    film = Path(shutil.copy(video, tmp_path / "lake.mp4"))
    look = engine.open_video

    def look_and_lose(path):
        info = look(path)
        film.unlink()
        return info

    monkeypatch.setattr(engine, "open_video", look_and_lose)
    with pytest.raises(MediaError, match=r"^There is no file .*lake\.mp4\. Check the name\.$"):
        engine.submit_video(AnalysisRequest.of(film, "dark", uploaded=uploaded))
    assert engine.jobs() == []


def test_tags_outside_the_built_in_vocabulary_are_refused_before_the_run(engine, video):
    with pytest.raises(InvalidInput, match="boat"):
        engine.submit_video(AnalysisRequest.of(video, "dark, boat"))
    assert engine.jobs() == []


def test_the_plan_says_what_it_costs_once_there_is_something_to_go_by(engine, video):
    request = AnalysisRequest.of(video, "dark", interval=0.5)
    assert engine.plan(request).frames == 7 and engine.plan(request).seconds is None
    ended(engine, engine.submit_video(request).job_id)
    plan = engine.plan(request)
    assert plan.seconds > 0 and plan.based_on == 1


BAD_REQUESTS = {
    "no video": ({"video": ""}, "video"),
    "neither tags nor a question": ({"tags": " , ,"}, "tag"),
    "interval of nothing": ({"interval": 0}, "interval"),
    "interval below nothing": ({"interval": -2}, "interval"),
    "interval that is not a number": ({"interval": float("nan")}, "interval"),
    "interval that is a word": ({"interval": "often"}, "interval"),
    "501 tags": ({"tags": [f"t{n}" for n in range(501)]}, "501"),
    "an unknown option": ({"options": {"speed": 2}}, "speed"),
    "an end before the start": ({"options": {"start": 5, "end": 2}}, "end"),
    "codes that are neither on nor off": ({"options": {"codes": "yes"}}, "codes"),
    "no frames at all": ({"options": {"max_frames": 0}}, "max_frames"),
}


@pytest.mark.parametrize(("how", "named"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_bad_request_names_what_is_off(how, named):
    with pytest.raises(InvalidInput, match=named):
        AnalysisRequest.of(**{"video": "lake.mp4", "tags": "dark", **how})


def test_a_range_behind_the_end_of_the_video_is_refused(engine, video):
    with pytest.raises(InvalidInput, match=r"99 s.*3 s"):
        engine.submit_video(AnalysisRequest.of(video, "dark", options={"start": 99}))


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"status": "sleeping"}, "sleeping"), ({"limit": -1}, "limit"), ({"limit": "x"}, "limit")],
)
def test_a_list_of_jobs_that_cannot_be_is_refused_by_name(engine, asked, named):
    with pytest.raises(InvalidInput, match=named):
        engine.jobs(**asked)


def test_a_file_that_is_no_video_makes_no_job(engine, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        engine.submit_video(AnalysisRequest.of(text, "dark"))
    assert engine.jobs() == []


def test_an_export_is_what_the_result_says(engine, video):
    job = ended(engine, engine.submit_video(AnalysisRequest.of(video, "dark", interval=1)).job_id)
    exported = json.loads(engine.export_job(job.job_id, "json").read_text(encoding="utf-8"))
    result = json.loads(json.dumps(asdict(engine.job_result(job.job_id))))
    assert exported == exported | result, "and, besides, what was asked"
    with pytest.raises(InvalidInput, match="docx"):
        engine.export_job(job.job_id, "docx")


@pytest.mark.parametrize("verb", ["job", "pause_job", "resume_job", "cancel_job", "delete_job", "job_result"])
def test_an_unknown_job_is_said_to_be_unknown(engine, verb):
    with pytest.raises(InvalidInput, match="0123"):
        getattr(engine, verb)("0123")
