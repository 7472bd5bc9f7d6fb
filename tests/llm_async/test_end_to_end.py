"""What the contract shows, over real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from llm_async import (
    LLMTimeoutError,
    OpenAIProvider,
    ResponseSchema,
    RetryConfig,
    StreamChunk,
    StreamInterruptedError,
    Timeouts,
    Tool,
    TransportError,
)
from scripts import chunks_of, texts
from server import Server, chat, completion, reply, sse

pytestmark = pytest.mark.anyio

KEY = "sk-secret-0123456789"
STREAM = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def provider_at(server: Server, **options: Any) -> OpenAIProvider:
    return OpenAIProvider(api_key=KEY, base_url=f"{server.url}/v1", **{"timeout": 20} | options)


async def test_a_whole_reply_comes(server: Server) -> None:
    server.reply(headers=JSON, body=completion("Hello"))
    provider = provider_at(server)

    response = await provider.acomplete(
        model="gpt-4o-mini",
        messages=[{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
        temperature=0,
    )
    await provider.aclose()

    assert response.main_response.content == "Hello"
    assert response.usage.output_tokens == 2
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.json()["messages"][1] == {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("every_byte", [False, True], ids=["by event", "by byte"])
async def test_a_streamed_reply_comes_and_its_connection_is_kept(server: Server, every_byte: bool) -> None:
    text = "Grüße, 世界"
    for _ in range(2):
        server.reply(headers=STREAM, body=sse(b": ping\n\n", *chat(*text)), every_byte=every_byte)
    provider = provider_at(server)

    for _ in range(2):
        shown = ""
        stream = await provider.acomplete("m", [{"role": "user", "content": "Hi"}], stream=True)
        async for chunk in stream:
            shown += chunk.delta
        assert shown == stream.response.main_response.content == text
    await provider.aclose()

    assert server.connections == 1


async def test_a_tool_call_makes_its_round(server: Server) -> None:
    arguments = {"operation": "add", "a": 15, "b": 27}
    call = {"id": "call_1", "type": "function", "function": {"name": "calculator", "arguments": json.dumps(arguments)}}
    server.reply(headers=JSON, body=completion(None, "tool_calls", {"tool_calls": [call]}))
    server.reply(headers=JSON, body=completion("It is 42."))
    schema = {
        "type": "object",
        "properties": {"operation": {"type": "string"}, "a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["operation", "a", "b"],
    }
    tool = Tool(name="calculator", description="Computes", parameters=schema, input_schema=schema)
    provider = provider_at(server)
    messages: list[Any] = [{"role": "user", "content": "What is 15 + 27?"}]

    def calculator(operation: str, a: float, b: float) -> float:
        assert operation == "add"
        return a + b

    response = await provider.acomplete(model="m", messages=messages, tools=[tool])
    tool_call = response.main_response.tool_calls[0]
    tool_result = await provider.execute_tool(tool_call, {"calculator": calculator})
    final = await provider.acomplete("m", [*messages, response.main_response.original, tool_result])
    await provider.aclose()

    assert response.finish_reason == "tool_calls"
    assert tool_call.arguments == arguments
    assert final.main_response.content == "It is 42."
    assert server.requests[0].json()["tools"][0]["function"]["parameters"] == schema
    assert server.requests[1].json()["messages"] == [
        messages[0],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ]


async def test_an_answer_has_the_shape_that_was_asked_for(server: Server) -> None:
    server.reply(headers=JSON, body=completion('{"answer": "Paris"}'))
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    provider = provider_at(server)

    response = await provider.acomplete("m", "Capital of France?", response_schema=ResponseSchema(schema=schema))
    await provider.aclose()

    assert json.loads(str(response.main_response.content)) == {"answer": "Paris"}
    assert server.requests[0].json()["response_format"]["json_schema"]["schema"] == schema


async def test_any_endpoint_is_called(server: Server) -> None:
    server.reply(headers=JSON, body=b'{"data": [{"id": "m"}]}')
    provider = provider_at(server)

    answer = await provider.request("GET", "/models", custom_header="value")
    await provider.aclose()

    assert answer == {"data": [{"id": "m"}]}
    assert (server.requests[0].method, server.requests[0].target) == ("GET", "/v1/models")
    assert server.requests[0].headers["custom-header"] == "value"
    assert server.requests[0].body == b""


async def test_a_failure_that_passes_is_not_seen(server: Server) -> None:
    server.reply(503, {"retry-after-ms": "1"}, b"busy")
    server.reply(headers=STREAM, body=sse(*chat("Hel")[:1], done=False), cut=10)
    server.reply(headers=JSON, body=completion("Hello"))
    provider = provider_at(server, retry_config=RetryConfig(base_delay=0))

    stream = await provider.acomplete("m", "Hi", stream=True)
    shown = [chunk.delta async for chunk in stream]
    await provider.aclose()

    assert shown == ["Hello"]
    assert len(server.requests) == 3


async def test_a_stream_that_is_cut_short_carries_what_arrived(server: Server) -> None:
    server.add(reply(headers=STREAM, body=sse(*chat("Hel", "lo")[:-1], done=False), close=True))
    provider = provider_at(server)
    shown: list[StreamChunk] = []

    with pytest.raises(StreamInterruptedError) as caught:
        await chunks_of(await provider.acomplete("m", "Hi", stream=True), shown)
    await provider.aclose()

    assert texts(shown) == "Hello"
    assert caught.value.partial is not None
    assert caught.value.partial.main_response.content == "Hello"


async def test_leaving_a_stream_closes_its_connection(server: Server) -> None:
    gate = threading.Event()
    server.reply(headers=STREAM, body=sse(*chat("Hello")[:-1], gate))
    provider = provider_at(server)

    async with await provider.acomplete("m", "Hi", stream=True) as stream:
        async for chunk in stream:
            if chunk.delta:
                break
    await asyncio.to_thread(server.wait_closed)
    await provider.aclose()

    assert server.closed_by_client == 1


async def test_a_limit_that_runs_out_says_which(server: Server) -> None:
    gate = threading.Event()
    server.reply(headers=STREAM, body=sse(*chat("Hello")[:-1], gate))
    provider = provider_at(server, timeouts=Timeouts(idle=0.05))

    with pytest.raises(LLMTimeoutError, match=r"the idle limit of 0\.05 s ran out") as caught:
        await chunks_of(await provider.acomplete("m", "Hi", stream=True))
    await provider.aclose()

    assert caught.value.partial is not None
    assert caught.value.partial.main_response.content == "Hello"


async def test_a_refused_connection_names_the_host_and_port() -> None:
    with Server() as gone:
        pass
    provider = provider_at(gone, retry_config=RetryConfig(max_attempts=2, base_delay=0))

    with pytest.raises(TransportError, match=f"127.0.0.1:{gone.port}") as caught:
        await provider.acomplete("m", "Hi")
    await provider.aclose()

    assert caught.value.attempts == 2


def test_a_provider_serves_one_event_loop_after_the_other(server: Server) -> None:
    server.handler = lambda request: reply(headers=JSON, body=completion("Hello"))
    provider = provider_at(server)

    async def ask() -> str:
        try:
            return str((await provider.acomplete("m", "Hi")).main_response.content)
        finally:
            await provider.aclose()

    assert [asyncio.run(ask()) for _ in range(3)] == ["Hello"] * 3


def test_limits_beyond_all_clocks_and_sockets_are_none(server: Server) -> None:
    server.handler = lambda request: reply(headers=JSON, body=completion("Hello"))
    forever = float("inf")
    provider = provider_at(server, timeout=forever, timeouts=Timeouts(connect=1e300, idle=forever, first_token=1e10))

    async def ask() -> str:
        response = await provider.acomplete("m", "Hi")
        await provider.aclose()
        return str(response.main_response.content)

    assert asyncio.run(ask()) == "Hello"
