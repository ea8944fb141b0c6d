"""What a model would take in memory, told from its files alone."""

import json

import pytest

from engine.backends.base import ModelEntry
from engine.memory import free_bytes, needed_bytes, too_big

GB = 10**9


def entry(provider, folder=None, size=GB):
    return ModelEntry("m", provider, False, size, location=folder)


def folder_of(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    return tmp_path


def test_what_does_not_fit_says_what_is_needed_and_what_is_free():
    assert too_big(7_060_000_000, 5_200_000_000) == "Needs 7.1 GB of memory; 5.2 GB are free."
    assert too_big(5_200_000_000, 5_200_000_000) == ""


def test_some_memory_is_free():
    assert free_bytes() > 0


def test_a_gguf_takes_its_size_and_room_for_the_context():
    assert needed_bytes(entry("llamacpp")) == pytest.approx(1.4 * GB)


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
@pytest.mark.parametrize(("form", "times"), [("bfloat16", 2), ("float16", 2), ("float32", 1)])
def test_half_the_bits_on_the_disk_are_all_of_them_on_a_processor(tmp_path, key, form, times):
    folder = folder_of(tmp_path, json.dumps({key: form}))
    assert needed_bytes(entry("transformers", folder)) == pytest.approx(times * 1.1 * GB)


def test_a_folder_that_cannot_be_read_is_taken_by_its_size(tmp_path):
    assert needed_bytes(entry("transformers", folder_of(tmp_path, "{"))) == pytest.approx(1.1 * GB)
    assert needed_bytes(entry("transformers")) == pytest.approx(1.1 * GB)


def test_a_model_on_a_server_takes_nothing_of_ours():
    assert needed_bytes(entry("ollama")) == 0
