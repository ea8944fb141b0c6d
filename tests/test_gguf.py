"""Broken GGUF files: each is a message that names the file, and none reaches native code."""

import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from engine.backends.base import LoadPlan, ModelEntry
from engine.backends.llamacpp import LlamaCppProvider
from engine.backends.llamacpp.gguf import BLOCKS, read_header
from engine.errors import InvalidInput, ModelError
from engine.settings import LoadOptions

PROVIDER = LlamaCppProvider()


@pytest.fixture
def shelf(gguf_shelf: Path, tmp_path: Path) -> Path:
    """A copy of the tiny pair that a test may spoil."""
    for path in gguf_shelf.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def models(shelf: Path) -> dict[str, ModelEntry]:
    return {entry.name: entry for entry in PROVIDER.models(shelf)}


def validate(shelf: Path, name: str = "tiny", **options: object) -> LoadPlan:
    return PROVIDER.validate(models(shelf)[name], LoadOptions(**options))


def spoil(path: Path, change: Callable[[bytearray], bytearray | None]) -> None:
    data = bytearray(path.read_bytes())
    changed = change(data)
    path.write_bytes(data if changed is None else changed)


def put(place: int, value: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[place : place + len(value)] = value

    return change


def after(key: str, value: bytes, skip: int = 4) -> Callable[[bytearray], None]:
    """Put `value` where the value of `key` begins, behind the four bytes of its kind."""

    def change(data: bytearray) -> None:
        place = data.index(key.encode()) + len(key) + skip
        data[place : place + len(value)] = value

    return change


def rewritten(path: Path, **changes: object) -> None:
    """The same file with some of its fields changed, written as a program that means it would."""
    reader = gguf.GGUFReader(path)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(path.with_suffix(".new"), changes.get("architecture", architecture))
    for name, found in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = changes.get(name.split(".")[-1], found.contents())
        if value is not None:
            sub = found.types[-1] if found.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, value, found.types[0], sub_type=sub)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    del reader
    path.with_suffix(".new").rename(path)


def test_a_sound_header_is_read(gguf_shelf):
    header = read_header(gguf_shelf / "tiny.gguf")
    assert header.architecture == "llama"
    assert header.own("embedding_length") == 96
    assert header.tensors["token_embd.weight"].shape == (96, 520)
    assert header.data_start + header.weight_bytes <= header.path.stat().st_size


def test_the_sizes_of_number_formats_are_those_of_the_format():
    theirs = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: BLOCKS[kind] for kind in theirs} == theirs


SPOILT = {
    "empty": lambda data: bytearray(),
    "another kind of file": put(0, b"PK\3\4"),
    "only the magic": lambda data: data[:4],
    "version 1": put(4, struct.pack("<I", 1)),
    "version 99": put(4, struct.pack("<I", 99)),
    "big-endian": put(4, struct.pack(">I", 3)),
    "more tensors than fit": put(8, struct.pack("<Q", 2**40)),
    "one tensor more": put(8, struct.pack("<Q", 31)),
    "more pairs than fit": put(16, struct.pack("<Q", 2**63)),
    "one pair more": put(16, struct.pack("<Q", 22)),
    "a key as long as the file": put(24, struct.pack("<Q", 1_700_000)),
    "a key of 2**63 bytes": put(24, struct.pack("<Q", 2**63)),
    "a key that is no text": put(32, b"\xff\xfe"),
    "an unknown kind of value": after("llama.block_count", struct.pack("<I", 77), skip=0),
    "an array of arrays": after("tokenizer.ggml.tokens", struct.pack("<I", 9)),
    "an array of 2**60 items": after("tokenizer.ggml.tokens", struct.pack("<Q", 2**60), skip=8),
    "no layers": after("llama.block_count", struct.pack("<I", 0)),
    "more layers than tensors": after("llama.block_count", struct.pack("<I", 4)),
    "fewer layers than tensors": after("llama.block_count", struct.pack("<I", 2)),
    "another width": after("llama.embedding_length", struct.pack("<I", 97)),
    "more heads than numbers": after("llama.attention.head_count", struct.pack("<I", 2**20)),
    "no context": after("llama.context_length", struct.pack("<I", 0)),
    "an end token that is none": after("tokenizer.ggml.eos_token_id", struct.pack("<I", 520)),
    "a token twice": lambda data: put(data.index(b"<0x41>"), b"<0x42>")(data),
    "a tensor in two places": lambda data: put(data.index(b"blk.0.ffn_up"), b"blk.1.ffn_up")(data),
    "a tensor without dimensions": after("token_embd.weight", struct.pack("<I", 0), skip=0),
    "a tensor of five dimensions": after("token_embd.weight", struct.pack("<I", 5), skip=0),
    "a tensor of a side of 2**62": after("token_embd.weight", struct.pack("<Q", 2**62)),
    "a tensor of a side of nothing": after("token_embd.weight", struct.pack("<Q", 0)),
    "an unknown number format": after("token_embd.weight", struct.pack("<I", 99), skip=4 + 16),
    "a tensor elsewhere": after("token_embd.weight", struct.pack("<Q", 32), skip=4 + 16 + 4),
    "a tensor behind the end": after("token_embd.weight", struct.pack("<Q", 2**40), skip=4 + 16 + 4),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_broken_model_is_refused_by_name(shelf, what):
    spoil(shelf / "tiny.gguf", SPOILT[what])
    with pytest.raises(ModelError, match=r"tiny\.gguf") as refused:
        validate(shelf)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("share", [index / 16 for index in range(16)])
@pytest.mark.parametrize("name", ["tiny.gguf", "mmproj-tiny.gguf"])
def test_a_file_that_is_cut_off_is_refused_wherever_it_ends(shelf, name, share):
    spoil(shelf / name, lambda data: data[: int(len(data) * share)])
    with pytest.raises(ModelError, match=name):
        validate(shelf)


@pytest.mark.parametrize("name", ["tiny.gguf", "mmproj-tiny.gguf"])
def test_a_file_that_ends_inside_its_header_is_refused(shelf, name):
    whole = (shelf / name).read_bytes()
    for end in range(0, read_header(shelf / name).data_start, 97):
        (shelf / name).write_bytes(whole[:end])
        with pytest.raises(ModelError, match=name):
            read_header(shelf / name)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architecture": "flurb"}, "architecture 'flurb'"),
        ({"tokens": None}, "no vocabulary"),
        ({"scores": [0.0] * 519}, "519 of their scores"),
    ],
)
def test_a_model_that_is_none_is_refused(shelf, changes, says):
    rewritten(shelf / "tiny.gguf", **changes)
    entry = ModelEntry("tiny", "llamacpp", True, 0, location=shelf / "tiny.gguf")
    with pytest.raises(ModelError, match=says):
        PROVIDER.validate(entry, LoadOptions())


def test_a_projector_of_another_model_is_refused(shelf, tmp_path_factory):
    other = gguf.GGUFReader(shelf / "mmproj-tiny.gguf")
    writer = gguf.GGUFWriter(shelf / "new", "clip")
    writer.add_clip_has_vision_encoder(True)
    writer.add_vision_projection_dim(128)
    for tensor in other.tensors:
        if not tensor.name.startswith("mm."):
            writer.add_tensor(tensor.name, tensor.data.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    del other
    (shelf / "new").rename(shelf / "mmproj-tiny.gguf")
    with pytest.raises(ModelError, match="does not belong"):
        validate(shelf)


def test_a_text_model_named_as_projector_is_refused(shelf):
    (shelf / "mmproj-tiny.gguf").write_bytes((shelf / "tiny.gguf").read_bytes())
    with pytest.raises(ModelError, match="no projector"):
        validate(shelf)


@pytest.mark.parametrize(
    ("name", "spoilt"),
    [
        ("tiny.gguf", b"blk.1.ffn_up"),
        ("mmproj-tiny.gguf", b"mm.2.weight"),
        ("mmproj-tiny.gguf", b"v.patch_embd"),
    ],
)
def test_what_native_code_refuses_or_dies_of_is_found_out_in_another_process(shelf, name, spoilt):
    spoil(shelf / name, lambda data: put(data.index(spoilt), b"x")(data))
    with pytest.raises(ModelError, match=r"tiny\.gguf cannot be loaded"):
        validate(shelf)


def test_a_file_that_went_away_is_named(shelf):
    entry = models(shelf)["tiny"]
    (shelf / "tiny.gguf").unlink()
    with pytest.raises(ModelError, match=r"tiny\.gguf"):
        PROVIDER.validate(entry, LoadOptions())


def shard(shelf: Path, count: int, number: int) -> Path:
    """A place for one of several parts; its content plays no role in listing."""
    path = shelf / f"big-{number:05}-of-{count:05}.gguf"
    path.write_bytes((shelf / "tiny.gguf").read_bytes())
    return path


def test_shards_are_one_model_and_what_is_missing_is_said(shelf):
    first, *_ = (shard(shelf, 3, number) for number in (1, 2, 3))
    listed = models(shelf)
    assert set(listed) == {"tiny", "big"}
    assert listed["big"].location == first
    assert listed["big"].size_bytes == 3 * (shelf / "tiny.gguf").stat().st_size
    (shelf / "big-00002-of-00003.gguf").unlink()
    assert "big-00002-of-00003.gguf is missing" in models(shelf)["big"].detail
    with pytest.raises(ModelError, match=r"big-00002-of-00003\.gguf is missing"):
        validate(shelf, "big")


def test_shards_that_are_not_parts_of_one_model_are_refused(shelf):
    for number in (1, 2):
        shard(shelf, 2, number)
    with pytest.raises(ModelError, match="not part 1 of 2"):
        validate(shelf, "big")


def test_the_shelf_and_its_folders_are_looked_at_and_hidden_files_are_not(shelf):
    model, projector = (shelf / "tiny.gguf").read_bytes(), (shelf / "mmproj-tiny.gguf").read_bytes()
    (shelf / "owner").mkdir()
    (shelf / "owner" / "seeing.gguf").write_bytes(model)
    (shelf / "owner" / "mmproj-model-f16.gguf").write_bytes(projector)
    (shelf / "owner" / "deeper").mkdir()
    (shelf / "owner" / "deeper" / "unseen.gguf").write_bytes(model)
    (shelf / "._tiny.gguf").write_bytes(b"\0")
    (shelf / ".hidden").mkdir()
    (shelf / ".hidden" / "tiny.gguf").write_bytes(model)
    assert {name: entry.vision for name, entry in models(shelf).items()} == {
        "owner/seeing": True,
        "tiny": True,
    }


def test_each_model_gets_the_projector_of_its_name(shelf):
    for name in ("other-Q4_K_M.gguf", "other-Q8_0.gguf", "blind.gguf"):
        (shelf / name).write_bytes((shelf / "tiny.gguf").read_bytes())
    (shelf / "mmproj-other-F16.gguf").write_bytes((shelf / "mmproj-tiny.gguf").read_bytes())
    vision = {name: entry.vision for name, entry in models(shelf).items()}
    assert vision == {"other-Q4_K_M": True, "other-Q8_0": True, "blind": False, "tiny": True}


def test_a_projector_is_known_by_what_it_holds_whatever_its_name(shelf):
    (shelf / "mmproj-tiny.gguf").rename(shelf / "eyes.gguf")
    assert set(models(shelf)) == {"tiny"}


def test_an_empty_or_missing_shelf_has_no_models(tmp_path):
    assert PROVIDER.models(tmp_path) == []
    assert PROVIDER.models(tmp_path / "nowhere") == []


def test_the_digest_tells_weights_apart_and_nothing_else(shelf, gguf_shelf):
    assert validate(shelf).digest == validate(gguf_shelf).digest
    spoil(shelf / "tiny.gguf", lambda data: data[:-8] + b"\0" * 8)
    assert validate(shelf).digest != validate(gguf_shelf).digest


def test_a_longer_context_needs_more_memory(gguf_shelf):
    short, long = (validate(gguf_shelf, n_ctx=n).memory_bytes for n in (1024, 2048))
    assert long - short == pytest.approx(1.05 * 1024 * 3 * 2 * 96 * 2, rel=0.01)


@pytest.mark.parametrize(
    "option", [{"device": "cpu"}, {"dtype": "float16"}, {"quantization": "4bit"}, {"parallel": 2}]
)
def test_options_of_other_providers_are_refused_by_name(gguf_shelf, option):
    with pytest.raises(InvalidInput, match=next(iter(option))):
        validate(gguf_shelf, **option)
