"""What tests of the library do: put videos into folders, have them watched, wait for what becomes of them."""

import shutil
from pathlib import Path

from engine.engine import Engine
from storage.store import Store
from tests.running import until


def opened(tmp_path) -> Engine:
    return Engine(Store.open(tmp_path / "data"), tmp_path / "models")


def put(clips, name, folder, new_name=""):
    folder.mkdir(exist_ok=True, parents=True)
    return Path(shutil.copy(clips / name, folder / (new_name or name)))


def watched(engine, folder, **how):
    return engine.library.watch(folder, **({"tags": "mostly red, mostly blue", "interval": 0.5} | how))


def states(engine):
    return {file.video: file.state for file in engine.library.files(limit=1000).files}


def settled(engine, **wanted):
    """The files by name, once they have these states and no others are there."""
    names = {name.replace("_mp4", ".mp4"): state for name, state in wanted.items()}
    until(lambda: states(engine), lambda found: found == names)
    return {file.video: file for file in engine.library.files(limit=1000).files}
