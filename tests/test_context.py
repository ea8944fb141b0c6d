"""What of a conversation a model is given: whole turns, the newest ones, never without the question."""

import numpy as np
import pytest

from engine.backends.base import Message
from engine.chat.context import fit
from engine.errors import InvalidInput

PICTURE = np.zeros((4, 4, 3), np.uint8)


def count(messages) -> int:
    """A word is a token, a picture ten."""
    return sum(len(message.text.split()) + 10 * len(message.images) for message in messages)


def turn(name: str, words: int = 4, images=()):
    return (Message("user", f"{name} " * words, images), Message("assistant", "so " * words))


QUESTION = (Message("user", "and now ?"),)


def first_words(context) -> list[str]:
    return [message.text.split()[0] for message in context.messages]


@pytest.mark.parametrize(
    ("room", "kept", "left_out"),
    [
        (100, ["be", "a", "so", "b", "so", "c", "so", "and"], 0),
        (29, ["be", "a", "so", "b", "so", "c", "so", "and"], 0),  # 2 + 3 turns of 8 + 3
        (28, ["be", "b", "so", "c", "so", "and"], 1),
        (20, ["be", "c", "so", "and"], 2),
        (5, ["be", "and"], 3),
    ],
)
def test_the_oldest_turns_are_left_out_whole(room, kept, left_out):
    context = fit("be brief", [turn("a"), turn("b"), turn("c"), QUESTION], room, count, vision=True)
    assert first_words(context) == kept
    assert context.turns_left_out == left_out and context.tokens == count(context.messages) <= room
    assert bool(context.notice) == bool(left_out)


def test_a_question_that_does_not_fit_is_refused_with_both_numbers():
    with pytest.raises(InvalidInput, match=r"5 tokens.*4"):
        fit("be brief", [turn("a"), QUESTION], 4, count, vision=True)


def test_counting_a_long_conversation_takes_few_counts():
    counted = []

    def counting(messages) -> int:
        counted.append(1)
        return count(messages)

    context = fit("", [*(turn(str(n)) for n in range(1000)), QUESTION], 84, counting, vision=True)
    assert context.turns_left_out == 990 and len(counted) <= 14


def test_a_model_that_does_not_see_is_given_no_earlier_pictures_and_it_is_said():
    context = fit("", [turn("a", images=(PICTURE,)), QUESTION], 100, count, vision=False)
    assert all(not message.images for message in context.messages)
    assert context.pictures_left_out == 1 and "Earlier pictures" in context.notice


def test_pictures_count_where_they_are_seen():
    turns = [turn("a", images=(PICTURE,)), QUESTION]
    assert fit("", turns, 21, count, vision=True).turns_left_out == 0
    assert fit("", turns, 20, count, vision=True).turns_left_out == 1
