"""A recorded exchange, played again: the request as a user would make it, the answer byte for byte from a server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from conformance.exchanges import Exchange
from conformance.expected_chat import Call, Expected, Json, Tokens
from llm_async import BaseProvider, ModelRequestError, OpenAIProvider, Response, RetryConfig, StreamChunk
from llm_async.models import ToolCall
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from server import Reply, Server, reply

PLAIN_REQUEST: Mapping[str, Any] = {"model": "test", "messages": [{"role": "user", "content": "Hello"}]}
"""What is asked where the recording has only the answer."""

NOT_PARAMETERS = ("model", "messages", "stream", "stream_options")
"""Fields of a recorded request that `acomplete` has arguments for, or adds by itself."""

ONCE = RetryConfig(max_attempts=1)


@dataclass
class Played:
    """What became of it."""

    response: Response | None = None
    error: ModelRequestError | None = None
    chunks: list[StreamChunk] = field(default_factory=list)
    sent: Json = field(default_factory=dict)
    """The request's JSON body, as the server got it."""


@dataclass(frozen=True)
class Replay:
    """A provider, and the server it talks to."""

    server: Server
    provider: BaseProvider
    _played: dict[Exchange, Played] = field(default_factory=dict)

    async def play(self, exchange: Exchange) -> Played:
        """Make the recorded request and answer it as recorded, cut as the answer was cut; once, however many ask."""
        if exchange not in self._played:
            self._played[exchange] = await self._play(exchange)
        return self._played[exchange]

    async def _play(self, exchange: Exchange) -> Played:
        def answer(_: object) -> Reply:
            return reply(exchange.status, exchange.headers, exchange.pieces)

        self.server.handler = answer
        self.server.requests.clear()
        played = await ask(self.provider, exchange)
        assert len(self.server.requests) == 1, f"{len(self.server.requests)} requests were made"
        played.sent = self.server.requests[0].json()
        return played


@asynccontextmanager
async def replaying(kind: type[BaseProvider] = OpenAIProvider, version: str = "/v1") -> AsyncIterator[Replay]:
    """Start the server and make a provider of this kind that talks to it, at a path that begins with `version`."""
    with Server() as server:
        provider = kind(api_key="k", base_url=server.url + version, retry_config=ONCE)
        yield Replay(server, provider)
        await provider.aclose()


async def play_byte_by_byte(
    exchange: Exchange, body: bytes, kind: type[BaseProvider] = OpenAIProvider, version: str = "/v1"
) -> Played:
    """Make the recorded request and answer it with `body`, each byte read by itself, which no socket promises."""
    pieces = [body[position : position + 1] for position in range(len(body))]
    transport = ScriptedTransport([ScriptedReply(status=exchange.status, headers=exchange.headers, pieces=pieces)])
    base_url = "http://localhost" + version
    provider = kind(api_key="k", base_url=base_url, retry_config=ONCE, transport=transport)
    played = await ask(provider, exchange)
    played.sent = json.loads(transport.requests[0].body)
    return played


async def ask(provider: BaseProvider, exchange: Exchange) -> Played:
    """Make the recorded request, streamed or not as it was."""
    asked = exchange.request or PLAIN_REQUEST
    parameters = {name: value for name, value in asked.items() if name not in NOT_PARAMETERS}
    before = json.dumps(asked)
    played = Played()
    try:
        if exchange.streamed:
            stream = await provider.acomplete(asked["model"], asked["messages"], stream=True, **parameters)
            async for chunk in stream:
                played.chunks.append(chunk)
            played.response = stream.response
        else:
            played.response = await provider.acomplete(asked["model"], asked["messages"], **parameters)
    except ModelRequestError as error:
        played.error = error
    assert json.dumps(asked) == before, "what the caller passed in was changed"
    return played


def check_reply(played: Played, want: Expected) -> None:
    """Assert that the reply, or the error and what had arrived before it, is the expected one."""
    if want.failure:
        check_error(played, want)
        return
    assert played.error is None, f"{played.error!r}"
    response = played.response
    assert response is not None
    message = response.main_response
    assert message.role == "assistant"
    assert message.content == want.text
    assert message.reasoning == want.reasoning
    check_calls(message.tool_calls, want.calls)
    assert response.finish_reason == want.finish
    assert tokens_of(response) == want.usage
    assert (response.id, response.model) == (want.id, want.model)
    assert response.request_id == want.request_id


def check_error(played: Played, want: Expected) -> None:
    failure, error = want.failure, played.error
    assert failure is not None
    assert error is not None, f"expected {failure}, got {played.response}"
    assert (type(error).__name__, error.status_code, error.code) == (failure.kind, failure.status_code, failure.code)
    assert failure.message in str(error)
    assert error.retry_after == failure.retry_after
    assert error.request_id == want.request_id
    assert error.attempts == 1
    arrived = error.partial.main_response if error.partial else None
    assert (arrived.content if arrived else "") == want.text
    assert (arrived.reasoning if arrived else "") == want.reasoning
    check_calls(arrived.tool_calls if arrived else (), want.calls)
    assert "".join(chunk.delta for chunk in played.chunks) == want.text, "what had arrived was not shown"
    assert "".join(chunk.reasoning for chunk in played.chunks) == want.reasoning, "what had arrived was not shown"


def check_chunks(played: Played) -> None:
    """Assert that the pieces of a stream, put together, are its response."""
    response, chunks = played.response, played.chunks
    assert response is not None
    message = response.main_response
    assert "".join(chunk.delta for chunk in chunks) == message.content
    assert "".join(chunk.reasoning for chunk in chunks) == message.reasoning
    assert [call for chunk in chunks for call in chunk.tool_calls] == list(message.tool_calls)


def check_calls(calls: Any, want: tuple[Call, ...]) -> None:
    assert [call.name for call in calls] == [call.name for call in want]
    assert [call.arguments for call in calls] == [call.arguments for call in want]
    assert all(isinstance(call, ToolCall) and call.id for call in calls), "a call without an id cannot be answered"
    assert len({call.id for call in calls}) == len(calls), "two calls have the same id"
    named = [(call.id, wanted.id) for call, wanted in zip(calls, want, strict=True) if wanted.id]
    assert [id for id, _ in named] == [id for _, id in named]


def tokens_of(response: Response) -> Tokens:
    usage = response.usage
    return Tokens(
        input=usage.input_tokens,
        cached=usage.cached_tokens,
        cache_write=usage.cache_write_tokens,
        output=usage.output_tokens,
        reasoning=usage.reasoning_tokens,
    )
