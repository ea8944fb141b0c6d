"""What a model wrote, as HTML: paragraphs, lists, headings, bold, code, and times that seek the video.

Every character of the text is escaped; the only tags are those written here, and the only attributes that
depend on the text are numbers. So nothing in an answer can become markup, a link or a script. Links and
pictures of real Markdown stay text on purpose. Takes time in proportion to the text, whatever is in it.
"""

import re
from collections.abc import Iterator
from html import escape

FENCE = re.compile(r"\s{0,3}(```+|~~~+)")
HEADING = re.compile(r"#{1,6}\s+(.*)")
ITEM = re.compile(r"(\s*)(?:([-*+•])|(\d{1,6})[.)])\s+(.*)")
MARKS = re.compile(r"(\*\*|`+)")
# 0:15, 12:05.5, 1:02:03; not a part of a longer number or word.
MOMENT = re.compile(r"(?<![\w:.])(?:(\d{1,2}):)?(\d{1,2}):([0-5]\d(?:\.\d{1,3})?)(?![\w:])")


def light_markdown(text: str) -> str:
    """HTML of an answer, complete also where a code block or a bold word is not closed yet."""
    return "".join(_blocks(text.split("\n")))


def inline(text: str) -> str:
    """One line, or a few, without blocks."""
    pieces = MARKS.split(text)
    last = {mark: place for place, mark in enumerate(pieces)}
    made: list[str] = []
    bold: int | None = None  # where in `made` a ** stands that may yet be closed
    place = 0
    while place < len(pieces):
        piece = pieces[place]
        if place % 2 and piece == "**":
            bold = _bold(made, bold)
        elif place % 2 and last[piece] > place:
            end = pieces.index(piece, place + 1)
            made.append(f"<code>{escape(''.join(pieces[place + 1 : end]))}</code>")
            place = end
        elif piece:
            made.append(_moments(piece))
        place += 1
    return "".join(made)


def _bold(made: list[str], opened: int | None) -> int | None:
    """Close what was opened, if something stands between; else open here."""
    if opened is None or opened == len(made) - 1:
        made.append("**")
        return len(made) - 1
    made[opened] = "<strong>"
    made.append("</strong>")
    return None


def _moments(text: str) -> str:
    made, done = [], 0
    for found in MOMENT.finditer(text):
        hours, minutes, seconds = found.groups()
        if hours and int(minutes) > 59:
            continue
        moment = int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
        made.append(escape(text[done : found.start()]))
        made.append(f'<a class="moment" href="#{moment:g}" data-seek="{moment:g}">{escape(found[0])}</a>')
        done = found.end()
    return "".join([*made, escape(text[done:])])


def _blocks(lines: list[str]) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line = lines[place]
        fence = FENCE.match(line)
        if fence:
            end = _closing(lines, place + 1, fence[1])
            yield f"<pre><code>{escape(chr(10).join(lines[place + 1 : end]))}</code></pre>"
            place = end + 1
        elif ITEM.fullmatch(line):
            end = _run(lines, place, ITEM)
            yield _list(lines[place:end])
            place = end
        elif not line.strip():
            place += 1
        elif heading := HEADING.fullmatch(line):
            yield f'<p class="heading">{inline(heading[1])}</p>'
            place += 1
        else:
            end = _paragraph_end(lines, place)
            yield f"<p>{inline(chr(10).join(lines[place:end]))}</p>"
            place = end


def _closing(lines: list[str], place: int, fence: str) -> int:
    while place < len(lines) and not lines[place].strip().startswith(fence):
        place += 1
    return place


def _run(lines: list[str], place: int, pattern: re.Pattern[str]) -> int:
    while place < len(lines) and pattern.fullmatch(lines[place]):
        place += 1
    return place


def _paragraph_end(lines: list[str], place: int) -> int:
    def ends(line: str) -> bool:
        return not line.strip() or any(p.match(line) for p in (FENCE, HEADING, ITEM))

    place += 1
    while place < len(lines) and not ends(lines[place]):
        place += 1
    return place


def _list(lines: list[str]) -> str:
    """Items as one list, ordered if the first is; deeper ones are set in, at most three steps."""
    found = [match for line in lines if (match := ITEM.fullmatch(line))]
    tag = "ol" if found[0][3] else "ul"
    return f"<{tag}>{''.join(map(_item, found))}</{tag}>"


def _item(found: re.Match[str]) -> str:
    depth = min(len(found[1].expandtabs(4)) // 2, 3)
    value = f' value="{int(found[3])}"' if found[3] else ""
    return f'<li class="depth-{depth}"{value}>{inline(found[4])}</li>'
