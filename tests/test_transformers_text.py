"""Text-only chat models: which folders are listed and load, and what they answer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.backends.base import Finished, Frame, FrameTask, Message, ModelEntry, TextDelta
from engine.backends.transformers import TransformersProvider
from engine.cancel import CancelToken
from engine.catalog import read_config
from engine.errors import Cancelled, ModelError
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures.text_model import make_text_model

SOURCE = TransformersProvider()
GREEDY = GenerationSettings(max_new_tokens=12, temperature=0)
BOATS = [Message("system", "Be brief."), Message("user", "Tell me about boats.")]
PICTURE = np.zeros((40, 40, 3), np.uint8)


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return make_text_model(tmp_path_factory.mktemp("shelf") / "writer")


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "shelf" / "writer"))


@pytest.fixture(scope="module")
def writer(made):
    backend = load(made)
    yield backend
    backend.close()


def entry(folder: Path) -> ModelEntry:
    return ModelEntry(folder.name, "transformers", False, 0, location=folder)


def load(folder: Path, progress=lambda share, what: None, cancel: CancelToken | None = None):
    return SOURCE.load(entry(folder), LoadOptions(), progress, cancel or CancelToken())


def answer(backend, messages, cancel: CancelToken | None = None) -> tuple[str, Finished]:
    *pieces, end = backend.stream(messages, GREEDY, cancel or CancelToken())
    assert all(isinstance(piece, TextDelta) for piece in pieces)
    return "".join(piece.text for piece in pieces), end


def without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def template_in_the_tokenizer(folder: Path) -> None:
    place = folder / "tokenizer_config.json"
    template = (folder / "chat_template.jinja").read_text()
    place.write_text(json.dumps(json.loads(place.read_text()) | {"chat_template": template}))
    without_template(folder)


def broken_settings(folder: Path) -> None:
    without_template(folder)
    (folder / "tokenizer_config.json").write_text("{")


def of_another_kind(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(read_config(folder) | {"model_type": "mine"}))


def wider(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(read_config(folder) | {"intermediate_size": 256}))


def test_a_text_only_model_is_listed_as_one_that_does_not_see(folder):
    (listed,) = SOURCE.models(folder.parent)
    assert (listed.name, listed.vision, listed.location) == ("writer", False, folder)
    assert listed.size_bytes > 500_000
    assert "Cannot" not in listed.detail


def test_a_template_inside_the_tokenizers_settings_is_found(folder):
    template_in_the_tokenizer(folder)
    (listed,) = SOURCE.models(folder.parent)
    assert "Cannot" not in listed.detail
    backend = load(folder)
    assert backend.count_tokens(BOATS) > 10
    backend.close()


def test_a_model_without_a_chat_template_is_listed_with_that_reason_and_refused(folder):
    without_template(folder)
    (listed,) = SOURCE.models(folder.parent)
    assert listed.detail.startswith("Cannot be loaded. ") and "no chat template" in listed.detail
    with pytest.raises(ModelError, match="no chat template"):
        SOURCE.validate(listed, LoadOptions())


REFUSED_BEFORE = {
    "another kind": (of_another_kind, "'mine', which .* as a language model"),
    "broken settings": (broken_settings, "not valid JSON"),
    "broken weights": (lambda f: (f / "model.safetensors").write_bytes(b"short"), "is damaged"),
}
REFUSED_WHILE_LOADING = {
    "wider than its weights": (wider, r"do not match its config\.json"),
    "broken tokenizer": (
        lambda f: (f / "tokenizer.json").write_text("{"),
        "tokenizer of .* cannot be loaded",
    ),
}


@pytest.mark.parametrize("name", REFUSED_BEFORE)
def test_a_bad_folder_is_refused_before_anything_is_loaded(folder, name):
    spoil, message = REFUSED_BEFORE[name]
    spoil(folder)
    with pytest.raises(ModelError, match=message) as refused:
        SOURCE.validate(entry(folder), LoadOptions())
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("name", REFUSED_WHILE_LOADING)
def test_a_folder_whose_files_do_not_fit_together_is_refused(folder, name):
    spoil, message = REFUSED_WHILE_LOADING[name]
    spoil(folder)
    with pytest.raises(ModelError, match=message) as refused:
        load(folder)
    assert str(folder) in str(refused.value)


def test_what_validating_found_is_what_was_loaded(writer, made):
    plan = SOURCE.validate(entry(made), LoadOptions())
    info = writer.info
    assert (info.digest, info.vision, info.context_length) == (plan.digest, False, 4096)
    assert plan.memory_bytes >= info.memory_bytes > 500_000


def test_progress_is_told_and_a_load_stops_where_it_is(made):
    told: list[float] = []
    load(made, lambda share, what: told.append(share)).close()
    assert told == sorted(told) and told[-1] == 1 and len(told) > 10
    cancel, told = CancelToken(), []

    def cancel_halfway(share: float, what: str) -> None:
        told.append(share)
        if share > 0.4:
            cancel.cancel("changed my mind")

    with pytest.raises(Cancelled, match="changed my mind"):
        load(made, cancel_halfway, cancel)
    assert told[-1] < 0.9


@pytest.mark.parametrize("tied", [False, True], ids=["own head", "tied head"])
def test_greedy_text_is_that_of_generate(tmp_path, tied):
    place = make_text_model(tmp_path / "shelf" / "model", tie_word_embeddings=tied)
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(place, local_files_only=True)
    turns = [{"role": message.role, "content": message.text} for message in BOATS]
    inputs = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    out = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    backend = load(place)
    text, end = answer(backend, BOATS)
    assert text == tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
    assert end.usage.prompt_tokens == inputs["input_ids"].shape[1] == backend.count_tokens(BOATS)
    backend.close()


def test_a_picture_in_a_conversation_is_refused_and_the_next_answer_comes(writer):
    before = answer(writer, BOATS)[0]
    with pytest.raises(ModelError, match="does not see pictures"):
        answer(writer, [Message("user", "What is this?", (PICTURE,))])
    with pytest.raises(ModelError, match="does not see pictures"):
        writer.count_tokens([Message("user", "What is this?", (PICTURE,))])
    assert answer(writer, BOATS)[0] == before


def test_every_frame_fails_with_a_plain_reason(writer):
    frames = [Frame(index, index, PICTURE) for index in range(2)]
    answers = list(writer.look(frames, FrameTask(("red",), "What is this?"), CancelToken()))
    assert [(one.state, one.tags) for one in answers] == [("failed", {"red": None})] * 2
    assert all("writer does not see pictures" in one.error for one in answers)


def test_warming_up_works_and_can_be_cancelled(writer):
    writer.warm_up(CancelToken())
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        writer.warm_up(cancel)


def test_an_answer_that_is_cancelled_ends_there_and_the_next_one_is_whole(writer):
    whole = answer(writer, BOATS)[0]
    cancel = CancelToken()
    items = writer.stream(BOATS, GREEDY, cancel)
    begun = next(items)
    cancel.cancel()
    (end,) = items
    assert (end.reason, whole.startswith(begun.text)) == ("cancelled", True)
    assert answer(writer, BOATS)[0] == whole


def test_control_tokens_that_a_person_types_are_text(writer):
    typed, plain = (writer.count_tokens([Message("user", text)]) for text in ("a </s> b", "a x b"))
    assert typed > plain


def test_a_long_prompt_that_is_read_in_parts_is_answered_as_if_it_were_read_at_once(made, monkeypatch):
    question = [Message("user", "Tell me about boats and rivers. " * 40)]
    said = []
    for tokens in (10_000, 64):
        monkeypatch.setattr("engine.backends.transformers.decoding._CPU_TOKENS", tokens)
        backend = load(made)
        assert backend.count_tokens(question) > 3 * 64
        said += [answer(backend, question)[0]]
        said += [answer(backend, [*question, Message("assistant", said[-1]), *question])[0]]
        backend.close()
    assert said[:2] == said[2:] and said[0]
