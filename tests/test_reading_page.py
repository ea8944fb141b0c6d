"""What the page shows of the spans in another program's file, and the route that reads it."""

import json

import httpx
import pytest
from fake_engine import FakeEngine
from serving import served

from engine.video.exports import ReadSpans
from engine.video.exports.reading import ReadSpan
from ui import reading

EVIL = '<img src=x onerror="alert(1)">'
DOG, LATE = ReadSpan("animal", "dog", 1.5, 4.0, 0.875), ReadSpan("tags", "boat", 20.0, 30.0, None)


def read(*spans: ReadSpan, duration: float | None = 24.0, models: tuple[str, ...] = ("river",)) -> ReadSpans:
    return ReadSpans("version 1", duration, models, spans)


def test_each_tag_of_a_file_is_a_row_of_its_own_marked_as_from_a_file():
    drawn = reading.drawn(read(DOG, LATE), "lake.mp4.AI.json", 60.0)
    assert [(row["tag"], row["category"], row["total"]) for row in drawn["rows"]] == [
        ("dog", "animal", "2.5 s"),
        ("boat", "tags", "10.0 s"),
    ]
    assert drawn["rows"][0]["bars"] == [[1.5, 4.0]]
    assert drawn["rows"][0]["said"] == "dog, read from a file: 2.5 s, 1 span"
    assert "from a file" in drawn["head"]
    assert "2 spans of 2 tags · version 1 · made by river" in drawn["head"]
    assert drawn["duration"] == 60.0


def test_the_same_name_in_two_categories_is_two_tags():
    drawn = reading.drawn(read(DOG, ReadSpan("toy", "dog", 5, 6, None)), "a.json", 24.0)
    assert [row["category"] for row in drawn["rows"]] == ["animal", "toy"]


@pytest.mark.parametrize(
    ("given", "video", "length"),
    [(read(DOG), 0.0, 24.0), (read(DOG, duration=None), 0.0, 4.0), (read(duration=None), 0.0, 0.001)],
)
def test_without_a_known_length_that_of_the_file_counts(given, video, length):
    assert reading.drawn(given, "a.json", video)["duration"] == length


def test_a_file_about_another_video_is_told():
    notes = reading.drawn(read(DOG, LATE), "a.json", 22.0)["notes"]
    assert "The file is about a video of 0:24; this one has 0:22." in notes
    assert "1 of its spans reaches beyond the end" in notes
    assert "2 of its spans reach beyond the end" in reading.drawn(read(LATE, LATE), "a.json", 22.0)["notes"]
    assert reading.drawn(read(DOG), "a.json", 24.4)["notes"] == ""
    assert "no span in it" in reading.drawn(read(), "a.json", 24.0)["notes"]


def test_a_large_file_says_what_is_left_out():
    many = [ReadSpan("tags", f"tag {at}", at, at + 0.5, 0.9) for at in range(reading.MOST_ROWS + 7)]
    drawn = reading.drawn(read(*many, duration=None), "a.json", 0.0)
    assert len(drawn["rows"]) == reading.MOST_TAGS
    assert "107 more tags are not drawn" in drawn["notes"]
    assert drawn["table"].count("<tr class") == reading.MOST_ROWS
    assert "7 later ones are not listed" in drawn["table"]
    close = [ReadSpan("tags", "dog", at / 1000, at / 1000 + 0.0005, 0.9) for at in range(60_000)]
    bars = reading.drawn(read(*close), "a.json", 60.0)["rows"][0]["bars"]
    assert len(bars) <= 2001
    assert (bars[0][0], bars[-1][1]) == (0.0, close[-1].end)


def test_nothing_of_a_file_becomes_markup():
    evil = ReadSpan(EVIL, EVIL, 1, 2, None)
    drawn = reading.drawn(read(evil, models=(EVIL,)), EVIL, 24.0)
    assert not any("<img" in drawn[part] for part in ("head", "notes", "table"))


@pytest.fixture
def page(tmp_path):
    engine = FakeEngine(tmp_path)
    with served(engine, tmp_path) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client
    engine.close()


def test_the_page_reads_an_uploaded_file_and_nothing_else(page, tmp_path):
    frames = [{"start": 1.5, "end": 2, "confidence": 0.25}]
    content = json.dumps({"tags": {"dog": {"ai_model_name": "river", "time_frames": frames}}})
    (path,) = page.post("/gradio_api/upload", files={"files": ("lake.AI.json", content)}).json()
    found = page.post("/spans/read", json={"path": path, "name": "lake.AI.json", "duration": 24}).json()
    assert (found["failed"], found["rows"][0]["bars"]) == (False, [[1.5, 2.0]])
    other = tmp_path / "secret.json"
    other.write_text(content)
    said = page.post("/spans/read", json={"path": str(other), "name": "secret.json"}).json()
    assert (said["failed"], "rows" in said) == (True, False)
    assert "was not uploaded here" in said["said"]


def test_the_page_says_what_is_wrong_with_a_file(page):
    (path,) = page.post("/gradio_api/upload", files={"files": ("odd.json", '{"tags": 5}')}).json()
    said = page.post("/spans/read", json={"path": path, "name": "odd.json"}).json()
    assert said["failed"]
    assert "odd.json cannot be read as time spans: tags must be an object" in said["said"]
