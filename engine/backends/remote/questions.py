"""The requests that a frame takes, whichever way they are answered. Knows no server; sends nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from engine.backends.base import Asking, FrameTask, Message
from engine.backends.remote.replies import schema_of
from engine.backends.remote.talk import Ask, Turn
from engine.backends.remote.tokens import TokenEstimate
from engine.backends.yesno import described

_TOKENS_OF_YES = 4  # a blank or a quotation mark may come first
_TOKENS_OF_JSON, _TOKENS_OF_TAG = 32, 12  # beside the letters of the tag, of which a token has one or more
_MOST_TOKENS = 32768
_ALL_THAT_MATTER = 1000  # likeliest tokens; some servers refuse 0, which means all to others
_NO_PICTURE = b""


class Way(IntEnum):
    """How tags are asked, best first."""

    ODDS = 0  # a question a tag; the log-probabilities of yes and no
    SCHEMA = 1  # all tags in one answer, in JSON of a given shape
    WORDS = 2  # all tags in one answer, in JSON as well as the model can


@dataclass(frozen=True)
class Cost:
    """What one frame takes: requests, and tokens that are read and written, at most where they are few."""

    requests: int
    tokens: int


def about_caption(picture: bytes, task: FrameTask) -> Ask:
    """The question in words."""
    return Ask.greedy(Turn("user", task.prompt, (picture,)), task.max_new_tokens)


def one_by_one(picture: bytes, task: FrameTask) -> Iterator[Ask]:
    """A question a tag, answered by the probabilities of yes and no."""
    for question in task.questions:
        yield replace(Ask.greedy(Turn("user", question, (picture,)), _TOKENS_OF_YES), odds=True)


def all_at_once(picture: bytes, task: FrameTask, tags: Sequence[str], shaped: bool) -> Ask:
    """One question for all of `tags`; `shaped`: the server is told the shape of the JSON."""
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
    ask = Ask.greedy(Turn("user", text, (picture,)), min(room, _MOST_TOKENS))
    return replace(ask, schema=schema_of(tags) if shaped else None)


def votes(ask: Ask, number: int) -> Iterator[Ask]:
    """The same so many times: once as it is, or each with the model's own chances and another seed."""
    if number == 1:
        yield ask
        return
    for seed in range(1, number + 1):
        settings = replace(ask.settings, temperature=1.0, top_p=1.0, top_k=_ALL_THAT_MATTER, seed=seed)
        yield replace(ask, settings=settings)


def cost_of(task: FrameTask, asking: Asking) -> Cost:
    """What one frame takes, by how the server is asked.

    Tokens are an estimate; what is asked once more since it was not understood is not among them.
    """
    asks = [about_caption(_NO_PICTURE, task)] if task.prompt else []
    if asking == "odds":
        asks += one_by_one(_NO_PICTURE, task)
    elif task.tags:
        asks += votes(all_at_once(_NO_PICTURE, task, task.tags, shaped=False), task.votes)
    return Cost(len(asks), sum(map(_tokens, asks)))


def _tokens(ask: Ask) -> int:
    read = [Message(turn.role, turn.text) for turn in ask.turns]
    pictures = sum(len(turn.pictures) for turn in ask.turns)
    return TokenEstimate().of(read, pictures) + ask.settings.max_new_tokens
