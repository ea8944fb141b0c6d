"""All kinds of models that may read a picture once for many questions: that each question gets what it would
get with a prompt of its own. On random models of a few layers, their inputs made as their processors do."""

from collections.abc import Callable

import pytest
import torch
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from engine.backends.transformers.branching import Beginning, can_branch
from engine.backends.transformers.decoding import decode, first_logits
from engine.backends.transformers.devices import Placement
from engine.backends.transformers.interrupt import Interrupt
from engine.cancel import CancelToken
from engine.settings import GenerationSettings

IMAGE, BEFORE = 90, [5, 6, 7]
ENDINGS = ([11, 12, 13], [11, 40], [11, 12, 60, 61, 62, 63, 13], [70], list(range(20, 60)))
INSTRUCTION = [*range(10, 60), *range(10, 40)]
TEXT = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
SIGLIP = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
QWEN_EYES = {"depth": 2, "num_heads": 2, "patch_size": 4}
MROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
TOKENS = {"image_token_id": IMAGE, "video_token_id": 91, "vision_start_token_id": 5, "vision_end_token_id": 6}


def tiles(config: type, kind: type) -> PreTrainedModel:
    """Pictures cut into tiles of 16 x 16 pixels and 4 tokens; positions are one number."""
    eyes = {**SIGLIP, "image_size": 16, "patch_size": 4}
    text = {**TEXT, "model_type": "llama", "pad_token_id": 0}
    return kind(config(text_config=text, vision_config=eyes, image_token_id=IMAGE, scale_factor=2))


def shaped(config: type, kind: type, **eyes: object) -> PreTrainedModel:
    """Pictures of any shape; positions are three numbers."""
    text = {**TEXT, "rope_parameters": MROPE, "pad_token_id": 0}
    return kind(config(text_config=text, vision_config={**QWEN_EYES, **eyes}, **TOKENS))


KINDS: dict[str, Callable[[], PreTrainedModel]] = {
    "idefics3": lambda: tiles(Idefics3Config, Idefics3ForConditionalGeneration),
    "smolvlm": lambda: tiles(SmolVLMConfig, SmolVLMForConditionalGeneration),
    "qwen2_vl": lambda: shaped(
        Qwen2VLConfig, Qwen2VLForConditionalGeneration, embed_dim=32, hidden_size=64, mlp_ratio=2
    ),
    "qwen2_5_vl": lambda: shaped(
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        hidden_size=32,
        out_hidden_size=64,
        intermediate_size=48,
        window_size=16,
        fullatt_block_indexes=[1],
    ),
    "qwen3_vl": lambda: shaped(
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        hidden_size=32,
        out_hidden_size=64,
        intermediate_size=48,
        num_position_embeddings=16,
        deepstack_visual_indexes=[0, 1],
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def model(request) -> PreTrainedModel:
    torch.manual_seed(0)
    made = KINDS[request.param]().eval()
    made.generation_config.eos_token_id = None
    assert made.config.model_type == request.param
    return made


def row(model: PreTrainedModel, behind: list[int], before: list[int] = BEFORE) -> dict[str, torch.Tensor]:
    """One prompt with one picture in it."""
    chance = torch.Generator().manual_seed(len(before))
    if model.config.model_type in ("idefics3", "smolvlm"):
        tokens = [*before, *[IMAGE] * 4, 8, *[IMAGE] * 4, *behind]
        pictures = {
            "pixel_values": torch.randn(1, 2, 3, 16, 16, generator=chance),
            "pixel_attention_mask": torch.ones(1, 2, 16, 16, dtype=torch.long),
        }
    else:
        tokens = [*before, *[IMAGE] * 6, *behind]
        pictures = {  # 4 x 6 patches, of which 2 x 2 are a token
            "pixel_values": torch.randn(24, 3 * 2 * 4 * 4, generator=chance),
            "image_grid_thw": torch.tensor([[1, 4, 6]]),
            "mm_token_type_ids": torch.tensor([[int(token == IMAGE) for token in tokens]]),
        }
    ids = torch.tensor([tokens])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **pictures}


def cut(inputs: dict[str, torch.Tensor], tokens: int) -> dict[str, torch.Tensor]:
    per_token = ("input_ids", "attention_mask", "mm_token_type_ids")
    return {name: tensor[:, :tokens] if name in per_token else tensor for name, tensor in inputs.items()}


@pytest.fixture(scope="module")
def interrupt(model) -> Interrupt:
    return Interrupt(model, Placement(torch.device("cpu"), torch.float32))


def alone(model, interrupt, ending, before=BEFORE) -> torch.Tensor:
    return first_logits(model, interrupt, row(model, ending, before), CancelToken())[0]


@pytest.mark.parametrize("at_once", [512, 8])
def test_endings_side_by_side_get_the_logits_of_whole_prompts(model, interrupt, at_once):
    assert can_branch(model)
    beginning = Beginning(model, interrupt)
    whole = row(model, [3, 4])
    beginning.read(cut(whole, whole["input_ids"].shape[1] - 2), CancelToken())
    beginning.read_on([3, 4], CancelToken())
    passes = list(beginning.logits_behind(ENDINGS, at_once, CancelToken()))
    together = torch.cat(passes)
    assert len(passes) == (1 if at_once == 512 else 3)
    for ending, logits in zip(ENDINGS, together, strict=True):
        expected = alone(model, interrupt, [3, 4, *ending])
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
    assert together.std(dim=0).max() > 0.1, "the endings make no difference, so nothing was shown"


def test_a_picture_of_another_shape_before_changes_no_answer(model, interrupt):
    """What a model remembers of the last picture is of the last picture alone."""
    expected = alone(model, interrupt, [30, 31])
    alone(model, interrupt, [30, 31], before=INSTRUCTION)
    beginning = Beginning(model, interrupt)
    whole = row(model, [30])
    beginning.read(cut(whole, whole["input_ids"].shape[1] - 1), CancelToken())
    (logits,) = beginning.logits_behind([[30, 31]], 512, CancelToken())
    torch.testing.assert_close(logits[0], expected, atol=1e-4, rtol=0)


def test_what_stands_before_the_picture_is_read_once_for_several(model, interrupt):
    greedy = GenerationSettings(max_new_tokens=5, temperature=0)

    def written(inputs) -> list[int]:
        return [token for (token,) in decode(model, interrupt, inputs, greedy, CancelToken())]

    kept = Beginning(model, interrupt)
    kept.read_before(INSTRUCTION, 32, CancelToken())
    for behind in ([3, 4], [3, 30, 31]):
        inputs = row(model, behind, INSTRUCTION)
        assert written({**inputs, "past_key_values": kept.cache}) == written(inputs)
        kept.cut_back(len(INSTRUCTION))
