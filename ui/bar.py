"""The bar above all tabs: which model serves, loading another one, and its state in every open window."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.events.models import ProviderStatus
from ui.handling import QUIET, explain, notice
from ui.house import House
from ui.off_loop import at_once, quick, slow
from ui.widgets import ASSETS, own_html

MARK = (ASSETS / "bar_mark.html").read_text(encoding="utf-8")
LOOK = (ASSETS / "bar_look.html").read_text(encoding="utf-8")
CHIP = '<div data-part="chip" class="chip-box" role="status" aria-label="Model state"></div>'

NO_MODEL = gr.update(choices=[], value=None)


@dataclass(frozen=True)
class Bar:
    """The widgets of the bar."""

    provider: gr.Dropdown
    model: gr.Dropdown
    load: gr.Button
    cancel: gr.Button
    chip: gr.HTML
    question: gr.Row
    asks: gr.HTML
    stop_and_load: gr.Button
    wait: gr.Button
    never_mind: gr.Button
    said: gr.HTML


def build() -> Bar:
    """Lay the bar out: one line on a desktop, wrapped on a phone."""
    with gr.Row(elem_id="haven-bar"):
        own_html(MARK)
        provider = gr.Dropdown(
            label="Provider", choices=[], value=None, allow_custom_value=True, elem_id="haven-provider"
        )
        model = gr.Dropdown(
            label="Model", choices=[], value=None, allow_custom_value=True, elem_id="haven-model"
        )
        load = gr.Button("Load", elem_id="haven-load")
        cancel = gr.Button("Cancel loading", elem_id="haven-load-cancel")
        chip = own_html(
            template=CHIP,
            js="haven.mount('chip', element, (data) => trigger('flip', data));",
            elem_id="haven-chip",
        )
        own_html(LOOK, elem_id="haven-look", js="haven.look(element);")
    with gr.Row(visible=False, elem_id="haven-question") as question:
        asks = own_html()
        stop_and_load = gr.Button("Stop it and load")
        wait = gr.Button("Wait")
        never_mind = gr.Button("Never mind")
    said = own_html(elem_id="haven-bar-said")
    return Bar(provider, model, load, cancel, chip, question, asks, stop_and_load, wait, never_mind, said)


def wire(bar: Bar, house: House) -> None:
    """Attach the bar's events."""
    chosen = [bar.provider, bar.model]
    shown = [bar.question, bar.asks, bar.said]

    async def provider_input(provider: str) -> AsyncIterator[Any]:
        yield NO_MODEL, ""  # at once: the name of another provider's model must not stay there
        yield await on_provider_input(house, provider)

    async def model_focus(provider: str) -> Any:
        return await on_model_focus(house, provider)

    async def load(provider: str, model: str) -> Any:
        return await on_load_click(house, provider, model)

    async def stop_and_load(provider: str, model: str) -> Any:
        return await begin(house, provider, model, "cancel")

    async def wait(provider: str, model: str) -> Any:
        return await begin(house, provider, model, "wait")

    async def cancel() -> str:
        return await on_cancel_click(house)

    async def flip() -> Any:
        return await on_engine_flip(house)

    # A second pick counts too, while the models of the first one are still on their way.
    latest = {**QUIET, "trigger_mode": "always_last"}
    bar.provider.input(provider_input, bar.provider, [bar.model, bar.said], **latest)
    bar.model.focus(model_focus, bar.provider, bar.model, **QUIET)
    bar.load.click(load, chosen, shown, **QUIET)
    bar.stop_and_load.click(stop_and_load, chosen, shown, **QUIET)
    bar.wait.click(wait, chosen, shown, **QUIET)
    bar.never_mind.click(lambda: quiet(), None, shown, **QUIET)
    bar.cancel.click(cancel, None, bar.said, **QUIET)
    bar.chip.flip(flip, None, chosen, **QUIET)


def load_with(page: gr.Blocks, bar: Bar, house: House) -> None:
    """Fill the dropdowns when the page opens."""

    async def opened() -> Any:
        return await on_engine_flip(house)

    page.load(opened, None, [bar.provider, bar.model], **QUIET)


async def on_engine_flip(house: House) -> tuple[Any, Any]:
    """Another model serves now (whoever loaded it), or the page has just opened: show which."""
    status = house.engine.status()
    try:
        providers = await slow(house.engine.providers)
        models = await slow(house.engine.models, status.provider)
    except Exception as error:  # noqa: BLE001 - the bar must stay usable; the reason is logged
        explain(error)
        return gr.update(value=status.provider), gr.update(value=status.model)
    choices = _choices(providers)
    names = _with(status.model, [entry.name for entry in models])
    return gr.update(choices=choices, value=status.provider), gr.update(choices=names, value=status.model)


async def provider_choices(house: House) -> Any:
    """The providers, as they can be used now; what is chosen stays."""
    return gr.update(choices=_choices(await slow(house.engine.providers)))


async def on_provider_input(house: House, provider: str) -> tuple[Any, str]:
    """A provider was picked: list its models, the first one chosen."""
    try:
        names = [entry.name for entry in await slow(house.engine.models, provider)]
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.update(choices=[], value=None), notice(explain(error))
    hint = "" if names else f"There is no model for this provider yet. {await _where(house, provider)}"
    return gr.update(choices=names, value=names[0] if names else None), notice(hint, "hint")


async def on_model_focus(house: House, provider: str) -> Any:
    """The list is about to be opened: read it again, since models come and go on the disk.

    What is chosen stays; it may be of another provider whose list has not given way yet, so it adds nothing.
    """
    serving = house.engine.status()
    try:
        names = [entry.name for entry in await slow(house.engine.models, provider)]
    except Exception as error:  # noqa: BLE001 - the list stays as it was; the reason is logged
        explain(error)
        return gr.skip()
    return gr.update(choices=_with(serving.model if serving.provider == provider else "", names))


async def on_load_click(house: House, provider: str, model: str) -> tuple[Any, str, str]:
    """Load the chosen model; if something runs, ask before anything is lost."""
    if not provider or not model:
        return gr.update(visible=False), "", notice("Pick a provider and a model first.")
    busy = house.engine.status().busy
    if busy:
        return (
            gr.update(visible=True),
            notice(f"Running now: {', '.join(busy)}. Load all the same?", "question"),
            "",
        )
    return await begin(house, provider, model, "refuse")


async def begin(house: House, provider: str, model: str, when_busy: str) -> tuple[Any, str, str]:
    """Start a switch; how it goes is seen in the chip, in every window."""
    try:
        run = await quick(house.engine.begin_switch, provider, model, when_busy)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.update(visible=False), "", notice(explain(error))
    del run
    return quiet()


async def on_cancel_click(house: House) -> str:
    """Stop the load under way, whichever window began it."""
    try:
        await at_once(house.engine.cancel_switch)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return notice(explain(error))
    return ""


def quiet() -> tuple[Any, str, str]:
    """No question and nothing to say."""
    return gr.update(visible=False), "", ""


def _choices(providers: Sequence[ProviderStatus]) -> list[tuple[str, str]]:
    return [(_provider_label(one.label, one.available, one.reason), one.id) for one in providers]


def _provider_label(label: str, available: bool, reason: str) -> str:
    return label if available else f"{label} ({reason or 'not available'})"


def _with(current: str, names: list[str]) -> list[str]:
    return names if not current or current in names else [current, *names]


async def _where(house: House, provider: str) -> str:
    for one in await slow(house.engine.providers):
        if one.id == provider and one.reason:
            return one.reason
    return "Put one into the models folder; the README says how."
