"""Subtitles: a cue for each span, and one for each caption, to be read while the video plays.

WebVTT (W3C) has escapes; SubRip has none, and players take `<`, `{` and `-->` for commands there, so that
signs which look alike stand in their place.
"""

from collections.abc import Callable
from html import escape

from engine.video.exports.material import Material, one_line, rounded

_LOOK_ALIKES = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})


def webvtt(material: Material) -> str:
    """A WebVTT file."""
    head = f"WEBVTT\n\nNOTE {_vtt_text(material.name)}\n"
    return head + "".join(f"\n{cue}" for cue in _cues(material, ".", _vtt_text))


def srt(material: Material) -> str:
    """A SubRip file."""
    return "\n".join(_cues(material, ",", _srt_text))


def _cues(material: Material, point: str, text: Callable[[str], str]) -> list[str]:
    spans = [(s.start_us, s.end_us, s.tag) for s in material.stretches()]
    said = [(s.start_us, s.end_us, s.text) for s in material.spoken()]
    cues = []
    for number, (start_us, end_us, shown) in enumerate(
        sorted(spans + said, key=lambda cue: cue[:2]), start=1
    ):
        start = rounded(start_us, 1000)
        end = max(rounded(end_us, 1000), start + 1)  # a cue is never empty
        cues.append(f"{number}\n{_time(start, point)} --> {_time(end, point)}\n{text(shown)}\n")
    return cues


def _time(ms: int, point: str) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def _lines(text: str) -> list[str]:
    """Its lines; an empty one would end the cue."""
    return [line for line in map(one_line, text.splitlines()) if line] or ["…"]


def _vtt_text(text: str) -> str:
    return "\n".join(escape(line, quote=False) for line in _lines(text))


def _srt_text(text: str) -> str:
    return "\n".join(line.replace("-->", "→").translate(_LOOK_ALIKES) for line in _lines(text))
