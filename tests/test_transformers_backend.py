"""What a loaded vision-language model answers, and how it stops. The tiny model knows eight colours."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from engine.backends.base import Finished, Frame, FrameTask, Message, TextDelta
from engine.backends.transformers import TransformersProvider
from engine.backends.transformers.decoding import Detokenizer
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError
from engine.settings import GenerationSettings, LoadOptions
from tests.fakes import CountingToken
from tests.fixtures import tiny_lessons as lessons
from tests.fixtures.colours import COLOURS

TINY = Path(__file__).parent / "fixtures" / "tiny_model"
ENDLESS = [Message("user", lessons.ENDLESS)]
GREEDY = GenerationSettings(max_new_tokens=24, temperature=0)


def load(**options):
    source = TransformersProvider()
    entry = next(e for e in source.models(TINY.parent) if e.location == TINY)
    return source.load(entry, LoadOptions(**options), lambda share, what: None, CancelToken())


@pytest.fixture(scope="module")
def tiny() -> Iterator:
    backend = load()
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(TINY, local_files_only=True)


def picture(colour: str, height: int = 90, width: int = 160) -> np.ndarray:
    return np.full((height, width, 3), COLOURS[colour], np.uint8)


def frame(pixels: np.ndarray, index: int = 0) -> Frame:
    return Frame(index, index * 1_000_000, pixels)


def look(backend, pixels, *tags: str, prompt: str = "", cancel: CancelToken | None = None):
    (answer,) = backend.look([frame(pixels)], FrameTask(tags, prompt), cancel or CancelToken())
    return answer


def said(backend, messages, settings=GREEDY) -> str:
    items = backend.stream(messages, settings, CancelToken())
    return "".join(item.text for item in items if isinstance(item, TextDelta))


def end(backend, messages, settings=GREEDY) -> Finished:
    return list(backend.stream(messages, settings, CancelToken()))[-1]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_is_named_and_found(tiny, colour):
    answer = look(tiny, picture(colour), *COLOURS, prompt="What colour is this?")
    assert answer.caption == colour
    assert {tag for tag, yes in answer.tags.items() if yes > 0.5} == {colour}
    assert min(abs(yes - 0.5) for yes in answer.tags.values()) > 0.4


def test_swapped_channels_would_be_noticed(tiny):
    assert look(tiny, picture("red")[..., ::-1].copy(), prompt="What colour is this?").caption == "blue"


def test_pictures_of_two_uneven_colours_are_answered_rightly(tiny):
    rng, brush = random.Random(99), np.random.default_rng(99)
    for _ in range(4):
        colours = tuple(sorted(rng.sample(lessons.NAMES, 2), key=lessons.NAMES.index))
        answer = look(tiny, lessons.paint(colours, brush, side=96), *COLOURS, prompt="Describe this frame.")
        assert answer.caption == lessons.description(colours)
        assert {tag for tag, yes in answer.tags.items() if yes > 0.5} == set(colours)


@pytest.mark.parametrize(
    "tag", [*lessons.UNSEEN_THINGS[:3], '"quoted", tag', "🙂", "<image>", "</s>", "x" * 200]
)
def test_a_tag_that_it_never_heard_of_is_answered_all_the_same(tiny, tag):
    answer = look(tiny, picture("green"), tag, "green")
    assert 0 <= answer.tags[tag] < 0.5
    assert answer.tags["green"] > 0.5


def test_asking_many_tags_together_changes_no_answer(tiny):
    tags = (*COLOURS, *lessons.THINGS)
    together = look(tiny, picture("cyan"), *tags).tags
    alone = {tag: look(tiny, picture("cyan"), tag).tags[tag] for tag in tags[::7]}
    assert tuple(together) == tags
    assert {tag: together[tag] for tag in alone} == pytest.approx(alone, abs=1e-4)


def test_a_frame_that_cannot_be_looked_at_fails_alone(tiny):
    frames = [frame(picture("red")), frame(np.zeros((4, 4, 5), np.uint8), 1), frame(picture("blue"), 2)]
    answers = list(tiny.look(frames, FrameTask(("red",), "What colour is this?"), CancelToken()))
    assert [answer.state for answer in answers] == ["answered", "failed", "answered"]
    assert answers[1].error
    assert answers[1].tags == {"red": None}
    assert [answers[0].caption, answers[2].caption] == ["red", "blue"]


def test_greedy_text_is_that_of_generate(tiny, processor):
    model = AutoModelForImageTextToText.from_pretrained(TINY, local_files_only=True)
    for messages, images in [
        (ENDLESS, []),
        ([Message("user", "Describe this frame.", (picture("purple"),))], [picture("purple")]),
    ]:
        content = [{"type": "image", "image": image} for image in images]
        content.append({"type": "text", "text": messages[0].text})
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        out = model.generate(**inputs, max_new_tokens=24, do_sample=False)
        written = out[0, inputs["input_ids"].shape[1] :]
        assert said(tiny, messages) == processor.decode(written, skip_special_tokens=True).strip()
        ended = end(tiny, messages)
        assert ended.usage.prompt_tokens == inputs["input_ids"].shape[1] == tiny.count_tokens(messages)
        assert ended.usage.completion_tokens == len([t for t in written.tolist() if t != 2])


def test_an_answer_ends_by_itself_or_at_its_longest(tiny):
    assert end(tiny, [Message("user", "Hello")]).reason == "stop"
    ended = end(tiny, ENDLESS, GenerationSettings(max_new_tokens=7, temperature=0))
    assert (ended.reason, ended.usage.completion_tokens) == ("length", 7)


def test_a_conversation_is_read_with_its_pictures_in_their_turns(tiny):
    messages = [
        Message("system", "Be brief."),
        Message("user", "What colour is this?", (picture("yellow"),)),
        Message("assistant", "yellow"),
        Message("user", "Answer yes or no: does this picture show yellow?"),
    ]
    assert said(tiny, messages) == "yes"


def test_control_tokens_that_a_person_types_are_text(tiny):
    assert said(tiny, [Message("user", "What colour </s><image> is this?", (picture("red"),))])


def test_a_seed_makes_sampling_repeatable(tiny):
    def sample(seed: int) -> str:
        hot = GenerationSettings(max_new_tokens=40, temperature=2, top_p=1, top_k=0, seed=seed)
        return said(tiny, ENDLESS, hot)

    assert sample(5) == sample(5)
    assert len({sample(seed) for seed in range(4)}) > 1
    assert len({sample(-1) for _ in range(5)}) > 1


def test_top_k_of_one_is_greedy(tiny):
    narrow = GenerationSettings(max_new_tokens=12, temperature=2, top_k=1)
    assert said(tiny, ENDLESS, narrow) == said(
        tiny, ENDLESS, GenerationSettings(max_new_tokens=12, temperature=0)
    )


def test_a_conversation_that_is_too_long_is_refused_and_the_next_is_not():
    backend = load(n_ctx=128)
    assert backend.info.context_length == 128
    with pytest.raises(ModelError, match="128"):
        list(backend.stream([Message("user", "colour " * 200)], GREEDY, CancelToken()))
    assert said(backend, [Message("user", "Hello")])
    filled = end(backend, ENDLESS, GenerationSettings(max_new_tokens=500, temperature=0))
    assert filled.usage.prompt_tokens + filled.usage.completion_tokens == 128
    backend.close()


@pytest.mark.parametrize("nth", [2, 9, 40, 70, 150, 400])
def test_an_answer_stops_wherever_it_is_and_the_next_one_is_the_same(tiny, nth):
    before = said(tiny, ENDLESS)
    token = CountingToken(nth)
    items = list(tiny.stream(ENDLESS, GREEDY, token))
    assert isinstance(items[-1], Finished)
    assert items[-1].reason == "cancelled"
    assert token.asked == nth, "something went on computing"
    assert before.startswith("".join(item.text for item in items[:-1]))
    assert said(tiny, ENDLESS) == before


@pytest.mark.parametrize("nth", [2, 30, 60, 100, 200])
def test_a_look_stops_inside_the_picture_the_prompt_and_the_answer(tiny, nth):
    token = CountingToken(nth)
    with pytest.raises(Cancelled, match="counted"):
        look(tiny, picture("red"), "red", "blue", prompt="Describe this frame.", cancel=token)
    assert token.asked <= nth + 1, "something went on computing"
    answer = look(tiny, picture("red"), "red", "blue", prompt="Describe this frame.")
    assert answer.caption == "The picture is red."


def test_the_whole_prompt_is_not_one_uninterruptible_step(tiny):
    long = [Message("user", "colour " * 2000)]
    token = CountingToken(20)
    (ended,) = tiny.stream(long, GREEDY, token)
    assert (ended.reason, ended.usage.completion_tokens) == ("cancelled", 0)
    assert ended.usage.prompt_tokens > 2000


@pytest.mark.parametrize("text", ["red and blue", "naïve 🙂 Größe 日本語", "  spaces  inside  ", "🙂"])
def test_text_comes_out_whole_in_pieces_without_half_characters(processor, text):
    tokenizer = processor.tokenizer
    pieces = Detokenizer(tokenizer)
    given = [pieces.push(token) for token in tokenizer.encode(text, add_special_tokens=False)]
    assert all("\ufffd" not in piece for piece in given)
    assert "".join(given) + pieces.flush() == text


def test_a_character_that_was_never_finished_is_left_out(processor):
    tokenizer = processor.tokenizer
    tokens = tokenizer.encode("red 日", add_special_tokens=False)[:-1]
    pieces = Detokenizer(tokenizer)
    assert "".join(pieces.push(token) for token in tokens) + pieces.flush() == "red "


def test_weights_in_another_format_still_answer():
    backend = load(dtype="bfloat16")
    assert backend.info.load_options == {"dtype": "bfloat16"}
    assert look(backend, picture("green"), prompt="What colour is this?").caption == "green"
    backend.close()


def test_computing_leaves_no_trace_on_the_calling_thread(tiny):
    items = tiny.stream(ENDLESS, GREEDY, CancelToken())
    next(items)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    items.close()
