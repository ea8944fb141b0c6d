"""A job whose server goes away: it waits, tries again by itself, and loses nothing."""

import threading

import pytest

from engine.jobs import retries
from engine.jobs.retries import Retries
from engine.video.request import AnalysisRequest
from tests import running
from tests.fixtures import faulty_server as ways
from tests.fixtures.faulty_server import SEES, FaultyServer, refuses, works
from tests.fixtures.videos import constant, numbered_video

WAIT = 60  # seconds after which a test gives up
FRAMES = 10
TIMES = [n / 10 for n in range(FRAMES)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "lake.mp4"
    numbered_video(path, constant(FRAMES, 10))
    return path


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0.05)
    for name in ("OPENAI_BASE_URL", "HAVEN_OPENAI_SERVERS"):
        monkeypatch.delenv(name, raising=False)


def load(engine, server) -> None:
    running.served_by(engine, server.base_url)


def submit(engine, clip) -> str:
    return engine.submit_video(AnalysisRequest.of(clip, "red", "", 0.1)).job_id


def until(engine, job_id, wanted):
    return running.until(lambda: engine.job(job_id), wanted)


def waits_for_its_server(view) -> bool:
    return (view.status, view.reason) == ("paused", "server")


def completed(view) -> bool:
    assert view.status not in ("failed", "completed_with_errors"), view.error
    return view.status == "completed"


def goes_away_after(server, engine, clip, requests: int) -> str:
    """A job in whose middle the server is gone; it gives nothing of the answer that it had begun."""
    held, go = threading.Event(), threading.Event()

    def dies(exchange, asked):
        held.set()
        assert go.wait(WAIT)
        exchange.break_off()

    server.behaviours = [works()] * requests + [dies, ways.closes_at_once]
    job_id = submit(engine, clip)
    assert held.wait(WAIT)
    server.__exit__()
    go.set()
    return job_id


def port_of(server) -> int:
    return server.server_address[1]


def test_a_job_waits_for_its_server_and_goes_on_when_it_is_back(engine, clip):
    server = FaultyServer(works(), listing=SEES).__enter__()
    load(engine, server)
    job_id = goes_away_after(server, engine, clip, 5)
    view = until(engine, job_id, waits_for_its_server)
    assert f"No server answers at {server.base_url}" in view.error and "by itself" in view.error
    kept = engine.frames(job_id)
    assert 0 < len(kept) < FRAMES and {frame.state for frame in kept} == {"answered"}
    with FaultyServer(works(), listing=SEES, port=port_of(server)):
        until(engine, job_id, completed)
    frames = engine.frames(job_id)
    assert [frame.time for frame in frames] == pytest.approx(TIMES)
    assert {frame.state for frame in frames} == {"answered"}
    assert all(0 <= frame.tags["red"] <= 1 for frame in frames)


def test_a_server_that_takes_no_requests_for_a_while_costs_no_frame(engine, clip):
    with FaultyServer(works(), listing=SEES) as server:
        load(engine, server)
        server.behaviours = [works(), *[refuses(503), refuses(429)] * 6, works()]
        job_id = submit(engine, clip)
        until(engine, job_id, completed)
    assert {frame.state for frame in engine.frames(job_id)} == {"answered"}


def test_a_job_that_waits_goes_on_after_a_restart(tmp_path, clip):
    engine = running.opened(tmp_path)
    server = FaultyServer(works(), listing=SEES).__enter__()
    load(engine, server)
    job_id = goes_away_after(server, engine, clip, 5)
    until(engine, job_id, waits_for_its_server)
    engine.close()
    with FaultyServer(works(), listing=SEES, port=port_of(server)):
        again = running.opened(tmp_path)
        try:
            until(again, job_id, completed)
            assert [frame.time for frame in again.frames(job_id)] == pytest.approx(TIMES)
        finally:
            again.close()


def test_a_job_that_a_person_pauses_meanwhile_stays_paused(engine, clip):
    server = FaultyServer(works(), listing=SEES).__enter__()
    load(engine, server)
    job_id = goes_away_after(server, engine, clip, 5)
    until(engine, job_id, waits_for_its_server)
    engine.pause_job(job_id)
    with FaultyServer(works(), listing=SEES, port=port_of(server)):
        until(engine, submit(engine, clip), completed)
        view = engine.job(job_id)
        assert (view.status, view.reason) == ("paused", "user")
        engine.resume_job(job_id)
        until(engine, job_id, completed)


def test_pauses_grow_up_to_a_limit_and_are_short_again_after_an_answer(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_SECONDS", 2.0)
    now = [100.0]
    waits = Retries(lambda: now[0])
    assert waits.due_in("a") == 0
    pauses = []
    for _ in range(8):
        waits.failed("a", 5)
        pauses.append(waits.due_in("a"))
        now[0] += pauses[-1]
        assert waits.due_in("a") == 0
    assert pauses == [2, 4, 8, 16, 32, 64, 120, 120]
    waits.failed("a", 6)
    assert waits.due_in("a") == 2
    assert waits.due_in("b") == 0
