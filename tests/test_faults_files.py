"""Files that change under an analysis, and files that only name others: what is said, what is left alone."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest

from engine.backends.base import Frame, FrameAnswer
from engine.errors import HavenError, MediaError, ModelError
from engine.video.frames import probe
from engine.video.previews import Previews
from tests.fakes import FakeBackend
from tests.fixtures.digests import digest
from tests.fixtures.loopback import Loopback
from tests.fixtures.videos import constant, numbered_video
from tests.running import WAIT, Running

FRAMES = 40
ASKED = {"tags": "boat", "interval": 0.1}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_video(tmp_path_factory.mktemp("clips") / "lake.mp4", constant(FRAMES, 10), gop=5).path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_video(
        tmp_path_factory.mktemp("clips") / "other.mp4", constant(FRAMES + 9, 10), gop=5
    ).path


# Midway


def replaced(mine: Path, other: Path) -> None:
    """As most programs save: a new file takes the place."""
    shutil.copy(other, mine.with_suffix(".new"))
    mine.with_suffix(".new").replace(mine)


def written_over(mine: Path, other: Path) -> None:
    """The same file, with another content."""
    mine.write_bytes(other.read_bytes())


def cut_off(mine: Path, other: Path) -> None:
    with mine.open("r+b") as file:
        file.truncate(mine.stat().st_size // 3)


def grown(mine: Path, other: Path) -> None:
    """It was still being written."""
    with mine.open("ab") as file:
        file.write(b"x" * 1000)


@pytest.mark.parametrize("change", [replaced, written_over, cut_off, grown])
def test_a_file_that_changes_while_it_is_analysed_is_not_said_to_be_done(
    tmp_path: Path, clip: Path, other: Path, change: Callable[[Path, Path], None]
) -> None:
    mine = Path(shutil.copy(clip, tmp_path / "mine.mp4"))
    backend = FakeBackend(on_look=lambda frame: change(mine, other) if frame.index == 3 else None)
    house = Running(tmp_path / "data", backend)
    try:
        job = house.run(mine, **ASKED)
        assert job.status == "failed"
        assert "mine.mp4 has changed since the analysis began" in job.error
        assert len(house.frames(job.id)) == job.frames_done > 3, "what was answered before is kept"
        after = house.run(clip, **ASKED)
        assert after.status == "completed", "and the next one runs as if nothing had been"
    finally:
        house.close()


def test_a_file_that_is_only_touched_meanwhile_is_the_same_file(tmp_path: Path, clip: Path) -> None:
    mine = Path(shutil.copy(clip, tmp_path / "mine.mp4"))

    def touch(frame: object) -> None:
        house.runner._hashing._jobs.submit(lambda: None).result(WAIT)  # behind the hash of the file
        os.utime(mine, ns=(1, 1))

    house = Running(tmp_path / "data", FakeBackend(on_look=touch))
    try:
        job = house.run(mine, **ASKED)
        assert (job.status, job.frames_done) == ("completed", FRAMES), job.error
    finally:
        house.close()


@pytest.mark.skipif(os.name != "posix", reason="an open file can be deleted")
def test_a_file_that_is_deleted_meanwhile_is_read_to_its_end(tmp_path: Path, clip: Path) -> None:
    mine = Path(shutil.copy(clip, tmp_path / "mine.mp4"))
    backend = FakeBackend(on_look=lambda frame: mine.unlink(missing_ok=True))
    house = Running(tmp_path / "data", backend)
    try:
        job = house.run(mine, **ASKED)
        assert (job.status, job.frames_done, job.frames_failed) == ("completed", FRAMES, 0), job.error
        with pytest.raises(MediaError, match="There is no file"):
            house.submit(mine, **ASKED)
    finally:
        house.close()


def test_one_that_has_to_be_opened_again_and_is_gone_says_so_and_goes_on_when_it_is_back(
    tmp_path: Path, clip: Path
) -> None:
    """To narrow a span the file is opened once more."""
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    away = tmp_path / "away.mp4"

    def take_away(frame: Frame) -> None:
        if frame.index == 3 and not away.exists():
            mine.rename(away)

    no = FrameAnswer("answered", {"boat": 0.1})
    backend = FakeBackend(answers=dict.fromkeys(range(10, 20), no), on_look=take_away)
    house = Running(tmp_path / "data", backend)
    try:
        job = house.run(mine, tags="boat", interval=0.2, options={"refine": True})
        assert (job.status, job.frames_done) == ("failed", 21), "the last picture is a sample too"
        assert "There is no file" in job.error and "mine.mp4" in job.error
        away.rename(mine)
        job = house.resume(job.id)
        assert (job.status, job.frames_failed) == ("completed", 0), job.error
        assert house.spans(job.id)["boat"][0][0] == 0.0
    finally:
        house.close()


# A model that fails on one frame out of ten


def test_nine_answers_one_marked_and_three_tries(tmp_path: Path, clip: Path) -> None:
    backend = FakeBackend(answers={4: ModelError("it choked")})
    house = Running(tmp_path / "data", backend)
    try:
        job = house.run(clip, tags="boat", interval=0.1, options={"end": 1})
        states = [frame.state for frame in house.frames(job.id)]
        assert states == ["answered"] * 4 + ["failed"] + ["answered"] * 5
        assert (job.status, job.frames_failed) == ("completed_with_errors", 1)
        assert backend.asked.count(4) == 3 and len(backend.asked) == 12
        assert house.frames(job.id)[4].tags == {}, "a failed question is no absent tag"
    finally:
        house.close()


# Files that name others


NAMING = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
    "HLS with a key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{other}"\n#EXTINF:1,\n{other}\n',
    "HLS of playlists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other}\n",
    "concat": "ffconcat version 1.0\nfile '{other}'\n",
    "DASH": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        'bandwidth="1"><BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    ),
    "SDP": (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{other}\n"
        "m=video 9 RTP/AVP 96\n"
    ),
    "ASX": '<asx version="3.0"><entry><ref href="{other}"/></entry></asx>',
    "SMIL": '<smil><body><video src="{other}"/></body></smil>',
    "a plain list": "#EXTM3U\n{other}\n",
}


@pytest.fixture
def asked():
    """A server that is never to be asked, and notes what it is asked all the same."""
    with Loopback(lambda exchange, asked: exchange.whole(404, "")) as server:
        yield server


def _open(path: Path, refused: "SimpleQueue[HavenError]") -> None:
    try:
        probe(path)
    except HavenError as error:
        refused.put(error)


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize("kind", NAMING)
def test_a_file_that_names_others_is_refused_and_no_file_or_address_in_it_is_opened(
    tmp_path: Path, asked: Loopback, kind: str, ending: str
) -> None:
    pipe = tmp_path / "other.ts"
    os.mkfifo(pipe)  # whoever opens it waits for ever
    previews = Previews(tmp_path / "previews", digest)
    path = tmp_path / f"x.{ending}"
    for other in (str(pipe), pipe.name, f"file://{pipe}", f"{asked.url}/a.ts"):
        path.write_text(NAMING[kind].format(other=other))
        refused: SimpleQueue[HavenError] = SimpleQueue()
        threading.Thread(target=_open, args=(path, refused), daemon=True).start()
        assert "cannot be read as a video" in str(refused.get(timeout=WAIT)), f"{other} was opened"
    previews.begin(path)
    pause = threading.Event()
    while previews.view(path).state in ("waiting", "making"):
        pause.wait(0.01)
    assert previews.view(path).state == "failed"
    previews.close()
    assert asked.asked == []
