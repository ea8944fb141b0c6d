"""Pictures as the parts that a model reads. Knows the library's preparing of pictures; computes nothing."""

import ctypes
import hashlib
import weakref

import llama_cpp.llama_cpp as lib
import llama_cpp.mtmd_cpp as mtmd
import numpy as np

from engine.backends.base import Picture
from engine.backends.llamacpp.units import PicturePart, Unit
from engine.errors import ModelError


class Pictures:
    """What the projector's own preparing (resizing, cutting into tiles) makes of pictures."""

    def __init__(self, eyes: int) -> None:
        self._eyes = eyes
        self._marker = mtmd.mtmd_default_marker()

    def units(self, picture: Picture) -> list[Unit]:
        """The parts of one picture, with the tokens that the model wants before, between and behind them.

        Args:
            picture: RGB, uint8, H x W x 3.

        Raises: ModelError for a picture that the library cannot prepare.
        """
        pixels = np.ascontiguousarray(picture, np.uint8)
        digest = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).digest()
        chunks = _Chunks(self._eyes, self._marker, pixels)
        units: list[Unit] = []
        for index in range(mtmd.mtmd_input_chunks_size(chunks.pointer)):
            chunk = mtmd.mtmd_input_chunks_get(chunks.pointer, index)
            if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_TEXT:
                units += _tokens(chunk)
            else:
                units.append(_part(digest, index, chunk, chunks))
        return units


class _Chunks:
    """The library's list of the parts of one picture; freed when nothing holds on to it any more."""

    def __init__(self, eyes: int, marker: bytes, pixels: np.ndarray) -> None:
        self.pointer = mtmd.mtmd_input_chunks_init()
        weakref.finalize(self, mtmd.mtmd_input_chunks_free, self.pointer)
        height, width = pixels.shape[:2]
        bitmap = mtmd.mtmd_bitmap_init(width, height, pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)))
        text = mtmd.mtmd_input_text(marker, len(marker), False, True)
        try:
            bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
            failed = mtmd.mtmd_tokenize(eyes, self.pointer, ctypes.byref(text), bitmaps, 1)
        finally:
            mtmd.mtmd_bitmap_free(bitmap)
        if failed:
            raise ModelError(f"The model cannot read a picture of {width} x {height}. Try another size.")


def _tokens(chunk: int) -> list[Unit]:
    count = ctypes.c_size_t()
    tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
    return [int(lib.llama_token(token).value) for token in tokens[: count.value]]


def _part(digest: bytes, index: int, chunk: int, owner: _Chunks) -> PicturePart:
    return PicturePart(
        digest,
        index,
        mtmd.mtmd_input_chunk_get_n_tokens(chunk),
        mtmd.mtmd_input_chunk_get_n_pos(chunk),
        chunk,
        owner,
    )
