"""Chapters: the video cut where the set of tags that hold changes. For ffmpeg, and for YouTube.

Spans of different tags overlap and chapters cannot, so a chapter is called after all tags that hold in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.errors import InvalidInput
from engine.video.exports.material import Material, one_line, rounded

NOTHING = "Other"  # the title of a time in which no tag holds
# https://support.google.com/youtube/answer/9884579
SHORTEST_SECONDS = 10
FEWEST = 3
LONGEST_TITLE = 100  # characters
LONGEST_DESCRIPTION = 5_000  # bytes: https://developers.google.com/youtube/v3/docs/videos#snippet.description


@dataclass(frozen=True)
class Chapter:
    """A stretch between two changes; `title` is empty where no tag holds."""

    title: str
    start_us: int
    end_us: int


def ffmetadata(material: Material) -> str:
    """Chapters as ffmpeg reads and writes them: https://ffmpeg.org/ffmpeg-formats.html#Metadata-1"""
    lines = [";FFMETADATA1", f"title={_escaped(material.name)}"]
    for chapter in chapters(material):
        if chapter.title:
            lines += ["[CHAPTER]", "TIMEBASE=1/1000000", f"START={chapter.start_us}", f"END={chapter.end_us}"]
            lines.append(f"title={_escaped(chapter.title)}")
    return "\n".join(lines) + "\n"


def youtube(material: Material) -> str:
    """Lines for the description of a video. Raises: InvalidInput when YouTube would show no chapters."""
    made = _long_enough(chapters(material))
    if len(made) < FEWEST:
        raise InvalidInput(
            f"YouTube shows chapters only where there are at least {FEWEST}, each {SHORTEST_SECONDS} seconds "
            f"or longer. The tags of {material.name} give {len(made)}. Choose another format."
        )
    hours = made[-1][0] >= 3600
    text = "".join(f"{_moment(start, hours)} {_title(title)}\n" for start, title in made)
    if (size := len(text.encode())) > LONGEST_DESCRIPTION:
        raise InvalidInput(
            f"A description on YouTube has at most {LONGEST_DESCRIPTION:,} bytes, and these "
            f"{len(made):,} chapters need {size:,}. Allow longer gaps, or choose another format."
        )
    return text


def chapters(material: Material) -> list[Chapter]:
    """From the start of the video to its end, one after another, none empty."""
    stretches = material.stretches()
    end_us = max([material.duration_us, *(s.end_us for s in stretches)])
    changes: dict[int, list[tuple[str, int]]] = {0: [], end_us: []}
    for stretch in stretches:
        changes.setdefault(stretch.start_us, []).append((stretch.tag, 1))
        changes.setdefault(stretch.end_us, []).append((stretch.tag, -1))
    holding = dict.fromkeys([*material.result.job.tags, *(s.tag for s in stretches)], 0)
    found: list[Chapter] = []
    for start_us, until_us in pairwise(sorted(changes)):
        for tag, change in changes[start_us]:
            holding[tag] += change
        title = ", ".join(tag for tag, count in holding.items() if count)
        if found and found[-1].title == title:
            found[-1] = Chapter(title, found[-1].start_us, until_us)
        else:
            found.append(Chapter(title, start_us, until_us))
    return found


def _escaped(text: str) -> str:
    """`=`, `;`, `#`, a backslash and a line break mean something in the format."""
    return "".join(f"\\{c}" if c in "=;#\\\n" else c for c in one_line(text))


def _long_enough(found: Sequence[Chapter]) -> list[tuple[int, str]]:
    """Starts in whole seconds and titles: what is too short is joined to what follows it, the last to the
    one before. A joined chapter is called after its longest part in which a tag holds."""
    joined: list[list[Chapter]] = []
    for chapter in found:
        if joined and _seconds(joined[-1]) < SHORTEST_SECONDS:
            joined[-1].append(chapter)
        else:
            joined.append([chapter])
    if len(joined) > 1 and found[-1].end_us // 1_000_000 - _start(joined[-1]) < SHORTEST_SECONDS:
        last = joined.pop()  # what is left of a second at the end of the video is no second
        joined[-1] += last
    made: list[tuple[int, str]] = []
    for parts in joined:
        longest = max(parts, key=lambda part: (bool(part.title), part.end_us - part.start_us))
        title = longest.title or NOTHING
        if not made or made[-1][1] != title:
            made.append((_start(parts), title))
    return made


def _start(parts: Sequence[Chapter]) -> int:
    return rounded(parts[0].start_us, 1)


def _seconds(parts: Sequence[Chapter]) -> int:
    return rounded(parts[-1].end_us, 1) - _start(parts)


def _moment(seconds: int, hours: bool) -> str:
    if hours:
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{seconds // 60}:{seconds % 60:02}"


def _title(title: str) -> str:
    """On one line, and without the angle brackets that YouTube refuses."""
    clean = one_line(title).replace("<", "‹").replace(">", "›")
    return clean if len(clean) <= LONGEST_TITLE else clean[: LONGEST_TITLE - 1] + "…"
