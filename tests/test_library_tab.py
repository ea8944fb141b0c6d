"""What the Library tab shows and does, and its endpoints: a real engine behind a real server."""

import asyncio
import json
import os
import shutil
from dataclasses import fields, replace

import pytest
from fixtures.videos import colour_video
from gradio_client import Client
from serving import served

from engine.engine import Engine
from engine.events.jobs import JobView
from engine.library import queueing, watch
from engine.library.views import STATES, DiskUse, FilesPage, FileView, FolderView, QueueView
from engine.settings import Sampling
from storage.store import Store
from tests.running import until
from ui import asking, library, library_cards, library_form
from ui.asking import Asked
from ui.follow import BUSY_MS, IDLE_MS
from ui.house import House
from ui.library_follow import DrawnLibrary, changes

EVIL = '<img src=x onerror="alert(1)">'
JOB = JobView("a1", "lake.mp4", "queued", "", "builtin", "scene-facts", 0, 10, 0.0, None, None, None, "")
WITHOUT_SUMMARY = replace(JOB, status="completed_with_errors", reason="summary", lacks_summary=True)
FOLDER = FolderView(1, "/films/lake", True, "", {"tags": "boat", "prompt": ""}, False, True, "", {"done": 2})
FILE = FileView(7, 1, "lake.mp4", "/films/lake/2024/lake.mp4", 10, "done", "", 61.0, ("boat",), None)
QUEUE = QueueView(False, 0, 0, 0, 0, ())


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.setattr(queueing, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(watch, "SCAN_SECONDS", 0.1)
    engine = Engine(Store.open(tmp_path / "data"), tmp_path / "models")
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def house(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "LOOK_SECONDS", 60.0)  # until a look ends, however slow the machine
    return House(engine, tmp_path / "samples")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return colour_video(tmp_path_factory.mktemp("clips") / "red.mp4", ["red"]).path


@pytest.fixture
def films(tmp_path, clip):
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(clip, folder / "red.mp4")
    return folder


def page_of(*files, total=0, offset=0):
    return FilesPage(total or len(files), offset, files)


# What is shown


def test_an_empty_library_says_what_to_do():
    assert "No folder is watched yet" in library_cards.folders([])
    assert "stand here" in library_cards.files(page_of(), [], False)
    assert "Nothing is waiting" in library_cards.queue(QUEUE)
    assert library_cards.queue(QUEUE).count("disabled") == 3


def test_before_a_folder_was_looked_through_it_is_not_said_to_be_empty():
    unseen = replace(FOLDER, looked=False, files={})
    assert "Looking…" in library_cards.files(page_of(), [unseen], False)
    assert "Looking…" in library_cards.folders([unseen])
    assert "No videos yet" in library_cards.files(page_of(), [FOLDER], False)
    assert "No video has this" in library_cards.files(page_of(), [FOLDER], True)


@pytest.mark.parametrize(
    ("files", "ended", "words"),
    [
        ({}, True, "There is no video in it yet; those that come are found by themselves."),
        ({"gone": 1}, True, "There is no video in it yet"),
        ({"new": 1}, True, "lake is watched. 1 video is in it, 1 still to be analysed."),
        ({"done": 2_000, "bad": 1, "gone": 7}, True, "lake is watched. 2,001 videos are in it."),
        ({"new": 500}, False, "lake is being looked through."),
    ],
)
def test_a_look_that_was_asked_for_says_what_it_found(files, ended, words):
    folder = replace(FOLDER, files=dict.fromkeys(STATES, 0) | files)
    assert words in library_cards.found(folder, ended)
    assert library_cards.found(replace(folder, trouble="Gone."), ended) == "lake is watched. Gone."


def test_whatever_comes_from_a_file_or_a_person_is_escaped():
    asked = {"tags": EVIL, "prompt": EVIL}
    folder = replace(FOLDER, folder=f"/films/{EVIL}", asked=asked, trouble=EVIL, pattern=EVIL)
    job = replace(JOB, video=EVIL, model=EVIL)
    file = replace(FILE, video=EVIL, place=f"/films/lake/{EVIL}", reason=EVIL, found=(EVIL,), job=job)
    drawn = library_cards.folders([folder]) + library_cards.files(page_of(file), [FOLDER], False)
    drawn += library_cards.queue(replace(QUEUE, waiting=1, jobs=(job,)))
    assert "<img src=x" not in drawn and "&lt;img src=x" in drawn


def test_a_video_says_where_it_is_what_holds_in_it_how_long_it_is_and_which_model_it_was():
    drawn = library_cards.files(page_of(replace(FILE, job=replace(JOB, status="completed"))), [FOLDER], False)
    assert ">lake/2024<" in drawn and 'title="/films/lake/2024/lake.mp4"' in drawn
    assert ">boat</span>" in drawn and ">1:01<" in drawn and ">scene-facts<" in drawn
    assert "Analysed" in drawn and 'data-act="open" data-job="a1"' in drawn


@pytest.mark.parametrize(
    ("file", "words", "acts"),
    [
        (replace(FILE, state="new"), "Found", []),
        (replace(FILE, state="gone"), "Not there any more", []),
        (replace(FILE, state="bad", reason="It is empty."), "It is empty.", ["retry"]),
        (replace(FILE, state="queued", job=JOB), "Waiting", ["open"]),
        (
            replace(FILE, state="queued", job=replace(JOB, status="cancelled")),
            "Cancelled",
            ["open", "resume"],
        ),
        (replace(FILE, state="queued", job=None), "Its analysis was deleted", ["retry"]),
        (replace(FILE, state="done", job=None), "Analysed", ["retry"]),
        (replace(FILE, job=WITHOUT_SUMMARY), "Analysed, without its summary", ["open", "resume"]),
        (
            replace(FILE, state="queued", job=replace(JOB, status="running", frames_done=4, progress=0.4)),
            "Running, 40\xa0%",
            ["open"],
        ),
    ],
)
def test_a_video_can_be_done_with_what_fits_its_state(file, words, acts):
    drawn = library_cards.files(page_of(file), [FOLDER], False)
    assert words in drawn
    assert [act for act in ("open", "resume", "retry") if f'data-act="{act}"' in drawn] == acts


def test_many_tags_are_counted_instead_of_shown():
    drawn = library_cards.files(page_of(replace(FILE, found=tuple("abcdefgh"))), [FOLDER], False)
    assert "+2" in drawn


def test_pages_can_be_turned():
    first = library_cards.files(page_of(*[FILE] * 50, total=120), [FOLDER], False)
    assert "1 to 50 of 120" in first and 'data-page="50"' in first and first.count("disabled") == 1
    last = library_cards.files(page_of(*[FILE] * 20, total=120, offset=100), [FOLDER], False)
    assert "101 to 120 of 120" in last and 'data-page="50"' in last


def test_the_queue_offers_to_move_what_waits_and_names_what_is_not_shown():
    running = replace(JOB, job_id="r1", status="running")
    jobs = (running, *(replace(JOB, job_id=f"q{n}") for n in range(40)))
    drawn = library_cards.queue(replace(QUEUE, running=1, waiting=200, jobs=jobs))
    assert "<b>1</b> running, <b>200</b> waiting" in drawn
    assert 'data-act="first" data-job="r1"' not in drawn
    assert 'data-act="first" data-job="q0"' in drawn and 'data-act="up" data-job="q0"' in drawn
    assert "and 189 more" in drawn
    assert "Really cancel all?" in drawn


def test_a_library_that_is_held_says_so_and_can_go_on():
    drawn = library_cards.queue(replace(QUEUE, held=True))
    assert "wait until all is resumed" in drawn
    assert '<button type="button" class="small" data-act="resume_all" data-job="">' in drawn


def test_the_disk_is_shown_and_can_be_cleared_where_there_is_something():
    assert "Counting" in library_cards.disk(None)
    drawn = library_cards.disk(DiskUse(5_000_000, 0, 0, 79_000_000_000))
    assert "5 MB" in drawn and "79.0 GB are free" in drawn
    assert drawn.count("Really clear?") == 1 and drawn.count("disabled") == 2


# What is done


def run(handler):
    return asyncio.run(handler)


def said(house, act, subject=""):
    return run(library.on_library_act(house, act, subject))[2]


def form(films, **changed):
    fields = {"folder": str(films), "tags": "mostly red", "interval": "0,5", "recursive": True}
    return json.dumps({**fields, **changed})


def test_a_folder_is_watched_looked_through_and_forgotten(house, engine, films):
    assert "films is watched. 1 video is in it" in said(house, "watch", form(films))
    (view,) = engine.library.folders()
    assert dict(view.asked) == {"tags": "mostly red", "prompt": "", "interval": 0.5, "options": {}}
    shutil.copy(films / "red.mp4", films / "again.mp4")
    assert "films is watched. 2 videos are in it" in said(house, "scan", str(view.folder_id))
    assert said(house, "forget", str(view.folder_id)) == ""
    assert engine.library.folders() == []


def test_all_that_a_video_can_be_asked_can_be_asked_of_a_folder(house, engine, films):
    more = {
        "start": "0,1",
        "most": "3",
        "mode": "shots",
        "fps": "5",
        "reuse": "2",
        "votes": "3",
        "refine": "on",
    }
    assert "films is watched" in said(house, "watch", form(films, **more))
    (view,) = engine.library.folders()
    picked = {
        "start": 0.1,
        "max_frames": 3,
        "mode": "shots",
        "fps": 5,
        "reuse": 2,
        "votes": 3,
        "refine": True,
    }
    assert view.asked["options"] == picked
    words = (
        "mostly red · every 0.2\xa0s · from 0.1\xa0s · at most 3 frames · each shot, and between · answers"
    )
    assert words in library_cards.folders([view])
    file = until(lambda: engine.library.files().files, lambda f: f and f[0].state == "done")[0]
    assert engine.request(file.job.job_id).sampling == Sampling.of(**picked)


def test_the_form_has_every_field_of_the_video_tab():
    drawn = library_form.form()
    assert {field.name for field in fields(Asked) if f'name="{field.name}"' not in drawn} == set()
    assert all(f'<option value="{mode}">' in drawn for _, mode in asking.MODES)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"folder": ""}, "Name a folder"),
        ({"folder": "/no/such"}, "no folder /no/such"),
        ({"interval": "often"}, "how many seconds"),
        ({"interval": "0"}, "“A frame every” must be"),
        ({"interval": ""}, "how many seconds"),
        ({"times": "1, then"}, "“At times” must be a number"),
        ({"summary": "on"}, "ask a question too"),
        ({"tags": ""}, "what to look for"),
        ({"pattern": "a/*.mp4"}, "pattern"),
        ({"tags": "sea monster"}, "cannot look for"),
    ],
)
def test_a_form_that_is_not_complete_is_answered_in_words(house, engine, films, fields, words):
    assert words in said(house, "watch", form(films, **fields))
    assert engine.library.folders() == []


def test_a_video_opens_on_the_video_tab(house, engine, films):
    said(house, "watch", form(films))
    file = until(lambda: engine.library.files().files, lambda f: f and f[0].state == "done")[0]
    staged, remembered, words = run(library.on_library_act(house, "open", file.job.job_id))
    assert json.loads(staged)["job"] == file.job.job_id and staged == remembered and words == ""
    assert "no analysis" in said(house, "open", "nothing").lower()


def test_all_jobs_are_paused_resumed_and_cancelled(house, engine):
    assert said(house, "pause_all") == "" and engine.library.held
    assert said(house, "resume_all") == "" and not engine.library.held
    assert said(house, "cancel_all") == "" and engine.library.held


def test_what_goes_wrong_is_said(house):
    assert "no watched folder" in said(house, "forget", "9")
    assert "no watched folder" in said(house, "forget", "x")
    assert "no watched folder" in said(house, "scan", "9")
    assert "only one that waits" in said(house, "first", "nothing")
    assert "what to clear" in said(house, "clear", "answers")


# What an open page follows


def test_an_open_page_gets_what_differs_and_is_told_when_to_ask_again(engine, films):
    first = changes(engine, DrawnLibrary())
    assert set(first["parts"]) == {"library-folders", "library-queue", "library-files", "library-disk"}
    assert first["every_ms"] == IDLE_MS
    engine.library.watch(films, "mostly red", interval=0.5)
    assert changes(engine, DrawnLibrary())["every_ms"] in (BUSY_MS, IDLE_MS)
    until(lambda: engine.library.files(state="done").total, lambda done: done == 1)
    until(lambda: engine.library.disk(), bool)
    after = changes(engine, DrawnLibrary())
    drawn = {name: mark for name, (mark, _) in after["parts"].items()}
    assert changes(engine, DrawnLibrary(parts=drawn))["parts"] == {}
    assert set(changes(engine, DrawnLibrary(search="nothing", parts=drawn))["parts"]) == {"library-files"}


def test_a_page_behind_the_end_shows_the_last_one(engine, films):
    engine.library.watch(films, "mostly red")
    until(lambda: engine.library.files().total, lambda total: total == 1)
    drawn = changes(engine, DrawnLibrary(offset=5_000))["parts"]["library-files"][1]
    assert "1 to 1 of 1" in drawn


# Scripts


def test_a_script_watches_a_folder_and_reads_what_was_found(engine, films, tmp_path):
    with served(engine, tmp_path / "served") as address:
        client = Client(address, verbose=False)
        folder = client.predict(str(films), "mostly red", interval=0.5, api_name="/watch_folder")
        assert folder["folder"] == str(films)
        until(lambda: client.predict(state="done", api_name="/library")["total"], lambda total: total == 1)
        page = client.predict("red", api_name="/library")
        (file,) = page["files"]
        assert (file["video"], file["found"], file["place"]) == (
            "red.mp4",
            ["mostly red"],
            str(films / "red.mp4"),
        )
        assert client.predict(file["job"]["job_id"], api_name="/job")["status"] == "completed"
        assert client.predict(api_name="/pause_all")["held"]
        assert not client.predict(api_name="/resume_all")["held"]
        assert client.predict(api_name="/queue")["jobs"] == []
        assert client.predict(api_name="/disk_use")["thumbnails"] > 0
        assert client.predict("thumbnails", api_name="/clear_disk")["thumbnails"] == 0
        with pytest.raises(Exception, match="only one that waits"):
            client.predict(file["job"]["job_id"], "first", api_name="/move_job")
        with pytest.raises(Exception, match="There is no state"):
            client.predict(state="lost", api_name="/library")
        with pytest.raises(Exception, match="at most 200 characters"):
            client.predict("x" * 201, api_name="/library")
        with pytest.raises(Exception, match="no folder"):
            client.predict(os.fspath(tmp_path / "none"), "mostly red", api_name="/watch_folder")
        assert client.predict(folder["folder_id"], api_name="/forget_folder")["files"]["done"] == 1
        assert client.predict(api_name="/folders") == []
        client.close()
