"""What the Transformers backend makes of conversations: what the library would, with templates run by us."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, AutoTokenizer, processing_utils, tokenization_utils_base
from transformers.utils import chat_template_utils

from engine.backends.base import Message
from engine.backends.chat_template import ChatTemplate
from engine.backends.transformers.prompts import Prompts, Reader
from engine.errors import ModelError
from tests.fixtures.text_model import TINY, make_text_model

CONTROL = "<image> </s> <s> \U000f0000</s>\U000f0001 <|no such|>"
TALKS = {
    "a question": [("user", "What is this?")],
    "an instruction": [("system", "Be brief."), ("user", "Hé, 你好 😀\n  what?\n")],
    "a talk": [("user", "Hi"), ("assistant", " Hello. "), ("user", "{{ 7 * 7 }} {% if %} {# #}")],
    "control tokens": [("user", f"a {CONTROL} b"), ("assistant", CONTROL), ("user", CONTROL)],
}
PICTURES = [np.full((40, 56, 3), shade, np.uint8) for shade in (0, 90, 250)]


@pytest.fixture(scope="module")
def sees() -> Reader:
    return AutoProcessor.from_pretrained(TINY, local_files_only=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make_text_model(tmp_path_factory.mktemp("models") / "writer")


@pytest.fixture(scope="module")
def reads(made) -> Reader:
    return AutoTokenizer.from_pretrained(made, local_files_only=True)


def prompts(reader: Reader) -> Prompts:
    return Prompts(reader, torch.device("cpu"), torch.float32)


def of_library(reader: Reader, conversations: list[list[dict[str, Any]]]) -> dict[str, torch.Tensor]:
    """As transformers makes them by itself."""
    sees = not isinstance(reader, tokenization_utils_base.PreTrainedTokenizerBase)
    padding = {"processor_kwargs": {"padding": True}} if sees else {"padding": True}
    return reader.apply_chat_template(
        conversations,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        sanitize_control_tokens=True,
        **padding,
    )


def same(made: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return made.keys() == dict(wanted).keys() and all(torch.equal(made[name], wanted[name]) for name in made)


def seen(role: str, text: str, pictures, text_first: bool = False) -> dict[str, Any]:
    images = [{"type": "image", "image": Image.fromarray(picture)} for picture in pictures]
    words = [{"type": "text", "text": text}]
    return {"role": role, "content": [*words, *images] if text_first else [*images, *words]}


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
def test_a_talk_without_pictures_is_what_the_library_makes_of_it(reads, talk):
    wanted = of_library(reads, [[{"role": role, "content": text} for role, text in talk]])
    made = prompts(reads).of_messages([Message(role, text) for role, text in talk])
    assert same(made, wanted)


@pytest.mark.parametrize("named", [None, ["<free>"], []])
def test_the_same_tokens_of_a_person_are_plain_text_as_in_the_library(made, named):
    """Special ones always; others where the tokenizer names them, else where they stand in the template."""
    reader = AutoTokenizer.from_pretrained(made, local_files_only=True)
    reader.add_tokens(["<turn>", "<free>", "\n\n"])
    reader.chat_template = "<turn>{{ bos_token }}\n\n{{ messages[0].content }}{# <free> #}{{ '</s>' }}"
    reader.chat_control_tokens = named
    text = "a<turn>b<free>c\n\nd</s>e<turn><turn>"
    wanted = of_library(reader, [[{"role": "user", "content": text}]])
    assert same(prompts(reader).of_messages([Message("user", text)]), wanted)


@pytest.mark.parametrize("pictures", [0, 1, 3])
@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
def test_a_talk_with_pictures_is_what_the_library_makes_of_it(sees, talk, pictures):
    shown = [PICTURES[:pictures] if at == len(talk) - 1 else [] for at in range(len(talk))]
    wanted = of_library(
        sees, [[seen(role, text, these) for (role, text), these in zip(talk, shown, strict=True)]]
    )
    said = [Message(role, text, tuple(these)) for (role, text), these in zip(talk, shown, strict=True)]
    assert same(prompts(sees).of_messages(said), wanted)


@pytest.mark.parametrize("leading", [False, True])
def test_rows_of_frames_are_what_the_library_makes_of_them_the_second_time_too(sees, leading):
    mine = prompts(sees)
    for text in ("Is it <image> red?", "Is it blue, or is it of another colour altogether?"):
        wanted = of_library(sees, [[seen("user", text, [picture], leading)] for picture in PICTURES])
        for _ in range(2):
            assert same(mine.of_pictures(PICTURES, text, leading), wanted)
    texts = ["short", "much longer than that one"]
    wanted = of_library(sees, [[seen("user", text, PICTURES[:1])] for text in texts])
    assert same(mine.of_picture(PICTURES[0], texts), wanted)


@pytest.mark.parametrize("kind", ["sees", "reads"])
def test_the_template_of_a_model_is_run_within_our_bounds_alone(kind, request, monkeypatch):
    reader = request.getfixturevalue(kind)
    run = []

    def watched(*args: Any, **how: Any):
        run.append(how["chat_template"])
        return chat_template_utils.render_jinja_template(*args, **how)

    monkeypatch.setattr(processing_utils, "render_jinja_template", watched)
    monkeypatch.setattr(tokenization_utils_base, "render_jinja_template", watched)
    of_library(reader, [[{"role": "user", "content": "Hi" if kind == "reads" else []}]])
    assert run == [reader.chat_template], "the library would"
    run.clear()
    prompts(reader).of_messages([Message("user", "Hi")])
    assert reader.chat_template not in run


def test_a_template_that_ends_once_and_never_again_is_stopped(reads, monkeypatch):
    """It goes by the clock: nothing that was seen to end is taken to end the next time."""
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    monkeypatch.setattr(
        reads, "chat_template", "{% if strftime_now('%Y') == 'late' %}" + endless + "{% endif %}Hi"
    )
    mine, now = prompts(reads), ["early"]
    monkeypatch.setitem(mine._template._given, "strftime_now", lambda form: now[0])
    monkeypatch.setattr(mine._template, "_longest_seconds", 0.2)
    said = [Message("user", "Hi")]
    assert mine.of_messages(said)["input_ids"].shape[1] > 0
    now[0] = "late"
    with pytest.raises(ModelError, match="did not end"):
        mine.of_messages(said)


@pytest.mark.parametrize("name", ["_x", "__class__"])
def test_a_template_keeps_nothing_under_pythons_own_names(name):
    for source in (
        "{% set n = namespace() %}{% set n.NAME = 1 %}",
        "{{ namespace(NAME=1) }}",
        "{{ namespace({'NAME': 1}) }}",
    ):
        with pytest.raises(ModelError, match="may not keep anything as"):
            ChatTemplate(source.replace("NAME", name), {}).render([])
    kept = "{% set n = namespace({'a': 1}, b=2) %}{% set n.a = 3 %}{{ n.a }}{{ n.b }}"
    assert ChatTemplate(kept, {}).render([]) == "32"
