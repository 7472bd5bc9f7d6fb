"""Providers that talk to a script instead of a server.

provider, script = scripted(stream(*chat("Hel", "lo")), whole(completion("Hello")))
response = run(provider.acomplete("test", "Hi"))
assert script.requests[0].url == "http://test/v1/chat/completions"
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from llm_async import LLMError, OpenAIProvider, Stream, StreamChunk
from llm_async.transport import HttpRequest
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from server import sse

T = TypeVar("T")

KEY = "sk-secret-0123456789"


def scripted(*replies: ScriptedReply | LLMError, **options: Any) -> tuple[OpenAIProvider, ScriptedTransport]:
    """Make a provider whose server gives these replies, in their order, and that server."""
    script = ScriptedTransport(replies)
    provider = OpenAIProvider(**{"api_key": KEY, "base_url": "http://test/v1", "transport": script} | options)
    return provider, script


def stream(*events: object, done: bool = True, headers: Mapping[str, str] | None = None) -> ScriptedReply:
    """Make a streamed answer, one piece an event; an error among them breaks the connection."""
    pieces: list[bytes | LLMError] = []
    for event in events:
        pieces += (
            [event] if isinstance(event, LLMError) else [step for step in sse(event, done=False) if is_bytes(step)]
        )
    if done:
        pieces.append(b"data: [DONE]\n\n")
    return ScriptedReply(headers={"content-type": "text/event-stream", **(headers or {})}, pieces=pieces)


def is_bytes(step: object) -> bool:
    return isinstance(step, bytes)


def whole(
    body: bytes | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> ScriptedReply:
    """Make a whole answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ScriptedReply(status=status, headers={"content-type": "application/json", **(headers or {})}, pieces=[data])


def failing(status: int, headers: Mapping[str, str] | None = None, message: str = "no") -> ScriptedReply:
    """Make an answer that is an error."""
    return whole({"error": {"message": message, "type": "test", "code": None}}, status, headers)


def sent(request: HttpRequest) -> Any:
    """Return the body of a request, decoded."""
    return json.loads(request.body)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run what a script never makes wait."""
    try:
        work.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]
    raise AssertionError("it suspended, which nothing over a script does")


async def chunks_of(reply: Stream, into: list[StreamChunk] | None = None) -> list[StreamChunk]:
    """Iterate a stream to its end; `into` has the chunks even if it fails."""
    chunks = [] if into is None else into
    async for chunk in reply:
        chunks.append(chunk)  # what came before an error is wanted too
    return chunks


def texts(chunks: Sequence[StreamChunk]) -> str:
    """Return the text of chunks, joined."""
    return "".join(chunk.delta for chunk in chunks)
