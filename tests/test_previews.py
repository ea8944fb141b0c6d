"""Copies for the browser of videos that it cannot play: the same pictures at the same times."""

import errno
import os
import shutil
import threading
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest
from fake_engine import FakeEngine
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fixtures.digests import digest
from fixtures.sounds import first_sound, heard, pitch, toned_video
from fixtures.videos import audio_only, constant, frame_number, half, numbered_video, turned, variable
from fixtures.videos import changed as changed_file

from engine.cancel import CancelToken
from engine.engine import Engine
from engine.errors import Cancelled
from engine.video.frames import probe
from engine.video.preview_copy import made_of, make_preview
from engine.video.preview_sound import Sound
from engine.video.previews import FULL, Previews, PreviewView, _said
from storage.store import Store
from ui.house import House
from ui.media import Opened
from ui.previews import preview_routes

WAIT = 60
TICK = Fraction(1, 1000)  # as fine as the encoder of MPEG-4 part 2 takes it


@pytest.fixture
def previews(tmp_path):
    made = Previews(tmp_path / "previews", digest)
    yield made
    made.close()


def until(look, *states):
    pause = threading.Event()
    for _ in range(WAIT * 50):
        if (view := look()).state in states:
            return view
        pause.wait(0.02)
    raise AssertionError(view)


def shown(path):
    """Number and time of every picture of a file, seconds."""
    with av.open(str(path)) as container:
        return [
            (frame_number(frame.to_ndarray(format="rgb24")), float(frame.time))
            for frame in container.decode(video=0)
        ]


def copied(video, target):
    make_preview(video, target, CancelToken(), lambda share: None)
    return shown(target)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mp4"])
def test_every_picture_is_shown_when_the_video_shows_it(tmp_path, name):
    codec = {"a.avi": "mpeg4", "a.mkv": "ffv1", "a.mp4": "mpeg4"}[name]
    clip = numbered_video(tmp_path / name, constant(30, 10), codec=codec, clock=TICK)
    found = copied(clip.path, tmp_path / "out.mp4")
    assert [number for number, _ in found] == list(range(30))
    assert [time for _, time in found] == pytest.approx([n / 10 for n in range(30)], abs=0.002)
    info = probe(tmp_path / "out.mp4")
    assert info.codec == "h264" and (info.width, info.height) == (192, 112)


def test_times_that_vary_and_begin_late_are_kept(tmp_path):
    clip = numbered_video(tmp_path / "a.mkv", variable(20), codec="mpeg4", clock=TICK)
    wanted = [float(time) for time in clip.times]
    assert [time for _, time in copied(clip.path, tmp_path / "out.mp4")] == pytest.approx(wanted, abs=0.002)
    late = numbered_video(tmp_path / "late.mp4", constant(10, 10, start=5), codec="mpeg4", clock=TICK)
    assert copied(late.path, tmp_path / "late_out.mp4")[0][1] == pytest.approx(0, abs=0.002)


def test_a_turned_video_is_upright(tmp_path):
    clip = numbered_video(tmp_path / "a.mp4", constant(5, 10))
    on_its_side = turned(tmp_path / "turned.mp4", clip.path, 1)
    make_preview(on_its_side, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.rotation) == (112, 192, 0)


def test_a_large_video_gets_small(tmp_path):
    clip = numbered_video(tmp_path / "a.mp4", constant(3, 10), size=(1920, 1080), codec="mpeg4", clock=TICK)
    found = copied(clip.path, tmp_path / "out.mp4")
    assert [number for number, _ in found] == [0, 1, 2]
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height) == (960, 540)


def test_damage_leaves_the_rest(tmp_path):
    clip = numbered_video(tmp_path / "a.mkv", constant(60, 10), codec="mpeg4", clock=TICK)
    broken = changed_file(tmp_path / "half.mkv", clip.path, half)
    numbers = [number for number, _ in copied(broken, tmp_path / "out.mp4")]
    assert 5 < len(numbers) < 60 and numbers == list(range(len(numbers)))


# What is heard


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mkv", {"sound": "libmp3lame"}),
        ("b.avi", {"sound": "pcm_s16le", "rate": 11_025, "layout": "mono"}),
        ("c.mkv", {"codec": "libx265", "sound": "ac3", "rate": 48_000, "layout": "5.1"}),
        ("d.mkv", {"sound": "libopus", "rate": 48_000}),
        ("e.mkv", {"sound": "flac", "rate": 96_000}),
        ("f.ts", {"codec": "libx265", "sound": "mp2", "clock": Fraction(1, 90_000)}),
        ("g.mp4", {"sound": "aac", "rate": 22_050}),
    ],
)
def test_the_tone_of_a_video_is_heard_in_its_copy_beside_the_same_pictures(tmp_path, name, how):
    clip = toned_video(tmp_path / name, constant(30, 10), **how)
    found = copied(clip.path, tmp_path / "out.mp4")
    assert [number for number, _ in found] == list(range(30))
    assert [time for _, time in found] == pytest.approx([n / 10 for n in range(30)], abs=0.01)
    with av.open(str(tmp_path / "out.mp4")) as container:
        (sound,) = container.streams.audio
        assert sound.codec_context.name == "aac" and sound.channels == (1 if "mono" in how.values() else 2)
    times, samples = heard(tmp_path / "out.mp4")
    assert pitch(times, samples) == pytest.approx(440, abs=3)
    assert times[-1] == pytest.approx(2.9, abs=0.15)


@pytest.mark.parametrize(
    ("name", "start"), [("a.mkv", 0), ("a.mkv", 5), ("a.ts", 0), ("a.ts", 5), ("a.avi", 0)]
)
def test_a_sound_is_heard_when_the_video_sounds(tmp_path, name, start):
    """Silence, then a tone: also where the clock of the file does not begin at zero."""
    sound = "libmp3lame" if name.endswith("avi") else "mp2"
    times = constant(30, 10, start=start)
    ts = {"codec": "libx264", "clock": Fraction(1, 90_000)}
    how = {"sound": sound, "begins": float(start), **(ts if name.endswith("ts") else {})}
    clip = toned_video(tmp_path / name, times, silent_until=start + 1.0, **how)
    make_preview(clip.path, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    assert first_sound(*heard(tmp_path / "out.mp4")) == pytest.approx(1.0, abs=0.08)


def test_a_track_that_begins_later_begins_later_in_the_copy(tmp_path):
    clip = toned_video(tmp_path / "a.mkv", constant(30, 10), sound="mp2", begins=1.5)
    make_preview(clip.path, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    assert first_sound(*heard(tmp_path / "out.mp4")) == pytest.approx(1.5, abs=0.08)


def test_a_video_without_sound_has_a_copy_without_a_track_for_it(tmp_path):
    clip = numbered_video(tmp_path / "a.mkv", constant(5, 10), codec="mpeg4", clock=TICK)
    copied(clip.path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 0


def test_damaged_sound_costs_no_picture(tmp_path):
    """Every block of the track is noise, which its decoder refuses or makes something of."""
    clip = toned_video(tmp_path / "a.avi", constant(30, 10), sound="libmp3lame")
    broken = changed_file(tmp_path / "broken.avi", clip.path, noise_for_sound)
    assert [number for number, _ in copied(broken, tmp_path / "out.mp4")] == list(range(30))


def noise_for_sound(data):
    """Of an AVI file: the chunks of its second stream."""
    place, noise = data.index(b"movi"), np.random.default_rng(1)
    while (place := data.find(b"01wb", place)) >= 0 and place < data.index(b"idx1"):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        data[place + 8 : place + 8 + size] = noise.integers(0, 256, size, np.uint8).tobytes()
        place += 8 + size
    return data


def test_sound_whose_codec_is_not_known_is_left_out_and_the_log_says_so(tmp_path, caplog):
    clip = toned_video(tmp_path / "a.mkv", constant(30, 10), sound="mp2")
    strange = changed_file(
        tmp_path / "x.mkv", clip.path, lambda data: data.replace(b"A_MPEG/L2", b"A_STRANGE")
    )
    caplog.set_level("INFO", "engine.video.preview_sound")
    assert [number for number, _ in copied(strange, tmp_path / "out.mp4")] == list(range(30))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 0
    assert "x.mkv has no sound: its codec is not known here" in caplog.text


def test_sound_that_changes_its_kind_midway_goes_on(tmp_path):
    """As it does in recordings of broadcasts."""
    how = {"sound": "mp2", "codec": "libx264", "clock": Fraction(1, 90_000)}
    first = toned_video(tmp_path / "1.ts", constant(20, 10), rate=44_100, **how)
    then = constant(20, 10, start=2)
    second = toned_video(tmp_path / "2.ts", then, rate=48_000, layout="mono", begins=2.0, **how)
    both = tmp_path / "both.ts"
    both.write_bytes(first.path.read_bytes() + second.path.read_bytes())
    assert [number for number, _ in copied(both, tmp_path / "out.mp4")] == [*range(20), *range(20)]
    times, samples = heard(tmp_path / "out.mp4")
    assert times[-1] == pytest.approx(3.9, abs=0.3)
    for start in (0.2, 2.2):
        part = (times > start) & (times < start + 1.5)
        assert pitch(times[part], samples[part]) == pytest.approx(440, abs=3)


def test_sound_that_cannot_be_encoded_ends_and_the_log_says_so(tmp_path, caplog, monkeypatch):
    clip = toned_video(tmp_path / "a.mkv", constant(30, 10), sound="mp2")
    monkeypatch.setattr(Sound, "_resampled", refuse)
    caplog.set_level("INFO", "engine.video.preview_sound")
    assert [number for number, _ in copied(clip.path, tmp_path / "out.mp4")] == list(range(30))
    assert "a.mkv has no sound from here on: it is of no use" in caplog.text


def refuse(sound, frame):
    raise ValueError("it is of no use")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_disk_that_fills_up_is_said_to_be_full(tmp_path):
    clip = toned_video(tmp_path / "a.avi", constant(50, 10), sound="libmp3lame")
    with pytest.raises(OSError) as full:
        make_preview(clip.path, Path("/dev/full"), CancelToken(), lambda share: None)
    assert _said(full.value) == FULL


# Making and keeping


def test_a_copy_is_made_once_and_found_again(previews, tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(20, 10), codec="mpeg4", clock=TICK)
    assert previews.view(clip.path).state == "none" and previews.file(clip.path) is None
    assert previews.begin(clip.path).state in ("waiting", "making", "ready")
    assert until(lambda: previews.view(clip.path), "ready").progress == 1.0
    place = previews.file(clip.path)
    before = place.stat().st_mtime_ns
    assert previews.begin(clip.path).state == "ready"
    assert place.stat().st_mtime_ns == before
    assert [file.suffix for file in place.parent.iterdir()] == [".mp4"]
    numbered_video(tmp_path / "a.avi", constant(21, 10), codec="mpeg4", clock=TICK)
    assert previews.view(clip.path).state == "none", "it is another video now"


@pytest.fixture
def twins(tmp_path):
    """Two videos of 20 and 21 pictures, of the same size and date."""
    of_20 = numbered_video(tmp_path / "a.avi", constant(20, 10), codec="mpeg4", clock=TICK).path
    of_21 = numbered_video(tmp_path / "b.avi", constant(21, 10), codec="mpeg4", clock=TICK).path
    size = max(of_20.stat().st_size, of_21.stat().st_size)
    for path in (of_20, of_21):
        os.truncate(path, size)
        os.utime(path, ns=(10**18, 10**18))
    return of_20, of_21


def copy_of(previews, video):
    previews.begin(video)
    until(lambda: previews.view(video), "ready")
    return previews.file(video)


def swapped_whole(video, other):
    before = video.stat()
    other.replace(video)
    until_the_clock_has_moved(video, before)


def written_over(video, other):
    before = video.stat()
    video.write_bytes(other.read_bytes())
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    until_the_clock_has_moved(video, before)


def until_the_clock_has_moved(video, before):
    """The clock of a file system may stand still for some thousandths of a second."""
    while video.stat().st_ctime_ns == before.st_ctime_ns:
        video.chmod(0o600)


@pytest.mark.parametrize("swap", [swapped_whole, written_over])
def test_another_video_of_the_same_size_and_date_gets_a_copy_of_its_own(previews, twins, swap):
    video, other = twins
    assert len(shown(copy_of(previews, video))) == 20
    before = video.stat()
    swap(video, other)
    assert (video.stat().st_size, video.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert previews.view(video).state in ("waiting", "making")
    assert len(shown(copy_of(previews, video))) == 21
    assert len(list(previews._folder.iterdir())) == 1, "the old one takes no room any more"


def test_a_video_that_was_only_touched_keeps_its_copy(previews, twins, tmp_path):
    copy = copy_of(previews, twins[0])
    made = copy.stat().st_ino
    for touch in (lambda video: os.link(video, tmp_path / "kept.avi"), lambda video: video.chmod(0o600)):
        touch(twins[0])
        assert previews.file(twins[0]) == copy, "a film that plays goes on"
        until(lambda: previews.view(twins[0]), "ready")
        assert previews.file(twins[0]).stat().st_ino == made
    assert copy.stat().st_mtime_ns == twins[0].stat().st_ctime_ns, "it is not read again"


class Reader:
    """Reads videos, but those on `slow` only once they are there no more; remembers which it read."""

    def __init__(self):
        self.read, self.stopped, self.slow = [], 0, set()

    def __call__(self, video, cancel):
        self.read.append(video)
        assert threading.current_thread() is not threading.main_thread(), "somebody waits for an answer"
        try:
            while video in self.slow and not cancel.wait(0.01):
                pass
            return digest(video, cancel)
        except Cancelled:
            self.stopped += 1
            raise


@pytest.fixture
def reader():
    return Reader()


@pytest.fixture
def read_previews(tmp_path, reader):
    made = Previews(tmp_path / "previews", reader)
    yield made
    made.close()


def test_nobody_who_asks_for_a_copy_waits_until_its_video_is_read(read_previews, reader, twins):
    """As where an upload is swept away, of which the video is a link: its copy still shows it."""
    video, copy = twins[0], copy_of(read_previews, twins[0])
    made = copy.stat().st_ino
    reader.slow.add(video)
    until_the_clock_has_moved(video, video.stat())
    assert read_previews.begin(video).state == read_previews.view(video).state == "waiting"
    assert read_previews.file(video) == copy
    assert read_previews.stop(video).state == "none"
    assert read_previews.begin(video).state == "waiting"
    reader.slow.clear()
    until(lambda: read_previews.view(video), "ready")
    assert copy.stat().st_ino == made, "it was not made again"
    assert reader.stopped == 1


def test_a_copy_that_is_there_does_not_wait_for_one_that_is_being_made(read_previews, reader, twins):
    video, other = twins
    copy_of(read_previews, video)
    until_the_clock_has_moved(video, video.stat())
    reader.slow.add(other)
    assert read_previews.begin(other).state == "waiting"
    until(lambda: read_previews.view(video), "ready")
    assert read_previews.view(other).state == "waiting"


def test_a_playing_film_whose_video_is_another_now_does_not_go_on_for_long(read_previews, twins):
    video, other = twins
    copy_of(read_previews, video)
    swapped_whole(video, other)
    wanted = digest(video, CancelToken())

    def played():
        """As a film that plays asks; nobody else does."""
        copy = read_previews.file(video)
        return PreviewView("ready" if copy is not None and made_of(copy) == wanted else "none")

    until(played, "ready")
    assert len(shown(read_previews.file(video))) == 21


def test_a_copy_whose_video_cannot_be_read_is_not_shown_on(tmp_path, twins):
    def fails(video, cancel):
        raise OSError(errno.EIO, "Input/output error")

    previews = Previews(tmp_path / "previews", digest)
    copy_of(previews, twins[0])
    previews.close()
    until_the_clock_has_moved(twins[0], twins[0].stat())
    again = Previews(tmp_path / "previews", fails)
    again.begin(twins[0])
    said = until(lambda: again.view(twins[0]), "failed").message
    assert said == "No preview can be made: Input/output error."
    assert again.file(twins[0]) is None and again.view(twins[0]).state == "failed"
    again.close()


@pytest.mark.parametrize("kept", ["by the second", "not at all"])
def test_a_data_folder_that_keeps_dates_less_finely_has_a_video_read_once(
    read_previews, reader, twins, monkeypatch, kept
):
    finely = os.utime

    def coarsely(path, ns):
        if kept == "not at all":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        finely(path, ns=tuple(date // 10**9 * 10**9 for date in ns))

    monkeypatch.setattr(os, "utime", coarsely)
    copy = copy_of(read_previews, twins[0])
    assert copy.stat().st_mtime_ns != twins[0].stat().st_ctime_ns
    assert read_previews.begin(twins[0]).state == read_previews.view(twins[0]).state == "ready"
    assert read_previews.file(twins[0]) == copy and reader.read == [twins[0]]


class UntilItIsReady:
    """A lock that whoever asks for a copy gets only once that is made: the worst moment there is."""

    def __init__(self, real, reader, making):
        self._real, self._reader, self._making = real, reader, making

    def __enter__(self):
        self._reader.slow.clear()
        until(lambda: self._making.view, "ready")
        return self._real.__enter__()

    def __exit__(self, *error):
        return self._real.__exit__(*error)


@pytest.mark.parametrize("verb", ["begin", "view"])
def test_a_copy_that_gets_ready_between_two_looks_is_ready(read_previews, reader, twins, verb):
    reader.slow.add(twins[0])
    read_previews.begin(twins[0])
    (making,) = read_previews._makings.values()
    read_previews._lock = UntilItIsReady(read_previews._lock, reader, making)
    assert getattr(read_previews, verb)(twins[0]).state == "ready"
    copy_of(read_previews, twins[1])  # behind whatever was begun before
    assert reader.read == list(twins), "and is not made a second time"


def test_a_copy_of_an_older_haven_serves_until_its_video_is_changed(previews, twins):
    video, other = twins
    copy = copy_of(previews, video)
    make_preview(video, copy, CancelToken(), lambda share: None)  # it does not say what it is a copy of
    os.utime(copy, ns=(0, video.stat().st_ctime_ns + 1))
    assert len(shown(copy_of(previews, video))) == 20 and made_of(copy) == ""
    swapped_whole(video, other)
    os.utime(copy, ns=(0, video.stat().st_ctime_ns - 1))
    assert len(shown(copy_of(previews, video))) == 21


def test_a_video_that_changes_while_it_is_copied_gets_no_copy(tmp_path, twins):
    video, other = twins

    def or_swap(path, cancel):
        found = digest(path, cancel)
        if other.exists():
            swapped_whole(video, other)
        return found

    previews = Previews(tmp_path / "previews", or_swap)
    previews.begin(video)
    assert "changed while its copy was made" in until(lambda: previews.view(video), "failed").message
    assert list((tmp_path / "previews").iterdir()) == []
    assert len(shown(copy_of(previews, video))) == 21
    previews.close()


def test_what_a_killed_process_left_half_made_goes_at_the_next_start(tmp_path):
    folder = tmp_path / "previews"
    folder.mkdir()
    left = (f"{'a' * 32}.17.part", f"{'b' * 32}.4711.part")
    others = (f"{'a' * 32}.mp4", "mine.part", f"{'c' * 32}.part")
    for name in left + others:
        (folder / name).write_bytes(b"x")
    exports = tmp_path / "exports"
    exports.mkdir()
    for name in (f".{'a' * 32}.partial", "lake.AI.json"):
        (exports / name).write_bytes(b"x")
    engine = Engine(Store.open(tmp_path), tmp_path / "models")
    try:
        engine.start()
        assert {place.name for place in folder.iterdir()} == set(others)
        assert [place.name for place in exports.iterdir()] == ["lake.AI.json"]
    finally:
        engine.close()


def test_what_cannot_be_copied_says_why(previews, tmp_path):
    sound = audio_only(tmp_path / "sound.mp4")
    previews.begin(sound)
    assert "holds no video" in until(lambda: previews.view(sound), "failed").message
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'a.mp4'\n")
    previews.begin(tmp_path / "list.mp4")
    assert until(lambda: previews.view(tmp_path / "list.mp4"), "failed").message
    with pytest.raises(OSError):
        previews.begin(tmp_path / "missing.mp4")


def test_it_stops_when_it_is_told_to_and_leaves_nothing(previews, tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(3000, 25), codec="mpeg4", clock=TICK)
    previews.begin(clip.path)
    until(lambda: previews.view(clip.path), "making")
    assert previews.stop(clip.path).state == "none"
    previews.close()
    assert list((tmp_path / "previews").iterdir()) == []


def of_many_pictures(folder):
    return numbered_video(folder / "a.avi", constant(50, 10), codec="mpeg4", clock=TICK)


def of_one_picture_before_minutes_of_sound(folder):
    return toned_video(folder / "a.mkv", [Fraction(0), Fraction(120)], sound="mp2")


@pytest.mark.parametrize(
    ("video", "most"), [(of_many_pictures, 4), (of_one_picture_before_minutes_of_sound, 1)]
)
def test_a_cancelled_copy_reads_no_further(tmp_path, video, most):
    cancel, shares = CancelToken(), []

    def progress(share):
        shares.append(share)
        cancel.cancel()

    with pytest.raises(Cancelled):
        make_preview(video(tmp_path).path, tmp_path / "out.mp4", cancel, progress)
    assert len(shares) <= most


def test_closing_stops_what_is_being_made(tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(3000, 25), codec="mpeg4", clock=TICK)
    other = shutil.copy(clip.path, tmp_path / "b.avi")
    previews = Previews(tmp_path / "previews", digest)
    previews.begin(clip.path)
    previews.begin(type(clip.path)(other))
    previews.close()
    assert list((tmp_path / "previews").glob("*")) == []


def test_a_page_has_a_copy_made_follows_it_and_plays_it(tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(20, 10), codec="mpeg4", clock=TICK)
    engine = FakeEngine(tmp_path / "data")
    house = House(engine, tmp_path)
    token = house.opened.add(Opened(clip.path, "a.avi"))
    app = FastAPI()
    app.include_router(preview_routes(house))
    asked = TestClient(app)
    address = f"/media/opened/{token}/preview"
    assert asked.get(address).json() == {"state": "none", "progress": 0.0, "message": ""}
    assert asked.get(f"{address}.mp4").status_code == 404
    assert asked.post(address).json()["state"] in ("waiting", "making", "ready")
    until(lambda: engine.previews.view(clip.path), "ready")
    part = asked.get(f"{address}.mp4", headers={"range": "bytes=0-99"})
    assert (part.status_code, part.headers["content-type"], len(part.content)) == (206, "video/mp4", 100)
    assert asked.delete(address).json()["state"] == "ready"
    assert asked.get("/media/opened/unknown/preview").status_code == 404
    assert asked.post("/media/job/unknown/preview").status_code == 404
    clip.path.unlink()
    for gone in (asked.post(address), asked.get(address), asked.get(f"{address}.mp4")):
        assert (gone.status_code, gone.json()["detail"]) == (404, "The video is not there any more.")
    engine.close()


class OnABadDisk(type(Path())):
    """A video of which the disk says nothing but why."""

    why = errno.EIO

    def stat(self, **how):
        raise OSError(self.why, os.strerror(self.why), str(self))


@pytest.mark.parametrize(
    ("why", "status", "said"),
    [
        (errno.EACCES, 403, "is closed to you. Change its permissions"),
        (errno.EIO, 503, "cannot be read: the disk reports a fault"),
        (errno.ENOTDIR, 404, "is a file, not a folder"),
    ],
)
def test_it_is_said_why_a_video_cannot_be_had(tmp_path, monkeypatch, why, status, said):
    monkeypatch.setattr(OnABadDisk, "why", why)
    engine = FakeEngine(tmp_path / "data")
    house = House(engine, tmp_path)
    token = house.opened.add(Opened(OnABadDisk(os.fsdecode(b"/films/a\xff.avi")), "a.avi"))
    app = FastAPI()
    app.include_router(preview_routes(house))
    asked, address = TestClient(app, raise_server_exceptions=False), f"/media/opened/{token}/preview"
    refused = (asked.get(address), asked.post(address), asked.delete(address), asked.get(f"{address}.mp4"))
    for answer in refused:
        assert answer.status_code == status
        assert "/films/a?.avi" in answer.json()["detail"] and said in answer.json()["detail"]
    engine.close()


class OnASlowDisk(type(Path())):
    """A video that remembers which threads have touched its disk."""

    touched: ClassVar[list[str]] = []

    def stat(self, **how):
        self.touched.append(threading.current_thread().name)
        return super().stat(**how)

    def is_file(self, **how):
        self.touched.append(threading.current_thread().name)
        return super().is_file(**how)


def test_the_disk_of_a_video_holds_up_no_other_page(tmp_path):
    engine = FakeEngine(tmp_path / "data")
    house = House(engine, tmp_path)
    token = house.opened.add(Opened(OnASlowDisk(tmp_path / "a.avi"), "a.avi"))
    (tmp_path / "a.avi").write_bytes(b"")
    app = FastAPI()
    app.include_router(preview_routes(house))
    OnASlowDisk.touched.clear()
    assert TestClient(app).get(f"/media/opened/{token}/preview.mp4").status_code == 404
    assert OnASlowDisk.touched and all(name.startswith("page-slow") for name in OnASlowDisk.touched)
    engine.close()
