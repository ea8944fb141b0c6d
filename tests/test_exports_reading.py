"""`.AI.json`: what it holds, what Haven reads back of it, and what it refuses to read."""

import io
import json
import os
from fractions import Fraction

import pytest
from test_exports import NASTY, frame, material

from engine.errors import InvalidInput
from engine.events.findings import SpanView
from engine.video.exports import FORMATS, ai_json, pieces, read_spans, reading
from engine.video.exports.ai_json import MOST_BYTES, MOST_SPANS, model_number
from engine.video.exports.reading import ReadSpan

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


def parsed(content):
    """What is read in a file with that content."""
    return reading.spans_of(io.BytesIO(content.encode() if isinstance(content, str) else content))


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
    assert parsed(json.dumps(top)) == parsed(without)


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
    read = parsed(json.dumps({"json_result": VERSION_1} if wrapped else VERSION_1))
    assert (read.form, read.duration, read.models) == ("version 1", 120.5, ("river",))
    assert read.spans == (
        ReadSpan("animal", "dog", 1.5, 4.0, 0.9),
        ReadSpan("animal", "dog", 8.0, 8.5, None),  # a single frame lasts one interval
        ReadSpan("place", "lake", 0.0, 0.000001, None),  # of an unknown length, but never empty
    )


def test_version_3_is_read():
    read = parsed(json.dumps(VERSION_3))
    assert (read.form, read.duration, read.models) == ("version 3", 60.0, ("lake",))
    assert read.spans == (ReadSpan("animal", "dog", 10.0, 12.0, 0.75),)


def test_a_list_of_tags_is_read_with_and_without_its_metadata():
    read = parsed(json.dumps(TAG_LIST))
    assert (read.form, read.duration, read.models) == ("tags", 30.0, ("river", "other"))
    assert read.spans == (
        ReadSpan("tags", "dog", 2.0, 2.5, 0.6),
        ReadSpan("tags", "cat", 1.0, 3.5, 1.0),
    )
    bare = parsed(json.dumps({"tags": TAG_LIST["tags"]}))
    assert bare.duration is None
    assert bare.spans[1] == read.spans[1]


def test_a_byte_order_mark_is_no_hindrance():
    assert parsed(b"\xef\xbb\xbf" + json.dumps(VERSION_3).encode()).spans


# What is refused

DOG = ("timespans", "animal", "dog", 0)
MANY_NAMES = "{" + ", ".join(f'"n{number}": 0' for number in (*range(20_000), 19_999)) + "}"
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
    "a name twice behind many": (MANY_NAMES, "'n19999' stands in it twice"),
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
    with pytest.raises(InvalidInput, match=r"large\.AI\.json has more than 300 MB\. No larger"):
        read_spans(large)


def spans_of(number, tags=10):
    """So many, which come and go; of every seventh it is not known how sure the model was."""
    spans = []
    for n in range(number):
        at_us = n // tags * 2_000_000 + n % tags * 333_333
        sure = None if n % 7 == 0 else n % 997 / 997
        spans.append(SpanView(f"tag {n % tags}", at_us / 1e6, (at_us + 1_000_001) / 1e6, sure, 1))
    return spans


def test_what_haven_writes_is_read_back_however_much_it_is(tmp_path):
    made = material(spans_of(126_000), duration=36_000.0)  # more than a quarter of a million objects
    place = tmp_path / "lake.mp4.AI.json"
    place.write_text(FORMATS["ai_json"].write(made), encoding="utf-8")
    read = read_spans(place).spans
    written = sorted(
        made.result.spans, key=lambda span: span.tag
    )  # of each tag they are in the order of time
    assert len(read) == len(written)
    for name in ("tag", "start", "end", "confidence"):
        assert [getattr(span, name) for span in read] == [getattr(span, name) for span in written]


def test_a_span_takes_no_more_room_than_was_reckoned_with():
    """A file with as many spans as are read is never larger than what is read."""
    longest = SpanView(
        "dog", 999_999_999.123457, 999_999_999.234568, 1.2345678901234567e-05, 1, corrected=True
    )
    one, ten = (len(FORMATS["ai_json"].write(material([longest] * number))) for number in (1, 10))
    assert (ten - one) / 9 <= MOST_BYTES / MOST_SPANS


def test_more_spans_than_are_read_are_neither_written_nor_read(monkeypatch):
    content = FORMATS["ai_json"].write(material(spans_of(20)))
    for written_otherwise in (content, json.dumps(json.loads(content))):
        assert len(parsed(written_otherwise).spans) == 20
        monkeypatch.setattr(reading, "MOST_SPANS", 19)
        with pytest.raises(InvalidInput, match=r"more than 19 spans\. No larger file is read"):
            parsed(written_otherwise)
        monkeypatch.undo()
    monkeypatch.setattr(ai_json, "MOST_SPANS", 19)
    with pytest.raises(InvalidInput, match=r"has 20 spans.*more than 19 is read.*longer gaps"):
        FORMATS["ai_json"].write(material(spans_of(20)))


@pytest.mark.parametrize("block", [1, 7, 64])
def test_where_a_file_is_cut_to_be_read_makes_no_difference(monkeypatch, found, block):
    content = FORMATS["ai_json"].write(found)
    whole = parsed(content)
    assert whole == parsed(json.dumps(json.loads(content), indent="\t")), "nor how it is laid out"
    monkeypatch.setattr(pieces, "BLOCK", block)
    monkeypatch.setattr(pieces, "LONGEST", 200)
    assert parsed(content) == parsed("\ufeff" + content) == whole


@pytest.mark.parametrize("number", [998, 999, 1000, 1001, 2500])
def test_the_one_span_that_is_wrong_is_named_however_many_there_are(number):
    spans = [{"start": n * 1.0, "end": n + 0.5, "confidence": 0.5} for n in range(number)]
    spans.append({"start": 5.0, "end": 4.0, "confidence": 0.5})
    with pytest.raises(InvalidInput, match=rf"animal\.dog\[{number}\] ends at 4 s, before it starts at 5 s"):
        parsed(json.dumps(changed_to(VERSION_3, spans)))


SECOND = '"end": 1.0, "confidence": 0.5}'
ODD = {
    "a brace in a name": ('{"start": 0.0, "a}": "{", ' + SECOND, True),
    "a span in a text": (r'{"start": 0.0, "a": "{\"start\": 0.0}", ' + SECOND, True),
    "more than there is room for": ('{"start": 0.0, "a": [{"b": {}}], ' + SECOND, True),
    "a zero too many": ('{"start": 00.0, ' + SECOND, False),
    "a point without figures": ('{"start": 0., ' + SECOND, False),
    "no comma": ('{"start": 0.0 ' + SECOND, False),
    "a text without end": ('{"start": 0.0, "a": "' + SECOND, False),
    "a span in a brace": ('{"{"start": 0.0, ' + SECOND + '"}', False),
    "two commas": ('{"start": 0.0, ' + SECOND + ",", False),
}


@pytest.mark.parametrize(("span", "is_one"), ODD.values(), ids=ODD.keys())
def test_a_span_that_is_written_oddly_is_read_by_the_rules_of_json(span, is_one):
    written = '{"start": 2.0, "end": 3.0, "confidence": 0.5}'
    for list_of_them in (f"[{span}, {written}]", f"[{written}, {span}, {written}]"):
        content = json.dumps(changed_to(VERSION_3, 5)).replace('"dog": 5', f'"dog": {list_of_them}')
        if is_one:
            assert ReadSpan("animal", "dog", 0.0, 1.0, 0.5) in parsed(content).spans
        else:
            with pytest.raises(InvalidInput, match="no JSON"):
                parsed(content)


@pytest.mark.parametrize("beside", ["oh", "5", "{}", '"a"', "null"])
@pytest.mark.parametrize("name", ["confidence", "totalConfidence"])
def test_what_stands_among_spans_is_seen(beside, name):
    span = f'{{"start": 2.0, "end": 3.0, "{name}": 0.5}}'
    form = json.dumps(VERSION_3)
    for of_them in (f"[{beside}, {span}]", f"[{span}, {beside}, {span}]", f"[{beside}]"):
        with pytest.raises(InvalidInput, match="no JSON" if beside == "oh" else r"dog\[[01]\]"):
            parsed(json.dumps(changed_to(VERSION_3, 5)).replace('"dog": 5', f'"dog": {of_them}'))
        passed_over = form.replace("{", f'{{"haven": {of_them}, ', 1)
        if beside == "oh":
            with pytest.raises(InvalidInput, match="no JSON"):
                parsed(passed_over)
        else:
            assert parsed(passed_over) == parsed(form)


# What nobody wrote is refused before much of it is read


class Counting(io.BytesIO):
    """Counts what is read of it."""

    count = 0

    def read(self, size=-1):
        block = super().read(size)
        self.count += len(block)
        return block


LARGE = 20_000_000  # bytes
HOSTILE = {
    "nothing but zeros": (b"\0" * LARGE, "no JSON"),
    "brackets without end": (b"[" * LARGE, "too deep, in line 1"),
    "objects without end": (b'{"a":' * (LARGE // 5), "too deep"),
    "a million names": (
        b"{" + b", ".join(b'"n%d": 0' % number for number in range(1_000_000)),
        "more than 50,000 names and values",
    ),
    "numbers without end": (b'{"models": [' + b"1," * (LARGE // 2), "more than 50,000 names and values"),
    "lists without end": (b'{"haven": [' + b"[]," * (LARGE // 3), "more than 50,000 values within the lists"),
    "names within lists": (
        b'{"haven": [' + (b"[{" + b", ".join(b'"n%d": 0' % n for n in range(40_000)) + b"}],") * 50,
        "more than 50,000 values within the lists",
    ),
    "a text without end": (b'{"haven": "' + b"a" * LARGE, "a text too long, or without end in line 1"),
    "figures without end": (b'{"haven": ' + b"9" * LARGE, "a text too long|a number too long"),
    "models without end": (b'{"models": [' + b'{"a": 1},' * (LARGE // 9), "more than 50,000 names"),
}


@pytest.mark.parametrize(("content", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_nobody_wrote_is_refused_before_much_of_it_is_read(monkeypatch, content, said):
    monkeypatch.setattr(pieces, "MOST_PASSED", 50_000)  # sooner than it would be
    file = Counting(content)
    with pytest.raises(InvalidInput, match=said):
        reading.spans_of(file)
    assert file.count < len(content) / 2


def test_what_is_beside_the_spans_may_be_long():
    beside = {"scores": [n / 7 for n in range(60_000)], "words": ["a", None, {}, [], True] * 9}
    assert parsed(json.dumps({**beside, **VERSION_3})) == parsed(json.dumps(VERSION_3))


def test_what_other_programs_put_beside_and_into_spans_may_be_long():
    tags = {f"tag {n}": n / 20 for n in range(20)}
    frames = [{"time": n, "tags": tags} for n in range(3_000)]
    spans = [{"start": n, "end": n + 1, "confidence": 0.5, "frames": [1, 2]} for n in range(11_000)]
    written = json.dumps({"frames": frames, **changed_to(VERSION_3, spans)})
    assert [span.start for span in parsed(written).spans] == list(range(11_000))


def test_the_place_of_what_is_no_text_or_no_json_is_right_in_a_large_file():
    space = b" " * 3_000_000 + b"\n"
    with pytest.raises(InvalidInput, match="byte 3000011 of it is no UTF-8"):
        parsed(b"{" + space + b'"tags": "\xff"}')
    with pytest.raises(InvalidInput, match="in line 2"):
        parsed(b"{" + space + b'"tags": oh}')
