"""What the models in this process do alike, whichever library computes them: they prove that they answer, and
count what they read and write. Knows neither library."""

import time
from typing import Literal

import numpy as np

from engine.backends.base import Backend, Finished, Frame, FrameTask, Message, Usage
from engine.cancel import CancelToken
from engine.errors import ModelError
from engine.settings import GenerationSettings


def prove(backend: Backend, task: FrameTask, cancel: CancelToken) -> None:
    """Have it write one token and, where it sees, look at one grey picture. Raises: ModelError, Cancelled."""
    one_token = GenerationSettings(max_new_tokens=1, temperature=0)
    for _ in backend.stream([Message("user", "Hi")], one_token, cancel):
        pass
    if backend.info.vision:
        grey = Frame(0, 0, np.full((64, 64, 3), 128, np.uint8))
        for answer in backend.look([grey], task, cancel):
            if answer.state == "failed":
                raise ModelError(f"{backend.info.model} cannot look at a picture: {answer.error}")
    cancel.raise_if_cancelled()


class Count:
    """What has been read and written of one answer since it was made, and why the answer ended."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.read = 0
        self.written = 0
        self.reason: Literal["stop", "length", "cancelled"] = "length"

    def finished(self) -> Finished:
        return Finished(self.reason, Usage(self.read, self.written, time.perf_counter() - self._began))
