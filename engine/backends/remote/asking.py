"""Asking a remote model about frames: a caption, and for every tag how sure it is.

Servers differ in what they can: log-probabilities, JSON of a given shape, or neither. The best way is
tried first, and the first one that works is kept to, so that the frames of a run are asked alike. Without
log-probabilities a model only states what it thinks; asked several times, with its own chances, the share of
yes says how sure it is. Tags of which an answer says nothing are asked once more, and unknown if they still
are. Knows no protocol.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from engine.backends.base import Asking, Frame, FrameAnswer, FrameState, FrameTask
from engine.backends.remote.calls import Patience, once_again
from engine.backends.remote.faults import ServerFault
from engine.backends.remote.pictures import jpeg
from engine.backends.remote.questions import Way, about_caption, all_at_once, one_by_one, votes
from engine.backends.remote.replies import odds_of_yes, said_yes, stated_tags
from engine.backends.remote.talk import Ask, Piece, TokenOdds, Wire
from engine.cancel import CancelToken
from engine.errors import ModelError, ServerAway


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    text: str
    odds: tuple[TokenOdds, ...]


@dataclass(frozen=True)
class _Tags:
    """What is known of the tags of one frame."""

    values: dict[str, float | None] = field(default_factory=dict)
    raw: str = ""
    stated: frozenset[str] = frozenset()  # tags of which yes or no was said, and not how sure that is
    doubtful: frozenset[str] = frozenset()  # tags at which the model was about to say neither
    votes: int = 1

    @property
    def facts(self) -> dict[str, Any]:
        """How the values came about, where they are no probabilities of the model's own."""
        known = [tag for tag, value in self.values.items() if value is not None]
        stated = [tag for tag in known if tag in self.stated]
        doubtful = [tag for tag in known if tag in self.doubtful]
        facts: dict[str, Any] = {"votes": self.votes} if self.votes > 1 else {}
        if stated:
            facts |= {"confidence": "stated"} if stated == known else {"stated": stated}
        return facts | ({"doubtful": doubtful} if doubtful else {})


class Asker:
    """Asks one model, and remembers which way its server can go."""

    def __init__(self, wire: Wire, patience: Patience) -> None:
        self._wire, self._patience = wire, patience
        self._way: Way | None = None  # until one has worked

    def prove(self, picture: bytes, cancel: CancelToken) -> None:
        """Find out the way, on a picture of no consequence. Raises: ServerFault, Cancelled."""
        self._tags(picture, FrameTask(("grey",)), cancel)

    def answers(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """One answer per frame, in order. Raises: Cancelled, ServerAway."""
        for frame in frames:
            cancel.raise_if_cancelled()
            try:
                yield self._answer(jpeg(frame.picture), task, cancel)
            except ModelError as error:
                if isinstance(error, ServerFault) and error.away:
                    raise ServerAway(str(error)) from error
                yield FrameAnswer("failed", dict.fromkeys(task.tags), error=str(error))

    def reply(self, ask: Ask, cancel: CancelToken) -> Reply:
        """The whole answer; one that broke off is asked for again, once. Raises: ServerFault, Cancelled."""
        (reply,) = once_again(lambda: iter([self._whole(ask, cancel)]), cancel, self._patience)
        return reply

    def _whole(self, ask: Ask, cancel: CancelToken) -> Reply:
        text: list[str] = []
        odds: list[TokenOdds] = []
        for item in self._wire.talk(ask, cancel):
            if isinstance(item, Piece):
                text.append(item.text)
                odds.extend(item.odds)
        return Reply("".join(text).strip(), tuple(odds))

    @property
    def asking(self) -> Asking:
        """The way that was found."""
        return "odds" if self._way is Way.ODDS else "statements"

    def _answer(self, picture: bytes, task: FrameTask, cancel: CancelToken) -> FrameAnswer:
        caption = self.reply(about_caption(picture, task), cancel).text if task.prompt else ""
        if not task.tags:
            return FrameAnswer("answered", caption=caption)
        tags = self._once_more(self._tags(picture, task, cancel), picture, task, cancel)
        known = any(value is not None for value in tags.values.values())
        state: FrameState = "answered" if known else "unparsed"
        return FrameAnswer(state, tags.values, caption, tags.facts, raw=tags.raw)

    def _once_more(self, found: _Tags, picture: bytes, task: FrameTask, cancel: CancelToken) -> _Tags:
        """With what is still unknown asked again, all in one answer; whatever was said is kept."""
        missing = [tag for tag, value in found.values.items() if value is None]
        if not missing:
            return found
        text = self.reply(all_at_once(picture, task, missing, self._way is Way.SCHEMA), cancel).text
        return replace(
            found,
            values={**found.values, **stated_tags(text, missing)},
            raw=f"{found.raw}\n\n{text}",
            stated=found.stated | set(missing),
        )

    def _tags(self, picture: bytes, task: FrameTask, cancel: CancelToken) -> _Tags:
        """Raises: ServerFault, of the lowest way while none has worked; Cancelled."""
        for way in Way if self._way is None else (self._way,):
            try:
                found = self._by(way, picture, task, cancel)
            except ServerFault as fault:
                if not fault.understood or way in (self._way, Way.WORDS):
                    raise
                continue
            if found is not None:
                self._way = way
                return found
        raise AssertionError("the last way gives tags or raises")

    def _by(self, way: Way, picture: bytes, task: FrameTask, cancel: CancelToken) -> _Tags | None:
        """None where the server gives no log-probabilities, while no way has worked yet."""
        if way is Way.ODDS:
            return self._one_by_one(picture, task, cancel)
        ask = all_at_once(picture, task, task.tags, way is Way.SCHEMA)
        said = [self.reply(vote, cancel).text for vote in votes(ask, task.votes)]
        return _counted(said, task.tags)

    def _one_by_one(self, picture: bytes, task: FrameTask, cancel: CancelToken) -> _Tags | None:
        values: dict[str, float | None] = {}
        said, stated, doubtful = [], set(), set()
        for tag, ask in zip(task.tags, one_by_one(picture, task), strict=True):
            reply = self.reply(ask, cancel)
            if not reply.odds and self._way is None:
                return None
            odds = odds_of_yes(reply.odds)
            if odds is None:
                values[tag] = said_yes(reply.text)
                stated.add(tag)
            else:
                values[tag] = odds.yes
                doubtful |= {tag} if odds.doubtful else set()
            said.append(f"{tag}: {reply.text}")
        return _Tags(values, "\n".join(said), frozenset(stated), frozenset(doubtful))


def _counted(said: Sequence[str], tags: Sequence[str]) -> _Tags:
    """The share of yes among the answers that state a tag; of a single one, what it states."""
    told = [stated_tags(text, tags) for text in said]
    cast = {tag: [value for vote in told if (value := vote[tag]) is not None] for tag in tags}
    values = {tag: fmean(each) if each else None for tag, each in cast.items()}
    alone = frozenset(tag for tag, each in cast.items() if len(each) < 2)
    return _Tags(values, "\n\n".join(said), alone, votes=len(said))
