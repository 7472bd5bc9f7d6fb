"""The public API as type checkers must see it. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, assert_type

from llm import LLM, ToolInterceptor, tool_interceptor
from llm.events import FinalResponse, StreamEvent, ToolCall, ToolResult, VerboseInfo
from llm.stream import AsyncEventStream, EventStream
from llm.testing import ScriptedLLM, call, calls, fails, says, scripted_llm
from llm_async import (
    ConfigurationError,
    LLMError,
    LLMTimeoutError,
    Message,
    ModelRequestError,
    OpenAIProvider,
    RateLimitError,
    Response,
    RetryConfig,
    RetryPolicy,
    Stream,
    StreamChunk,
    Timeouts,
    Tool,
    Usage,
)

CONVERSATION = [{"role": "user", "content": "Hello"}]


def blocking() -> None:
    llm = LLM("test", timeout=None, timeouts=Timeouts(first_token=5), retry=RetryPolicy(max_attempts=1))

    whole = llm.response("Hello", verbose=True, max_tokens=10, extra_body={"temperature": 0})
    assert_type(whole, FinalResponse)
    assert_type(whole["finish_reason"], str)
    assert_type(whole["messages"], list[dict[str, Any]])
    if "verbose" in whole:
        assert_type(whole["verbose"], VerboseInfo)

    assert_type(llm.stream_response(CONVERSATION, final=True), EventStream)
    with llm.stream_response(CONVERSATION) as stream:
        for event in stream:
            assert_type(event, StreamEvent)
            assert_type(event["type"], str)
        assert_type(stream.final, FinalResponse)

    with LLM("test") as same:
        assert_type(same, LLM)


class Person:
    name: str


def weather(city: str) -> str:
    return city


async def searching(query: str) -> AsyncGenerator[str, None]:
    yield query


async def decide(call: dict[str, Any]) -> bool:
    return bool(call["name"] == "weather")


async def predicate(name: str, arguments: dict[str, Any]) -> bool:
    return bool(arguments)


def with_tools() -> None:
    llm = LLM("test", tool_exec=True, max_tool_rounds=3, max_parallel_tools=2)
    assert_type(tool_interceptor("weather", weather), ToolInterceptor)

    whole = llm.response(
        "Hello",
        tools=[weather, searching, {"type": "web_search"}, Tool("search")],
        tool_interceptor=predicate,
        tool_exec=None,
        on_review=decide,
        max_tool_rounds=2,
        max_parallel_tools=None,
    )
    assert_type(whole.get("tool_results", []), list[ToolResult])
    assert_type(whole.get("tool_calls", []), list[ToolCall])

    with llm.stream_response("Hello", tools=[weather], tool_interceptor=lambda name, arguments: True) as stream:
        assert_type(stream.send("approve"), StreamEvent)
        assert_type(stream.approve(), None)
        assert_type(stream.reject("no"), None)

    llm.response("Hello", output_format=Person, output_retries=2)
    llm.response("Hello", output_format=list[int])
    llm.response("Hello", output_format={"type": "object"})

    scripted = scripted_llm(calls(call(weather, city="Paris"), call("search")), says("Hello"), fails(500))
    assert_type(scripted, ScriptedLLM)
    assert_type(scripted.requests, list[dict[str, Any]])


async def with_async_tools(llm: LLM) -> None:
    stream = llm.async_stream_response("Hello", tools=[searching], on_review=lambda call: "approve")
    assert_type(await stream.asend(True), StreamEvent)
    assert_type(stream.approve(), None)
    assert_type(stream.reject(), None)


async def asynchronous() -> None:
    async with LLM("test") as llm:
        assert_type(llm, LLM)
        assert_type(await llm.async_response(CONVERSATION), FinalResponse)
        async with llm.async_stream_response("Hello") as stream:
            assert_type(stream, AsyncEventStream)
            async for event in stream:
                assert_type(event, StreamEvent)


async def wire_level(either: bool) -> None:
    provider = OpenAIProvider(api_key="key")

    response = await provider.acomplete("test", CONVERSATION)
    assert_type(response, Response)
    assert_type(response.main_response, Message)
    assert_type(response.usage, Usage)

    stream = await provider.acomplete("test", CONVERSATION, stream=True)
    assert_type(stream, Stream)
    async for chunk in stream:
        assert_type(chunk, StreamChunk)
        assert_type(chunk.delta, str)
    assert_type(stream.response, Response)

    assert_type(await provider.acomplete("test", CONVERSATION, stream=either), Response | Stream)


def errors(error: ModelRequestError) -> None:
    assert_type(error.status_code, int | None)
    assert_type(error.retry_after, float | None)
    kinds: list[type[LLMError]] = [ConfigurationError, RateLimitError, LLMTimeoutError]
    timeout: type[TimeoutError] = LLMTimeoutError
    assert_type(RetryConfig(), RetryPolicy)
    assert kinds
    assert timeout


# What must not pass: an ignored line that is no error is one (warn_unused_ignores).
LLM(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # a model is named by text
LLM("test").response("Hello", temprature=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] # unknown words are refused
