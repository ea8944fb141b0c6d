"""All tags of a frame from one reading of its picture, by Transformers: what is computed, that no answer
changes, and how it stops. What it is compared with is a prompt for each tag, with the picture in it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from engine.backends.base import Frame, FrameTask, ModelEntry
from engine.backends.transformers import TransformersProvider
from engine.backends.transformers.branching import Beginning
from engine.backends.transformers.decoding import first_logits
from engine.backends.yesno import Odds, question
from engine.cancel import CancelToken
from engine.errors import Cancelled
from engine.settings import LoadOptions
from tests.fakes import CountingToken
from tests.fixtures.colours import COLOURS

TINY = Path(__file__).parent / "fixtures" / "tiny_model"
PICTURE_TOKENS = 16
LONG = "Say which of these you see: " + ", ".join(f"thing {number}" for number in range(100))
WRITTEN = 4  # tokens of a caption
TAGS = (*COLOURS, "a dog", "a red and white boat with three sails", "x", "🙂", '"quoted", tag', "</s>")


def load(**options):
    entry = ModelEntry("tiny", "transformers", True, 0, location=TINY)
    return TransformersProvider().load(entry, LoadOptions(**options), lambda share, what: None, CancelToken())


@pytest.fixture(scope="module")
def tiny() -> Iterator:
    backend = load()
    yield backend
    backend.close()


@pytest.fixture
def computed(tiny) -> Iterator[dict[str, list[int]]]:
    """The tokens of each pass through the language model, and the pictures of each through the eyes."""
    passes: dict[str, list[int]] = {"tokens": [], "pictures": []}
    vocabulary = tiny._model.get_input_embeddings()

    def note(module: torch.nn.Module, inputs: tuple) -> None:
        if module is vocabulary:
            passes["tokens"].append(inputs[0].shape[1])
        elif isinstance(module, torch.nn.Conv2d):  # cuts pictures into patches
            passes["pictures"].append(len(inputs[0]))

    hook = register_module_forward_pre_hook(note)
    yield passes
    hook.remove()


def picture(left: str, right: str | None = None) -> np.ndarray:
    painted = np.full((80, 80, 3), COLOURS[left], np.uint8)
    painted[:, 40:] = COLOURS[right or left]
    return painted


def tags_of(backend, image: np.ndarray, tags, prompt: str = "", cancel: CancelToken | None = None):
    (answer,) = backend.look([Frame(0, 0, image)], FrameTask(tuple(tags), prompt), cancel or CancelToken())
    assert answer.state == "answered", answer.error
    return answer.tags


def caption_of(backend, image: np.ndarray, prompt: str, cancel: CancelToken | None = None) -> str:
    task = FrameTask(prompt=prompt, max_new_tokens=WRITTEN)
    (answer,) = backend.look([Frame(0, 0, image)], task, cancel or CancelToken())
    assert answer.state == "answered", answer.error
    return answer.caption


def alone(backend, image: np.ndarray, tag: str) -> torch.Tensor:
    inputs = backend._prompts.of_picture(image, [question(tag)])
    looker = backend._looker
    return first_logits(looker._model, looker._interrupt, inputs, CancelToken())[0]


@pytest.mark.parametrize("at_once", [512, 60, 1])
def test_tags_from_one_reading_have_the_logits_of_whole_prompts(tiny, at_once, monkeypatch):
    image = picture("red", "white")
    together = []
    keep = tiny._looker._yes_no.odds

    def kept(logits: torch.Tensor) -> list[Odds]:
        together.extend(logits)
        return keep(logits)

    monkeypatch.setattr(tiny._looker._yes_no, "odds", kept)
    monkeypatch.setattr(tiny._looker, "_tokens_at_once", at_once)
    tags_of(tiny, image, TAGS)
    assert len(together) == len(TAGS)
    for tag, logits in zip(TAGS, together, strict=True):
        torch.testing.assert_close(logits, alone(tiny, image, tag), atol=1e-4, rtol=0, msg=tag)


def test_the_order_of_the_tags_and_their_number_change_no_answer(tiny):
    image = picture("cyan", "black")
    forth = tags_of(tiny, image, TAGS)
    assert tags_of(tiny, image, reversed(TAGS)) == pytest.approx(forth, abs=1e-5)
    for number in (1, 2, 3):
        few = TAGS[:number]
        assert tags_of(tiny, image, few) == pytest.approx({tag: forth[tag] for tag in few}, abs=1e-5)


def test_a_picture_is_read_once_for_all_tags_and_nothing_is_written(tiny, computed):
    endings = [tiny._prompts.around_picture(question(tag))[1] for tag in TAGS]
    before, _ = tiny._prompts.around_picture(question("red"))
    shared = next(n for n in range(99) if len({ending[: n + 1] for ending in endings}) > 1)
    for passes in computed.values():
        passes.clear()
    tags_of(tiny, picture("red"), TAGS)
    first, *others = computed["tokens"]
    assert computed["pictures"] == [1]
    assert first == len(before) + PICTURE_TOKENS + shared
    assert sum(others) == sum(len(ending) - shared for ending in endings)


def test_two_hundred_tags_are_read_in_passes_of_a_bounded_size(tiny, computed):
    tags = [f"thing number {number}" for number in range(200)]
    found = tags_of(tiny, picture("green"), [*tags, "green", "blue"])
    for passes in computed.values():
        passes.clear()
    assert tags_of(tiny, picture("green"), [*tags, "green", "blue"]) == found
    assert computed["pictures"] == [1]
    assert max(computed["tokens"]) <= 512
    assert (found["green"] > 0.9, found["blue"] < 0.1) == (True, True)
    assert found[tags[150]] == pytest.approx(
        tags_of(tiny, picture("green"), [tags[150]])[tags[150]], abs=1e-5
    )


@pytest.mark.parametrize("nth", [3, 40, 90, 130, 200])
def test_it_stops_inside_the_picture_and_inside_the_questions(tiny, nth):
    image = picture("purple")
    undisturbed = tags_of(tiny, image, TAGS)
    token = CountingToken(nth)
    with pytest.raises(Cancelled, match="counted"):
        for _ in range(20):
            tags_of(tiny, image, TAGS, cancel=token)
    assert token.asked <= nth + 1, "something went on computing"
    assert tags_of(tiny, image, TAGS) == undisturbed


def test_reading_tags_needs_no_more_than_a_pass_to_be_stopped_between_two(tiny, monkeypatch):
    monkeypatch.setattr(tiny._looker, "_tokens_at_once", 1)
    cancel = CancelToken()
    passes = []
    side_by_side = Beginning._side_by_side

    def once(self, endings, token):
        passes.append(len(endings))
        if len(passes) == 2:
            cancel.cancel("enough")
        return side_by_side(self, endings, token)

    monkeypatch.setattr(Beginning, "_side_by_side", once)
    with pytest.raises(Cancelled, match="enough"):
        tags_of(tiny, picture("red"), TAGS, cancel=cancel)
    assert passes == [1, 1]


def test_a_model_of_a_kind_that_is_not_certain_is_asked_one_prompt_a_tag(tiny, monkeypatch, computed):
    image = picture("yellow", "blue")
    together = tags_of(tiny, image, TAGS)
    monkeypatch.setattr(tiny._looker, "_branches", False)
    for passes in computed.values():
        passes.clear()
    assert tags_of(tiny, image, TAGS) == pytest.approx(together, abs=1e-5)
    assert sum(computed["pictures"]) == len(TAGS)


def test_weights_in_half_the_precision_give_the_same_findings():
    backend = load(dtype="bfloat16")
    found = tags_of(backend, picture("blue"), COLOURS)
    backend.close()
    assert {tag for tag, yes in found.items() if yes > 0.5} == {"blue"}


def test_a_caption_and_the_tags_of_a_frame_come_from_one_reading_of_its_picture(tiny, computed):
    image = picture("red", "white")
    (captioned,) = tiny.look([Frame(0, 0, image)], FrameTask((), "Describe this frame."), CancelToken())
    tags_of(tiny, image, TAGS, prompt="Describe this frame.")
    computed["pictures"].clear()
    (answer,) = tiny.look([Frame(0, 0, image)], FrameTask(TAGS, "Describe this frame."), CancelToken())
    assert computed["pictures"] == [1]
    assert answer.caption == captioned.caption == "The picture is red and white."
    assert answer.tags == pytest.approx(tags_of(tiny, image, TAGS), abs=1e-5)
    (one,) = tiny.look([Frame(0, 0, image)], FrameTask(("red",), "Describe this frame."), CancelToken())
    assert one.tags == pytest.approx(tags_of(tiny, image, ["red"]), abs=1e-5)


def test_frames_that_are_looked_at_together_get_the_answers_of_each_alone(tiny, monkeypatch):
    task = FrameTask(TAGS, "Describe this frame.")
    frames = [Frame(n, n, picture(*colours)) for n, colours in enumerate((("red",), ("blue", "green")))]
    alone = [next(iter(tiny.look([frame], task, CancelToken()))) for frame in frames]
    together = list(tiny._looker.answers(frames, task, CancelToken()))
    for one, other in zip(together, alone, strict=True):
        assert one.caption == other.caption
        assert one.tags == pytest.approx(other.tags, abs=1e-5)


def test_a_long_instruction_is_read_once_for_all_frames(tiny, computed):
    before, behind = tiny._prompts.around_picture(LONG, leading=True)
    assert len(before) > 500
    for colour, tokens in (("red", len(before)), ("blue", 0), ("green", 0)):
        computed["tokens"].clear()
        computed["pictures"].clear()
        caption_of(tiny, picture(colour), LONG)
        assert sum(n for n in computed["tokens"] if n > 1) == tokens + PICTURE_TOKENS + len(behind)
        assert computed["pictures"] == [1]
        assert max(computed["tokens"]) <= 512


def test_an_instruction_that_was_read_before_changes_no_caption(tiny, monkeypatch):
    prompts = LONG, f"Once more: {LONG}", LONG
    images = picture("red"), picture("blue", "green")
    kept = [caption_of(tiny, image, prompt) for prompt in prompts for image in images]
    monkeypatch.setattr(tiny._looker, "_branches", False)
    assert [caption_of(tiny, image, prompt) for prompt in prompts for image in images] == kept
    assert all(kept)


@pytest.mark.parametrize("nth", [3, 40, 90])
def test_a_caption_that_is_broken_off_leaves_nothing_half_read(tiny, nth):
    image = picture("purple")
    undisturbed = caption_of(tiny, image, LONG)
    for prompt in (LONG, f"{nth}: {LONG}"):
        with pytest.raises(Cancelled, match="counted"):
            caption_of(tiny, image, prompt, CountingToken(nth))
        assert caption_of(tiny, image, LONG) == undisturbed


def test_a_long_instruction_and_tags_are_answered_as_each_alone(tiny):
    image = picture("red", "white")
    task = FrameTask(TAGS, LONG, max_new_tokens=WRITTEN)
    for _ in range(2):
        (answer,) = tiny.look([Frame(0, 0, image)], task, CancelToken())
        assert answer.caption == caption_of(tiny, image, LONG)
        assert answer.tags == pytest.approx(tags_of(tiny, image, TAGS), abs=1e-5)


def test_a_tag_with_a_long_name_is_asked_beside_short_ones(tiny, computed):
    long = "a boat with " + ", ".join(f"sail number {n}" for n in range(20))
    assert tiny._prompts.leads(question(long))
    image = picture("cyan")
    computed["pictures"].clear()
    found = tags_of(tiny, image, ("cyan", long))
    assert computed["pictures"] == [1]
    assert found == pytest.approx(
        {**tags_of(tiny, image, ["cyan"]), **tags_of(tiny, image, [long])}, abs=1e-5
    )
