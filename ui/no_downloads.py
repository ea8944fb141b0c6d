"""Keeps the server from asking outside: Gradio fetches a file that a request names by a web address.

Everything in Gradio that fetches for a request goes through one function; it is replaced here. The test of
forged references fails should a later Gradio go another way.
"""

from typing import NoReturn

import gradio as gr
from gradio import processing_utils


def forbid_downloads() -> None:
    """From now on no request makes this process fetch anything."""
    processing_utils.async_ssrf_protected_get = _refused


async def _refused(url: str) -> NoReturn:
    del url
    raise gr.Error(
        "Haven fetches nothing from outside. Save the video first, then give the file.", print_exception=False
    )
