"""Which packets have to be decoded for which samples, found out without decoding any.

Knows groups of pictures and presentation times; knows no decoder and no pixels. The plan is a stream of
stretches that holds a few hundred compressed packets at most, so that it takes the same memory for any
length of video, even one that is a single endless group.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from av.packet import Packet

from engine.cancel import CancelToken
from engine.settings import Sampling
from engine.video.container import Video
from engine.video.packets import PacketReader, stamp
from engine.video.targets import FOREVER, ListedTargets, Targets, Wish

_MOST_PACKETS = 400  # of a group that are held back for the next wish; then they are decoded anyway
_MOST_BYTES = 32 << 20
_REORDERED = 32  # pictures that can be out of order at most, where a stream has no decoding times


@dataclass(frozen=True, eq=False)
class Stretch:
    """Packets to decode in one go, and the pictures that are wanted of them, in their order on screen.

    A `fresh` one begins at a key picture and needs nothing before it; another one goes on where the one
    before it ended. After a `last` one, nothing follows that goes on.
    """

    packets: tuple[Packet, ...]
    wishes: tuple[Wish, ...]
    fresh: bool
    last: bool


class Order:
    """Counts pictures that come when it is settled already which picture is shown at their time."""

    def __init__(self, reader: PacketReader) -> None:
        self._reader = reader
        self._settled: int | None = None  # up to which time stamp
        self._seeks = 0
        self.passed_over = 0

    def see(self, pts: int) -> None:
        """The next picture in the order of decoding."""
        if self._reader.seeks != self._seeks:  # what comes now may have been read before
            self._seeks, self._settled = self._reader.seeks, None
        if self._settled is not None and pts < self._settled:
            self.passed_over += 1

    def settle(self, pts: int) -> None:
        """Nothing is looked for before that time stamp any more."""
        if pts != FOREVER and (self._settled is None or pts > self._settled):
            self._settled = pts


class Planner:
    """Reads a video's packets once, and hands on those that a sample needs."""

    def __init__(self, video: Video, sampling: Sampling, cancel: CancelToken, since_us: int = 0) -> None:
        """`since_us`: samples before this time are counted, but not decoded."""
        self._video = video
        self._since_us = since_us
        kind = ListedTargets if sampling.mode == "times" else Targets
        self._targets = kind(video, sampling, video.time_base, video.start)
        self._reader = PacketReader(video, cancel)
        self._window: list[Packet] = []  # of the group that is being read, and of what was read after it
        self._bytes = 0
        self._keys: deque[int] = deque()  # places in the window where another group begins
        self._unsettled: list[int] = []  # heap of time stamps whose successor is not known yet
        self._order = Order(self._reader)
        self._wishes: dict[int, Wish] = {}  # by time stamp
        self._begun = False  # a part of the group has been handed on
        self.lost: Wish | None = None  # the first sample that the file ends before; known in the end

    @property
    def passed_over(self) -> int:
        """Pictures that could not be samples, since their time stamps lie before those of earlier ones."""
        return self._order.passed_over + self._reader.passed_over

    def stretches(self) -> Iterator[Stretch]:
        """The plan, in the order in which pictures are shown. Raises: Cancelled, MediaError."""
        looking = True  # for a place to jump to: once at first, and after each wish
        for packet in self._reader:
            self._add(packet)
            looking |= self._settle(None if self._video.untimed else packet.dts)
            yield from self._whole_groups()
            if self._targets.met:
                break
            if looking and (place := self._reader.worth_a_jump(self._targets.limit)) is not None:
                yield from self._end_group(len(self._window))
                self._unsettled.clear()
                self._reader.jump(place, self._targets.limit)
            elif len(self._window) > _MOST_PACKETS or self._bytes > _MOST_BYTES:
                yield from self._part_of_group()
            looking = False
        else:
            self._settle_end()
        yield from self._end_group(len(self._window))

    def _add(self, packet: Packet) -> None:
        if packet.is_keyframe and self._window and not self._video.untimed:
            self._keys.append(len(self._window))
        self._window.append(packet)
        self._bytes += packet.size
        if not packet.is_discard:  # decoded for others' sake, but cut off by the container's edit list
            self._order.see(stamp(packet))
            heapq.heappush(self._unsettled, stamp(packet))

    def _settle(self, frontier: int | None) -> bool:
        """Decide about pictures whose successor is known; True if there is a new wish.

        `frontier`: the latest decoding time. No picture comes later that is shown before it.
        """
        wished = False
        while len(self._unsettled) > 1:
            pts = heapq.heappop(self._unsettled)
            following = self._unsettled[0]
            if len(self._unsettled) < _REORDERED and (frontier is None or following > frontier):
                heapq.heappush(self._unsettled, pts)
                break
            wished |= self._decide(pts, following)
        return wished

    def _decide(self, pts: int, following: int) -> bool:
        self._order.settle(following)
        wish = self._targets.pick(pts, following)
        if wish is not None:
            self._wishes[pts] = wish
        return wish is not None

    def _settle_end(self) -> None:
        """Decide about the pictures before the end of the file; the very last one is always a sample."""
        self._settle(FOREVER)
        if not self._unsettled:
            return
        pts = self._unsettled.pop()
        duration = max(1, self._window[-1].duration or 0)
        if self._video.breaks_off(self._targets.time_us(pts + duration)):
            self._decide(pts, pts + duration)
            self.lost = self._targets.missing(pts + duration, self._video.duration_us)
        elif self._targets.wished or self._targets.limit <= pts + duration:  # else all targets lie behind it
            self._decide(pts, FOREVER)

    def _whole_groups(self) -> Iterator[Stretch]:
        """Hand on the groups that are complete: everything shown before the next key picture is settled."""
        while self._keys and self._unsettled:
            key = stamp(self._window[self._keys[0]])
            if self._unsettled[0] < key and len(self._window) < 2 * _MOST_PACKETS:
                return
            yield from self._end_group(self._keys[0])

    def _end_group(self, end: int) -> Iterator[Stretch]:
        """Hand on what is needed of the group that ends at place `end` of the window, and forget it.

        Pictures that follow the next key picture but are shown before it belong to this group: they refer
        to both, so that the next key picture goes with them.
        """
        shown_before = stamp(self._window[end]) if end < len(self._window) else FOREVER
        wishes = self._take_wishes({pts for pts in self._wishes if pts < shown_before})
        wanted = {wish.pts for wish in wishes}
        needed = max((n for n, packet in enumerate(self._window, 1) if packet.pts in wanted), default=0)
        if self._video.untimed:  # a wish is the nth picture; later packets may hold it
            needed = len(self._window)
        if wishes or self._begun:
            yield Stretch(tuple(self._window[:needed]), wishes, fresh=not self._begun, last=True)
        self._begun = False
        self._drop(end)

    def _part_of_group(self) -> Iterator[Stretch]:
        """Hand on the settled beginning of a group that is too long to be held."""
        if self._keys:
            return
        first = self._unsettled[0]
        end = next(n for n, packet in enumerate(self._window) if stamp(packet) >= first)
        if end == 0:
            return
        wishes = self._take_wishes({stamp(packet) for packet in self._window[:end]})
        yield Stretch(tuple(self._window[:end]), wishes, fresh=not self._begun, last=False)
        self._begun = True
        self._drop(end)

    def _take_wishes(self, stamps: set[int]) -> tuple[Wish, ...]:
        taken = [self._wishes.pop(pts) for pts in list(self._wishes) if pts in stamps]
        return tuple(wish for wish in taken if wish.time_us >= self._since_us)

    def _drop(self, end: int) -> None:
        self._window = self._window[end:]
        self._bytes = sum(packet.size for packet in self._window)
        self._keys = deque(place - end for place in self._keys if place > end)
