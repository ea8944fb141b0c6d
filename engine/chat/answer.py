"""One answer, written on a thread of its own: waits for the backend, fits the context, streams.

Tells whoever looks how far it is, and `keep` how it stands. Knows the slot; knows no storage and no page.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.backends.base import Backend, BackendInfo, Finished, TextDelta
from engine.cancel import CancelToken
from engine.chat.context import Turn, fit
from engine.errors import Cancelled, HavenError, InvalidInput
from engine.keeping import Keeping
from engine.settings import GenerationSettings
from engine.slot import Slot

log = logging.getLogger(__name__)

KEEP_SECONDS = 2.0  # between two writes of what there is so far


@dataclass(frozen=True)
class Draft:
    """How an answer stands; the names are those of a stored message."""

    text: str = ""
    state: str = "answering"  # then done, stopped or failed
    error: str = ""
    notice: str = ""
    provider: str = ""
    model: str = ""
    finish_reason: str = ""
    usage: dict[str, Any] = field(default_factory=dict)


class Answer:
    """Started when it is made; goes on when nobody looks, until it is stopped."""

    def __init__(
        self,
        session_id: str,
        message_id: int,
        slot: Slot,
        settings: GenerationSettings,
        turns: Sequence[Turn],
        keep: Callable[[Draft], None],
    ) -> None:
        self.session_id = session_id
        self.message_id = message_id  # its place in the session
        self.cancel = CancelToken()
        self._slot, self._settings, self._keep = slot, settings, keep
        self._turns: Sequence[Turn] = turns
        self._draft = Draft()
        self._unkept = ""  # why the end of it could not be kept, where that is so
        self._kept = time.monotonic()
        self.begun = _uncancellable()  # done with the first words, or with an end without any
        self.ended = _uncancellable()  # done once it is over and kept, or cannot be
        self._thread = threading.Thread(target=self._run, name="haven-chat")
        self._thread.start()

    @property
    def draft(self) -> Draft:
        """How it stands now, and whether that could not be kept."""
        draft, unkept = self._draft, self._unkept
        if not unkept:
            return draft
        said = f"This answer is not kept: {unkept} It is tried again with the next question."
        return replace(draft, notice=" ".join(filter(None, (draft.notice, said))))

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; True when it is over and kept, or cannot be."""
        return not wait([self.ended], seconds).not_done

    def keep_again(self) -> None:
        """Keep the end of it, where that could not be done. Raises: as `keep`."""
        if self._unkept:
            self._keep(self._draft)
            self._unkept = ""

    def _run(self) -> None:
        try:
            with Keeping(self._keep) as keeping:
                self._write(keeping)
        except Cancelled:
            self._draft = replace(self._draft, state="stopped", finish_reason="cancelled")
        except HavenError as error:
            self._fail(str(error))
        except Exception as error:
            log.exception("answering")
            self._fail(f"Something in Haven broke: {type(error).__name__}: {error}")
        self._turns = ()  # pictures are large, and who looks at the answer later needs none of them
        try:
            self._keep(self._draft)
        except HavenError as error:  # it stands on the page all the same, which says so
            log.warning("an answer could not be kept: %s", error)
            self._unkept = str(error)
        finally:
            self.ended.set_result(None)
            self._begin()

    def _begin(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)

    def _fail(self, error: str) -> None:
        self._draft = replace(self._draft, state="failed", error=error, finish_reason="error")

    def _write(self, keeping: Keeping[[Draft]]) -> None:
        occupied = self._slot.occupy(
            "A chat answer", lambda: self.cancel.cancel("another model was chosen"), self.cancel, urgent=True
        )
        with occupied, self._slot.lease(self.cancel, urgent=True) as backend:
            self._draft = replace(self._draft, provider=backend.info.provider, model=backend.info.model)
            self._stream(backend, keeping)

    def _stream(self, backend: Backend, keeping: Keeping[[Draft]]) -> None:
        info = backend.info
        self._refuse_unseen(info)
        settings = self._settings
        reserved = min(settings.max_new_tokens, info.context_length // 2)
        room = info.context_length - reserved
        context = fit(settings.system_prompt, self._turns, room, backend.count_tokens, info.vision)
        if info.context_length:
            left = max(info.context_length - context.tokens, 1)
            settings = settings.changed({"max_new_tokens": min(settings.max_new_tokens, left)})
        self._draft = replace(self._draft, notice=context.notice)
        for piece in backend.stream(context.messages, settings, self.cancel):
            self._take(piece, info)
            if time.monotonic() - self._kept > KEEP_SECONDS:
                keeping.put(self._draft)
                self._kept = time.monotonic()

    def _take(self, piece: TextDelta | Finished, info: BackendInfo) -> None:
        if isinstance(piece, TextDelta):
            self._draft = replace(self._draft, text=self._draft.text + piece.text)
            self._begin()
            return
        usage = asdict(piece.usage) | {"context_length": info.context_length}
        state = "stopped" if piece.reason == "cancelled" else "done"
        self._draft = replace(self._draft, state=state, finish_reason=piece.reason, usage=usage)

    def _refuse_unseen(self, info: BackendInfo) -> None:
        if not info.vision and any(message.images for message in self._turns[-1]):
            raise InvalidInput(
                f"{info.model} does not see pictures. Load a model that does, then press Retry, "
                "or ask without the picture."
            )


def _uncancellable() -> "Future[None]":
    """Many may wait for it, and one who stops waiting does not cancel it for the others."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future
