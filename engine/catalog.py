"""Which model folders are on this disk: on the model shelf, and in the Hugging Face cache.

Finds folders and reads their `config.json`; whether one can be loaded is for its provider to say. Knows
no provider, and imports nothing heavy, so that the page can list models before any library is loaded.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.paths import why_not

CONFIG = "config.json"
_CACHE_PREFIX = "models--"
_SEES = ("vision_config", "vision_tower", "mm_vision_tower", "vision_encoder", "visual")
_HEARS = ("audio_config", "speech_config")
_WRITES_TEXT = ("ForCausalLM", "LMHeadModel")
_WRITES = ("ForConditionalGeneration", "ForVision2Seq", *_WRITES_TEXT)
_TEMPLATE, _OLDER_TEMPLATE, _TOKENIZER = "chat_template.jinja", "chat_template.json", "tokenizer_config.json"


@dataclass(frozen=True)
class ModelFolder:
    """A folder with a `config.json`, and the name that a person picks it by."""

    name: str
    path: Path
    home: str  # where it was found, for the person


def model_folders(shelf: Path) -> list[ModelFolder]:
    """All of them, by name; one on the shelf goes before one of the same name in the cache."""
    found: dict[str, ModelFolder] = {}
    for folder in (*cache_folders(), *shelf_folders(shelf)):
        found[folder.name] = folder
    return sorted(found.values(), key=lambda folder: folder.name.casefold())


def shelf_folders(shelf: Path) -> list[ModelFolder]:
    """The folders of the shelf that hold a `config.json`, one level of nesting included (`owner/model`)."""
    folders = []
    for outer in _visible_folders(shelf):
        inner = [] if (outer / CONFIG).is_file() else _visible_folders(outer)
        for path in (outer, *inner):
            if (path / CONFIG).is_file():
                folders.append(ModelFolder(path.relative_to(shelf).as_posix(), path, "model shelf"))
    return folders


def cache_folders(cache: Path | None = None) -> list[ModelFolder]:
    """The newest snapshot of each model in the Hugging Face cache.

    The layout (`models--owner--name/refs/main`, `.../snapshots/<commit>`) is read directly: the library's
    own scan reports an entry with one missing file as an error instead of as a model.
    """
    folders = []
    for repository in _visible_folders(cache or _default_cache()):
        if not repository.name.startswith(_CACHE_PREFIX):
            continue
        snapshot = _current_snapshot(repository)
        if snapshot is not None and (snapshot / CONFIG).is_file():
            name = repository.name.removeprefix(_CACHE_PREFIX).replace("--", "/")
            folders.append(ModelFolder(name, snapshot, "Hugging Face cache"))
    return folders


def read_config(folder: Path) -> dict[str, Any]:
    """The model's configuration. Raises: ModelError, naming the file, when it is missing or damaged."""
    try:
        return _read_object(folder / CONFIG)
    except FileNotFoundError:
        raise ModelError(f"{folder} has no {CONFIG}. Pick the folder that holds the model's files.") from None


def sees_and_writes(config: Mapping[str, Any]) -> bool:
    """Whether the configuration is that of a model that reads pictures and answers in text."""
    names = config.get("architectures")
    writes = any(str(name).endswith(_WRITES) for name in names) if isinstance(names, list) else True
    return writes and any(config.get(key) for key in _SEES)


def only_writes(config: Mapping[str, Any]) -> bool:
    """Whether the configuration is that of a language model that reads nothing but text."""
    names = config.get("architectures")
    if not isinstance(names, list) or any(config.get(key) for key in (*_SEES, *_HEARS)):
        return False
    return any(str(name).endswith(_WRITES_TEXT) for name in names)


def chat_template(folder: Path) -> tuple[Path, str]:
    """How a conversation is written, and the file that says so; an empty text where none does.

    Raises: ModelError, naming the file, when it cannot be read.
    """
    place = folder / _TEMPLATE
    try:
        return place, place.read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ModelError(why_not(place, error)) from error
    except ValueError as error:
        raise ModelError(f"{place} is no text. Download the model again.") from error
    for place in (folder / _OLDER_TEMPLATE, folder / _TOKENIZER):
        try:
            found = _default_of(_read_object(place).get("chat_template"))
        except FileNotFoundError:
            continue
        if found:
            return place, found
    return place, ""


def _default_of(given: object) -> str:
    """A template, or the one called so of several that are listed or named."""
    if isinstance(given, list):
        given = {one.get("name"): one.get("template") for one in given if isinstance(one, dict)}
    if isinstance(given, dict):
        given = given.get("default")
    return given if isinstance(given, str) else ""


def _read_object(path: Path) -> dict[str, Any]:
    """Raises: ModelError, naming the file; FileNotFoundError."""
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ModelError(why_not(path, error)) from error
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({error}). Download the model again.") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds no configuration. Download the model again.")
    return config


def _default_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE  # resolves HF_HOME, HF_HUB_CACHE and XDG_CACHE_HOME

    return Path(HF_HUB_CACHE)


def _current_snapshot(repository: Path) -> Path | None:
    """The snapshot that `main` names, else the one that was changed last."""
    try:
        main = (repository / "refs" / "main").read_text().strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    named = repository / "snapshots" / main
    if main and named.is_dir():
        return named
    return max(_visible_folders(repository / "snapshots"), key=_changed_at, default=None)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _visible_folders(parent: Path) -> list[Path]:
    """Sub-folders by name, hidden ones left out; none where `parent` is missing or may not be read."""
    try:
        return sorted(_folders_of(parent.iterdir()))
    except OSError:
        return []


def _folders_of(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if not path.name.startswith(".") and path.is_dir())
