"""`.AI.json`: what it holds, what Haven reads back of it, and what it refuses to read."""

import json
import os
from fractions import Fraction

import pytest
from test_exports import NASTY, frame, material

from engine.errors import InvalidInput
from engine.events.findings import SpanView
from engine.video.exports import FORMATS, read_spans, reading
from engine.video.exports.ai_json import model_number
from engine.video.exports.reading import MOST_BYTES, ReadSpan, parse_spans

VERSION_1 = {
    "schema_version": 1,
    "metadata": {
        "duration": 120.5,
        "models": {
            "animal": {
                "frame_interval": 0.5,
                "threshold": 0.3,
                "version": 2.0,
                "ai_model_id": 200,
                "file_name": "river",
            }
        },
    },
    "timespans": {
        "animal": {
            "dog": [{"start": 1.5, "end": 4, "confidence": 0.9}, {"start": 8.0, "confidence": None}],
            "cat": [],
        },
        "place": {"lake": [{"start": 0, "end": 0}]},
    },
}
VERSION_3 = {
    "schema_version": 3,
    "duration": 60,
    "models": [{"name": "lake", "identifier": 3, "version": 1.0, "categories": ["animal"]}],
    "frame_interval": 2.0,
    "timespans": {"animal": {"dog": [{"start": 10.0, "end": None, "confidence": 0.75}]}},
}
TAG_LIST = {
    "video_metadata": {
        "video_id": 7,
        "duration": 30.0,
        "models": {"river": {"version": 1.0, "ai_model_config": {"frame_interval": 0.5, "threshold": 0.3}}},
    },
    "tags": {
        "dog": {"ai_model_name": "river", "time_frames": [{"start": 2.0, "end": None, "confidence": 0.6}]},
        "cat": {"ai_model_name": "other", "time_frames": [{"start": 1, "end": 3.5, "confidence": 1}]},
    },
}


def changed(form, path, value):
    """A copy of a form with one place in it replaced, or taken out where `value` is `...`."""
    copy = json.loads(json.dumps(form))
    *way, last = path
    inner = copy
    for step in way:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(copy)


def changed_to(form, spans):
    """A copy of version 3 with these spans."""
    return json.loads(changed(form, ["timespans", "animal", "dog"], spans))


@pytest.fixture
def found():
    """Spans of every nasty tag at times that no float holds, in two categories, some without confidence."""
    spans = []
    for n, tag in enumerate(NASTY):
        for start_us in (n * 333_333, 3_600_000_001 + n):
            sure = None if n == 3 else float(Fraction(n + 1, 11))
            spans.append(SpanView(tag, start_us / 1e6, (start_us + 100_001) / 1e6, sure, n + 1))
    categories = dict.fromkeys(NASTY[::2], "animal & Co")
    return material(spans, [frame(0, 0.0)], duration=7200.1, categories=categories)


# What is written


def test_the_file_has_exactly_the_names_of_schema_version_1(found):
    top = json.loads(FORMATS["ai_json"].write(found))
    assert set(top) == {"json_result", "video_tag_info"}
    result, info = top["json_result"], top["video_tag_info"]
    assert set(result) == {"schema_version", "metadata", "timespans"}
    assert set(result["metadata"]) == {"duration", "models"}
    assert set(info) == {"video_duration", "video_tags", "tag_totals", "tag_timespans"}
    assert (result["schema_version"], result["metadata"]["duration"]) == (1, 7200.1)
    assert set(result["metadata"]["models"]) == set(result["timespans"]) == {"tags", "animal & Co"}
    for model in result["metadata"]["models"].values():
        assert model == {
            "frame_interval": 2.0,
            "threshold": 0.5,
            "version": 1.0,
            "ai_model_id": model_number("builtin", "scene-facts"),
            "file_name": "scene-facts",
        }
    for timespans, sure in ((result["timespans"], "confidence"), (info["tag_timespans"], "totalConfidence")):
        names = {frozenset(span) for tags in timespans.values() for spans in tags.values() for span in spans}
        assert names == {frozenset({"start", "end", sure})}


def test_what_people_decided_stands_beside_the_schema_and_is_read_past(tmp_path):
    spans = [SpanView("dog", 0.0, 1.0, 0.9, 1), SpanView("cat", 2.0, 3.0, None, 0, corrected=True)]
    made = material(spans, categories={"dog": "animal", "cat": "animal"}, thresholds={"dog": 0.8, "cat": 0.3})
    top = json.loads(FORMATS["ai_json"].write(made))
    assert top["haven"] == {
        "thresholds": {"dog": 0.8, "cat": 0.3},
        "corrected": {"animal": {"cat": [{"start": 2.0, "end": 3.0}]}},
    }
    assert top["json_result"]["metadata"]["models"]["animal"]["threshold"] == 0.3, "every span has it"
    without = json.dumps({name: part for name, part in top.items() if name != "haven"})
    assert parse_spans(json.dumps(top)) == parse_spans(without)


def test_a_category_has_the_threshold_of_its_own_tags():
    spans = [SpanView("dog", 0.0, 1.0, 0.9, 1), SpanView("sun", 2.0, 3.0, 0.9, 1)]
    made = material(spans, categories={"dog": "animal"}, thresholds={"dog": 0.8, "sun": 0.3})
    models = json.loads(FORMATS["ai_json"].write(made))["json_result"]["metadata"]["models"]
    assert {category: model["threshold"] for category, model in models.items()} == {
        "animal": 0.8,
        "tags": 0.3,
    }


def test_the_summary_says_which_tags_there_are_and_for_how_long(found):
    info = json.loads(FORMATS["ai_json"].write(found))["video_tag_info"]
    assert info["video_tags"] == {"animal & Co": list(NASTY[::2]), "tags": list(NASTY[1::2])}
    totals = {tag: seconds for tags in info["tag_totals"].values() for tag, seconds in tags.items()}
    assert totals == dict.fromkeys(NASTY, 0.200002)


def test_a_model_keeps_its_number():
    assert model_number("llamacpp", "tiny") == model_number("llamacpp", "tiny")
    assert model_number("llamacpp", "tiny") != model_number("transformers", "tiny")


# What is read back


def test_what_is_written_is_read_back_to_the_same_spans(tmp_path, found):
    place = tmp_path / "lake.mp4.AI.json"
    place.write_text(FORMATS["ai_json"].write(found), encoding="utf-8")
    read = read_spans(place)
    assert (read.form, read.duration, read.models) == ("version 1", 7200.1, ("scene-facts",))
    expected = {
        ReadSpan(found.category(span.tag), span.tag, span.start, span.end, span.confidence)
        for span in found.result.spans
    }
    assert len(read.spans) == len(expected)
    assert set(read.spans) == expected


@pytest.mark.parametrize("wrapped", [True, False])
def test_version_1_is_read_with_and_without_what_is_around_it(wrapped):
    read = parse_spans(json.dumps({"json_result": VERSION_1} if wrapped else VERSION_1))
    assert (read.form, read.duration, read.models) == ("version 1", 120.5, ("river",))
    assert read.spans == (
        ReadSpan("animal", "dog", 1.5, 4.0, 0.9),
        ReadSpan("animal", "dog", 8.0, 8.5, None),  # a single frame lasts one interval
        ReadSpan("place", "lake", 0.0, 0.000001, None),  # of an unknown length, but never empty
    )


def test_version_3_is_read():
    read = parse_spans(json.dumps(VERSION_3))
    assert (read.form, read.duration, read.models) == ("version 3", 60.0, ("lake",))
    assert read.spans == (ReadSpan("animal", "dog", 10.0, 12.0, 0.75),)


def test_a_list_of_tags_is_read_with_and_without_its_metadata():
    read = parse_spans(json.dumps(TAG_LIST))
    assert (read.form, read.duration, read.models) == ("tags", 30.0, ("river", "other"))
    assert read.spans == (
        ReadSpan("tags", "dog", 2.0, 2.5, 0.6),
        ReadSpan("tags", "cat", 1.0, 3.5, 1.0),
    )
    bare = parse_spans(json.dumps({"tags": TAG_LIST["tags"]}))
    assert bare.duration is None
    assert bare.spans[1] == read.spans[1]


def test_a_byte_order_mark_is_no_hindrance():
    assert parse_spans(b"\xef\xbb\xbf" + json.dumps(VERSION_3).encode()).spans


# What is refused

DOG = ("timespans", "animal", "dog", 0)
MANY_NAMES = "{" + ", ".join(f'"n{number}": 0' for number in (*range(100_000), 99_999)) + "}"
WRONG = {
    "no object": ("[]", "the file must be an object"),
    "none of the forms": ('{"a": 1}', "none of json_result, schema_version and tags"),
    "no JSON": ('{"tags": ', "no JSON .* line 1"),
    "nothing": ("", "no JSON"),
    "too deep": ("[" * 100_000, "too deep"),
    "not a number": ('{"schema_version": NaN}', "NaN"),
    "infinity": (json.dumps(VERSION_3).replace("10.0", "-Infinity"), "-Infinity"),
    "a number beyond floats": (json.dumps(VERSION_3).replace("10.0", "1e999"), r"timespans.*start is inf"),
    "a number without end": ('{"schema_version": ' + "9" * 5000 + "}", "a number too long"),
    "a name twice": ('{"tags": {}, "tags": {}}', "'tags' stands in it twice"),
    "a name twice behind many": (MANY_NAMES, "'n99999' stands in it twice"),
    "a start beyond measure": (changed(VERSION_1, (*DOG, "start"), 10**400), r"dog\[0\]\.start is 1000"),
    "sure beyond measure": (changed(VERSION_1, (*DOG, "confidence"), 10**400), r"confidence is 1000"),
    "bytes that are no text": (b'{"tags": "\xff"}', "byte 10"),
    "a newer version": (changed(VERSION_1, ["schema_version"], 2), "schema_version is 2.*reads"),
    "a version that is true": (changed(VERSION_1, ["schema_version"], True), "schema_version is True"),
    "a version in words": (changed(VERSION_3, ["schema_version"], "3"), "schema_version is '3'"),
    "no duration": (changed(VERSION_1, ["metadata", "duration"], ...), "metadata.duration is missing"),
    "no models": (changed(VERSION_3, ["models"], ...), "models is missing"),
    "models by name": (changed(VERSION_3, ["models"], {}), "models must be a list"),
    "a model without interval": (
        changed(VERSION_1, ["metadata", "models", "animal", "frame_interval"], ...),
        r"metadata\.models\.animal\.frame_interval is missing",
    ),
    "a model that is called 7": (
        changed(VERSION_1, ["metadata", "models", "animal", "file_name"], 7),
        "file_name must be a text",
    ),
    "no timespans": (changed(VERSION_1, ["timespans"], ...), "timespans is missing"),
    "spans that are no list": (
        changed(VERSION_1, ["timespans", "animal", "dog"], {}),
        r"timespans\.animal\.dog must be a list",
    ),
    "a span that is a number": (changed(VERSION_1, DOG, 5), r"timespans\.animal\.dog\[0\] must be an object"),
    "no start": (changed(VERSION_1, (*DOG, "start"), ...), r"dog\[0\]\.start is missing"),
    "a start in words": (changed(VERSION_1, (*DOG, "start"), "1"), r"dog\[0\]\.start must be a number"),
    "a start that is true": (changed(VERSION_1, (*DOG, "start"), True), r"dog\[0\]\.start must be a number"),
    "a start below zero": (changed(VERSION_1, (*DOG, "start"), -1), r"dog\[0\]\.start is -1"),
    "an end in another age": (changed(VERSION_1, (*DOG, "end"), 1e300), r"dog\[0\]\.end is 1e\+300"),
    "an end before the start": (changed(VERSION_1, (*DOG, "end"), 1), r"dog\[0\] ends at 1 s, before"),
    "too sure": (changed(VERSION_1, (*DOG, "confidence"), 1.5), r"dog\[0\]\.confidence is 1\.5"),
    "sure in words": (changed(VERSION_1, (*DOG, "confidence"), "yes"), r"confidence must be a number"),
    "a tag without a model": (changed(TAG_LIST, ["tags", "dog", "ai_model_name"], ...), "dog.ai_model_name"),
    "a tag without times": (changed(TAG_LIST, ["tags", "dog", "time_frames"], ...), "dog.time_frames"),
    "a tag that is a list": (changed(TAG_LIST, ["tags", "dog"], []), "tags.dog must be an object"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_refused_by_its_place(tmp_path, content, said):
    place = tmp_path / "strange.AI.json"
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(
        InvalidInput, match=f"(?s)strange.AI.json cannot be read as time spans.*{said}"
    ) as refused:
        read_spans(place)
    assert len(str(refused.value)) < 400


def test_what_is_no_file_is_not_opened(tmp_path):
    with pytest.raises(InvalidInput, match=r"gone\.AI\.json"):
        read_spans(tmp_path / "gone.AI.json")
    with pytest.raises(InvalidInput, match="no file"):
        read_spans(tmp_path)
    pipe = tmp_path / "pipe.AI.json"
    os.mkfifo(pipe)
    with pytest.raises(InvalidInput, match="no file"):
        read_spans(pipe)
    large = tmp_path / "large.AI.json"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InvalidInput, match=r"large\.AI\.json has more than 32 MB\. No larger file is read"):
        read_spans(large)


def test_a_file_of_more_parts_than_are_read_is_refused_before_all_of_them_are(monkeypatch):
    span = {"start": 1.0, "end": 2.0}
    content = json.dumps(changed_to(VERSION_3, [span] * 20))
    monkeypatch.setattr(reading, "MOST_PARTS", 24)  # with the model, and what the spans are in
    assert len(parse_spans(content).spans) == 20
    with pytest.raises(InvalidInput, match=r"more than 24 spans and other parts\. No larger file is read"):
        parse_spans(json.dumps(changed_to(VERSION_3, [span] * 21)))
    with pytest.raises(InvalidInput, match="more than 24 spans"):
        parse_spans(f"[{', '.join([json.dumps(span)] * 25)}, oh")  # it never comes to what is no JSON
