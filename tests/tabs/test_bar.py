"""The bar: which model serves, loading another one, and what the chip says."""

from asyncio import run
from dataclasses import replace

import pytest

from engine.errors import ModelError
from engine.events.switching import Status, SwitchProgress
from ui import bar, panels

EVIL = '<img src=x onerror="alert(1)">'


def test_load_begins_a_switch_when_nothing_runs(house, engine):
    question, asks, said = run(bar.on_load_click(house, "transformers", "tiny"))
    assert engine.asked[-1] == ("begin_switch", "transformers", "tiny", "refuse", {})
    assert (question["visible"], asks, said) == (False, "", "")


def test_load_asks_before_it_interrupts_what_runs(house, engine):
    engine.status_now = replace(engine.status_now, busy=("Analysing <lake>.mp4",))
    question, asks, _ = run(bar.on_load_click(house, "transformers", "tiny"))
    assert question["visible"]
    assert "Analysing &lt;lake&gt;.mp4" in asks
    assert not any(verb == "begin_switch" for verb, *_ in engine.asked)


@pytest.mark.parametrize("when_busy", ["cancel", "wait"])
def test_the_answer_to_the_question_is_the_policy(house, engine, when_busy):
    run(bar.begin(house, "transformers", "tiny", when_busy))
    assert engine.asked[-1][3] == when_busy


def test_load_without_a_model_says_what_to_do(house, engine):
    assert "Pick a provider and a model" in run(bar.on_load_click(house, "transformers", None))[2]
    assert engine.asked == []


def test_picking_a_provider_lists_its_models(house):
    models, said = run(bar.on_provider_input(house, "transformers"))
    assert (models["choices"], models["value"], said) == (["tiny", "other"], "tiny", "")


def test_a_provider_that_fails_leaves_the_bar_usable(house, engine):
    engine.fails["models"] = ModelError(f"The folder {EVIL} cannot be read.")
    models, said = run(bar.on_provider_input(house, "transformers"))
    assert models["choices"] == []
    assert EVIL not in said
    assert "cannot be read" in said
    engine.fails["models"] = RuntimeError("a defect")
    assert "Something went wrong" in run(bar.on_provider_input(house, "transformers"))[1]


def test_every_window_shows_the_model_that_serves(house, engine):
    engine.begin_switch("transformers", "tiny")
    engine.finish_switch(True, "tiny", "Ready")
    provider, model = run(bar.on_engine_flip(house))
    assert (provider["value"], model["value"]) == ("transformers", "tiny")
    assert ("Built-in (no download)", "builtin") in provider["choices"]


def test_cancel_stops_the_switch_under_way(house, engine):
    engine.begin_switch("transformers", "tiny")
    assert run(bar.on_cancel_click(house)) == ""
    assert engine.switch_progress() is None


READY = Status("ready", "transformers", "tiny", True, 1_600_000_000, 3, (), "")


@pytest.mark.parametrize(
    ("status", "switch", "shown"),
    [
        (READY, None, "Ready · sees pictures · 1.6 GB"),
        (replace(READY, vision=False, memory_bytes=0), None, "Ready · text only"),
        (replace(READY, busy=("Analysing lake.mp4",)), None, "Busy: analysing lake.mp4"),
        (READY, SwitchProgress("loading", 0.43, "Loading tiny"), "Loading 43\xa0%"),
        (replace(READY, last_error="No memory left for it."), None, "Failed: No memory left for it."),
    ],
)
def test_the_chip_says_what_is_true(status, switch, shown):
    assert shown in panels.chip(status, switch)
