"""Which model folders load, what is said of those that don't, and what is left behind."""

import gc
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.backends.base import Message, ModelEntry
from engine.backends.transformers import TransformersProvider
from engine.backends.transformers.checkpoint import open_checkpoint
from engine.cancel import CancelToken
from engine.catalog import read_config
from engine.errors import Cancelled, InvalidInput, ModelError
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures.random_model import make_random_model

TINY = Path(__file__).parent / "fixtures" / "tiny_model"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ONE_TOKEN = GenerationSettings(max_new_tokens=1, temperature=0)
HEAD = "language_model.lm_head.weight"
SOURCE = TransformersProvider()


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the tiny model on a shelf of its own."""
    return Path(shutil.copytree(TINY, tmp_path / "shelf" / "copy"))


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    shelf = tmp_path_factory.mktemp("shelf")
    return make_random_model(shelf / "random", parameters=3e6, shard_bytes=4_000_000)


def entry(folder: Path) -> ModelEntry:
    return ModelEntry(folder.name, "transformers", True, 0, location=folder)


def load(folder: Path, progress=lambda share, what: None, cancel: CancelToken | None = None, **options):
    return SOURCE.load(entry(folder), LoadOptions(**options), progress, cancel or CancelToken())


def edit_config(folder: Path, **changes: object) -> None:
    config = read_config(folder)
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = config
        for name in outer:
            place = place[name]
        place[last] = value
    (folder / "config.json").write_text(json.dumps(config))


def pickle_only(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def cut(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def lying_header(folder: Path) -> None:
    raw = (folder / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header[HEAD]["shape"] = [1, 1]
    text = json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


def one_layer_more(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    more = {name.replace("layers.2", "layers.3"): tensor.clone() for name, tensor in tensors.items()}
    save_file(tensors | more, folder / WEIGHTS, metadata={"format": "pt"})


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def index_naming(*names: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / "model-00001-of-00002.safetensors")
        (folder / INDEX).write_text(
            json.dumps({"weight_map": {str(i): name for i, name in enumerate(names)}})
        )

    return make


BAD_FOLDERS = {
    "gone": (shutil.rmtree, "no model folder"),
    "no weights": (remove(WEIGHTS), "has no weights"),
    "pickled weights only": (pickle_only, "pickled weights only .pytorch_model.bin."),
    "empty weights": (write(WEIGHTS, b""), r"model\.safetensors is damaged"),
    "text for weights": (write(WEIGHTS, b"hello there, I am text"), r"model\.safetensors is damaged"),
    "half the weights": (cut, r"bytes of weights where .* are announced"),
    "a header that lies": (lying_header, r"lm_head\.weight is wrong"),
    "no tensors": (write(WEIGHTS, struct.pack("<Q", 2) + b"{}"), "holds no weights"),
    "a shard missing": (
        index_naming("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        r"model-00002-of-00002\.safetensors is missing",
    ),
    "an index to elsewhere": (index_naming("../other.safetensors"), "it names"),
    "an index to pickles": (index_naming("pytorch_model.bin"), "it names"),
    "an index of nothing": (index_naming(), "lists no shards"),
    "no tokenizer": (
        lambda f: [path.unlink() for name in ("tokenizer.json", "*.model") for path in f.glob(name)],
        r"has no tokenizer: tokenizer\.json is missing",
    ),
    "no processor": (
        lambda f: [path.unlink() for path in f.glob("*processor_config.json")],
        r"has no processor_config\.json or preprocessor_config\.json, so it cannot be given pictures",
    ),
    "broken config": (write("config.json", b"{"), r"config\.json is not valid JSON"),
    "no config": (remove("config.json"), r"has no config\.json"),
    "remote code": (
        lambda f: edit_config(f, model_type="mine", auto_map={"AutoModel": "modeling_mine.Mine"}),
        "Python code of its own",
    ),
    "unknown kind": (lambda f: edit_config(f, model_type="mine"), "'mine'"),
    "text model": (lambda f: edit_config(f, model_type="llama"), "sees pictures"),
}
MISFITS = {
    "wider than its weights": (lambda f: edit_config(f, text_config__intermediate_size=128), "do not match"),
    "more layers than weights": (lambda f: edit_config(f, text_config__num_hidden_layers=4), "weights lack"),
    "fewer layers than weights": (one_layer_more, "has no place for"),
    "fewer layers in config": (
        lambda f: edit_config(f, text_config__num_hidden_layers=2),
        "has no place for",
    ),
    "nonsense in config": (lambda f: edit_config(f, text_config__hidden_size="wide"), "cannot be loaded"),
    "no chat template": (remove("chat_template.jinja"), "no chat template"),
    "no tokenizer": (lambda f: [remove(n)(f) for n in ("tokenizer.json", "tokenizer.model")], "copy"),
    "no processor": (remove("processor_config.json"), "processor"),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_a_bad_folder_is_refused_before_anything_is_loaded(folder, name):
    spoil, message = BAD_FOLDERS[name]
    spoil(folder)
    with pytest.raises(ModelError, match=message) as refused:
        SOURCE.validate(entry(folder), LoadOptions())
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("name", MISFITS)
def test_a_folder_whose_files_do_not_fit_together_is_refused(folder, name):
    spoil, message = MISFITS[name]
    spoil(folder)
    with pytest.raises(ModelError, match=message) as refused:
        load(folder)
    assert str(folder) in str(refused.value)
    assert not living_models()


@pytest.mark.parametrize("name", [name for name in BAD_FOLDERS if name not in ("gone", "no config")])
def test_a_bad_folder_hides_no_other_and_is_listed_with_its_reason_if_at_all(folder, name):
    shutil.copytree(TINY, folder.parent / "good")
    BAD_FOLDERS[name][0](folder)
    listed = {found.name: found for found in SOURCE.models(folder.parent)}
    assert listed["good"].size_bytes > 2_000_000
    assert listed["good"].location == folder.parent / "good"
    if name not in ("remote code", "unknown kind", "text model"):  # seen only once transformers is imported
        assert listed["copy"].detail.startswith("Cannot be loaded. ")


def test_a_model_that_writes_no_text_is_not_listed(folder):
    (folder / "config.json").write_text(json.dumps({"architectures": ["CLIPModel"], "model_type": "clip"}))
    assert SOURCE.models(folder.parent) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_gpu_layers": 3}, InvalidInput, "n_gpu_layers"),
        ({"parallel": 4}, InvalidInput, "one at a time"),
        ({"flash_attention": True}, ModelError, "flash-attn"),
        ({"quantization": "4bit"}, ModelError, "bitsandbytes"),
        ({"quantization": "8bit"}, ModelError, "bitsandbytes"),
        ({"device": "cuda"}, InvalidInput, "no CUDA device"),
        ({"device": "mps"}, InvalidInput, "no MPS device"),
    ],
)
def test_an_option_that_cannot_be_had_is_refused_with_what_to_do(options, error, message):
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "4bit": find_spec("bitsandbytes") is not None,
        "8bit": find_spec("bitsandbytes") is not None,
        True: find_spec("flash_attn") is not None,
    }
    if any(here.get(value, False) for value in options.values()):
        pytest.skip("this machine has it")
    with pytest.raises(error, match=message):
        SOURCE.validate(entry(TINY), LoadOptions(**options))


def test_the_memory_that_is_needed_hangs_on_the_format():
    full, half = (SOURCE.validate(entry(TINY), LoadOptions(dtype=d)) for d in ("float32", "bfloat16"))
    assert half.memory_bytes == pytest.approx(full.memory_bytes / 2, rel=0.01)
    assert full.free_bytes > full.memory_bytes > open_checkpoint(TINY).size_bytes


def test_the_digest_is_that_of_the_weights_wherever_they_lie(folder):
    def digest() -> str:
        return SOURCE.validate(entry(folder), LoadOptions()).digest

    first = digest()
    assert first == SOURCE.validate(entry(TINY), LoadOptions(dtype="bfloat16")).digest
    tensors = load_file(folder / WEIGHTS)
    tensors[HEAD][0, 0] += 1
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    assert digest() != first


def test_shards_are_one_model_and_progress_is_told_in_bytes(sharded):
    assert len(open_checkpoint(sharded).files) > 1
    told: list[float] = []
    backend = load(sharded, lambda share, what: told.append(share))
    assert backend.info.memory_bytes == pytest.approx(open_checkpoint(sharded).size_bytes, rel=0.01)
    backend.warm_up(CancelToken())
    backend.close()
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1
    assert len(told) > 20
    largest = max(tensor.size_bytes for tensor in open_checkpoint(sharded).tensors)
    steps = [after - before for before, after in pairwise(told)]
    assert max(steps) <= largest / open_checkpoint(sharded).size_bytes + 0.01


@pytest.mark.parametrize("share", [0, 0.2, 0.6, 0.95])
def test_a_load_stops_where_it_is_and_keeps_nothing(sharded, share):
    cancel = CancelToken()
    told: list[float] = []

    def cancel_at(done: float, what: str) -> None:
        told.append(done)
        if done >= share:
            cancel.cancel("changed my mind")

    with pytest.raises(Cancelled, match="changed my mind"):
        load(sharded, cancel_at, cancel)
    assert told[-1] < share + 0.15
    assert not living_models()


def test_loading_and_closing_again_and_again_keeps_no_memory(sharded):
    resident = []
    for _ in range(8):
        backend = load(sharded)
        list(backend.stream([Message("user", "Hello")], ONE_TOKEN, CancelToken()))
        backend.close()
        del backend
        resident.append(psutil.Process().memory_info().rss)
    assert not living_models()
    assert resident[-1] - resident[2] < open_checkpoint(sharded).size_bytes


def test_the_provider_is_there_without_torch_being_imported():
    code = (
        "import sys; from pathlib import Path; from engine.backends import provider;"
        "p = provider('transformers');"
        f"assert p.unavailable() == '' and p.models(Path({str(TINY.parent)!r}));"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def living_models() -> list[str]:
    """Names of models still in memory."""
    kinds = (type(thing).__name__ for thing in gc.get_objects())
    return [kind for kind in kinds if kind.startswith("LlavaFor")]
