"""The Models tab: what is here, to be loaded, and what is worth getting, to be downloaded.

Nothing here computes. The rows arrive with what the page follows; loading goes through the bar, so that it
asks the same questions and shows the same progress.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import bar
from ui.bar import Bar
from ui.handling import EVERY_CLICK, explain, notice
from ui.house import House
from ui.off_loop import at_once, slow
from ui.widgets import ASSETS, own_html


@dataclass(frozen=True)
class ModelsTab:
    """The widgets of the tab."""

    said: gr.HTML
    lists: gr.HTML


@dataclass(frozen=True)
class Shown:
    """What changes after something was done: what is said, and the bar."""

    said: str = ""
    provider: Any = None
    model: Any = None
    question: Any = None
    asks: Any = None
    bar_said: Any = None

    def as_outputs(self) -> tuple[Any, ...]:
        """In the order of `_outputs`; what has nothing new stays as it is."""
        changed = (self.provider, self.model, self.question, self.asks, self.bar_said)
        return self.said, *(gr.skip() if one is None else one for one in changed)


def build() -> ModelsTab:
    """Lay the tab out; all of it is markup of our own."""
    said = own_html(elem_id="haven-models-said")
    lists = own_html(
        template=(ASSETS / "models.html").read_text(encoding="utf-8"),
        js="haven.models(element, (data) => trigger('act', data));",
        elem_id="haven-models",
    )
    return ModelsTab(said, lists)


def wire(tab: ModelsTab, house: House, top: Bar) -> None:
    """Attach what can be done with a row."""

    async def act(provider: str, event: gr.EventData) -> Any:
        if event.act == "servers":
            return (await on_servers_change(house)).as_outputs()
        if event.act == "arrived":
            return (await on_arrival(house, provider)).as_outputs()
        return (await on_row_act(house, event.act, event.job)).as_outputs()

    outputs = [tab.said, top.provider, top.model, top.question, top.asks, top.said]
    tab.lists.act(act, top.provider, outputs, **EVERY_CLICK)


async def on_row_act(house: House, act: str, subject: str) -> Shown:
    """Load a model (`provider/name`), or do something about a download, which `subject` names."""
    if act == "load":
        return await on_load(house, *_pair(subject))
    downloads = house.engine.downloads
    verbs: dict[str, tuple[Callable[..., Any], Callable[[str], Any]]] = {
        "download": (slow, downloads.start),
        "pull": (slow, downloads.pull),
        "stop": (at_once, downloads.cancel),
        "discard": (slow, downloads.discard),
        "remove_server": (slow, house.engine.servers.remove),
    }
    try:
        run, verb = verbs[act]
        await run(verb, subject)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return Shown(notice(explain(error)))
    return await on_servers_change(house) if act == "remove_server" else Shown()


async def on_load(house: House, provider: str, model: str) -> Shown:
    """As if it had been picked in the bar."""
    question, asks, said = await bar.on_load_click(house, provider, model)
    chosen = gr.update(choices=[model], value=model)  # the rest of the list is read when it is opened
    return Shown("", gr.update(value=provider), chosen, question, asks, said)


async def on_arrival(house: House, provider: str) -> Shown:
    """A download is complete: the bar knows the new model."""
    return Shown(model=await bar.on_model_focus(house, provider))


async def on_servers_change(house: House) -> Shown:
    """Another server was named: the bar lists the providers anew."""
    return Shown(provider=await bar.provider_choices(house))


def _pair(subject: str) -> tuple[str, str]:
    provider, _, model = subject.partition("/")
    return provider, model
