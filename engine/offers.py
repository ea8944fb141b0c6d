"""Which models are worth getting, read from `models/catalog.toml`, and what this machine says to each.

Knows the file and the folders; asks nobody outside. Nothing heavy is imported.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from engine.backends import provider
from engine.backends.base import ModelEntry
from engine.errors import InvalidInput
from engine.events.models import Fit, ModelOffer
from engine.memory import Room

CATALOG = Path(__file__).parent.parent / "models" / "catalog.toml"
PROVIDERS = ("llamacpp", "transformers")
# what is fetched: weights that cannot run code, and the plain texts that go with them
FETCHED = (".gguf", ".safetensors", ".json", ".jinja", ".txt", ".model")
_SLUG = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_TEXTS = ("id", "label", "provider", "repo", "revision", "licence", "licence_url", "about")
_SIZES = ("download_bytes", "memory_bytes")
_KEYS = {*_TEXTS, *_SIZES, "files", "vision", "approximate"}
_BROKEN = "Cannot be loaded."  # begins the detail of an entry that is there and of no use


def offers(shelf: Path, room: Room, catalog: Path = CATALOG) -> list[ModelOffer]:
    """Every model of the catalogue, with whether it is here and whether it fits. Raises: InvalidInput."""
    listed = read_catalog(catalog)
    here = {id: provider(id).models(shelf) for id in {offer.provider for offer in listed}}
    return [
        replace(offer, here=is_here(offer, here[offer.provider]), fits=room.fits(offer.memory_bytes))
        for offer in listed
    ]


def read_catalog(path: Path) -> list[ModelOffer]:
    """The catalogue as it stands in its file. Raises: InvalidInput, naming the line or the entry."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read ({error.strerror}). Put back the one that came with Haven."
        ) from error
    except ValueError as error:  # of TOML, with the line, or of UTF-8
        raise InvalidInput(f"{path} is damaged: {error}. Put back the one that came with Haven.") from error
    entries = told.get("model", [])
    if not isinstance(entries, list):
        raise InvalidInput(f"{path}: each model begins with a line [[model]].")
    listed = [_offer(entry, f"{path}, model {number}") for number, entry in enumerate(entries, 1)]
    _refuse_twins(listed, path)
    return listed


def is_here(offer: ModelOffer, entries: Iterable[ModelEntry]) -> bool:
    """Whether one of the models that a provider has is this one, whole."""
    return any(_is_the_same(offer, entry) for entry in entries if not entry.detail.startswith(_BROKEN))


def folder_of(offer: ModelOffer) -> PurePosixPath:
    """Where on the shelf its provider looks for it: one folder deep for GGUF, `owner/name` else."""
    path = PurePosixPath(offer.repo)
    return PurePosixPath(path.name) if offer.provider == "llamacpp" else path


def _is_the_same(offer: ModelOffer, entry: ModelEntry) -> bool:
    if offer.provider == "llamacpp":
        named = entry.location is not None and entry.location.name in offer.files
        return named and entry.vision >= offer.vision
    return entry.name in (offer.repo, PurePosixPath(offer.repo).name)


def _offer(entry: Any, where: str) -> ModelOffer:
    """Raises: InvalidInput, naming the entry and what is wrong with it."""
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"{where} holds no names with values.")
    where = f"{where} ({entry['id']})" if isinstance(entry.get("id"), str) else where
    strange = sorted(set(entry) - _KEYS)
    if strange:
        raise InvalidInput(f"{where} has {strange[0]!r}, which no model has.")
    texts: dict[str, Any] = {key: _text(entry, key, where) for key in _TEXTS}
    sizes: dict[str, Any] = {key: _size(entry, key, where) for key in _SIZES}
    _refuse_odd_texts(texts, where)
    if not isinstance(entry.get("vision"), bool):
        raise InvalidInput(f"{where}: vision must be true or false.")
    return ModelOffer(
        **texts, **sizes, files=_files(entry, where), vision=entry["vision"], here=False, fits=Fit()
    )


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    told = entry.get(key)
    if not isinstance(told, str) or not told.strip():
        raise InvalidInput(f"{where}: {key} must be a text in quotes.")
    return told.strip()


def _size(entry: Mapping[str, Any], key: str, where: str) -> int:
    told = entry.get(key)
    if not isinstance(told, int) or isinstance(told, bool) or told <= 0:
        raise InvalidInput(f"{where}: {key} must be a whole number of bytes above 0.")
    return told


def _refuse_odd_texts(texts: Mapping[str, str], where: str) -> None:
    if not _SLUG.fullmatch(texts["id"]):
        raise InvalidInput(f"{where}: id must be of small letters, digits, dots and hyphens.")
    if not _REPO.fullmatch(texts["repo"]) or ".." in texts["repo"]:
        raise InvalidInput(f"{where}: repo must be owner/name, not {texts['repo']!r}.")
    if texts["provider"] not in PROVIDERS:
        raise InvalidInput(f"{where}: provider must be one of {', '.join(PROVIDERS)}.")
    if not texts["licence_url"].startswith("https://"):
        raise InvalidInput(f"{where}: licence_url must begin with https://.")


def _files(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    names = entry.get("files")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InvalidInput(f"{where}: files must be a list of names or patterns.")
    for name in names:
        if "/" in name or "\\" in name or PurePosixPath(name).suffix not in FETCHED:
            raise InvalidInput(
                f"{where}: {name!r} is not fetched. Only {', '.join(FETCHED)} are, from the topmost folder."
            )
    return tuple(names)


def _refuse_twins(listed: Iterable[ModelOffer], path: Path) -> None:
    seen = set()
    for offer in listed:
        if offer.id in seen:
            raise InvalidInput(f"{path} has two models {offer.id!r}.")
        seen.add(offer.id)
