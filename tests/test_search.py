"""Finding tags and captions of all videos by index, on a real store; the triggers that keep the index."""

import itertools
import random
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from engine.errors import InvalidInput
from engine.jobs.findings import Findings
from engine.jobs.search import EACH, Search, words_of
from storage.records import FrameRecord, JobRecord
from storage.store import Store

SAMPLING = {"interval": [1, 1], "start_us": 0, "end_us": None, "max_frames": None, "step_us": 1_000_000}


@pytest.fixture
def findings(store):
    return Findings(store)


@pytest.fixture
def search(store, findings):
    return Search(store, findings)


def job(store, job_id, answers, tags=("dog",), **changes):
    """A finished analysis, a frame a second; `answers` are captions, or probabilities of the first tag."""
    record = JobRecord(
        id=job_id,
        status="completed",
        video_path=f"/films/{job_id}.mp4",
        video_name=f"{job_id}.mp4",
        video_size=1,
        video_mtime_ns=1,
        provider="builtin",
        model="scene-facts",
        digest="d",
        load_options={},
        tags=tuple(tags),
        prompt="",
        prompt_sha256="p",
        sampling=SAMPLING,
        frames_total=len(answers),
        created_at=float(len(store.jobs(limit=1000))),
        duration_us=len(answers) * 1_000_000,
        video_sha256=f"sha of {job_id}",
    )
    store.add_job(replace(record, **changes))
    for second, said in enumerate(answers):
        told = {"caption": said} if isinstance(said, str) else {"tags": {tags[0]: said}}
        store.add_frame(FrameRecord(job_id, second, second * 1_000_000, "answered", **told), 0.1)
    return job_id


def found(search, query, **more):
    return [(hit.job_id, hit.kind, hit.text, hit.start, hit.end) for hit in search.find(query, **more)]


def test_a_tag_gives_the_spans_in_which_it_holds_the_newest_analysis_first(store, search):
    job(store, "a1", [0.9, 0.9, 0.0, 0.8])
    job(store, "a2", [0.0, 0.7])
    job(store, "a3", [0.1, 0.2])  # asked, but never seen
    assert found(search, "Where was the dog?") == [
        ("a2", "tag", "dog", 1, 2),
        ("a1", "tag", "dog", 0, 2),
        ("a1", "tag", "dog", 3, 4),
    ]
    assert search.find("dogs")[0].thumbnail == "/thumbnails/a2/1000000.jpg"


def test_a_caption_needs_all_of_the_words_and_a_tag_one_of_them(store, search):
    job(store, "a1", ["A brown dog runs.", "A cat sleeps.", "The dog meets the cat."])
    job(store, "a2", [0.9], tags=("cat",))
    assert found(search, "dog and cat") == [
        ("a2", "tag", "cat", 0, 1),
        ("a1", "caption", "The dog meets the cat.", 2, None),
    ]
    assert [hit.start for hit in search.find("running dog")] == [0]


def test_what_neighbours_say_alike_is_one_place_and_no_video_crowds_out_the_others(store, search):
    job(store, "a1", ["a dog"])
    job(store, "a2", ["a dog"] * 50 + [f"dog number {number}" for number in range(EACH * 2)])
    hits = found(search, "dog")
    assert [hit[0] for hit in hits] == ["a2"] * EACH + ["a1"]
    assert hits[0] == ("a2", "caption", "a dog", 0, None)


def test_a_video_that_says_too_much_is_read_from_its_beginning(store, search, monkeypatch):
    monkeypatch.setattr("storage.search.MOST_READ", 4)
    job(store, "a1", ["a dog"])
    job(store, "a2", ["dog one", "dog one", "dog two", "dog three", "dog four", "dog five"])
    job(store, "a3", ["dog", "dog", "dog"])
    assert [(hit[0], hit[2]) for hit in found(search, "dog")] == [
        ("a3", "dog"),
        ("a2", "dog one"),
        ("a2", "dog two"),
        ("a2", "dog three"),
        ("a1", "a dog"),
    ]


def say(store, job_id, captions):
    """What a job says further on, as when it is resumed."""
    at = store.job(job_id).frames_done
    for second, caption in enumerate(captions, at):
        store.add_frame(FrameRecord(job_id, second, second * 1_000_000, "answered", caption=caption), 0.1)


@pytest.mark.parametrize("most_read", [4, 500])
def test_a_video_that_was_paused_hides_none_that_ran_meanwhile(store, search, monkeypatch, most_read):
    monkeypatch.setattr("storage.search.MOST_READ", most_read)
    job(store, "a1", ["a dog"])
    job(store, "a2", ["dog one", "dog two"])
    job(store, "a3", ["a black dog"] * 6)
    job(store, "a4", ["a white dog"])
    say(store, "a2", ["dog three"] * 8)
    assert [hit[::2] for hit in found(search, "dog")] == [
        ("a2", "dog one", None),
        ("a2", "dog two", None),
        ("a2", "dog three", None),
        ("a4", "a white dog", None),
        ("a3", "a black dog", None),
        ("a1", "a dog", None),
    ]


def test_a_video_that_spoke_of_it_only_after_a_long_pause_is_found(store, search, monkeypatch):
    monkeypatch.setattr("storage.search.MOST_READ", 4)
    job(store, "a1", ["a cat"])
    job(store, "a2", ["a black dog"] * 6)
    say(store, "a1", ["dog"] * 5)
    assert [hit[0] for hit in found(search, "dog")] == ["a1", "a2"]


WORDS = ("dog", "cat", "boat", "lake", "red")


def read_from_end_to_end(said, words):
    """What the index should find, from all captions in the order in which they were kept."""
    found = {}
    for job_id, second, caption in reversed(said):
        if set(words) <= set(caption.split()):
            found.setdefault(job_id, {})[caption] = second  # the first time that it was said stays
    return [
        (job_id, second * 1_000_000, caption)
        for job_id, captions in found.items()
        for caption, second in sorted(captions.items(), key=lambda one: one[1])
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_index_finds_what_reading_every_caption_finds(store, seed):
    pick, said, lengths = random.Random(seed), [], {}
    for number in range(25):  # new jobs, and those that go on after others
        job_id = f"a{number}"
        if lengths and pick.random() < 0.4:
            job_id = pick.choice(list(lengths))
        captions = [" ".join(pick.sample(WORDS, pick.randint(1, 4))) for _ in range(pick.randint(1, 6))]
        if job_id in lengths:
            say(store, job_id, captions)
        else:
            job(store, job_id, captions)
        for second, caption in enumerate(captions, lengths.get(job_id, 0)):
            said.append((job_id, second, caption))
        lengths[job_id] = lengths.get(job_id, 0) + len(captions)
    gone = pick.choice(list(lengths))
    store.delete_job(gone)
    said = [one for one in said if one[0] != gone]
    for count in (1, 2, 3):
        for words in itertools.combinations(WORDS, count):
            hits = store.search.captions(words, limit=1000, each=1000)
            found = [(hit.job_id, hit.time_us, hit.caption) for hit in hits]
            assert found == read_from_end_to_end(said, words)


def test_a_search_follows_the_threshold_of_a_job(store, findings, search):
    job(store, "a1", [0.4, 0.9])
    findings.set_settings("a1", {"threshold": 0.95})
    assert found(search, "dog") == []
    findings.set_settings("a1", {"threshold": 0.3})
    assert found(search, "dog") == [("a1", "tag", "dog", 0, 2)]


@pytest.mark.parametrize("tag", ["dog", 'große "Hündin" \\ dog'])
def test_a_long_video_hides_none_of_the_others_and_is_read_from_where_the_tag_holds(
    store, search, monkeypatch, tag
):
    monkeypatch.setattr("engine.jobs.search.ANSWERS", 6)
    monkeypatch.setattr("engine.jobs.search.FEW", 3)
    job(store, "a1", [0.9, 0.1], tags=(tag,))
    job(store, "a2", [0.1] * 8 + [0.9] * 4, tags=(tag,))
    job(store, "a3", [0.1] * 10 + [0.9, 0.9, 0.1, 0.8, 0.1, 0.9, 0.9], tags=(tag,))
    assert [(hit[0], *hit[3:]) for hit in found(search, "dog")] == [
        ("a3", 10, 12),
        ("a3", 13, 14),
        ("a2", 8, 10),  # as far as it was read
        ("a1", 0, 1),
    ]


def test_a_correction_of_a_long_video_is_found(store, findings, search, monkeypatch):
    monkeypatch.setattr("engine.jobs.search.ANSWERS", 3)
    monkeypatch.setattr("engine.jobs.search.FEW", 3)
    job(store, "a1", [0.1] * 10)
    findings.correct("a1", "dog", new=[7, 9])
    assert found(search, "dog") == [("a1", "tag", "dog", 7, 9)]


def test_a_search_follows_corrections(store, findings, search):
    job(store, "a1", [0.1, 0.1, 0.1, 0.1])
    findings.correct("a1", "dog", new=[1, 2.5])
    assert found(search, "dog") == [("a1", "tag", "dog", 1, 2.5)]
    findings.undo("a1")
    assert found(search, "dog") == []


def test_an_older_run_over_the_same_video_is_named_only_where_the_newer_one_found_nothing(store, search):
    job(store, "a1", [0.9], video_path="/films/one.mp4")
    job(store, "a2", [0.8], video_path="/films/one.mp4")
    job(store, "a3", [0.1], video_path="/films/one.mp4")
    assert [hit[0] for hit in found(search, "dog")] == ["a2"]


def test_a_deleted_job_is_not_found(store, search):
    job(store, "a1", ["a dog"], tags=("wolf",))
    job(store, "a2", [0.9])
    for job_id in ("a1", "a2"):
        store.delete_job(job_id)
    assert found(search, "dog") == []
    job(store, "a4", [0.9])
    assert found(search, "dog") == [("a4", "tag", "dog", 0, 1)]


def test_the_limit_leaves_room_for_both_kinds(store, search):
    for number in range(6):
        job(store, f"a{number}", [0.9, 0.9])
        job(store, f"b{number}", ["a dog"])
    kinds = [hit.kind for hit in search.find("dog", limit=6)]
    assert kinds == ["tag"] * 3 + ["caption"] * 3
    assert len(search.find("dog", limit=200)) == 12


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("Where was the dog?", ["dog"]),
        ("dog Dog cat dog", ["dog", "cat"]),
        ("red_car", ["red", "car"]),
        ("the", ["the"]),  # nothing else is asked for
        ("Straße", ["straße"]),
        ("Cafe\u0301 E\u0301TE\u0301", ["café", "été"]),  # marks of their own, as a Mac writes them
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),  # vowels are marks, and no ends of words
        ("❤️ dog", ["dog"]),
        ('dog" NEAR("cat', ["dog", "near", "cat"]),
    ],
)
def test_the_words_that_are_looked_for(query, words):
    assert words_of(query) == words


@pytest.mark.parametrize("query", ["Straße", "STRAßE", "STRAẞE", "STRASSE", "strasse"])
def test_letters_that_have_two_ways_to_be_written_are_looked_for_in_both(store, search, query):
    job(store, "a1", ["Eine Straße am Fluss"])
    job(store, "a2", [0.9], tags=("große straße",))
    job(store, "a3", ["EINE STRASSE"])
    assert [hit.job_id for hit in search.find(query)] == ["a2", "a3", "a1"]


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Überall ÄRZTE", "überall ärzte"),
        ("überall ärzte", "ÜBERALL ÄRZTE"),
        ("un ÉTÉ", "été"),
        ("un e\u0301te\u0301", "ÉTÉ"),
        ("un été", "E\u0301TE\u0301"),
        ("СОБАКА бежит", "собака Бежит"),
        ("мои\u0306 пёс", "МОЙ ПЁС"),
        ("мой пёс", "мои\u0306 пе\u0308с"),
        ("ΟΔΟΣ", "οδός"),
        ("İSTANBUL", "İstanbul"),
        ("İstanbul", "istanbul"),
        ("bir kapı ve ışık", "kapi isik"),
        ("KIRMIZI", "kırmızı"),
        ("kırmızı bir inişli çıkışlı yol", "inisli"),
        ("Müller", "muller"),
        ("თბილისი", "ᲗᲑᲘᲚᲘᲡᲘ"),
        ("ᲗᲑᲘᲚᲘᲡᲘ", "თბილისი"),
        ("हिन्दी किताब", "हिन्दी"),
    ],
)
def test_neither_case_nor_the_way_of_writing_a_letter_counts_in_any_script(store, search, said, query):
    job(store, "a1", [said])
    job(store, "a2", [0.9], tags=(said,))
    job(store, "a3", ["a dog"], tags=("dog",))
    assert [(hit.job_id, hit.kind) for hit in search.find(query)] == [("a2", "tag"), ("a1", "caption")]


@pytest.mark.parametrize(
    "strange", ['"dog', "dog*", "caption:dog", "^dog", "{dog}", "-dog", "dog'", "dog(", "dog\0"]
)
def test_no_mark_in_a_query_means_anything(store, search, strange):
    job(store, "a1", ["a dog and its caption"])
    assert [hit.job_id for hit in search.find(strange)] == ["a1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("",), "Say what to look for"),
        ((None,), "Say what to look for"),
        (("dog", 0), "limit must be from 1"),
    ],
)
def test_what_is_off_is_named(search, given, message):
    with pytest.raises(InvalidInput, match=message):
        search.find(*given)


INDEX = """
DROP TRIGGER caption_added; DROP TRIGGER caption_gone; DROP TRIGGER caption_was; DROP TRIGGER caption_is;
DROP TABLE caption_search; DROP TABLE tag_search; DROP TABLE tag_peak;
DROP TABLE span_settings; DROP TABLE span_correction;
DELETE FROM schema_migration WHERE name = '0005_spans_and_search';
"""


def test_an_older_folder_is_searched_after_its_upgrade(tmp_path):
    older = Store.open(tmp_path / "data")
    job(older, "a1", ["a dog"])
    job(older, "a2", [0.2, 0.9, 0.4], tags=("guide dog",))
    older.close()
    with closing(sqlite3.connect(tmp_path / "data" / "haven.db")) as database:
        database.executescript(INDEX)
    newer = Store.open(tmp_path / "data")
    search = Search(newer, Findings(newer))
    assert found(search, "dog") == [
        ("a2", "tag", "guide dog", 1, 2),
        ("a1", "caption", "a dog", 0, None),
    ]
    newer.delete_job("a1")
    newer.delete_job("a2")
    assert found(search, "dog") == []
    newer.close()
