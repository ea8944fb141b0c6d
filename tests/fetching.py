"""What tests of downloads do: start them, wait for what becomes of them, look at what is on the shelf."""

import time

from tests.test_offers import TINY

WEIGHTS = bytes(range(256)) * 4000  # 1,024,000 bytes
EYES = b"GGUF" + b"see" * 20_000
PAIR = {"tiny.gguf": WEIGHTS, "mmproj-tiny.gguf": EYES, "README.md": b"#", "other-Q8_0.gguf": b"GGUF" * 9}
SOON = 60.0  # seconds; what takes longer has failed
TINY_FILES = {path.name: path.read_bytes() for path in TINY.iterdir()}


def until(condition, what="it"):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, f"{what} has not happened"
        time.sleep(0.005)


def view(downloads, id="tiny"):
    return next((each for each in downloads.views() if each.id == id), None)


def ended(downloads, id="tiny"):
    until(lambda: view(downloads, id).state not in ("waiting", "downloading"), f"the end of {id}")
    return view(downloads, id)


def got(downloads, id="tiny"):
    downloads.start(id)
    return ended(downloads, id)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def left(shelf):
    """What downloads have left behind, but for the files that they are locked with."""
    return [path.name for path in (shelf / ".downloads").iterdir() if path.suffix != ".lock"]


def loadable(provider, shelf):
    return [entry.name for entry in provider().models(shelf) if "Cannot be loaded" not in entry.detail]


def begun(downloads, hub, id="tiny", name="tiny.gguf", after=400_000):
    """A download that has so many bytes of its large file and gets no more."""
    hub.hang_after[name] = after
    downloads.start(id)
    until(lambda: hub.sent[name] >= after and hub.store.waiting.is_set(), "the first part")
    until(lambda: view(downloads, id).done_bytes == after + len(EYES), "the arrival of all that was sent")


def failure(downloads, id="tiny"):
    failed = got(downloads, id)
    assert failed.state == "failed"
    return failed.message
