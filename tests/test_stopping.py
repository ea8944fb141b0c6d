"""Stopping Haven while somebody listens: a real process, real streams, and nothing said on stderr."""

import os
import signal
import socket
import struct
import threading

import httpx
import pytest
from gradio_client import Client

from tests.fixtures.haven_process import HavenProcess
from tests.fixtures.videos import constant, numbered_video

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

WAIT = 60
ROOM = 64 << 20  # bytes: more than the buffers of two sockets take


@pytest.fixture
def haven(tmp_path):
    with HavenProcess(tmp_path / "data", tmp_path / "models", tmp_path / "errors.txt") as running:
        yield running


def said(haven) -> str:
    return (haven.data.parent / "errors.txt").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_stream_ends_and_nothing_is_said(haven, number):
    """That of a page which is open."""
    begun, ended = threading.Event(), threading.Event()

    def listen():
        with httpx.stream("GET", f"{haven.address}/gradio_api/heartbeat/one", timeout=WAIT) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            begun.set()
            for _ in answer.iter_raw():
                pass
        ended.set()  # a whole answer: one that was cut would have raised

    listener = threading.Thread(target=listen)
    listener.start()
    assert begun.wait(WAIT)
    assert haven.stop(number) == 0
    listener.join(WAIT)
    assert ended.is_set()
    assert said(haven) == ""


def test_a_script_that_watches_a_job_keeps_nobody_from_stopping(haven, tmp_path):
    clip = tmp_path / "clip.mp4"
    numbered_video(clip, constant(3000, 30))
    client = Client(haven.address, verbose=False)
    watching = client.submit(str(clip), "dark", interval=0.001, api_name="/analyze_video")
    job_id = next(iter(watching))["job_id"]
    client.predict(job_id, api_name="/pause_job")  # its stream stays open, and says nothing
    assert haven.stop(signal.SIGTERM) == 0
    assert said(haven) == ""
    client.close()


def test_a_file_that_nobody_reads_to_its_end_is_cut_and_nothing_is_said(haven, tmp_path):
    clip = tmp_path / "clip.mp4"
    numbered_video(clip, constant(10, 10))
    with clip.open("ab") as file:  # a box that players skip
        file.write(struct.pack(">I4s", ROOM, b"free"))
        file.truncate(file.tell() + ROOM - 8)
    client = Client(haven.address, verbose=False)
    job_id = client.predict(str(clip), "dark", api_name="/submit_video")["job_id"]
    client.close()
    host, port = haven.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), WAIT) as player:
        player.sendall(f"GET /media/job/{job_id} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        assert player.recv(15) == b"HTTP/1.1 200 OK"
        assert haven.stop(signal.SIGTERM) == 0
    assert said(haven) == ""
