"""What sampling costs: only what is needed is read and decoded, in bounded memory, until it is stopped."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from engine.cancel import CancelToken
from engine.errors import Cancelled
from engine.settings import Sampling
from engine.video.crew import Decoder
from engine.video.frames import sample
from engine.video.packets import PacketReader
from tests.fixtures.videos import Clip, constant, frame_number, numbered_video, turned
from tests.running import decoding


class Counter:
    """Counts packets that are read, and packets that are decoded and how."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = 0
        self.sent = 0
        self.on_sent = lambda count: None
        read, send = PacketReader._read, Decoder._send

        def counted_read(reader: PacketReader) -> object:
            self.read += 1
            return read(reader)

        def counted_send(decoder: Decoder, packet: object) -> object:
            self.sent += packet is not None
            self.on_sent(self.sent)
            return send(decoder, packet)

        monkeypatch.setattr(PacketReader, "_read", counted_read)
        monkeypatch.setattr(Decoder, "_send", counted_send)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Twenty seconds; a key picture each second."""
    return numbered_video(tmp_path_factory.mktemp("cost") / "a.mp4", constant(600), gop=30, b_frames=2)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = decoding()
    yield
    assert decoding() <= before


def numbers(clip: Clip, interval: Fraction, cancel: CancelToken | None = None) -> list[int]:
    frames = sample(clip.path, Sampling(interval), cancel or CancelToken())
    return [frame_number(frame.picture) for frame in frames]


@pytest.mark.parametrize(
    ("every", "decoded"),
    [
        (30, 20 + 29),  # the key pictures, and the last group to its end
        (60, 10 + 30),
        (75, 4 * (1 + 16) + 30 + 30),
        (15, 20 * 17 + 13),
        (1, 600),
    ],
)
def test_of_each_group_no_more_is_decoded_than_up_to_its_last_sample(
    clip: Clip, count: Counter, every: int, decoded: int
) -> None:
    assert numbers(clip, Fraction(every, 30)) == sorted({*range(0, 600, every), 599})
    assert count.sent <= decoded + 20  # a sample may need a few pictures that are shown after it


@pytest.mark.parametrize(("every", "read"), [(300, 110), (600, 75), (100, 400)])
def test_groups_that_nobody_needs_are_not_even_read(
    clip: Clip, count: Counter, every: int, read: int
) -> None:
    assert numbers(clip, Fraction(every, 30)) == sorted({*range(0, 600, every), 599})
    assert count.read <= read


def test_a_range_in_the_middle_is_jumped_to(clip: Clip, count: Counter) -> None:
    frames = sample(clip.path, Sampling.of(0.5, start=15, end=16), CancelToken())

    assert [frame_number(frame.picture) for frame in frames] == [450, 465, 479]
    assert count.read <= 50
    assert count.sent <= 32


def test_resuming_decodes_no_more_than_is_left(clip: Clip, count: Counter) -> None:
    list(sample(clip.path, Sampling(Fraction(1)), CancelToken(), after_us=17_900_000))

    assert count.sent <= 3 + 32


@pytest.mark.parametrize("seconds_off", [5, 10**9])
def test_an_index_that_leads_astray_is_noticed_and_done_without(
    clip: Clip, monkeypatch: pytest.MonkeyPatch, seconds_off: int
) -> None:
    jump = PacketReader.jump
    monkeypatch.setattr(
        PacketReader, "jump", lambda reader, place, limit: jump(reader, place + seconds_off * 90_000, limit)
    )

    assert numbers(clip, Fraction(5)) == [0, 150, 300, 450, 599]


@pytest.mark.parametrize("sent", [1, 100])
def test_cancelling_stops_every_decoder_within_a_packet(clip: Clip, count: Counter, sent: int) -> None:
    cancel = CancelToken()
    count.on_sent = lambda so_far: cancel.cancel() if so_far == sent else None

    with pytest.raises(Cancelled):
        numbers(clip, Fraction(1, 30), cancel)
    assert count.sent <= sent + 4


def test_cancelling_stops_the_reading_of_packets_too(clip: Clip, count: Counter) -> None:
    cancel = CancelToken()
    cancel.cancel()

    with pytest.raises(Cancelled):
        numbers(clip, Fraction(1, 30), cancel)
    assert count.read <= 1
    assert count.sent == 0


def test_leaving_early_ends_the_decoding(clip: Clip, count: Counter) -> None:
    frames = sample(clip.path, Sampling(Fraction(1, 30)), CancelToken())
    next(frames)
    frames.close()
    sent = count.sent

    assert sent <= 130  # no more than a few groups ahead of the reader
    assert count.sent == sent


def test_an_unfinished_reader_does_not_keep_the_process_alive(clip: Clip) -> None:
    script = (
        "import sys; from engine.cancel import CancelToken; from engine.settings import Sampling;"
        "from engine.video.frames import sample;"
        "frames = sample(sys.argv[1], Sampling.of(0.1), CancelToken()); print(next(frames).index)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(clip.path)], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "0"


def test_what_goes_wrong_in_a_decoder_reaches_the_reader(clip: Clip, count: Counter) -> None:
    def fail(sent: int) -> None:
        if sent == 5:
            raise ZeroDivisionError

    count.on_sent = fail

    with pytest.raises(ZeroDivisionError):
        numbers(clip, Fraction(1, 30))


PEAK = """
import resource, sys
from engine.cancel import CancelToken
from engine.settings import Sampling
from engine.video.frames import sample
for frame in sample(sys.argv[1], Sampling.of(0.1, mode=sys.argv[2]), CancelToken()):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peak_bytes(path: Path, mode: str) -> int:
    command = [sys.executable, "-c", PEAK, str(path), mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024


@pytest.mark.parametrize(
    ("gop", "mode"),
    [(30, "interval"), (100_000, "interval"), (30, "shots"), (100_000, "shots"), (2, "keyframes")],
)
def test_a_long_video_takes_no_more_memory_than_a_short_one(tmp_path: Path, gop: int, mode: str) -> None:
    fast = {"preset": "ultrafast"}
    short = numbered_video(tmp_path / "s.mp4", constant(50), gop=gop, size=(96, 96), encoding=fast)
    long = numbered_video(tmp_path / "l.mp4", constant(1500), gop=gop, size=(96, 96), encoding=fast)

    assert _peak_bytes(long.path, mode) - _peak_bytes(short.path, mode) < 20 << 20


@pytest.mark.parametrize("quarters", [0, 1])
def test_a_picture_is_freed_without_the_garbage_collector(tmp_path: Path, clip: Clip, quarters: int) -> None:
    path = turned(tmp_path / "a.mp4", clip.path, quarters)
    list(sample(path, Sampling(Fraction(1)), CancelToken()))
    gc.collect()
    gc.disable()
    try:
        list(sample(path, Sampling(Fraction(1, 10)), CancelToken()))
        assert gc.collect() < 50, "200 pictures make no more garbage than one"
    finally:
        gc.enable()


def test_the_video_library_is_not_loaded_before_a_file_is_opened() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, engine.video.frames; print('av' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "False"
