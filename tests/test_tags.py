"""Reading a tag list as people write it."""

import pytest

from engine.backends.yesno import question
from engine.errors import InvalidInput
from engine.settings import MAX_TAGS
from engine.video.tags import MAX_TAG_LENGTH, parse_tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        (" , ,\n,", ()),
        ("boat", ("boat",)),
        ("boat, lake ,tree", ("boat", "lake", "tree")),
        ("boat\nlake\r\ntree\rsky", ("boat", "lake", "tree", "sky")),
        ('boat, "red, round sign", lake', ("boat", "red, round sign", "lake")),
        ('"a ""quoted"" word"', ('a "quoted" word',)),
        ("it's, the dog's bowl", ("it's", "the dog's bowl")),
        ("⛵, 👩‍🚀 in space, 猫", ("⛵", "👩‍🚀 in space", "猫")),
        ("Boat, boat, BOAT ,  boat", ("Boat",)),
        ("Straße, STRASSE", ("Straße",)),
        ("red   round\tsign, red round sign", ("red round sign",)),
        ("zebra, apple, mango", ("zebra", "apple", "mango")),
        ("<b>bold</b>, 50%, a;b", ("<b>bold</b>", "50%", "a;b")),
        ('a "quoted" word in the middle', ('a "quoted" word in the middle',)),
        ('an "open quote', ('an "open quote',)),
    ],
)
def test_a_tag_list_is_read_as_people_write_it(text, tags):
    assert parse_tags(text) == tags


def test_a_list_of_texts_is_taken_as_it_is_commas_and_all():
    assert parse_tags(["red, round", " lake ", "", "LAKE"]) == ("red, round", "lake")


def test_reading_what_was_read_changes_nothing():
    tags = parse_tags('boat, "red, round sign", ⛵')
    assert parse_tags(tags) == tags


def test_five_hundred_tags_are_taken_and_one_more_is_refused_with_both_numbers():
    tags = [f"tag {number}" for number in range(MAX_TAGS)]
    assert parse_tags(", ".join(tags)) == tuple(tags)
    with pytest.raises(InvalidInput, match=rf"{MAX_TAGS + 1} tags .* {MAX_TAGS}"):
        parse_tags([*tags, "one more"])
    assert len(parse_tags([*tags, tags[0].upper()])) == MAX_TAGS


def test_a_tag_that_is_too_long_is_refused_with_its_beginning():
    assert parse_tags("x" * MAX_TAG_LENGTH) == ("x" * MAX_TAG_LENGTH,)
    with pytest.raises(InvalidInput, match=r"'xxxx.* 201 characters"):
        parse_tags("x" * (MAX_TAG_LENGTH + 1))


@pytest.mark.parametrize("text", ["x" * 131_073, '"' + "boat, " * 30_000])
def test_a_list_without_an_end_is_refused_with_what_a_tag_may_be(text):
    with pytest.raises(InvalidInput, match=f"at most {MAX_TAG_LENGTH} characters"):
        parse_tags(text)


@pytest.mark.parametrize("tags", [None, 5, True, 1.5, b"boat", {"boat": 1}])
def test_tags_are_a_text_or_a_list_of_texts(tags):
    with pytest.raises(InvalidInput, match="must be a text or a list of texts"):
        parse_tags(tags)


@pytest.mark.parametrize("item", [None, 1, ["nested"], b"bytes"])
def test_what_is_no_text_is_refused(item):
    with pytest.raises(InvalidInput, match="must be a text"):
        parse_tags(["boat", item])


def test_a_tag_is_asked_as_a_yes_or_no_question():
    assert question("a red boat") == "Answer yes or no: does this picture show a red boat?"
