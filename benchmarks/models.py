"""The two models that are measured: the tiny trained one of the tests, and a random one of 0.2 billion
parameters, which is made once and kept beside the benchmarks. Its answers mean nothing; its speed does.
"""

from pathlib import Path

from benchmarks.server import ROOT
from tests.fixtures.random_model import make_random_model

TINY_MODEL = ROOT / "tests" / "fixtures" / "tiny_model"
_CACHE = Path(__file__).parent / ".cache"
KEPT = _CACHE / "random-0.2b-256"


def shelf_of_models(folder: Path) -> tuple[Path, dict[str, str]]:
    """A model shelf below `folder`, and the names on it by what they are."""
    shelf = folder / "shelf"
    shelf.mkdir()
    for model in (TINY_MODEL, random_model(256)):
        (shelf / model.name).symlink_to(model, target_is_directory=True)
    return shelf, {"tiny model": TINY_MODEL.name, "random model of 0.2 B parameters": KEPT.name}


def random_model(picture_tokens: int) -> Path:
    """The folder of the random model whose pictures are that many tokens, a square number."""
    folder = _CACHE / f"random-0.2b-{picture_tokens}"
    if not folder.exists():
        _CACHE.mkdir(exist_ok=True)
        make_random_model(folder, picture_tokens=picture_tokens)
    return folder
