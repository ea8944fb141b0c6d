"""Who may come in, and what never goes out: real requests to a real server on this machine."""

import asyncio
import errno
import http.client
import json
import re
import shutil
import socket
import subprocess
import tempfile
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fake_engine import FakeEngine
from gradio_client import handle_file
from serving import served

from engine.video.request import AnalysisRequest
from tests.running import until
from ui.first_paint import FirstPaint
from ui.page_files import file_mark
from ui.uploads import RoomForUploads
from ui.widgets import ASSETS

SECRET = "the-secret-of-this-machine"
FORGED = "gradio.FileData"
UPLOAD = "/gradio_api/upload"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return FakeEngine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def address(engine, data):
    with served(engine, data) as base:
        yield base


@pytest.fixture(scope="module")
def http_client(address):
    with httpx.Client(base_url=address, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def video(engine, tmp_path):
    """A file that stands for a video, and a job of it."""
    place = tmp_path / "lake.mp4"
    place.write_bytes(bytes(range(256)) * 40)
    return place


@pytest.fixture
def job(engine, video):
    made = engine.submit_video(AnalysisRequest.of(video, tags="dark"))
    engine.work(made.job_id, 2)
    return engine.job(made.job_id)


def test_the_page_and_its_identity_answer(http_client):
    page = http_client.get("/")
    assert page.status_code == 200
    assert "haven/assets/look.js" in page.text
    assert "gradio_config" in page.text
    assert http_client.get("/haven").json()["app"] == "haven"


def test_the_page_names_every_style_and_script_that_there_is(http_client):
    named = re.findall(r"haven/assets/(\w+\.(?:css|js))", http_client.get("/").text)
    assert sorted(named) == sorted(file.name for file in ASSETS.iterdir() if file.suffix in (".css", ".js"))


def test_the_pages_own_files_are_kept_by_a_browser_until_they_are_other_ones(http_client, tmp_path):
    page = http_client.get("/").text
    addresses = re.findall(r'(?:src|href)="(haven/assets/[^"]+)"', page)
    assert addresses
    for address in addresses:
        assert "immutable" in http_client.get(f"/{address}").headers["cache-control"], address
    for other in ("look.js", "look.js?v=0-0"):
        assert http_client.get(f"/haven/assets/{other}").headers["cache-control"] == "no-cache"
    file = tmp_path / "look.js"
    file.write_text("1")
    before = file_mark(file)
    file.write_text("1 + 1")
    assert file_mark(file) != before


@pytest.mark.parametrize("head", [b"<head>", b'<head lang="en">', b"<HEAD\n>"])
def test_the_pages_own_style_comes_first_whatever_its_head_looks_like(head):
    page = _first_paint(b"<header>a</header>" + head + b"<title>Haven</title>")
    assert page.index(head) < page.index(b"haven/assets/look.js") < page.index(b"<title>")


def test_a_page_without_a_head_is_not_sent_as_if_it_were_whole():
    with pytest.raises(RuntimeError, match="no <head>"):
        _first_paint(b"<html><header></header></html>")
    assert _first_paint(b"Internal Server Error", status=500) == b"Internal Server Error"


@pytest.mark.parametrize("path", ["/", "/haven", "/follow", "/config", "/gradio_api/info", "/theme.css"])
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.7:7860", "", "[::2]", "evil@127.0.0.1"]
)
def test_a_foreign_host_is_refused(http_client, path, host):
    assert http_client.get(path, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_every_name_of_this_machine_is_answered(http_client, address, host):
    port = urlsplit(address).port
    assert http_client.get("/haven", headers={"host": f"{host}:{port}"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/follow"),
        ("GET", "/gradio_api/queue/data?session_hash=x"),
        ("GET", "/gradio_api/heartbeat/x"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/call/status"),
        ("POST", "/gradio_api/upload"),
        ("OPTIONS", "/gradio_api/queue/join"),
        ("DELETE", "/haven"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_another_sites_page_is_refused_by_every_method(http_client, method, path, headers):
    assert http_client.request(method, path, headers=headers).status_code == 403


def test_our_own_page_and_a_link_to_it_are_let_in(http_client, address):
    ours = {"origin": address, "sec-fetch-site": "same-origin"}
    assert http_client.get("/follow", headers=ours).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert http_client.get("/", headers=link).status_code == 200
    assert http_client.get("/follow", headers=link).status_code == 403


def test_every_answer_forbids_what_the_page_does_not_need(http_client):
    for path in ("/", "/follow", "/config", "/no/such/page"):
        headers = http_client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


@pytest.fixture
def looked_up(monkeypatch):
    """The names that this process asks the network for."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def noted(host, *args, **kwargs):
        asked.append(host)
        return really("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    return asked


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("key", ["path", "url"])
def test_no_file_reference_makes_the_server_ask_outside(http_client, looked_up, scheme, key):
    forged = {"path": "lake.mp4", key: f"{scheme}://films.example/lake.mp4", "meta": {"_type": FORGED}}
    for name, *more in (("submit_video", "dark", "", 2, {}), ("analyze_video", "dark", "", 2, {}), ("job",)):
        called = http_client.post(f"/gradio_api/call/{name}", json={"data": [forged, *more]})
        event = called.json()["event_id"]
        said = http_client.get(f"/gradio_api/call/{name}/{event}").text
        assert "event: error" in said
        if key == "path":
            assert "Haven fetches nothing from outside" in said
    assert "films.example" not in looked_up


@pytest.fixture
def small_disk(data, monkeypatch):
    """Uploads lie on a disk of a megabyte: a real one where one may be mounted, else one that says so."""
    uploads = data / "tmp"
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(uploads)]
    mounted = shutil.which("mount") and subprocess.run(mounting, capture_output=True).returncode == 0
    if not mounted:
        monkeypatch.setattr("gradio.route_utils.NamedTemporaryFile", _nearly_full)
    yield uploads
    if mounted:
        subprocess.run(["umount", "--lazy", str(uploads)], check=True)


def _nearly_full(**how):
    file = tempfile.NamedTemporaryFile(**how)  # noqa: SIM115
    write = file.file.write

    def or_refuse(some: bytes) -> int:
        if file.tell() + len(some) > 1 << 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(some)

    file.write = or_refuse
    return file


def test_an_upload_to_a_full_disk_is_refused_with_a_sentence_and_nothing_of_it_stays(http_client, small_disk):
    refused = http_client.post(UPLOAD, files={"files": ("lake.mp4", bytes(3 << 20))})
    assert refused.status_code == 507
    assert refused.text.startswith(f"The disk is full. Free some space on the disk of {small_disk.parent}")
    assert _unfinished(small_disk.parent) == []
    taken = http_client.post(UPLOAD, files={"files": ("pond.mp4", bytes(600 << 10))})
    assert taken.status_code == 200, "the room was given back"
    assert Path(taken.json()[0]).stat().st_size == 600 << 10


def test_a_script_reads_that_too(client, small_disk, tmp_path):
    video = tmp_path / "lake.mp4"
    video.write_bytes(bytes(3 << 20))
    with pytest.raises(httpx.HTTPStatusError, match="507 Insufficient Storage") as refused:
        client.predict(handle_file(video), "dark", api_name="/submit_video")
    assert "Free some space" in refused.value.response.text


def test_of_an_upload_that_is_cut_off_nothing_stays(address, http_client, data):
    whole = http_client.build_request("POST", UPLOAD, files={"files": ("lake.mp4", bytes(3 << 20))})
    head = "".join(f"{name}: {value}\r\n" for name, value in whole.headers.items())
    host, port = urlsplit(address).hostname, urlsplit(address).port
    with socket.create_connection((host, port)) as sending:
        sending.sendall(f"POST {UPLOAD} HTTP/1.1\r\n{head}\r\n".encode() + whole.read()[: 2 << 20])
        until(lambda: _unfinished(data), bool)
    until(lambda: _unfinished(data), lambda left: left == [])


def _unfinished(data: Path) -> list[Path]:
    return [file for file in (data / "tmp").iterdir() if file.is_file()]


@pytest.mark.parametrize("error", [None, PermissionError(errno.EACCES, "Permission denied")])
def test_an_answer_that_any_other_fault_broke_goes_out_whole(tmp_path, error):
    said = [
        {"type": "http.response.start", "status": 500, "headers": []},
        {"type": "http.response.body", "body": b"brok", "more_body": True},
        {"type": "http.response.body", "body": b"en"},
    ]
    sent: list[dict] = []

    async def app(scope, receive, send):
        for message in said:
            await send(message)
        if error is not None:
            raise error

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": UPLOAD, "method": "POST", "headers": []}
    with nullcontext() if error is None else pytest.raises(PermissionError):
        asyncio.run(RoomForUploads(app, tmp_path)(scope, None, send))
    assert sent == said


def _endpoints(http_client):
    """Every endpoint that a request can reach: public ones by name, all of them by number."""
    config = http_client.get("/config").json()
    return config["dependencies"]


def test_a_forged_file_reference_reads_no_file_through_any_endpoint(http_client, data, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    forged = {"path": str(secret), "orig_name": "lake.mp4", "meta": {"_type": FORGED}}
    dependencies = _endpoints(http_client)
    assert len(dependencies) > 20
    for dependency in dependencies:
        given = {
            "data": [forged] * len(dependency["inputs"]),
            "fn_index": dependency["id"],
            "session_hash": "s",
        }
        said = http_client.post("/gradio_api/queue/join", json=given)
        assert SECRET not in said.text
        if dependency["api_name"] and dependency["inputs"]:
            called = http_client.post(
                f"/gradio_api/call/{dependency['api_name']}", json={"data": given["data"]}
            )
            if called.status_code == 200:
                event = called.json()["event_id"]
                assert SECRET not in _first_event(
                    http_client, f"/gradio_api/call/{dependency['api_name']}/{event}"
                )
    assert SECRET not in _everything_below(data / "tmp")


def test_a_forged_video_is_refused_with_a_reason(http_client, tmp_path, engine):
    secret = tmp_path / "secret.mp4"
    secret.write_text(SECRET)
    forged = {"path": str(secret), "meta": {"_type": FORGED}}
    before = len(engine.known_jobs)
    for name in ("submit_video", "analyze_video"):
        event = http_client.post(f"/gradio_api/call/{name}", json={"data": [forged, "dark"]}).json()[
            "event_id"
        ]
        answer = http_client.get(f"/gradio_api/call/{name}/{event}").text
        assert "event: error" in answer
    assert len(engine.known_jobs) == before


@pytest.mark.parametrize("path", ["/etc/passwd", "{data}/haven.db", "{data}/tmp/../haven.db"])
def test_gradios_file_route_gives_nothing_of_this_machine(http_client, data, path):
    (data / "haven.db").write_text(SECRET)
    answer = http_client.get(f"/gradio_api/file={path.format(data=data)}")
    assert answer.status_code in (403, 404)
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/haven/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/haven/assets/../page.py",
        "/haven/assets/%2e%2e/page.py",
        "/haven/assets/nothing.js",
        "/thumbnails/../0.jpg",
        "/thumbnails/%2e%2e/0.jpg",
        "/thumbnails/..%2f..%2fx/0.jpg",
        "/thumbnails/job0/nonsense.jpg",
        "/thumbnails/nothing/999.jpg",
        "/media/job/nothing",
        "/media/job/..%2f..%2fetc%2fpasswd",
        "/media/opened/nothing",
        "/media/opened/..%2f..%2fetc%2fpasswd",
        "/exports/nothing.json",
        "/exports/..%2fnothing.json",
    ],
)
def test_no_route_of_ours_leaves_its_folder(address, path):
    """Sent as it stands: a client library would tidy the dots away."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    assert answer.status in (404, 422)
    assert "root:" not in text
    assert "gr.Blocks" not in text


def test_a_jobs_video_is_played_in_ranges(http_client, job, video):
    whole = http_client.get(f"/media/job/{job.job_id}")
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.content == video.read_bytes()
    part = http_client.get(f"/media/job/{job.job_id}", headers={"range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == bytes(range(10, 20))


@pytest.mark.parametrize(
    ("name", "served_as"),
    [
        ("lake.MP4", "video/mp4"),
        ("lake.webm", "video/webm"),
        ("lake.html", "application/octet-stream"),
        ("lake.svg", "application/octet-stream"),
        ("lake.js", "application/octet-stream"),
        ("lake", "application/octet-stream"),
    ],
)
def test_a_persons_file_is_served_as_a_video_or_as_bytes(http_client, engine, tmp_path, name, served_as):
    place = tmp_path / name
    place.write_bytes(b"<script>alert(1)</script>")
    made = engine.submit_video(AnalysisRequest.of(place, tags="dark"))
    assert http_client.get(f"/media/job/{made.job_id}").headers["content-type"] == served_as


def test_a_thumbnail_is_served_once_it_is_written(http_client, engine, job):
    place = engine.thumbnail_path(job.job_id, 2_000_000)
    address = job.latest.thumbnail
    assert http_client.get(address).headers["cache-control"] == "no-store"
    waiting = http_client.get(address).content
    engine.change(job.job_id, status="completed")
    assert http_client.get(address).content != waiting, "none will come"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"\xff\xd8picture")
    answer = http_client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert "immutable" in answer.headers["cache-control"]


def test_an_export_arrives_as_a_file(http_client, job):
    answer = http_client.get(f"/exports/{job.job_id}.json")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    assert http_client.get(f"/exports/{job.job_id}.exe").status_code == 404


def test_a_page_is_sent_only_what_it_does_not_show_yet(http_client, engine, job):
    first = http_client.get("/follow", params={"job": job.job_id}).json()
    assert len(first["cards"]) == 2
    have = ",".join(f"{name}.{mark}" for name, (mark, _) in first["parts"].items())
    drawn = {"job": job.job_id, "frames": 2, "have": have}
    again = http_client.get("/follow", params=drawn).json()
    assert (again["cards"], again["parts"]) == ([], {})
    engine.work(job.job_id)
    more = http_client.get("/follow", params=drawn).json()
    assert len(more["cards"]) == 1
    assert set(more["parts"]) == {"run"}


def test_following_a_deleted_job_says_that_it_is_gone(http_client):
    assert http_client.get("/follow", params={"job": "deleted"}).json()["job"] is None


def test_nothing_of_the_configuration_names_this_machines_folders(http_client, data, engine):
    config = json.dumps(http_client.get("/config").json())
    assert str(data) not in config
    assert str(engine.folder) not in config


def _first_event(http_client, path: str) -> str:
    """What a stream says first; one that was let in would go on for ever."""
    with http_client.stream("GET", path) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data:") and line != "data: null")
        return next(lines, "")


def _everything_below(folder: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file())


def _first_paint(page: bytes, status: int = 200) -> bytes:
    """What becomes of a page on its way out."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": page})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/", "method": "GET", "headers": []}
    asyncio.run(FirstPaint(app)(scope, None, send))
    return sent[-1]["body"]
