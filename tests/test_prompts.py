"""Tag lists and questions that are kept by name: what may be kept, by page and by script."""

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from serving import served

from engine.engine import Engine
from engine.errors import InvalidInput
from engine.events.jobs import SavedPrompt
from engine.prompts import MAX_NAME, MAX_PROMPT, tags_text
from engine.video.tags import parse_tags
from storage.store import Store
from ui.prompts import QUESTIONS, rows

BOATS = SavedPrompt("Boats", ("boat", "red, round sign"), "What is on the water?")


@pytest.fixture
def engine(tmp_path):
    made = Engine(Store.open(tmp_path / "data"), tmp_path)
    yield made
    made.close()


@pytest.fixture
def address(engine, tmp_path):
    with served(engine, tmp_path / "data") as found:
        yield found


def keep(engine, saved: SavedPrompt):
    return engine.prompts.save(saved.name, saved.prompt, saved.tags)


def test_what_is_kept_is_there_after_a_restart(tmp_path):
    engine = Engine(Store.open(tmp_path / "data"), tmp_path)
    keep(engine, BOATS)
    engine.close()
    again = Engine(Store.open(tmp_path / "data"), tmp_path)
    assert again.prompts.all() == [BOATS]
    again.close()


def test_names_are_sorted_as_people_do_and_blanks_around_them_do_not_count(engine):
    for name in ("b", "  A  name ", "C"):
        engine.prompts.save(name, "?")
    assert [one.name for one in engine.prompts.all()] == ["A name", "b", "C"]


def test_a_name_that_is_there_is_replaced_and_what_it_was_is_told(engine):
    assert keep(engine, BOATS) == (BOATS, None)
    kept, before = engine.prompts.save("Boats", "", "a, b, A")
    assert (kept.tags, kept.prompt, before) == (("a", "b"), "", BOATS)
    assert engine.prompts.all() == [kept]


def test_what_is_deleted_is_told_and_gone(engine):
    keep(engine, BOATS)
    assert engine.prompts.delete(" Boats ") == BOATS
    assert engine.prompts.all() == []
    with pytest.raises(InvalidInput, match="Nothing is saved under 'Boats'"):
        engine.prompts.delete("Boats")


@pytest.mark.parametrize(
    ("name", "prompt", "tags", "said"),
    [
        ("", "What?", "", "Give it a name"),
        (" \x00 ", "What?", "", "Give it a name"),
        ("n" * (MAX_NAME + 1), "What?", "", "at most 80 characters"),
        (None, "What?", "", "Give it a name"),
        ("n", " ", " , ", "There is nothing to save"),
        ("n", "w" * (MAX_PROMPT + 1), "", "at most 20,000 characters"),
        ("n", 7, "", "must be a text"),
        ("n", "What?", 7, "The tags must be"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(engine, name, prompt, tags, said):
    with pytest.raises(InvalidInput, match=said):
        engine.prompts.save(name, prompt, tags)
    assert engine.prompts.all() == []


def test_half_a_surrogate_pair_does_not_reach_the_database(engine):
    engine.prompts.save("n\ud800", "What\udfff?", ["a\ud800"])
    assert engine.prompts.all() == [SavedPrompt("n", ("a",), "What?")]


@pytest.mark.parametrize("tags", [("a",), ("a b", "c"), ("red, round", 'the "Anna"'), ()])
def test_a_tag_list_in_a_field_is_read_back_as_it_was(tags):
    assert parse_tags(tags_text(tags)) == tags


def test_rows_are_escaped_and_in_a_chat_only_questions_are_offered():
    saved = [SavedPrompt('<b>"', ("a&b",), ""), SavedPrompt("q", (), "What?\nWhere?")]
    assert '<b>"' not in rows(saved) and "&lt;b&gt;&quot;" in rows(saved) and "a&amp;b" in rows(saved)
    assert "saved-row" in rows(saved[1:], QUESTIONS)
    assert "Nothing is kept yet" in rows(saved[:1], QUESTIONS)


def test_a_script_keeps_lists_and_deletes(address):
    client = Client(address, verbose=False)
    boats = {"name": "Boats", "tags": ["boat", "sail"], "prompt": ""}
    assert client.predict("Boats", tags="boat, sail", api_name="/save_prompt") == boats
    assert client.predict(api_name="/saved_prompts") == [boats]
    with pytest.raises(AppError, match="nothing to save"):
        client.predict("Boats", api_name="/save_prompt")
    assert client.predict("Boats", api_name="/delete_prompt") == boats
    assert client.predict(api_name="/saved_prompts") == []
    client.close()


def test_the_menu_says_what_it_did_and_how_to_take_it_back(address):
    def asked(verb, body):
        return httpx.post(f"{address}/prompts/{verb}", json=body, timeout=60).json()

    first = asked("save", {"name": "Boats", "tags": "boat", "prompt": ""})
    assert (first["said"], first["undo"], first["failed"]) == ("Kept as “Boats”.", None, False)
    other = asked("save", {"name": "Boats", "tags": "sail", "prompt": ""})
    assert other["undo"] == {"name": "Boats", "tags": ["boat"], "prompt": ""}
    assert 'data-tags="boat"' in asked("save", other["undo"])["rows"]
    gone = asked("delete", {"name": "Boats"})
    assert gone["undo"]["tags"] == ["boat"] and "Nothing is kept yet" in gone["rows"]
    assert "Boats" in asked("save", gone["undo"])["rows"]
    refused = asked("delete", {"name": "Cars"})
    assert refused["failed"] and "Cars" in refused["said"] and "Boats" in refused["rows"]


def test_another_sites_page_cannot_ask_the_menu(address):
    origin = {"origin": "http://elsewhere.example"}
    answer = httpx.post(f"{address}/prompts/delete", json={"name": "x"}, headers=origin, timeout=60)
    assert answer.status_code == 403
