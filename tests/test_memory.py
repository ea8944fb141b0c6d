"""What a model would take in memory, told from its files alone."""

import json
from dataclasses import replace

import pytest
from fakes import INFO

from engine.backends.base import ModelEntry
from engine.events.models import Fit
from engine.memory import Room, free_bytes, needed_bytes, room

GB = 10**9


def entry(provider, folder=None, size=GB):
    return ModelEntry("m", provider, False, size, location=folder)


def folder_of(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    return tmp_path


def test_what_does_not_fit_says_what_is_needed_and_what_is_free():
    free = Room(5_200_000_000)
    assert free.fits(7_060_000_000) == Fit(False, "Needs 7.1 GB of memory; 5.2 GB are free.")
    assert free.fits(5_200_000_000) == Fit(True, "")


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (5, ""),
        (5.01, "Fits when tiny is closed, as happens when it is loaded."),
        (7, "Fits when tiny is closed, as happens when it is loaded."),
        (7.1, "Needs 7.1 GB of memory; 7.0 GB are free, even with tiny closed."),
    ],
)
def test_what_the_model_that_serves_gives_back_counts(needed, said):
    assert Room(5 * GB, "tiny", 2 * GB).fits(int(needed * GB)) == Fit(needed <= 7, said)


def test_room_is_that_of_this_machine():
    there = room(replace(INFO, model="tiny", memory_bytes=2 * GB))
    assert (there.serving, there.held_bytes) == ("tiny", 2 * GB)
    assert there.free_bytes > 0


def test_what_a_model_holds_on_a_graphics_card_makes_no_room_in_main_memory():
    there = room(replace(INFO, model="tiny", memory_bytes=10**15, in_main_memory=False))
    assert (there.serving, there.held_bytes) == ("", 0)
    told = there.fits(10**14)
    assert not told.fits and "closed" not in told.said


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
