"""Downloads without a hub: they go as far as a test says."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.errors import InvalidInput
from engine.events.models import DownloadView, Fit, ModelOffer

SMALL = ModelOffer(
    id="small-sees",
    label="Small Sees",
    provider="transformers",
    repo="lab/tiny",
    revision="main",
    files=("*.safetensors", "*.json"),
    vision=True,
    download_bytes=1_900_000_000,
    memory_bytes=2_600_000_000,
    licence="Apache-2.0",
    licence_url="https://licences.example/apache",
    about="Quick, and describes a picture in a sentence.",
    here=False,
    fits=Fit(),
)
LARGE = replace(
    SMALL,
    id="large-writes",
    label="Large Writes",
    repo="lab/large",
    vision=False,
    licence="Own terms",
    licence_url="https://licences.example/own",
    fits=Fit(False, "Needs 90.0 GB of memory; 7.0 GB are free."),
)


class FakeDownloads:
    """What is asked of it is told to `note`; a test moves a download with `move`."""

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note
        self.offered = [SMALL, LARGE]
        self.known: dict[str, DownloadView] = {}

    def offers(self) -> list[ModelOffer]:
        self._note("offers")
        return self.offered

    def start(self, offer_id: str) -> None:
        self._note("start", offer_id)
        if offer_id not in [offer.id for offer in self.offered]:
            raise InvalidInput(f"There is no model {offer_id!r} in the list of models worth getting.")
        self._begin(offer_id)

    def pull(self, name: str) -> None:
        self._note("pull", name)
        self._begin(f"ollama:{name.strip()}")

    def cancel(self, offer_id: str) -> None:
        self._note("cancel", offer_id)
        if offer_id in self.known:
            self.move(offer_id, state="partial", message="It was stopped.")

    def discard(self, offer_id: str) -> None:
        self._note("discard", offer_id)
        del self.known[offer_id]

    def views(self) -> list[DownloadView]:
        return list(self.known.values())

    def move(self, offer_id: str, **changed: Any) -> DownloadView:
        """Set fields of a download, for example its state."""
        self.known[offer_id] = replace(self.known[offer_id], **changed)
        return self.known[offer_id]

    def _begin(self, download_id: str) -> None:
        before = self.known.get(download_id) or DownloadView(download_id, "waiting", 0, 0, None, None, "")
        self.known[download_id] = replace(before, state="waiting", message="")
