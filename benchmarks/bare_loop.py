"""The least that an analysis could be: a loop over the same pictures with the same model, and nothing else.

`python -m benchmarks.bare_loop PROVIDER MODEL SHELF VIDEO INTERVAL TAGS` prints the frames and the seconds.
No engine, no threads, no database, no thumbnails, no page: each picture is decoded, asked about, forgotten.
"""

import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine.backends import provider
from engine.backends.base import Backend, Frame, FrameTask
from engine.cancel import CancelToken
from engine.settings import LoadOptions, Sampling
from engine.video.frames import sample
from engine.video.tags import parse_tags


def main(provider_id: str, model: str, shelf: str, video: str, interval: str, tags: str) -> None:
    """Load, warm up, then time the loop from opening the file to the last answer."""
    backend = _loaded(provider_id, model, Path(shelf))
    task = FrameTask(tags=parse_tags(tags))
    token = CancelToken()
    backend.warm_up(token)
    began = time.perf_counter()
    frames = _pictures(video, Sampling.of(float(interval)), token)
    answers = 0
    while batch := list(islice(frames, backend.info.batch_size)):
        answers += sum(answer.state == "answered" for answer in backend.look(batch, task, token))
    seconds = time.perf_counter() - began
    backend.close()
    print(json.dumps({"frames": answers, "seconds": seconds}))


def _loaded(provider_id: str, model: str, shelf: Path) -> Backend:
    source = provider(provider_id)
    entry = next(entry for entry in source.models(shelf) if entry.name == model)
    return source.load(entry, LoadOptions(), lambda share, what: None, CancelToken())


def _pictures(video: str, sampling: Sampling, token: CancelToken) -> Iterator[Frame]:
    for item in sample(video, sampling, token):
        if not isinstance(item, Frame):
            raise SystemExit(f"frame {item.index} could not be read: {item.error}")
        yield item


if __name__ == "__main__":
    main(*sys.argv[1:])
