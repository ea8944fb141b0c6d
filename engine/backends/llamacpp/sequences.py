"""What the model has read: sequences of tokens and pictures in one cache, each computed once.

A sequence is asked to hold a prompt; what it holds already of it is kept, the rest is cut off, and only
what is new is computed. Computing can be broken off in the middle. Knows no text and no questions.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import llama_cpp.llama_cpp as lib
import llama_cpp.mtmd_cpp as mtmd
import numpy as np

from engine.backends.llamacpp.loading import Loaded
from engine.backends.llamacpp.units import History, PicturePart, Unit, in_common, size
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError

FRAMES, CHAT, QUESTIONS = 0, 1, 2  # the sequences that last; those after them are for questions side by side
_ABORTED = 2  # what llama_decode returns then
_NO_ROOM = 1


class Sequences:
    """The cache of one context. One request at a time."""

    def __init__(self, loaded: Loaded, vocabulary_size: int) -> None:
        self._context, self._eyes = loaded.context, loaded.eyes
        self._memory = lib.llama_get_memory(loaded.context)
        self._vocabulary_size = vocabulary_size
        self._limit = loaded.context_length
        self._beside = range(QUESTIONS + 1, loaded.sequences)
        self._held = {FRAMES: History(), CHAT: History(), QUESTIONS: History()}
        self._at_once = lib.llama_n_batch(loaded.context)
        self._batch = lib.llama_batch_init(self._at_once, 0, 1)
        self._cancel: CancelToken | None = None
        self._abort = lib.ggml_abort_callback(
            self._is_unwanted
        )  # referenced for as long as native code calls it
        lib.llama_set_abort_callback(self._context, self._abort, None)
        self.evaluated = 0  # tokens computed so far, pictures included

    def close(self) -> None:
        """Free the batch; the context is freed by whoever made it."""
        lib.llama_set_abort_callback(self._context, lib.ggml_abort_callback(), None)
        lib.llama_batch_free(self._batch)
        del self._abort  # it holds on to us

    def hold(self, sequence: int, units: Sequence[Unit], cancel: CancelToken, afresh: int = 0) -> None:
        """Let the sequence hold `units`, no more and no less; the last `afresh` of them are computed anew.

        Raises: ModelError when they do not fit into the context; Cancelled.
        """
        if size(units) > self._limit:
            raise ModelError(
                f"The prompt has {size(units):,} tokens; the model was loaded to read at most "
                f"{self._limit:,}. Ask with less text or fewer pictures, or load it with a larger n_ctx."
            )
        with self._under(cancel):
            kept = self._cut_back(sequence, units, len(units) - afresh)
            self._make_room(sequence, size(units[kept:]))
            self._compute(sequence, units[kept:])

    def append(self, sequence: int, token: int, cancel: CancelToken) -> None:
        """One token more. Raises: Cancelled, ModelError."""
        with self._under(cancel):
            self._make_room(sequence, 1)
            self._compute(sequence, [token])

    def length(self, sequence: int) -> int:
        """Tokens held."""
        return self._held[sequence].tokens

    def logits(self, index: int = -1) -> np.ndarray:
        """The logits, (vocabulary,), at the last token computed, or at place `index` of the last batch.

        Valid until the next thing is computed.
        """
        pointer = lib.llama_get_logits_ith(self._context, index)
        if not pointer:
            raise ModelError("The model gave no answer. Load it again, or pick another one.")
        return np.ctypeslib.as_array(pointer, (self._vocabulary_size,))

    def branches(
        self, sequence: int, tails: Sequence[Sequence[int]], cancel: CancelToken
    ) -> Iterator[np.ndarray]:
        """The logits, (vocabulary,), behind each of `tails` read after what the sequence holds.

        Several are read side by side, each in a sequence of its own that shares what is held; what they
        read is forgotten afterwards. Each array is valid until the next one is asked for.
        Raises: Cancelled, ModelError.
        """
        for group in self._groups(sequence, tails):
            with self._under(cancel):
                yield from self._side_by_side(sequence, group)

    def _groups(self, sequence: int, tails: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
        room = self._limit - self.length(sequence)
        group: list[Sequence[int]] = []
        for tail in tails:
            tokens = sum(map(len, group)) + len(tail)
            if len(tail) > min(room, self._at_once):
                raise ModelError(
                    f"The question has {len(tail):,} tokens, and there is room for "
                    f"{min(room, self._at_once):,}. Ask less, or load the model with a larger n_ctx."
                )
            if group and (tokens > min(room, self._at_once) or len(group) == len(self._beside)):
                yield group
                group = []
            group.append(tail)
        if group:
            yield group

    def _side_by_side(self, sequence: int, tails: list[Sequence[int]]) -> Iterator[np.ndarray]:
        self._make_room(sequence, sum(map(len, tails)))
        start = self._held[sequence].position
        beside = self._beside[: len(tails)]
        try:
            rows = []
            for branch, tail in zip(beside, tails, strict=True):
                lib.llama_memory_seq_cp(self._memory, sequence, branch, -1, -1)
                rows += [(t, start + i, branch, i == len(tail) - 1) for i, t in enumerate(tail)]
            self._decode(rows)
            yield from (self.logits(index) for index, row in enumerate(rows) if row[3])
        finally:
            for branch in beside:
                lib.llama_memory_seq_rm(self._memory, branch, -1, -1)

    def _cut_back(self, sequence: int, units: Sequence[Unit], most: int) -> int:
        """Forget what is not in `units`; returns how many of them are kept."""
        held = self._held[sequence]
        kept = in_common(held.units, units[:most])
        return self._keep(sequence, kept) if kept < len(held.units) else kept

    def _keep(self, sequence: int, kept: int | None = None) -> int:
        """Forget what is behind the first `kept` units, and what is half computed.

        Returns how many could be kept: all or nothing where a state cannot be taken back.
        """
        held = self._held[sequence]
        held.cut(len(held.units) if kept is None else kept)
        if not lib.llama_memory_seq_rm(self._memory, sequence, held.position, -1):
            lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            held.cut(0)
        return len(held.units)

    def _make_room(self, sequence: int, more: int) -> None:
        """The other lasting sequences go when the cache cannot hold all."""
        if sum(map(self.length, self._held)) + more > self._limit:
            for other in self._held:
                if other != sequence and self._held[other].units:
                    self._keep(other, 0)

    def _compute(self, sequence: int, units: Sequence[Unit]) -> None:
        """Whatever happens, the sequence holds just what it says that it holds."""
        run: list[int] = []
        for unit in units:
            if isinstance(unit, int):
                run.append(unit)
                continue
            self._compute_text(sequence, run)
            run = []
            self._compute_picture(sequence, unit)
        self._compute_text(sequence, run)

    def _compute_text(self, sequence: int, tokens: list[int]) -> None:
        for start in range(0, len(tokens), self._at_once):
            part = tokens[start : start + self._at_once]
            place = self._held[sequence].position
            rows = [(token, place + index, sequence, False) for index, token in enumerate(part)]
            rows[-1] = (*rows[-1][:3], True)
            try:
                self._decode(rows)
            except BaseException:
                self._keep(sequence)
                raise
            self._held[sequence].add(part)

    def _compute_picture(self, sequence: int, part: PicturePart) -> None:
        """Encoding cannot be broken off, reading what was encoded can."""
        if mtmd.mtmd_decode_use_non_causal(self._eyes, part.chunk) and part.tokens > self._at_once:
            raise ModelError(f"The picture takes {part.tokens:,} tokens, too many at once. Make it smaller.")
        assert self._cancel is not None
        self._cancel.raise_if_cancelled()
        failed = mtmd.mtmd_encode_chunk(self._eyes, part.chunk)
        self._cancel.raise_if_cancelled()
        if not failed:
            failed = self._read_encoded(sequence, part)
        if failed:
            self._keep(sequence)
            raise self._explained(failed)
        self._held[sequence].add([part.mark()])
        self.evaluated += part.tokens

    def _read_encoded(self, sequence: int, part: PicturePart) -> int:
        """0 when it was read, else the library's number for what went wrong."""
        after = lib.llama_pos(0)
        return mtmd.mtmd_helper_decode_image_chunk(
            self._eyes,
            self._context,
            part.chunk,
            mtmd.mtmd_get_output_embd(self._eyes),
            self._held[sequence].position,
            sequence,
            self._at_once,
            ctypes.byref(after),
            mtmd.mtmd_helper_post_decode_callback(),
            None,
        )

    def _decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        """Compute (token, position, sequence, are its logits wanted). Raises: Cancelled, ModelError."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for index, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = wanted
        assert self._cancel is not None
        self._cancel.raise_if_cancelled()
        failed = lib.llama_decode(self._context, batch)
        if failed:
            raise self._explained(failed)
        self.evaluated += len(rows)

    def _explained(self, failed: int) -> Exception:
        assert self._cancel is not None
        if self._cancel.cancelled:
            return Cancelled(self._cancel.reason)
        if failed == _NO_ROOM:
            return ModelError("The model's context is full. Ask less, or load it with a larger n_ctx.")
        return ModelError(f"The model failed while reading (llama.cpp says {failed}). Load it again.")

    def _is_unwanted(self, data: object) -> bool:
        """Asked by native code between two operations."""
        cancel = self._cancel
        return cancel is not None and cancel.cancelled

    @contextmanager
    def _under(self, cancel: CancelToken) -> Iterator[None]:
        cancel.raise_if_cancelled()
        self._cancel = cancel
        try:
            yield
        finally:
            self._cancel = None
