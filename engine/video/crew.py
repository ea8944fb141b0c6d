"""Decoders that work side by side. Knows stretches of packets and pictures; knows no plan and no samples.

Groups of pictures do not refer to each other, so each processor core can decode one of its own: the
library lets the interpreter go while it decodes. Results wait, within bounds, until they are fetched.
"""

from collections import deque
from collections.abc import Iterator
from itertools import cycle
from queue import SimpleQueue
from threading import Condition, Thread
from typing import cast

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from engine.backends.base import Picture
from engine.video.container import Turn, Video
from engine.video.packets import stamp
from engine.video.planning import Stretch
from engine.video.targets import FOREVER, Wish

_MOST_BYTES_WAITING = 24 << 20  # of pictures of one stretch; half a long group of them keeps two lanes busy

Result = tuple[Wish, Picture | None]  # None: it could not be decoded


class Crew:
    """Takes stretches in order, and gives their results in the same order."""

    def __init__(self, video: Video, lanes: int, threads: int) -> None:
        """`lanes` decoders, each with `threads` threads inside."""
        self._video = video
        self._turn: Turn | None = None
        self._brake = _Brake()
        self._lanes = [_Lane(Decoder(video, threads), self._brake) for _ in range(lanes)]
        self._rota = cycle(self._lanes)
        self._lane = self._lanes[0]
        self._pending: deque[_Tray] = deque()

    @property
    def pending(self) -> int:
        """Stretches whose results have not been fetched."""
        return len(self._pending)

    @property
    def full(self) -> bool:
        """Every lane has something to do, and one more stretch waits."""
        return len(self._pending) > len(self._lanes)

    def begin(self, stretch: Stretch) -> None:
        """Have a stretch decoded; one that goes on from the one before it is done by the same decoder."""
        if stretch.fresh:
            self._lane = next(self._rota)
        if self._turn is None:
            self._turn = self._video.stored_turn(stretch.packets[0])
        tray = _Tray(self._brake)
        self._pending.append(tray)
        self._lane.begin(stretch, self._turn, tray)

    def results(self) -> Iterator[Result]:
        """The results of the oldest stretch, each as soon as it is there; ends early after `stop`."""
        yield from self._pending.popleft()

    def stop(self) -> None:
        """Let all decoding end within a packet. May be called from any thread, more than once."""
        self._brake.pull()

    def close(self) -> None:
        """Stop, and wait until nothing computes any more."""
        self.stop()
        for lane in self._lanes:
            lane.join()


class _Brake:
    """Says to everybody in a crew that the work is over; what they wait on while it is not."""

    def __init__(self) -> None:
        self.pulled = False
        self.changed = Condition()

    def pull(self) -> None:
        with self.changed:
            self.pulled = True
            self.changed.notify_all()


class _Tray:
    """The results of one stretch between the lane that makes them and the reader who fetches them."""

    def __init__(self, brake: _Brake) -> None:
        self._brake = brake
        self._results: deque[Result] = deque()
        self._bytes = 0
        self._complete = False
        self._error: Exception | None = None

    def put(self, wish: Wish, picture: Picture | None) -> None:
        """Add a result; waits while too many are there already, unless the work is over."""
        with self._brake.changed:
            while self._bytes > _MOST_BYTES_WAITING and not self._brake.pulled:
                self._brake.changed.wait()
            self._results.append((wish, picture))
            self._bytes += 0 if picture is None else picture.nbytes
            self._brake.changed.notify_all()

    def complete(self, error: Exception | None = None) -> None:
        """Nothing more will be put in, because of `error` if there is one."""
        with self._brake.changed:
            self._complete, self._error = True, error
            self._brake.changed.notify_all()

    def __iter__(self) -> Iterator[Result]:
        while (result := self._next()) is not None:
            yield result
        if self._error is not None:
            raise self._error

    def _next(self) -> Result | None:
        with self._brake.changed:
            while not (self._results or self._complete or self._brake.pulled):
                self._brake.changed.wait()
            if self._brake.pulled or not self._results:
                return None
            wish, picture = self._results.popleft()
            self._bytes -= 0 if picture is None else picture.nbytes
            self._brake.changed.notify_all()
            return wish, picture


class _Lane:
    """One decoder and the thread that runs it.

    A daemon thread: a reader who is neither read to its end nor closed must not keep the process alive.
    """

    def __init__(self, decoder: "Decoder", brake: _Brake) -> None:
        self._decoder = decoder
        self._brake = brake
        self._orders: SimpleQueue[tuple[Stretch, Turn, _Tray] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="decoding", daemon=True)
        self._thread.start()

    def begin(self, stretch: Stretch, turn: Turn, tray: _Tray) -> None:
        self._orders.put((stretch, turn, tray))

    def join(self) -> None:
        self._orders.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            stretch, turn, tray = order
            try:
                self._fill(tray, stretch, turn)
            except Exception as error:  # noqa: BLE001 - the reader raises it
                tray.complete(error)
            else:
                tray.complete()

    def _fill(self, tray: _Tray, stretch: Stretch, turn: Turn) -> None:
        for wish, picture in self._decoder.decode(stretch, turn):
            if self._brake.pulled:
                return
            if wish is not None:
                tray.put(wish, picture)


class Decoder:
    """Decodes stretches one after the other, and makes pictures of what is wished for only."""

    def __init__(self, video: Video, threads: int) -> None:
        self._codec = video.decoder(threads)
        self._untimed = video.untimed
        self._sent: deque[int] = deque()  # times of the pictures to come, of an untimed video
        self._reformatter = VideoReformatter()
        self._wishes: dict[int, Wish] = {}  # that are open, by time stamp, in their order on screen
        self._damaged = False

    def decode(
        self, stretch: Stretch, turn: Turn
    ) -> Iterator[tuple[Wish, Picture | None] | tuple[None, None]]:
        """Results in order, each as soon as it is known; and (None, None) after a packet without any.

        After damage, what follows in the group refers to damaged pictures, so that it is lost as well.
        """
        if stretch.fresh:
            self._damaged = False
        self._wishes.update((wish.pts, wish) for wish in stretch.wishes)
        for packet in stretch.packets:
            self._damaged = packet.is_corrupt or (
                self._damaged and not (self._untimed and packet.is_keyframe)
            )
            # A picture that no other refers to is decoded only if it is wished for itself.
            wanted = self._untimed or packet.pts in self._wishes
            self._codec.skip_frame = "DEFAULT" if wanted else "NONREF"
            if self._untimed:
                self._sent.append(stamp(packet))
            yield from self._granted(self._send(packet), turn)
            yield None, None
        if stretch.last:
            yield from self._granted(self._send(None), turn)
            yield from self._lost(before=FOREVER)
            self._sent.clear()
            self._codec.flush_buffers()

    def _send(self, packet: Packet | None) -> list[VideoFrame]:
        try:
            return self._codec.decode(packet)
        except av.EOFError:  # drained already
            return []
        except av.FFmpegError:
            self._damaged = True
            if self._sent:
                self._sent.pop()
            return []

    def _granted(self, frames: list[VideoFrame], turn: Turn) -> Iterator[Result]:
        for frame in frames:
            self._damaged |= frame.is_corrupt
            pts = self._sent.popleft() if self._untimed and self._sent else cast(int, frame.pts)
            yield from self._lost(before=pts)
            wish = self._wishes.pop(pts, None)
            if wish is not None:
                yield wish, None if self._damaged else self._picture(frame, turn)

    def _lost(self, before: int) -> Iterator[Result]:
        """Wishes that did not come true, now that a picture from `before` on has come out."""
        for pts in [pts for pts in self._wishes if pts < before]:
            yield self._wishes.pop(pts), None

    def _picture(self, frame: VideoFrame, turn: Turn) -> Picture:
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        if turn == Turn() and frame.rotation:  # asked for by the stream itself, not by its container
            turn = Turn.of(frame) or turn
        return turn.apply(rgb)
