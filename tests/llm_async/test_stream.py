from __future__ import annotations

import json

import pytest

from llm_async import LLMError, Response, Stream, ToolCall
from llm_async.transport.scripted import ScriptedReply
from scripts import chunks_of, run, scripted, stream, texts, whole
from server import chat, completion

USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
CALLS = [
    {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
]
CALLED = (ToolCall("a", "f", {"x": 1}, '{"x":1}'), ToolCall("b", "g", {}, "{}"))


def open_stream(*replies: ScriptedReply) -> Stream:
    provider, _ = scripted(*replies)
    return run(provider.acomplete("m", "Hi", stream=True))


def test_a_stream_gives_a_chunk_for_each_event_of_the_provider() -> None:
    events = [*chat({"reasoning": "hm"}, "Hel", "lo"), USAGE]

    chunks = run(chunks_of(open_stream(stream(*events))))

    assert [(chunk.delta, chunk.reasoning) for chunk in chunks] == [
        ("", ""),
        ("", "hm"),
        ("Hel", ""),
        ("lo", ""),
        ("", ""),
        ("", ""),
    ]
    assert [chunk.original for chunk in chunks] == events
    assert chunks[2].content == "Hel"


def test_calls_come_complete_once_with_the_event_that_completes_them() -> None:
    chunks = run(chunks_of(open_stream(stream(*chat(*CALLS, finish="tool_calls"), USAGE))))

    assert [chunk.tool_calls for chunk in chunks if chunk.tool_calls] == [CALLED]
    assert chunks[-2].tool_calls == CALLED


def test_calls_come_with_the_end_mark_where_there_is_no_finish_reason() -> None:
    reply = open_stream(stream(*chat(*CALLS)[:-1]))
    chunks = run(chunks_of(reply))

    assert chunks[-1].tool_calls == CALLED == reply.response.main_response.tool_calls
    assert chunks[-1].original is None
    assert reply.response.finish_reason == "tool_calls"


def test_made_up_ids_are_the_same_in_chunks_and_response() -> None:
    call = {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    reply = open_stream(stream(*chat(call)))
    (shown,) = [call for chunk in run(chunks_of(reply)) for call in chunk.tool_calls]

    assert reply.response.main_response.tool_calls == (shown,)
    assert reply.response.main_response.original["tool_calls"][0]["id"] == shown.id


def test_text_and_reasoning_of_one_event_come_in_one_chunk() -> None:
    delta = {"reasoning": "hm", "content": "Hi"}

    chunks = run(chunks_of(open_stream(stream(*chat(delta)))))

    assert ("Hi", "hm") in [(chunk.delta, chunk.reasoning) for chunk in chunks]


def test_the_response_of_a_stream_equals_the_whole_one() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    body = json.loads(completion("Hello", "tool_calls", {"tool_calls": [call]}))
    usage = {"choices": [], "usage": body["usage"]}
    streamed, unstreamed = open_stream(stream(*chat("Hel", "lo", *CALLS[:3], finish="tool_calls"), usage)), whole(body)
    run(chunks_of(streamed))
    provider, _ = scripted(unstreamed)

    response = run(provider.acomplete("m", "Hi"))

    assert streamed.response == Response(
        main_response=response.main_response,
        original={name: value for name, value in body.items() if name != "created"},
        id="chatcmpl-1",
        model="test",
        finish_reason="tool_calls",
        usage=response.usage,
    )


def test_there_is_no_response_before_the_end() -> None:
    reply = open_stream(stream(*chat("Hel", "lo")))

    with pytest.raises(LLMError, match="the stream has not come to its end"):
        reply.response
    run(anext(reply))
    with pytest.raises(LLMError, match="iterate it first"):
        reply.response
    run(chunks_of(reply))
    assert reply.response.main_response.content == "Hello"


def test_a_stream_is_iterated_once() -> None:
    reply = open_stream(stream(*chat("Hello")))

    assert texts(run(chunks_of(reply))) == "Hello"
    assert run(chunks_of(reply)) == []


@pytest.mark.parametrize("way", ["with", "aclose"])
def test_leaving_a_stream_lets_go_of_its_answer(way: str) -> None:
    scripted_reply = stream(*chat("Hel", "lo"))
    reply = open_stream(scripted_reply)

    async def leave() -> None:
        if way == "with":
            async with reply as same:
                assert same is reply
                await anext(same)
                assert not scripted_reply.closed
        else:
            await anext(reply)
            await reply.aclose()

    run(leave())

    assert scripted_reply.closed
    with pytest.raises(LLMError):
        reply.response


def test_an_error_of_the_caller_lets_go_of_the_answer_and_passes() -> None:
    scripted_reply = stream(*chat("Hel", "lo"))

    async def fail() -> None:
        async with open_stream(scripted_reply) as reply:
            async for _ in reply:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail())
    assert scripted_reply.closed


def test_a_stream_that_is_never_begun_sends_nothing() -> None:
    provider, script = scripted(stream(*chat("Hello")))

    async def leave() -> None:
        async with await provider.acomplete("m", "Hi", stream=True):
            pass

    run(leave())

    assert script.requests == []
