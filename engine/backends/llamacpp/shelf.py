"""Which GGUF models lie on the shelf: shards as one model, a projector for pictures with the model it is for.

Goes by names and folders, and reads no more of a file than the few bytes that say which kind it is; whether
a model can be loaded is checked when it is picked.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_PROJECTOR_WORD = "mmproj"
_PROJECTOR_KIND = b"general.architecture\x08\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00clip"
_FORMAT = re.compile(r"[-_.](?:i?q\d\w*|bf16|f16|f32|fp16|fp32|ud|imat|mxfp4\w*)(?=[-_.]|$)", re.IGNORECASE)
_PEEK = 256  # bytes: the architecture is the first thing that a header says


@dataclass(frozen=True)
class ShelvedModel:
    """One model: its files in order, and the projector that makes it see, if there is one."""

    name: str
    files: tuple[Path, ...]  # the first one is what the library is given
    projector: Path | None
    missing: tuple[str, ...] = ()  # names of shards that should be there

    @property
    def size_bytes(self) -> int:
        everything = (*self.files, *([self.projector] if self.projector else []))
        return sum(path.stat().st_size for path in everything)


def shelved_models(shelf: Path) -> list[ShelvedModel]:
    """Every model in the shelf's own folder and the folders in it, by name."""
    folders = [shelf, *(path for path in _visible(shelf) if path.is_dir())]
    found = [model for folder in folders for model in _models_of(folder, shelf)]
    return sorted(found, key=lambda model: model.name.casefold())


def model_at(path: Path, shelf: Path | None = None) -> ShelvedModel | None:
    """The model that begins with the file `path`; None when there is none any more."""
    models = _models_of(path.parent, shelf or path.parent)
    return next((model for model in models if model.files[0] == path), None)


def _models_of(folder: Path, shelf: Path) -> Iterator[ShelvedModel]:
    files = [path for path in _visible(folder) if path.suffix.lower() == ".gguf" and path.is_file()]
    projectors = [path for path in files if _is_projector(path)]
    sets = _sets_of_shards(path for path in files if path not in projectors)
    alone = len(sets) == 1
    for stem, (shards, missing) in sets.items():
        name = (folder.relative_to(shelf) / stem).as_posix()
        yield ShelvedModel(name, shards, _projector_for(stem, projectors, alone), missing)


def _visible(folder: Path) -> list[Path]:
    """What is in `folder`, without hidden things and the `._*` twins of macOS; nothing if unreadable."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _is_projector(path: Path) -> bool:
    if _PROJECTOR_WORD in path.name.lower():
        return True
    try:
        with path.open("rb") as file:
            return _PROJECTOR_KIND in file.read(_PEEK)
    except OSError:
        return False


def _sets_of_shards(files: Iterable[Path]) -> dict[str, tuple[tuple[Path, ...], tuple[str, ...]]]:
    """By the model's name: its files in order, and the names of those that are not there."""
    sets: dict[str, tuple[tuple[Path, ...], tuple[str, ...]]] = {}
    for path in files:
        shard = _SHARD.fullmatch(path.name)
        if shard is None:
            sets[path.stem] = ((path,), ())
        elif shard["stem"] not in sets:
            sets[shard["stem"]] = _shards(path.parent, shard)
    return sets


def _shards(folder: Path, shard: re.Match[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    count = int(shard["count"])
    names = [f"{shard['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    there = tuple(folder / name for name in names if (folder / name).is_file())
    return there or (folder / shard.string,), tuple(name for name in names if not (folder / name).is_file())


def _projector_for(stem: str, projectors: list[Path], alone: bool) -> Path | None:
    """The one that bears the model's name; else the only one of a folder with a single model.

    Of several for one model (other number formats) the first by name is taken.
    """
    wanted = _bare(stem)
    named = [path for path in projectors if _bare(path.stem) == wanted]
    if named:
        return named[0]
    nameless = [path for path in projectors if not _bare(path.stem)]
    if alone and projectors:
        return projectors[0]
    return nameless[0] if alone and nameless else None


def _bare(stem: str) -> str:
    """A file's name without what differs between a model and its projector: the word and the format."""
    without_word = re.sub(rf"[-_.]?{_PROJECTOR_WORD}[-_.]?", "-", stem.lower())
    return _FORMAT.sub("", f"-{without_word}").strip("-_.")
