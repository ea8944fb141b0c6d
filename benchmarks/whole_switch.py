"""A whole switch to a model beside the library's own load and first token, in turn, in one process.

The library is measured twice: as it is loaded and writes one token, and with the proof that a switch asks for
before the flip, which is a token about a picture as well.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import KEPT, shelf_of_models
from benchmarks.record import save
from engine.engine import BUILTIN, Engine
from engine.events.switching import SwitchFinished
from storage.store import Store
from tests.fixtures.write_gguf import write_pair

LIMIT = 1.15
QUESTION = "Hi"
GREY = np.full((64, 64, 3), 128, np.uint8)


def main() -> None:
    """Print and save all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shelf, _ = shelf_of_models(folder)
        text, eyes = write_pair(shelf, KEPT, "random", "Q8_0")
        engine = Engine(Store.open(folder / "data"), shelf)
        engine.start()
        try:
            figures = {
                "transformers": _measured(engine, ("transformers", KEPT.name), _bare_transformers, rounds),
                "llamacpp": _measured(
                    engine, ("llamacpp", "random"), lambda sees: _bare_llamacpp(text, eyes, sees), rounds
                ),
            }
        finally:
            engine.close()
    save("whole_switch", figures)


def _measured(
    engine: Engine, model: tuple[str, str], bare: Callable[[bool], None], rounds: int
) -> dict[str, Any]:
    """The first round imports the libraries and reads the files into the system's cache: not counted."""
    seconds: dict[str, list[float]] = {"switch": [], "library": [], "library with a picture": []}
    for _ in range(1 + rounds):
        seconds["switch"].append(_switch(engine, *model))
        _switch(engine, *BUILTIN)
        for name, sees in (("library", False), ("library with a picture", True)):
            began = time.perf_counter()
            bare(sees)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    ratio = medians["switch"] / medians["library"]
    proved = medians["switch"] / medians["library with a picture"]
    print(
        f"{model[0]}, {model[1]}: whole switch {medians['switch']:.3f} s, library's load and first token "
        f"{medians['library']:.3f} s: {ratio:.2f} times, at most {LIMIT} is wanted; with a token about a "
        f"picture {medians['library with a picture']:.3f} s: {proved:.2f} times",
        flush=True,
    )
    return {"seconds": seconds, "ratio": ratio, "ratio_with_a_picture": proved, "limit": LIMIT}


def _switch(engine: Engine, provider: str, model: str) -> float:
    run = engine.begin_switch(provider, model)
    run.wait()
    result = run.latest
    if not isinstance(result, SwitchFinished) or not result.success:
        raise SystemExit(f"{model} could not be loaded: {result.message}")
    return result.seconds


def _bare_transformers(sees: bool) -> None:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(KEPT)
    model = AutoModelForImageTextToText.from_pretrained(KEPT, device_map="cpu", dtype=torch.float32)
    for pictures in ([], [GREY]) if sees else ([],):
        content = [{"type": "image"} for _ in pictures] + [{"type": "text", "text": QUESTION}]
        prompt = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        inputs = processor(text=prompt, images=pictures or None, return_tensors="pt")
        model.generate(**inputs, max_new_tokens=1, do_sample=False)


def _bare_llamacpp(text: Path, eyes: Path, sees: bool) -> None:
    import base64

    import cv2
    import llama_cpp
    from llama_cpp.llama_chat_format import MTMDChatHandler

    handler = MTMDChatHandler(clip_model_path=str(eyes), verbose=False) if sees else None
    model = llama_cpp.Llama(str(text), n_ctx=8192, n_threads=2, chat_handler=handler, verbose=False)
    if handler is None:
        model.create_completion(QUESTION, max_tokens=1, temperature=0)
    else:
        png = base64.b64encode(cv2.imencode(".png", GREY)[1].tobytes()).decode()
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}
        for content in ([], [picture]):
            said = [*content, {"type": "text", "text": QUESTION}]
            model.create_chat_completion([{"role": "user", "content": said}], max_tokens=1, temperature=0)
    model.close()


if __name__ == "__main__":
    main()
