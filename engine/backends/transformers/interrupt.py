"""Breaking off a forward pass in the middle, so that a long prefill stops as soon as it is cancelled.

Every module that computes something itself asks the run's token before it begins. Knows torch modules and
the cancel token; nothing of models, tokens or pictures.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from engine.backends.transformers.devices import Placement, wait_until_idle
from engine.cancel import CancelToken
from engine.errors import Cancelled

T = TypeVar("T")


class _Interrupted(BaseException):
    """Not an `Exception`, so that no library code between the module and us takes it for a failure."""


class Interrupt:
    """Hooks on all leaf modules of one model. One run at a time.

    A hook costs about a microsecond; a pass over a big model has a few hundred of them. A check before
    decoder layers alone would be cheaper, but leaves several times as long between two checks.
    """

    def __init__(self, model: torch.nn.Module, placement: Placement) -> None:
        self._placement = placement
        self._cancel: CancelToken | None = None
        for module in model.modules():
            if next(module.children(), None) is None:
                module.register_forward_pre_hook(self._check)

    def run(self, cancel: CancelToken, step: Callable[[], T]) -> T:
        """The result of `step`, without gradients.

        Raises: Cancelled, once nothing computes any more; whatever `step` raises.
        """
        cancel.raise_if_cancelled()
        self._cancel = cancel
        try:
            with torch.inference_mode():
                return step()
        except _Interrupted:
            wait_until_idle(self._placement)
            raise Cancelled(cancel.reason) from None
        finally:
            self._cancel = None

    def _check(self, module: torch.nn.Module, inputs: Any) -> None:
        cancel = self._cancel
        if cancel is not None and cancel.cancelled:
            raise _Interrupted
