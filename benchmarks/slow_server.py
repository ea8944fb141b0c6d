"""A server for `server_parallel`: takes a number of requests at once and answers each after a while.

`python -m benchmarks.slow_server AT_ONCE LEAST MOST` prints its address and runs until it is ended; an answer
takes from LEAST to MOST seconds, any time between them as often. It speaks just enough of OpenAI's protocol,
with one core's worth of nothing: what is measured is who asks.
"""

import asyncio
import itertools
import json
import sys

MODEL = "slow"
GOLDEN = 0.618034  # its multiples are spread evenly between whole numbers, however few there are
LISTING = {"data": [{"id": MODEL, "architecture": {"input_modalities": ["text", "image"]}}]}


async def main(at_once: int, least: float, most: float) -> None:
    """Serve on a free port of loopback."""
    places, requests = asyncio.Semaphore(at_once), itertools.count()

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            path, length = head
            await reader.readexactly(length)
            if path.endswith("/models"):
                writer.write(_whole("application/json", json.dumps(LISTING)))
            else:
                async with places:
                    await asyncio.sleep(least + (most - least) * (next(requests) * GOLDEN % 1))
                writer.write(_whole("text/event-stream", ANSWER))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(exchange, "127.0.0.1", 0, limit=1 << 20)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


async def _head(reader: asyncio.StreamReader) -> tuple[str, int] | None:
    """Path and length of the body of the next request; None when the line is shut."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    named = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return lines[0].split()[1], int(named.get("content-length", 0))


def _whole(kind: str, body: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()


def _event(delta: dict[str, str], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


ANSWER = _event({"role": "assistant", "content": "A red boat."}) + _event({}, "stop") + "data: [DONE]\n\n"

if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
