"""Files for cutting: an edit decision list, an OpenTimelineIO timeline and a LosslessCut project.

All three name the video and the spans in it. Where frames are counted, the rate is the video's own; a
timecode cannot count every rate, and an edit decision list is refused where it cannot.
"""

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from engine.errors import InvalidInput, MediaError
from engine.video.exports.material import Material, Stretch, one_line, rounded
from engine.video.exports.timecode import Counting, counting, nominal

MOST_EVENTS = 999  # an edit decision list has three digits for their numbers
LONGEST_TITLE = 70  # characters
DAY_SECONDS = 86_400  # where a timecode starts again from zero
COLOURS = ("GREEN", "BLUE", "YELLOW", "RED", "CYAN", "MAGENTA", "ORANGE", "PURPLE")


def edl(material: Material) -> str:
    """CMX 3600: every span is an event; they are recorded one after another, so that none overlaps.

    Raises: InvalidInput when the format has no room for them, or no timecode counts the video's rate;
    MediaError when the rate is not known.
    """
    counted, stretches = _counting(material), material.stretches()
    if len(stretches) > MOST_EVENTS:
        raise InvalidInput(
            f"An EDL has room for {MOST_EVENTS} events, and this analysis has {len(stretches):,} spans. "
            "Allow longer gaps, or choose another format."
        )
    lines = [
        f"TITLE: {material.name[:LONGEST_TITLE]}",
        f"FCM: {'DROP FRAME' if counted.drop else 'NON-DROP FRAME'}",
    ]
    recorded = 0
    for number, stretch in enumerate(stretches, start=1):
        start, length = _frames(stretch, counted.rate)
        _refuse_more_than_a_day(max(start, recorded) + length, counted)
        times = (start, start + length, recorded, recorded + length)
        lines += [
            "",
            f"{number:03}  AX       V     C        {' '.join(map(counted.timecode, times))}",
            f"* FROM CLIP NAME: {material.name}",
            f"* COMMENT: {one_line(stretch.tag)}",
        ]
        recorded += length
    return "\r\n".join(lines) + "\r\n"


def otio(material: Material) -> str:
    """A timeline with the whole video as one clip and a marker for each span: markers may overlap.

    Raises: InvalidInput when the library is not installed; MediaError when the rate is not known.
    """
    try:
        import opentimelineio as library
    except ImportError as error:
        raise InvalidInput(
            f"OpenTimelineIO cannot be loaded ({error}). Install it with: pip install opentimelineio"
        ) from error
    rate = nominal(_rate(material))
    whole = _range(library, rate, 0, max(rounded(material.duration_us, rate), 1))
    where = material.name if material.uploaded else material.video.absolute().as_uri()
    clip = library.schema.Clip(
        name=material.name,
        media_reference=library.schema.ExternalReference(target_url=where, available_range=whole),
        source_range=whole,
    )
    clip.markers.extend(_markers(library, material, rate))
    track = library.schema.Track(name="Video", kind=library.schema.TrackKind.Video, children=[clip])
    timeline = library.schema.Timeline(name=material.name)
    timeline.tracks.append(track)
    return library.adapters.write_to_string(timeline, "otio_json")


def _markers(library: Any, material: Material, rate: Fraction) -> Iterator[Any]:
    places = {tag: place for place, tag in enumerate(material.result.job.tags)}
    for stretch in material.stretches():
        yield library.schema.Marker(
            name=stretch.tag.replace("\0", " "),  # its library would cut it there
            marked_range=_range(library, rate, *_frames(stretch, rate)),
            color=COLOURS[places.get(stretch.tag, 0) % len(COLOURS)],
            metadata={"haven": _known(stretch)},
        )


def _range(library: Any, rate: Fraction, start: int, length: int) -> Any:
    """Of so many frames, at `rate` a second."""
    time, per_second = library.opentime, float(rate)
    return time.TimeRange(time.RationalTime(start, per_second), time.RationalTime(length, per_second))


def losslesscut(material: Material) -> str:
    """A LosslessCut project, version 1, which every LosslessCut reads: a segment for each span.

    The project is JSON5; plain JSON is that as well.
    """
    project = {
        "version": 1,
        "mediaFileName": material.result.job.video if material.uploaded else material.video.name,
        "cutSegments": [
            {
                "start": s.start_us / 1e6,
                "end": s.end_us / 1e6,
                "name": s.tag,
                "tags": {name: str(value) for name, value in _known(s).items()},
            }
            for s in material.stretches()
        ],
    }
    return json.dumps(project, indent=2, ensure_ascii=False) + "\n"


def _rate(material: Material) -> Fraction:
    if material.rate is None:
        raise MediaError(
            f"{material.name} does not say how many pictures a second it has, and this format counts them. "
            "Choose another format."
        )
    return material.rate


def _counting(material: Material) -> Counting:
    rate = _rate(material)
    counted = counting(rate)
    if counted is None:
        raise InvalidInput(
            f"{material.name} has {float(rate):.6g} pictures a second, which the timecode of an EDL cannot "
            "count. Choose another format; OpenTimelineIO takes any rate."
        )
    return counted


def _frames(stretch: Stretch, rate: Fraction) -> tuple[int, int]:
    """The first frame and how many; at least one."""
    start = rounded(stretch.start_us, rate)
    return start, max(rounded(stretch.end_us, rate) - start, 1)


def _refuse_more_than_a_day(frame: int, counted: Counting) -> None:
    if frame > counted.rate * DAY_SECONDS:
        raise InvalidInput("The timecode of an EDL ends after 24 hours. Choose another format.")


def _known(stretch: Stretch) -> dict[str, Any]:
    """What the format has no place of its own for; nothing that is unknown."""
    known = {
        "category": stretch.category,
        "confidence": stretch.confidence,
        "hits": stretch.hits,
        "by": "person" if stretch.corrected else None,
    }
    return {name: value for name, value in known.items() if value is not None}
