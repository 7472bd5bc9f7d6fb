"""A model server that costs its clients no waiting: every answer is made before the first request comes.

It speaks OpenAI Chat. The address says how long an answer is: `POST /20000/v1/chat/completions` streams 20,000 pieces
of text if the request wants a stream, and answers as a whole otherwise. As servers do, each event is an HTTP chunk of
its own; `TOGETHER` of them go out with one write.

`python server.py` prints its address and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import lru_cache

TOGETHER = 64
PIECE = " token"

_SHARED = {"id": "chatcmpl-benchmark", "created": 1_700_000_000, "model": "benchmark", "system_fingerprint": "fp_1"}
_USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
_STREAM = re.compile(rb'"stream":\s*true')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            pieces = int(head.split(b"/", 2)[1])
            for block in stream(pieces) if _STREAM.search(body) else [whole()]:
                writer.write(block)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has left
    finally:
        writer.close()


@lru_cache
def stream(pieces: int) -> list[bytes]:
    """Return a streamed answer as what each write sends."""
    events = [_chunk({"role": "assistant", "content": ""})]
    events += [_chunk({"content": PIECE})] * pieces
    events += [_chunk({}, finish_reason="stop"), _event({**_chunk_body(), "choices": [], "usage": _USAGE})]
    events += [_framed(b"data: [DONE]\n\n"), b"0\r\n\r\n"]
    blocks = [b"".join(events[start : start + TOGETHER]) for start in range(0, len(events), TOGETHER)]
    return [_STREAM_HEAD + blocks[0], *blocks[1:]]


@lru_cache
def whole() -> bytes:
    """Return a small answer that is not streamed."""
    message = {"role": "assistant", "content": PIECE * 20, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps({**_SHARED, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _event({**_chunk_body(), "choices": [choice], "usage": None})


def _chunk_body() -> dict[str, object]:
    return {**_SHARED, "object": "chat.completion.chunk"}


def _event(body: dict[str, object]) -> bytes:
    return _framed(b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n")


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


if __name__ == "__main__":
    asyncio.run(main())
