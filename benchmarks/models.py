"""The two models that are measured: the tiny trained one of the tests, and a random one of 0.2 billion
parameters, which is made once and kept beside the benchmarks. Its answers mean nothing; its speed does.
"""

from pathlib import Path

from benchmarks.server import ROOT
from tests.fixtures.random_model import make_random_model

TINY_MODEL = ROOT / "tests" / "fixtures" / "tiny_model"
KEPT = Path(__file__).parent / ".cache" / "random-0.2b"


def shelf_of_models(folder: Path) -> tuple[Path, dict[str, str]]:
    """A model shelf below `folder`, and the names on it by what they are."""
    if not KEPT.exists():
        KEPT.parent.mkdir(exist_ok=True)
        make_random_model(KEPT)
    shelf = folder / "shelf"
    shelf.mkdir()
    for model in (TINY_MODEL, KEPT):
        (shelf / model.name).symlink_to(model, target_is_directory=True)
    return shelf, {"tiny model": TINY_MODEL.name, "random model of 0.2 B parameters": KEPT.name}
