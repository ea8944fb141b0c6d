"""What a person asks of a video: checked once, at the door, so that nothing behind it checks again."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from engine.bounds import named, refuse_unknown, truth
from engine.errors import BadSetting, InvalidInput, Name
from engine.paths import place_of
from engine.settings import Sampling
from engine.video.tags import Tag, read_tags

OPTIONS = (
    "start",
    "end",
    "max_frames",
    "fps",
    "codes",
    "mode",
    "times",
    "reuse",
    "refine",
    "summary",
    "votes",
)
MAX_PROMPT = 8_000  # characters


@dataclass(frozen=True)
class AnalysisRequest:
    """One analysis as it was asked for. Whether the video can be read is found out when it is opened."""

    video: Path
    asked: tuple[Tag, ...]
    prompt: str
    sampling: Sampling
    codes: bool = False  # also read QR and bar codes
    uploaded: bool = False  # the file came through the browser and may be moved
    name: str = ""  # by which the person knows the video; empty: the file's own
    summary: bool = False  # of the whole video, made of the captions

    @classmethod
    def of(
        cls,
        video: str | Path,
        tags: str | Iterable[str] = "",
        prompt: str = "",
        interval: object = 2.0,
        options: Mapping[str, Any] | None = None,
        uploaded: bool = False,
        name: str = "",
    ) -> Self:
        """From what people and scripts write; `interval` in seconds, `options` as in `OPTIONS`.

        Raises: InvalidInput, naming the value and what it should be.
        """
        options = named("The options of an analysis", options)
        refuse_unknown("An analysis", options, OPTIONS)
        codes = truth("codes", options.pop("codes", False))
        summary = truth("summary", options.pop("summary", False))
        if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
            raise InvalidInput(f"The question must be a text of at most {MAX_PROMPT:,} characters.")
        if not str(video).strip():
            raise InvalidInput("Pick a video first: drop one on the page, or name a file on this machine.")
        parsed = read_tags(tags)
        if not parsed and not prompt.strip() and not codes:
            raise InvalidInput("Say what to look for: at least one tag, or a question for each frame.")
        if summary and not prompt.strip():
            raise BadSetting(
                "A summary is made of what the model says of each frame: ask a question too, such as What "
                "happens here?, or leave ",
                Name("summary"),
                " out.",
            )
        sampling = Sampling.of(interval, **options)
        if not parsed:
            _refuse_without_tags(sampling)
        question = _storable(prompt.strip())
        asked = tuple(Tag(*map(_storable, (tag.name, tag.category, tag.description))) for tag in parsed)
        return cls(place_of(video), asked, question, sampling, codes, uploaded, name, summary)

    @property
    def tags(self) -> tuple[str, ...]:
        """The names, by which answers are kept."""
        return tuple(tag.name for tag in self.asked)

    @property
    def prompt_sha256(self) -> str:
        """Identity of what is asked: two runs with the same one can be compared, also in their pace."""
        tags = (tag.written if tag.details else tag.name for tag in self.asked)
        asked = "\0".join((self.prompt, str(self.codes), *tags, *(["", "summary"] if self.summary else [])))
        if self.sampling.votes > 1:
            asked += f"\0\0{self.sampling.votes} votes"
        return hashlib.sha256(asked.encode()).hexdigest()


def _refuse_without_tags(sampling: Sampling) -> None:
    """Raises: BadSetting for what is about tags alone."""
    instead = ": name at least one tag, or leave "
    if sampling.refine:
        refine = Name("refine")
        raise BadSetting(refine, f" narrows the spans of tags{instead}", refine, " out.")
    if sampling.votes > 1:
        votes = Name("votes")
        said = f" are cast about tags{instead}", votes, " out. A question in words is answered once."
        raise BadSetting(votes, *said)


def _storable(text: str) -> str:
    """Without halves of surrogate pairs, which JSON lets a script send and no database takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
