"""What a person does while another program holds the database: told soon, made later or not at all.

The other program is a real process with SQLite's own lock. What runs by itself waits for ever here, so that a
verb which waited as long would never come back.
"""

import gc
import threading
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.errors import DataFolderError
from engine.jobs import worker
from engine.video.request import AnalysisRequest
from storage import connections, patience
from storage.errors import DatabaseLocked
from storage.store import Store
from tests.fakes import FakeBackend
from tests.fixtures.another_program import AnotherProgram
from tests.fixtures.videos import constant, numbered_video
from tests.running import WAIT, Running, analysed, decoding, switched, until

FRAMES = 10
ALL_TIMES = [n * 100_000 for n in range(FRAMES)]
ASKED = {"tags": "boat", "interval": 0.1}
SAID = r"Another program holds .*haven\.db.* Nothing was changed: try again"


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return numbered_video(tmp_path_factory.mktemp("clips") / "lake.mp4", constant(FRAMES, 10)).path


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """What a person waits for is refused at once, and all else waits until the lock is gone."""
    monkeypatch.setattr(connections, "_HELD_UP_SECONDS", 0.1)
    monkeypatch.setattr(patience, "SHORT_SECONDS", 0.2)
    monkeypatch.setattr(patience, "LONG_SECONDS", 10.0 * WAIT)
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.05)


@pytest.fixture
def other(tmp_path):
    with AnotherProgram(tmp_path / "data") as program:
        yield program


@pytest.fixture
def engine(tmp_path, other):
    engine = Engine(Store.open(tmp_path / "data"), tmp_path / "models")
    engine.start()
    yield engine
    other.let_go()
    engine.close()


class Held:
    """A job whose fourth frame is asked about when the other program takes the database."""

    def __init__(self, folder: Path, clip: Path, other: AnotherProgram, **how: bool) -> None:
        self.backend = FakeBackend(on_look=self._take)
        self._other, self._taken = other, False
        self.house = Running(folder, self.backend)
        self.job_id = self.house.submit(clip, **ASKED, **how)
        until(self.house.store.held_up, bool)  # an answer waits to be kept

    def _take(self, frame) -> None:
        if frame.index == 3 and not self._taken:
            self._taken = True
            self._other.take()

    def view(self):
        return self.house.runner.view(self.house.store.job(self.job_id))


@pytest.fixture
def held(tmp_path, clip, other):
    held = Held(tmp_path / "data", clip, other)
    yield held
    other.let_go()
    held.house.close()


def test_every_verb_of_the_page_is_refused_soon_and_works_once_the_database_is_free(
    engine, other, clip, tmp_path
):
    done = analysed(engine, clip, "dark", 0.1)
    engine.library.pause_all()
    engine.library.resume_all()
    with engine._jobs._worker.held():  # so that they wait when it is taken
        waiting = [
            engine.submit_video(AnalysisRequest.of(clip, "dark", interval=n)).job_id for n in (0.3, 0.4, 0.5)
        ]
        for job_id in waiting:
            engine.pause_job(job_id)
    (tmp_path / "films").mkdir()
    folder = engine.library.watch(tmp_path / "films", "dark").folder_id
    chats = [engine.chats.new_session(name).session_id for name in ("to rename", "to delete")]
    engine.prompts.save("old", "What is it?")
    verbs = {
        "a setting": lambda: engine.set_generation(temperature=0.5),
        "a new analysis": lambda: engine.submit_video(AnalysisRequest.of(clip, "dark", interval=0.2)),
        "resuming": lambda: engine.resume_job(waiting[0]),
        "cancelling": lambda: engine.cancel_job(waiting[1]),
        "deleting": lambda: engine.delete_job(waiting[2]),
        "a threshold": lambda: engine.findings.set_settings(done, {"threshold": 0.7}),
        "a correction": lambda: engine.findings.correct(done, "dark", new=[0.1, 0.3]),
        "a folder": lambda: engine.library.watch(tmp_path, "dark", recursive=False),
        "forgetting it": lambda: engine.library.forget(folder),
        "a new chat": lambda: engine.chats.new_session(),
        "another name": lambda: engine.chats.rename(chats[0], "renamed"),
        "no chat": lambda: engine.chats.delete(chats[1]),
        "a prompt": lambda: engine.prompts.save("new", "Where is it?"),
        "no prompt": lambda: engine.prompts.delete("old"),
        "a pause of all": lambda: engine.library.pause_all(),
    }
    before = engine.jobs(), engine.chats.sessions(), engine.prompts.all(), engine.findings.spans(done)
    other.take()
    for what, verb in verbs.items():
        with pytest.raises(DataFolderError, match=SAID):
            verb()
            raise AssertionError(f"{what} was done")
    after = engine.jobs(), engine.chats.sessions(), engine.prompts.all(), engine.findings.spans(done)
    assert after == before, "nothing was changed, and what there is can be read"
    assert [one.folder_id for one in engine.library.folders()] == [folder] and not engine.library.held
    other.let_go()
    for verb in verbs.values():
        verb()
    assert engine.generation().temperature == 0.5
    assert engine.library.held and [one.folder for one in engine.library.folders()] == [str(tmp_path)]
    assert [one.name for one in engine.prompts.all()] == ["new"]
    assert "renamed" in [one.title for one in engine.chats.sessions()]
    assert engine.findings.spans(done).corrections == 1


def test_a_model_is_switched_all_the_same_and_it_is_said_that_the_choice_is_not_kept(engine, other):
    other.take()
    result = switched(engine, "builtin", "scene-facts")
    assert result.success and "picked again after a restart: Another program holds" in result.message


def test_a_refused_change_behind_a_patient_one_never_happens(tmp_path, other):
    store = Store.open(tmp_path / "data")
    try:
        other.take()
        first = threading.Thread(target=store.set_setting, args=("first", "kept"))
        first.start()
        until(store.held_up, bool)
        with patience.told_soon(), pytest.raises(DatabaseLocked, match="Another program holds"):
            store.set_setting("second", "refused")
        assert first.is_alive() and store.setting("first") is None
        other.let_go()
        first.join(WAIT)
        store.set_setting("third", "kept")
        assert [store.setting(key) for key in ("first", "second", "third")] == ["kept", None, "kept"]
    finally:
        other.let_go()
        store.close()


def test_a_person_is_refused_while_the_job_waits_and_goes_on(held, other):
    shown = held.view()
    assert shown.status == "running", "it has not given up"
    assert "Another program holds" in shown.error and "goes on by itself" in shown.error
    with patience.told_soon(), pytest.raises(DatabaseLocked):
        held.house.store.set_setting("said", "meanwhile")
    assert held.view().status == "running"
    other.let_go()
    job = held.house.wait(held.job_id)
    assert (job.status, job.error, held.view().error) == ("completed", "", "")
    assert [frame.time_us for frame in held.house.frames(held.job_id)] == ALL_TIMES
    assert held.backend.asked == list(range(FRAMES)), "no frame was asked twice"
    assert held.house.store.setting("said") is None


@pytest.mark.parametrize(
    ("verb", "meanwhile", "at_last"),
    [("pause", "running", "paused"), ("cancel", "cancelling", "cancelled"), ("delete", "cancelling", None)],
)
def test_stopping_a_job_needs_no_database_and_is_written_when_it_is_free(
    held, clip, other, verb, meanwhile, at_last
):
    getattr(held.house.runner, verb)(held.job_id)
    shown = held.view()
    assert shown.status == meanwhile and "Another program holds" in shown.error
    assert ("It pauses then" if verb == "pause" else "It ends then") in shown.error
    other.let_go()
    assert held.house.run(clip, **ASKED).status == "completed"
    assert getattr(held.house.store.job(held.job_id), "status", None) == at_last


@pytest.mark.parametrize(("verb", "wanted"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_stop_holds_also_where_the_job_gives_up_waiting(tmp_path, clip, other, monkeypatch, verb, wanted):
    monkeypatch.setattr(patience, "LONG_SECONDS", 1.0)
    held = Held(tmp_path / "data", clip, other)
    try:
        getattr(held.house.runner, verb)(held.job_id)
        shown = until(held.view, lambda job: job.status == wanted)
        assert shown.reason == ("user" if verb == "pause" else "")
        other.let_go()
        assert held.house.run(clip, **ASKED).status == "completed"
        job = until(lambda: held.house.store.job(held.job_id), lambda job: job.status == wanted)
        assert job.reason == shown.reason, "it does not go on by itself"
        assert held.house.resume(held.job_id).status == "completed"
        assert [frame.time_us for frame in held.house.frames(held.job_id)] == ALL_TIMES
    finally:
        other.let_go()
        held.house.close()


@pytest.mark.parametrize("then", ["pause", "cancel", "pause_all", "cancel_all"])
def test_a_job_that_was_deleted_is_forgotten_whatever_else_is_asked_of_it(
    tmp_path, clip, other, monkeypatch, then
):
    monkeypatch.setattr(patience, "LONG_SECONDS", 1.0)
    before = decoding()
    gc.disable()  # what is only thrown away goes on as long as nobody tidies up
    held = Held(tmp_path / "data", clip, other, uploaded=True)
    try:
        runner, store = held.house.runner, held.house.store
        upload = Path(store.job(held.job_id).video_path)
        runner.delete(held.job_id)
        until(held.view, lambda job: job.status == "cancelled")
        if then.endswith("_all"):
            with pytest.raises(DatabaseLocked):
                getattr(runner, then)()
        else:
            getattr(runner, then)(held.job_id)
        other.let_go()
        until(lambda: store.job(held.job_id), lambda job: job is None)
        until(upload.exists, lambda there: not there)
        until(decoding, lambda threads: not threads - before)
    finally:
        gc.enable()
        other.let_go()
        held.house.close()


@pytest.mark.parametrize("verb", ["pause_all", "cancel_all"])
def test_what_is_refused_for_all_changes_nothing_of_a_job_that_waits_for_the_database(
    tmp_path, clip, other, monkeypatch, verb
):
    monkeypatch.setattr(patience, "LONG_SECONDS", 1.0)
    held = Held(tmp_path / "data", clip, other)
    try:
        before = until(held.view, lambda job: (job.status, job.reason) == ("paused", "database"))
        with pytest.raises(DatabaseLocked):
            getattr(held.house.runner, verb)()
        assert held.view() == before
        other.let_go()
        until(held.view, lambda job: job.status == "completed")
        assert [frame.time_us for frame in held.house.frames(held.job_id)] == ALL_TIMES
    finally:
        other.let_go()
        held.house.close()


def test_a_model_that_comes_back_meanwhile_wakes_its_jobs_when_the_database_is_free(tmp_path, clip, other):
    house = Running(tmp_path / "data", FakeBackend())
    try:
        with house.runner._worker.held():
            job_id = house.submit(clip, **ASKED)
            house.store.move_job(job_id, ("queued",), "paused", reason="model")
            other.take()
        with pytest.raises(DatabaseLocked):
            house.runner.model_changed()
        assert house.store.job(job_id).status == "paused"
        other.let_go()
        assert until(lambda: house.store.job(job_id).status, lambda now: now == "completed")
    finally:
        other.let_go()
        house.close()
