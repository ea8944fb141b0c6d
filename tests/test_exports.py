"""Each format is read back, with its own library or a strict parser, and says what the job says."""

import csv
import html
import io
import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import opentimelineio
import pytest

from engine.errors import InvalidInput, MediaError
from engine.events.findings import SpanView
from engine.events.jobs import FrameView, JobResult, JobView
from engine.video.exports import FORMATS, Material, export
from engine.video.exports.material import rounded
from engine.video.exports.timecode import Counting, counting
from tests.reading_back import (
    cues,
    ffmpeg_chapters,
    read_edl,
    read_json,
    read_table,
    read_timeline,
    youtube_chapters,
)

NTSC = Fraction(30_000, 1001)
FILM = Fraction(24_000, 1001)
HOUR_US = 3_600_000_000
# What people call things, and what formats would stumble over.
NASTY = (
    "dog",
    "red, round sign",
    'the "old" one',
    "=HYPERLINK(1)",
    "'quoted",
    "a --> b",
    "<b>bold</b> & {\\an8}top",
    "k=v; #1 \\ end",
    "🐕‍🦺 été",
    "two\nlines\r\nand\ttab",
)


def job_view(tags, duration=3600.0, video="lake; #1=.mp4"):
    return JobView(
        job_id="0123456789abcdef",
        video=video,
        status="completed",
        reason="",
        provider="builtin",
        model="scene-facts",
        frames_done=0,
        frames_total=0,
        progress=1.0,
        eta_seconds=0.0,
        frames_per_second=None,
        latest=None,
        error="",
        tags=tuple(tags),
        duration=duration,
    )


def frame(index, time, caption="", tags=None, state="answered", error=""):
    return FrameView(index, time, state, tags or {}, caption, {}, error, "")


def material(spans=(), frames=(), tags=None, duration=3600.0, **more):
    asked = tags if tags is not None else dict.fromkeys(span.tag for span in spans)
    result = JobResult(job_view(asked, duration), tuple(frames), tuple(spans), {"prompt": ""})
    return Material(**{"result": result, "video": Path("/films/lake.mp4"), "interval_us": 2_000_000, **more})


def text_of(format, made):
    return FORMATS[format].write(made)


def in_file(folder, format, made):
    place = export(made, format, folder)
    assert place.name.endswith(FORMATS[format].extension)
    return place


@pytest.fixture
def nasty():
    """A span for each nasty tag, of odd lengths, overlapping its neighbours, the last without confidence."""
    spans = [
        SpanView(tag, 7.000001 * n, 7.000001 * n + 11.123457, None if n == 9 else 0.5 + n / 20, n + 1)
        for n, tag in enumerate(NASTY)
    ]
    spans = [replace(s, start=round(s.start, 6), end=round(s.end, 6)) for s in spans]
    return material(spans, rate=NTSC)


def one_line(text):
    return " ".join(text.split())


# The file


def test_every_format_becomes_a_whole_file_and_nothing_else(tmp_path, nasty):
    folder = tmp_path / "exports"
    for format in FORMATS:
        in_file(folder, format, nasty)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(f"lake_1_-01234567{known.extension}" for known in FORMATS.values())


@pytest.mark.parametrize("name", ["", "...", "漢" * 200 + ".mp4", "🎬" * 200, "a/../../b\x00.mp4", "x" * 300])
def test_any_name_of_a_video_gives_the_name_of_a_file(tmp_path, name):
    made = replace(material(), result=JobResult(job_view((), video=name), (), ()))
    place = export(made, "csv_frames", tmp_path)
    assert place.parent == tmp_path
    assert place.is_file()


def test_a_format_that_is_not_known_is_refused_with_those_that_are(tmp_path):
    for format in ("docx", "", None, ["csv"]):
        with pytest.raises(InvalidInput, match=r"ai_json, json, csv"):
            export(material(), format, tmp_path)


def test_a_job_that_found_nothing_gives_files_that_say_so(tmp_path):
    empty = material(tags=("dog",), rate=Fraction(25))
    for format in FORMATS.keys() - {"youtube"}:
        in_file(tmp_path, format, empty)
    assert json.loads(text_of("ai_json", empty))["json_result"]["timespans"] == {}
    assert text_of("srt", empty) == ""


# Tables


def test_a_table_has_a_row_for_each_span_with_its_exact_times(nasty):
    rows = read_table(text_of("csv", nasty))
    found = [
        (row["tag"].removeprefix("'"), Fraction(row["start_seconds"]), Fraction(row["end_seconds"]))
        for row in rows
    ]
    assert found == [
        (s.tag, Fraction(f"{s.start:.6f}"), Fraction(f"{s.end:.6f}")) for s in nasty.result.spans
    ]
    sure = [float(row["confidence"]) if row["confidence"] else None for row in rows]
    assert sure == [span.confidence for span in nasty.result.spans]
    assert rows[9]["start"] == "0:01:03.000"


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "'"])
def test_no_cell_is_a_formula(begins):
    tag = f"{begins}cmd|' /C calc'!A0"
    made = material([SpanView(tag, 0.0, 1.0, 0.9, 1)], [frame(0, 0.0, tag, {tag: 0.9}, error=tag)])
    for format in ("csv", "csv_frames"):
        text = text_of(format, made).removeprefix("\ufeff")
        cells = [cell for row in csv.reader(io.StringIO(text, newline=""), strict=True) for cell in row]
        assert not [cell for cell in cells if cell.lstrip(" ").startswith(tuple("=+-@\t\r\n＝"))]
        assert f"'{tag}" in cells


@pytest.mark.parametrize("separator", [";", "\t", "|", "\n", "\r\n"])
@pytest.mark.parametrize("formula", ["=1+1", " =1+1", "+1", "-1", "@sum(1)", '"=1+1"', "'=1+1", "＝1"])
def test_no_cell_is_a_formula_however_a_spreadsheet_splits_lines(separator, formula):
    """Set to another separator it heeds no quotes, for no cell begins with one."""
    tag = f"x{separator}{formula}"
    made = material([SpanView(tag, 0.0, 1.0, 0.9, 1)], [frame(0, 0.0, tag, {tag: 0.9}, error=tag)])
    for format in ("csv", "csv_frames"):
        cells = re.split(r"[;\t|\r\n]", text_of(format, made).removeprefix("\ufeff"))
        assert not [cell for cell in cells if cell.strip(' "').startswith(tuple("=+-@＝"))]
        assert sum(cell.startswith("'") for cell in cells) == text_of(format, made).count(
            formula.strip(" \"'")
        )


def test_plain_texts_stand_in_a_table_as_they_are():
    for tag in ("red; blue", "a|b", "x - y; z", "one\ntwo", "1;2", "what's =?", "a,=b"):
        (row,) = read_table(text_of("csv", material([SpanView(tag, 0.0, 1.0, 0.9, 1)])))
        assert row["tag"] == tag


def test_a_table_says_which_spans_a_person_shaped():
    spans = [SpanView("dog", 0.0, 1.0, 0.9, 1), SpanView("dog", 2.0, 3.0, None, 0, corrected=True)]
    rows = read_table(text_of("csv", material(spans)))
    assert [(row["start_seconds"], row["by"]) for row in rows] == [
        ("0.000000", "model"),
        ("2.000000", "person"),
    ]


def test_a_table_of_frames_has_a_column_for_each_tag():
    frames = [
        frame(0, 0.0, "A dog,\nrunning", {"dog": 0.93, "index": None}),
        frame(1, 2.5, state="failed", error='It said "no"'),
    ]
    made = material(frames=frames, tags=("dog", "index"))
    head, first, second = csv.reader(
        io.StringIO(text_of("csv_frames", made).removeprefix("\ufeff"), newline=""), strict=True
    )
    assert head == ["index", "time", "time_seconds", "state", "caption", "error", "dog", "index"]
    assert first == ["0", "0:00:00.000", "0.000000", "answered", "A dog,\nrunning", "", "0.93", ""]
    assert second == ["1", "0:00:02.500", "2.500000", "failed", "", 'It said "no"', "", ""]


# Subtitles


@pytest.mark.parametrize("format", ["vtt", "srt"])
def test_each_span_is_a_cue(tmp_path, nasty, format):
    read = list(cues(in_file(tmp_path, format, nasty), format))
    expected = [(round(s.start * 1000), round(s.end * 1000)) for s in nasty.result.spans]
    assert [(start, end) for start, end, _ in read] == expected


def test_a_webvtt_cue_says_the_tag_whatever_is_in_it(tmp_path, nasty):
    texts = [html.unescape(text) for _, _, text in cues(in_file(tmp_path, "vtt", nasty), "vtt")]
    assert texts[:9] == list(NASTY[:9])
    assert texts[9] == "two\nlines\nand tab"


def test_subtitles_hold_no_commands(tmp_path, nasty):
    for _, _, text in cues(in_file(tmp_path, "vtt", nasty), "vtt"):
        assert not re.search(r"-->|<", text)
    for _, _, text in cues(
        in_file(tmp_path, "srt", nasty), "srt"
    ):  # it has no escapes, and players know `{\\an8}`
        assert not re.search(r"-->|<|\{", text)


def test_a_caption_stands_until_the_next_frame(tmp_path):
    frames = [
        frame(0, 0.0, "A lake"),
        frame(1, 2.0),
        frame(2, 4.0, "A boat\n\n-->\nand a sun"),
        frame(3, 6.5),
    ]
    made = material(frames=[*frames, frame(4, 9.0, "The end")], duration=10.0)
    read = list(cues(in_file(tmp_path, "vtt", made), "vtt"))
    assert [(start, end) for start, end, _ in read] == [(0, 2000), (4000, 6500), (9000, 10_000)]
    assert html.unescape(read[1][2]) == "A boat\n-->\nand a sun"


def test_a_cue_is_never_empty_and_never_before_its_time(tmp_path):
    made = material(
        [SpanView("dog", 1.0004, 1.000401, 0.9, 1), SpanView("cat", 359_999.9996, 360_000.0, 1, 1)]
    )
    for format in ("vtt", "srt"):
        read = list(cues(in_file(tmp_path, format, made), format))
        assert [(start, end) for start, end, _ in read] == [(1000, 1001), (360_000_000, 360_000_001)]


# Chapters


def test_ffmpeg_reads_the_chapters_and_their_names(tmp_path):
    spans = [SpanView(tag, 10.0 * n, 10.0 * n + 10, 0.9, 1) for n, tag in enumerate(NASTY)]
    title, chapters = ffmpeg_chapters(in_file(tmp_path, "ffmetadata", material(spans)))
    assert title == "lake; #1=.mp4"
    assert chapters == [(10 * n, 10 * n + 10, one_line(tag)) for n, tag in enumerate(NASTY)]


def test_chapters_begin_where_the_tags_change_and_never_overlap(tmp_path):
    spans = [SpanView("dog", 1.5, 20.25, 0.9, 1), SpanView("cat", 10.0, 30.000001, 0.9, 1)]
    spans.append(SpanView("dog", 40.0, 50.0, 0.9, 1))
    _, read = ffmpeg_chapters(in_file(tmp_path, "ffmetadata", material(spans)))
    assert [(start * 1_000_000, end * 1_000_000, title) for start, end, title in read] == [
        (1_500_000, 10_000_000, "dog"),
        (10_000_000, 20_250_000, "dog, cat"),
        (20_250_000, 30_000_001, "cat"),
        (40_000_000, 50_000_000, "dog"),
    ]


def test_youtube_gets_chapters_by_its_rules():
    spans = [
        SpanView("dog", 2.0, 65.4, 0.9, 1),  # what is before it is too short for a chapter
        SpanView("flash", 100.0, 101.0, 0.9, 1),  # as this is: it takes in what follows
        SpanView("a <b>", 3599.5, 3700.0, 0.9, 1),
    ]
    text = text_of("youtube", material(spans, duration=3705.0))
    assert youtube_chapters(text, 3705.0) == [(0, "dog"), (65, "Other"), (100, "flash"), (3600, "a ‹b›")]
    assert text.startswith("0:00:00 dog\n")


@pytest.mark.parametrize(("duration", "last"), [(69.4, 40), (69.5, 40), (69.999999, 40), (70.0, 60)])
def test_a_chapter_that_ends_the_video_too_soon_is_part_of_the_one_before(duration, last):
    spans = [
        SpanView(tag, start, start + 20, 0.9, 1) for tag, start in (("a", 0.0), ("b", 20.0), ("c", 40.0))
    ]
    read = youtube_chapters(text_of("youtube", material(spans, duration=duration)), duration)
    assert read[-1][0] == last


def test_a_very_long_title_is_cut():
    spans = [SpanView("x" * 200, 0.0, 20, 0.9, 1), SpanView("b", 20.0, 40, 0.9, 1)]
    assert len(youtube_chapters(text_of("youtube", material(spans, duration=60.0)), 60.0)[0][1]) == 100


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([], "at least 3"),
        ([SpanView("dog", 0.0, 1800.0, 0.9, 1)], "give 2"),
        ([SpanView("dog", n * 8.0, n * 8.0 + 4, 0.9, 1) for n in range(9)], "at least 3"),
        ([SpanView(f"{'dog' * 20} {n}", n * 20.0, n * 20.0 + 20, 0.9, 1) for n in range(90)], "5,000 bytes"),
        ([SpanView(f"{'漢' * 20} {n}", n * 20.0, n * 20.0 + 20, 0.9, 1) for n in range(90)], "5,000 bytes"),
    ],
)
def test_where_youtube_would_show_no_chapters_it_is_said(spans, said):
    with pytest.raises(InvalidInput, match=said):
        text_of("youtube", material(spans))


# Frames and timecode


def drop_frame_numbers(base):
    """All numbers of one day in order, by the definition: some are left out of each minute but the tenths."""
    for minute in range(60 * 24):
        for number in range(base * 60):
            if number >= base // 15 or minute % 10 == 0:
                yield minute, number // base, number % base


@pytest.mark.parametrize("base", [30, 60])
def test_drop_frame_timecode_is_as_defined(base):
    counted = Counting(Fraction(base * 1000, 1001), base, drop=True)
    for frame_number, (minute, second, number) in enumerate(drop_frame_numbers(base)):
        if minute == 31:
            break
        if number in (0, 1, 2, 3, 4, base - 1) and second in (0, 59):
            expected = f"{minute // 60:02}:{minute % 60:02}:{second:02};{number:02}"
            assert counted.timecode(frame_number) == expected


@pytest.mark.parametrize(
    ("rate", "base", "drop"),
    [
        (NTSC, 30, True),
        (Fraction(2997, 100), 30, True),
        (Fraction(17_880_000, 596_597), 30, True),  # measured
        (Fraction(60_000, 1001), 60, True),
        (Fraction(120_000, 1001), 60, True),
        (FILM, 24, False),
        (Fraction(15_000, 1001), 15, False),
        (Fraction(24), 24, False),
        (Fraction(25), 25, False),
        (Fraction(30), 30, False),
        (Fraction(10), 10, False),
        (Fraction(45), 45, False),
        (Fraction(75), 25, False),  # every third
        (Fraction(90), 30, False),
        (Fraction(144), 48, False),
        (Fraction(240), 60, False),
        (Fraction(2983, 100), 30, True),  # variable: by the clock
        (Fraction(125, 2), 60, False),
    ],
)
def test_a_rate_is_counted_as_editors_count_it(rate, base, drop):
    counted = counting(rate)
    assert (counted.base, counted.drop) == (base, drop)


UNCOUNTED = (Fraction(25, 2), Fraction(12_345, 1000), Fraction(1, 5))


@pytest.mark.parametrize("rate", UNCOUNTED)
def test_a_rate_that_no_timecode_counts_is_refused_with_what_takes_it(rate):
    made = material([SpanView("dog", 1.0, 2.0, 0.9, 1)], rate=rate)
    with pytest.raises(InvalidInput, match=rf"has {float(rate):g} pictures a second.*OpenTimelineIO"):
        text_of("edl", made)


RATES = (NTSC, Fraction(15_000, 1001), Fraction(120_000, 1001), *map(Fraction, (45, 75, 90, 100, 120, 144)))


@pytest.mark.parametrize("rate", [*RATES, *UNCOUNTED, Fraction(2983, 100), Fraction(125, 2)])
def test_a_timeline_counts_the_pictures_of_the_video_itself(tmp_path, rate):
    starts = [round(hours * 3600 * rate) + 1 for hours in (0, 1, 9)]
    times = [(float(round(n / rate, 6)), float(round((n + 1) / rate, 6))) for n in starts]
    made = material([SpanView("dog", *both, 0.9, 1) for both in times], rate=rate, duration=36_000.0)
    ranges = [marker.marked_range for marker in read_timeline(in_file(tmp_path, "otio", made)).markers]
    assert {found.start_time.rate for found in ranges} == {float(rate)}
    assert [(found.start_time.value, found.duration.value) for found in ranges] == [(n, 1) for n in starts]


@pytest.mark.parametrize("rate", [NTSC, FILM, Fraction(15_000, 1001), Fraction(25)])
def test_a_frame_is_found_again_after_hours(rate):
    counted = counting(rate)
    for hours in (1, 2, 23):
        frame_number = round(hours * 3600 * rate)
        assert rounded(round(frame_number / rate * 1_000_000), counted.rate) == frame_number


def test_drop_frame_timecode_follows_the_clock():
    assert counting(NTSC).timecode(rounded(HOUR_US, NTSC)) == "01:00:00;00"
    assert counting(FILM).timecode(rounded(HOUR_US, FILM)) == "00:59:56:10"


# Cutting


def test_an_edit_decision_list_has_an_event_for_each_span(nasty):
    title, mode, events = read_edl(text_of("edl", nasty), 30)
    assert (title, mode) == ("lake; #1=.mp4", "DROP FRAME")
    assert [event["number"] for event in events] == list(range(1, 11))
    assert [event["COMMENT"] for event in events] == [one_line(tag) for tag in NASTY]
    recorded = 0
    for event, span in zip(events, nasty.result.spans, strict=True):
        first, last, into, until = event["times"]
        assert first == round(Fraction(round(span.start * 1e6), 1_000_000) * NTSC)
        assert last == round(Fraction(round(span.end * 1e6), 1_000_000) * NTSC)
        assert (into, until) == (recorded, recorded + last - first)
        recorded = until


@pytest.mark.parametrize(
    ("rate", "mode"), [(NTSC, "DROP FRAME"), (FILM, "NON-DROP FRAME"), (Fraction(25), "NON-DROP FRAME")]
)
def test_an_edit_decision_list_does_not_drift_in_hours(rate, mode):
    numbers = [round(hours * 3600 * rate) for hours in (1, 5, 9)]
    times = [(round(n / rate * 1_000_000), round((n + 1) / rate * 1_000_000)) for n in numbers]
    spans = [SpanView("dog", start / 1e6, end / 1e6, 0.9, 1) for start, end in times]
    _, said, events = read_edl(text_of("edl", material(spans, rate=rate, duration=36_000.0)), round(rate))
    assert said == mode
    assert {event["drop"] for event in events} == {mode == "DROP FRAME"}
    assert [event["times"][:2] for event in events] == [[n, n + 1] for n in numbers]


def test_a_span_shorter_than_a_frame_is_an_event_of_one_frame():
    made = material([SpanView("dog", 1.0, 1.000001, 0.9, 1)], rate=Fraction(25))
    assert read_edl(text_of("edl", made), 25)[2][0]["times"] == [25, 26, 0, 1]


def test_what_an_edit_decision_list_has_no_room_for_is_refused():
    many = [SpanView("dog", n * 2.0, n * 2.0 + 1, 0.9, 1) for n in range(1000)]
    with pytest.raises(InvalidInput, match="999 events"):
        text_of("edl", material(many, rate=Fraction(25)))
    late = [SpanView("dog", 86_400.0, 86_401.0, 0.9, 1)]
    with pytest.raises(InvalidInput, match="24 hours"):
        text_of("edl", material(late, rate=Fraction(25), duration=90_000.0))


@pytest.mark.parametrize("format", ["edl", "otio"])
def test_a_format_that_counts_frames_needs_their_rate(format):
    with pytest.raises(MediaError, match="pictures a second"):
        text_of(format, material())


def test_a_timeline_is_read_by_its_own_library(tmp_path, nasty):
    clip = read_timeline(in_file(tmp_path, "otio", nasty))
    assert clip.media_reference.target_url == "file:///films/lake.mp4"
    assert clip.source_range.duration == opentimelineio.opentime.RationalTime(107_892, float(NTSC))
    assert [marker.name for marker in clip.markers] == list(NASTY)
    for marker, span in zip(clip.markers, nasty.result.spans, strict=True):
        start, end = marker.marked_range.start_time, marker.marked_range.end_time_exclusive()
        assert start.value == round(Fraction(round(span.start * 1e6), 1_000_000) * NTSC)
        assert end.value == round(Fraction(round(span.end * 1e6), 1_000_000) * NTSC)
        assert marker.metadata["haven"]["hits"] == span.hits
    assert "confidence" not in clip.markers[9].metadata["haven"]


def test_a_name_that_the_library_would_cut_at_its_nul_is_written_whole():
    made = material([SpanView("red\0car", 1.0, 2.0, 0.9, 1)], rate=Fraction(25))
    timeline = opentimelineio.adapters.read_from_string(text_of("otio", made), "otio_json")
    assert [marker.name for marker in timeline.find_clips()[0].markers] == ["red car"]


def test_a_timeline_of_an_upload_names_the_video_as_the_person_does():
    made = material(rate=Fraction(25), uploaded=True, video=Path("/data/videos/0a1b.mp4"))
    timeline = opentimelineio.adapters.read_from_string(text_of("otio", made), "otio_json")
    assert timeline.find_clips()[0].media_reference.target_url == "lake; #1=.mp4"


def test_a_losslesscut_project_has_a_segment_for_each_span(nasty):
    project = read_json(text_of("llc", nasty))
    assert set(project) == {"version", "mediaFileName", "cutSegments"}
    assert (project["version"], project["mediaFileName"]) == (1, "lake.mp4")
    segments = [(cut["name"], cut["start"], cut["end"]) for cut in project["cutSegments"]]
    assert segments == [(span.tag, span.start, span.end) for span in nasty.result.spans]
    values = [value for cut in project["cutSegments"] for value in cut["tags"].values()]
    assert {type(value) for value in values} == {str}
