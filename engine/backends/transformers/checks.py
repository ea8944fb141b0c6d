"""What a model folder must hold beside its weights, told before anything is loaded.

A tokenizer, a processor where the model sees, and a chat template that ends. Reads small files only; imports
neither torch nor transformers.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.catalog import chat_template, sees_and_writes
from engine.errors import ModelError

# Where the installed libraries keep the words that a model knows.
_VOCABULARIES = ("tokenizer.json", "*.model", "vocab*", "tekken.json", "*.tiktoken", "spiece*", "*.spm")
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")


def check_readers(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises: ModelError, naming the folder and what it lacks."""
    if not _has_any(folder, _VOCABULARIES):
        raise ModelError(f"{folder} has no tokenizer: tokenizer.json is missing. Download the model again.")
    if sees_and_writes(config) and not _has_any(folder, _PROCESSORS):
        raise ModelError(
            f"{folder} has no {' or '.join(_PROCESSORS)}, so it cannot be given pictures. Download the model "
            "again."
        )


def refuse_no_template(folder: Path, config: Mapping[str, Any]) -> None:
    """Raises: ModelError for a text-only model that was made to go on with a text, not to answer.

    Where a model sees, its processor may have the template in places that only the library knows.
    """
    if not sees_and_writes(config) and not chat_template(folder)[1]:
        raise no_template(folder)


def refuse_broken_template(folder: Path) -> None:
    """Raises: ModelError for a chat template that does not compile, or does not end."""
    from engine.backends.chat_template import refuse_broken

    place, source = chat_template(folder)
    if source:
        refuse_broken(source, f"The chat template in {place}")


def no_template(folder: Path) -> ModelError:
    """What to say of a model that cannot be asked."""
    return ModelError(f"{folder} has no chat template, so it cannot be asked anything. Pick a chat model.")


def _has_any(folder: Path, patterns: Iterable[str]) -> bool:
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))
