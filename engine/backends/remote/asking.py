"""Asking a remote model about frames: a caption, and for every tag how sure it is.

Servers differ in what they can: log-probabilities, JSON of a given shape, or neither. The best way is
tried first, and the first one that works is kept to, so that the frames of a run are asked alike. Tags of
which an answer says nothing are asked once more, and unknown if they still are. Knows no protocol.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from engine.backends.base import Frame, FrameAnswer, FrameState, FrameTask
from engine.backends.remote.calls import Patience, once_again
from engine.backends.remote.faults import ServerFault
from engine.backends.remote.pictures import jpeg
from engine.backends.remote.replies import probability_of_yes, said_yes, schema_of, stated_tags
from engine.backends.remote.talk import Ask, Piece, TokenOdds, Turn, Wire
from engine.cancel import CancelToken
from engine.errors import ModelError, ServerAway
from engine.video.tags import described

_TOKENS_OF_YES = 4  # a blank or a quotation mark may come first
_TOKENS_OF_JSON, _TOKENS_OF_TAG = 32, 12  # beside the letters of the tag, of which a token has one or more


class Way(IntEnum):
    """How tags are asked, best first."""

    ODDS = 0  # a question a tag; the log-probabilities of yes and no
    SCHEMA = 1  # all tags in one answer, in JSON of a given shape
    WORDS = 2  # all tags in one answer, in JSON as well as the model can


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
    facts: dict[str, str] = field(default_factory=dict)


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

    def _answer(self, picture: bytes, task: FrameTask, cancel: CancelToken) -> FrameAnswer:
        caption = ""
        if task.prompt:
            ask = Ask.greedy(Turn("user", task.prompt, (picture,)), task.max_new_tokens)
            caption = self.reply(ask, cancel).text
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
        schema = schema_of(missing) if self._way is Way.SCHEMA else None
        text = self.reply(_all_at_once(picture, task, missing, schema), cancel).text
        told = stated_tags(text, missing)
        stated = [tag for tag, value in told.items() if value is not None]
        facts = found.facts
        if stated and not facts:
            all_of_them = len(missing) == len(found.values)
            facts = {"confidence": "stated"} if all_of_them else {"stated": ", ".join(stated)}
        return _Tags({**found.values, **told}, f"{found.raw}\n\n{text}", facts)

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
        schema = schema_of(task.tags) if way is Way.SCHEMA else None
        text = self.reply(_all_at_once(picture, task, task.tags, schema), cancel).text
        return _Tags(stated_tags(text, task.tags), text, {"confidence": "stated"})

    def _one_by_one(self, picture: bytes, task: FrameTask, cancel: CancelToken) -> _Tags | None:
        values: dict[str, float | None] = {}
        said = []
        for tag, question in zip(task.tags, task.questions, strict=True):
            ask = Ask.greedy(Turn("user", question, (picture,)), _TOKENS_OF_YES)
            reply = self.reply(replace(ask, odds=True), cancel)
            if not reply.odds and self._way is None:
                return None
            probability = probability_of_yes(reply.odds)
            values[tag] = said_yes(reply.text) if probability is None else probability
            said.append(f"{tag}: {reply.text}")
        return _Tags(values, "\n".join(said))


def _all_at_once(picture: bytes, task: FrameTask, tags: Sequence[str], schema: dict | None) -> Ask:
    known = task.descriptions
    listed = "\n".join(f"- {described(tag, known[tag])}" for tag in tags)
    written = "exactly as written" + (
        ", what stands in brackets left out" if any(map(known.get, tags)) else ""
    )
    text = (
        "For each of these, is it in this picture? Several may be, or none. Answer with one JSON object "
        f"that has each of them, {written}, as a key, and true or false as its value:\n{listed}"
    )
    room = _TOKENS_OF_JSON + sum(len(tag) + _TOKENS_OF_TAG for tag in tags)
    return replace(Ask.greedy(Turn("user", text, (picture,)), min(room, 32768)), schema=schema)
