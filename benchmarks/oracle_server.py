"""A server that answers truly from the number in each picture, for `truth_peer`; OpenAI's chat protocol.

`python -m benchmarks.oracle_server SPANS` prints its address and runs until it is ended. SPANS is a JSON
object: by tag, from which picture up to which. Whoever asks for JSON of a given shape gets yes or no for each
tag, others a line `a picture | TAG, TAG` or `a picture | none`. `GET /asked` tells how many questions came.
"""

import json
import sys
from base64 import b64decode
from typing import Any

import cv2
import numpy as np

from tests.fixtures.loopback import Asked, Exchange, Loopback
from tests.fixtures.videos import NoNumber, frame_number
from tests.truth import Spans

MODEL = "oracle"
LISTING = {"data": [{"id": MODEL, "architecture": {"input_modalities": ["text", "image"]}}]}


class OracleServer(Loopback):
    """Knows what is in one video. What has no picture with a number holds nothing, and is not counted."""

    def __init__(self, spans: Spans) -> None:
        super().__init__(self._told)
        self._spans, self._numbers = spans, []

    def _told(self, exchange: Exchange, asked: Asked) -> None:
        if asked.path.endswith("/models"):
            return exchange.json(LISTING)
        if asked.path.endswith("/asked"):
            return exchange.json(len(self._numbers))
        if asked.body.get("logprobs"):
            return exchange.json({"error": {"message": "logprobs are not supported"}}, 400)
        return _say(exchange, asked.body, self._answer(asked.body))

    def _answer(self, body: dict[str, Any]) -> str:
        holding = self._holding(body["messages"][-1]["content"])
        if "response_format" in body:
            return json.dumps({tag: tag in holding for tag in self._spans})
        return f"a picture | {', '.join(holding) or 'none'}"

    def _holding(self, content: str | list[dict[str, Any]]) -> list[str]:
        if isinstance(content, str):
            return []  # a text alone
        (url,) = (block["image_url"]["url"] for block in content if block["type"] == "image_url")
        jpeg = np.frombuffer(b64decode(url.partition(",")[2]), np.uint8)
        try:
            number = frame_number(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
        except NoNumber:
            return []
        self._numbers.append(number)
        return [
            tag for tag, found in self._spans.items() if any(start <= number < end for start, end in found)
        ]


def _say(exchange: Exchange, body: dict[str, Any], text: str) -> None:
    told = {"id": "1", "created": 0, "model": MODEL}
    if not body.get("stream"):
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return exchange.json({**told, "object": "chat.completion", "choices": [choice]})
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    chunk = json.dumps({**told, "object": "chat.completion.chunk", "choices": [choice]})
    return exchange.whole(200, f"data: {chunk}\n\ndata: [DONE]\n\n", "text/event-stream")


def main(spans: str) -> None:
    """Serve on a free port of loopback."""
    server = OracleServer(json.loads(spans))
    print(f"{server.url}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
