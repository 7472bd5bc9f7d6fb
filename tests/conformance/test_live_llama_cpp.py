"""The embedded llama.cpp server answers live in the three dialects it speaks, through the providers of each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from llm.local import LocalServer, close, fetch_model
from llm.local.engine import SLOTS, run
from llm.local.models import chat_template, find
from llm_async import (
    AuthenticationError,
    BaseProvider,
    ClaudeProvider,
    ContextLengthError,
    Message,
    OpenAIProvider,
    OpenAIResponsesProvider,
    Response,
    Tool,
)

pytestmark = [pytest.mark.anyio, pytest.mark.local_model]

SKY = [Message("user", "In one sentence, why is the sky blue?")]
STORY = [Message("user", "Tell me a long story about a lighthouse.")]

PATIENCE = 60.0
"""Seconds any single call may take before it fails; what would otherwise wait for minutes."""

WEATHER = Tool(
    name="get_weather",
    description="Get the weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
)

# The server makes a call of what looks like one, but cannot force so small a model to begin with one: it is dictated.
DICTATED = [
    Message("user", 'Repeat this text exactly:\n{"name": "get_weather", "arguments": {"city": "Paris"}}'),
]

WEATHERS = {"get_weather": lambda city: f"21 degrees in {city}"}


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalServer]:
    """The small model, with a template that tells it of tools; its own one hides them."""
    if os.environ.get("DRAGOMAN_SKIP_LOCAL") == "1":
        pytest.skip("DRAGOMAN_SKIP_LOCAL=1 is set: no embedded model")
    small = find("smollm2-135m")
    close()  # one that another module started has the other template
    yield run(fetch_model(small), name=small.name, template=chat_template(find("qwen2.5-coder-0.5b")))
    close()


@pytest.fixture(params=[OpenAIProvider, OpenAIResponsesProvider, ClaudeProvider], ids=["chat", "responses", "messages"])
def kind(request: pytest.FixtureRequest) -> type[BaseProvider]:
    kind: type[BaseProvider] = request.param
    return kind


@pytest.fixture
async def provider(engine: LocalServer, kind: type[BaseProvider]) -> AsyncIterator[BaseProvider]:
    provider = kind(engine.api_key, engine.base_url, timeout=PATIENCE)
    yield provider
    await provider.aclose()


async def ask(provider: BaseProvider, messages: Sequence[Any], max_tokens: int, **more: Any) -> Response:
    """Return a whole reply, as good as the same every time."""
    return await provider.acomplete("smollm2-135m", messages, temperature=0, max_tokens=max_tokens, **more)


async def test_text_comes_streamed_as_it_comes_whole(provider: BaseProvider) -> None:
    await ask(provider, SKY, 1)  # a prompt that is computed, not cached, may round otherwise
    whole = await ask(provider, SKY, 16)
    stream = await provider.acomplete("smollm2-135m", SKY, stream=True, temperature=0, max_tokens=16)
    deltas = [chunk.delta async for chunk in stream if chunk.delta]

    assert "sky" in whole.main_response.content
    assert len(deltas) > 5
    assert "".join(deltas) == stream.response.main_response.content == whole.main_response.content
    assert stream.response.model == whole.model == "smollm2-135m"
    assert stream.response.finish_reason == whole.finish_reason
    assert stream.response.usage.output_tokens == whole.usage.output_tokens
    assert stream.response.usage.input_tokens == whole.usage.input_tokens


async def test_max_tokens_cut_the_answer_and_the_server_says_so_where_it_does(provider: BaseProvider) -> None:
    response = await ask(provider, STORY, 4)

    assert response.usage.output_tokens == 4
    # In Responses the server calls an answer that it cut "completed", without a word about why.
    assert response.finish_reason == ("stop" if isinstance(provider, OpenAIResponsesProvider) else "length")


async def test_a_tool_is_called_and_its_result_is_taken(provider: BaseProvider) -> None:
    reply = await ask(provider, DICTATED, 40, tools=[WEATHER], tool_choice="required")
    assert_called(reply)

    results = [await provider.execute_tool(call, WEATHERS) for call in reply.main_response.tool_calls]
    final = await ask(provider, [*DICTATED, reply.main_response, *results], 4, tools=[WEATHER])

    # What so small a model makes of the result is beyond it; that the server took the whole round is not.
    assert final.main_response.content or final.main_response.tool_calls
    assert (final.usage.input_tokens or 0) > 0


async def test_a_streamed_call_is_complete_in_one_chunk(provider: BaseProvider) -> None:
    stream = await provider.acomplete(
        "smollm2-135m", DICTATED, True, [WEATHER], "required", temperature=0, max_tokens=40
    )
    completed = [call async for chunk in stream for call in chunk.tool_calls]

    assert_called(stream.response)
    assert tuple(completed) == stream.response.main_response.tool_calls


def assert_called(reply: Response) -> None:
    """Expect the dictated call; so small a model may repeat it."""
    assert reply.finish_reason == "tool_calls"
    calls = reply.main_response.tool_calls
    assert calls
    assert len({call.id for call in calls}) == len(calls)
    assert {call.name for call in calls} == {"get_weather"}
    assert calls[0].arguments == {"city": "Paris"}


async def test_a_wrong_key_is_an_authentication_error(engine: LocalServer, kind: type[BaseProvider]) -> None:
    stranger = kind("wrong", engine.base_url, timeout=PATIENCE)
    try:
        with pytest.raises(AuthenticationError, match="401"):
            await ask(stranger, SKY, 4)
    finally:
        await stranger.aclose()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_too_long_a_prompt_is_a_context_length_error(provider: BaseProvider, streamed: bool) -> None:
    with pytest.raises(ContextLengthError, match="8192"):
        await expect_reply(await ask(provider, [Message("user", "word " * 9000)], 4, stream=streamed))


async def test_leaving_a_stream_early_frees_the_server_for_the_next(provider: BaseProvider) -> None:
    for _ in range(2 * SLOTS):
        async with await provider.acomplete("smollm2-135m", STORY, stream=True, max_tokens=7000) as stream:
            assert await anext(chunk.delta async for chunk in stream if chunk.delta)

    assert (await ask(provider, SKY, 2)).usage.output_tokens == 2


async def expect_reply(reply: Any) -> None:
    """Iterate a stream, which asks only then; a whole reply is there already."""
    if not isinstance(reply, Response):
        async for _ in reply:
            pass
