"""The summary of a whole video, written from the captions of its frames.

What fits into the model's context is asked in one question. Otherwise the captions are divided into parts
that fit, each part is summarised, and the summaries are summarised in turn, until one question holds them
all. Counted is with the model's own tokenizer. No caption is cut or left out: one that is too long for a part
is divided between several. Knows no jobs and no storage.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from engine.backends.base import Backend, Message, TextDelta
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError, ServerAway
from engine.settings import GenerationSettings

_log = logging.getLogger(__name__)

Lease = Callable[[], AbstractContextManager[Backend]]

MOST_TOKENS = 256  # of one answer
LEAST_TOKENS = 16  # below, an answer says nothing
MAX_TRIES = 3  # for each question, the first one included
SHARE = 4  # of the room, an answer takes one in so many: several then fit into the next question
RESERVE = 16  # tokens that nobody counts, such as those a server adds
PART = (
    "These lines say what was seen in a part of a video, each with its time. Write in a few sentences what "
    "happens in this part, in the order of time. Use only what the lines say.\n\n"
)
WHOLE = (
    "These lines say what was seen in a video, each with its time. Write in one paragraph what happens in "
    "the whole video, in the order of time. Use only what the lines say.\n\n"
)


@dataclass(frozen=True)
class SummaryStep:
    """How far a summary is: questions that were answered, and how many there will be, as far as is known."""

    done: int
    planned: int


@dataclass(frozen=True)
class Summary:
    """The last event."""

    text: str
    questions: int


@dataclass(frozen=True)
class _Note:
    """What is known of a stretch of the video."""

    start_us: int
    end_us: int  # when its last frame is shown
    text: str

    @property
    def line(self) -> str:
        until = f" to {_clock(self.end_us)}" if _clock(self.end_us) != _clock(self.start_us) else ""
        return f"{_clock(self.start_us)}{until}: {self.text}\n"


def summarise(
    captions: Iterable[tuple[int, str]], lease: Lease, cancel: CancelToken
) -> Iterator[SummaryStep | Summary]:
    """A step before each question, and then the summary. Greedy, whatever the chat's settings are.

    `captions` are times in microseconds, in order, with what was said. Each question has a lease of its own,
    so that a chat waits for one at most. One at which the model fails is asked up to three times.

    Raises: Cancelled, once the computing has stopped; ModelError when the model cannot write it; whatever
    `lease` raises.
    """
    notes, done, before = _notes(captions), 0, 0
    if not notes:
        raise ModelError("No frame has a caption, so there is nothing to summarise.")
    while True:
        with lease() as backend:
            room = _Room(backend, cancel)
            parts = room.parts(notes)
        if len(parts) == 1:
            break
        if before and len(parts) >= before:
            raise room.too_small
        before, notes = len(parts), []
        for number, part in enumerate(parts):
            yield SummaryStep(done, done + len(parts) - number + 1)
            text = _written(PART, part, room.answer, lease, cancel)
            notes.append(_Note(part[0].start_us, part[-1].end_us, text))
            done += 1
    yield SummaryStep(done, done + 1)
    yield Summary(_written(WHOLE, parts[0], room.answer, lease, cancel), done + 1)


def _notes(captions: Iterable[tuple[int, str]]) -> list[_Note]:
    """A line each; neighbours that say the same become one, over their whole time."""
    notes: list[_Note] = []
    for time_us, caption in captions:
        text = " ".join(caption.split())
        if notes and notes[-1].text == text:
            notes[-1] = _Note(notes[-1].start_us, time_us, text)
        elif text:
            notes.append(_Note(time_us, time_us, text))
    return notes


class _Room:
    """How much one question to a model may hold."""

    def __init__(self, backend: Backend, cancel: CancelToken) -> None:
        """Raises: ModelError for a model whose context has no room for a question and its answer."""
        self._count, self._cancel = backend.count_tokens, cancel
        self.too_small = ModelError(
            f"{backend.info.model} reads {backend.info.context_length:,} tokens at once, too few to "
            "summarise this video. Load it with a longer context (n_ctx), or pick another model."
        )
        usable = backend.info.context_length - RESERVE
        self._instruction = max(PART, WHOLE, key=lambda text: self._tokens(text, ()))
        left = usable - self._tokens(self._instruction, ())
        self.answer = min(MOST_TOKENS, left // SHARE)  # tokens
        self._most = usable - self.answer
        if self.answer < LEAST_TOKENS:
            raise self.too_small

    def parts(self, notes: Sequence[_Note]) -> list[list[_Note]]:
        """All of the notes, in order, in as few parts as fit. Raises: Cancelled, ModelError."""
        left, parts, at = list(notes), list[list[_Note]](), 0
        size = len(left)
        while at < len(left):
            size = self._longest(left, at, size)
            if size:
                parts.append(left[at : at + size])
                at += size
            else:
                left[at : at + 1] = self._halves(left[at])
                size = 1
        return parts

    def _longest(self, notes: Sequence[_Note], at: int, guess: int) -> int:
        """How many notes from `at` on fit; 0 where not even one does. `guess` is where to begin to look."""
        fits, most, size = 0, len(notes) - at, max(guess, 1)
        while size < most and self._fits(notes[at : at + size]):
            fits, size = size, 2 * size
        unknown = min(size, most)  # `fits` notes fit, more than `unknown` do not, or are not there
        while fits < unknown:
            middle = (fits + unknown + 1) // 2
            if self._fits(notes[at : at + middle]):
                fits = middle
            else:
                unknown = middle - 1
        return fits

    def _fits(self, notes: Sequence[_Note]) -> bool:
        self._cancel.raise_if_cancelled()
        return self._tokens(self._instruction, notes) <= self._most

    def _tokens(self, instruction: str, notes: Sequence[_Note]) -> int:
        return self._count([_question(instruction, notes)])

    def _halves(self, note: _Note) -> list[_Note]:
        """Divided between two words, or within the only one."""
        words = note.text.split(" ")
        middle = len(words) // 2
        halves = [" ".join(words[:middle]), " ".join(words[middle:])]
        if len(words) == 1:
            middle = len(note.text) // 2
            halves = [note.text[:middle], note.text[middle:]]
        if not all(halves):
            raise self.too_small
        return [_Note(note.start_us, note.end_us, half) for half in halves]


def _written(instruction: str, notes: Sequence[_Note], tokens: int, lease: Lease, cancel: CancelToken) -> str:
    """The model's answer; one that reached its limit ends with a mark."""
    settings = GenerationSettings(max_new_tokens=tokens, temperature=0.0, top_p=1.0, top_k=1, seed=0)
    question, tries = _question(instruction, notes), 1
    while True:
        with lease() as backend:
            try:
                return _answer(backend, question, settings, cancel)
            except ModelError as error:
                if isinstance(error, ServerAway) or tries == MAX_TRIES:
                    raise
                _log.info("The model failed at the summary, and is asked again: %s", error)
        tries += 1


def _answer(backend: Backend, question: Message, settings: GenerationSettings, cancel: CancelToken) -> str:
    words, reason = [], "stop"
    for item in backend.stream([question], settings, cancel):
        if isinstance(item, TextDelta):
            words.append(item.text)
        else:
            reason = item.reason
    if reason == "cancelled":
        raise Cancelled(cancel.reason)
    text = "".join(words).strip()
    if not text:
        raise ModelError(f"{backend.info.model} wrote nothing. Pick a model that answers in sentences.")
    return f"{text} …" if reason == "length" else text


def _question(instruction: str, notes: Sequence[_Note]) -> Message:
    return Message("user", instruction + "".join(note.line for note in notes))


def _clock(time_us: int) -> str:
    minutes, seconds = divmod(time_us // 1_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
