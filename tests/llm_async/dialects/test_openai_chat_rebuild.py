"""What a stream leaves to be sent back: nothing of it may be lost, and nothing doubled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_async import WireFormatError
from llm_async.dialects import openai_chat, openrouter
from llm_async.models.event import ModelEvent, ReasoningDelta, Started, TextDelta, ToolCallDelta
from llm_async.models.response import assemble
from llm_async.sse import ServerSentEvent


def events_of(*deltas: dict[str, Any], field: str = "delta") -> list[ModelEvent]:
    datas = [json.dumps({"id": "c1", "model": "m", "choices": [{"index": 0, field: delta}]}) for delta in deltas]
    return [said for data in datas for said in openai_chat.decode_stream_event(ServerSentEvent(data.encode()))]


def rebuilt(*deltas: dict[str, Any], dialect: Any = openai_chat) -> dict[str, Any]:
    """Return the message that the pieces of a stream amount to."""
    events = events_of(*deltas)
    message: dict[str, Any] = dialect.message_in(dialect.rebuild_body(assemble(events), events))
    return message


def details(*pieces: Any) -> Any:
    return rebuilt(*({"reasoning_details": [piece]} for piece in pieces))["reasoning_details"]


def test_pieces_of_reasoning_details_are_joined_by_their_number() -> None:
    kind = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}

    assert details(kind | {"text": "Let "}, kind | {"text": "me see"}, kind | {"signature": "s"}) == [
        kind | {"text": "Let me see", "signature": "s"}
    ]
    assert details(kind | {"text": "", "signature": ""}, kind | {"text": "a", "signature": "s"}) == [
        kind | {"text": "a", "signature": "s"}
    ]
    assert details(kind | {"text": "a", "signature": "s"}, kind | {"text": "", "signature": ""}) == [
        kind | {"text": "a", "signature": "s"}
    ]


def test_what_belongs_to_different_reasoning_stays_apart() -> None:
    text = {"type": "reasoning.text", "text": "a", "index": 0}
    sealed = {"type": "reasoning.encrypted", "data": "x", "id": "rs_1", "index": 0}

    for apart in (
        [text, text | {"index": 1}],
        [text, sealed],
        [sealed, sealed | {"id": "rs_2"}],
        [{"type": "reasoning.encrypted", "data": "x"}, {"type": "reasoning.encrypted", "data": "y"}],
        [text, "?"],
    ):
        assert details(*apart) == apart


def test_reasoning_details_that_alternate_are_joined_all_the_same() -> None:
    first, second = ({"type": "reasoning.summary", "index": index} for index in (0, 1))
    pieces = [first | {"summary": "a"}, second | {"summary": "c"}, first | {"summary": "b"}, second | {"summary": "d"}]

    assert details(*pieces) == [first | {"summary": "ab"}, second | {"summary": "cd"}]


def test_openrouters_reasoning_is_called_what_it_calls_it() -> None:
    assert rebuilt({"reasoning": "hm", "content": "Hi"}, dialect=openrouter) == {
        "role": "assistant",
        "content": "Hi",
        "reasoning": "hm",
    }


def test_pieces_of_thinking_in_the_content_are_joined_in_their_place() -> None:
    def thought(text: str, **more: Any) -> dict[str, Any]:
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **more}

    message = rebuilt(
        {"role": "assistant", "content": ""},
        {"content": [thought("The")]},
        {"content": [thought(" user", closed=True)]},
        {"content": [{"type": "text", "text": "14"}]},
        {"content": "4"},
        {"content": [thought("again", signature="s")]},
    )

    assert message == {
        "role": "assistant",
        "content": [thought("The user", closed=True), {"type": "text", "text": "144"}, thought("again", signature="s")],
    }


def test_thinking_that_is_text_is_joined_and_what_is_neither_kept() -> None:
    first, second = {"type": "thinking", "thinking": "a"}, {"type": "thinking", "thinking": "b"}
    picture = {"type": "image", "data": 1}

    assert rebuilt({"content": [first]}, {"content": [second, picture]}, {"content": [picture]})["content"] == [
        {"type": "thinking", "thinking": "ab"},
        picture,
        picture,
    ]


def test_signatures_of_streamed_calls_stay_with_their_calls() -> None:
    def call(name: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}, **more}

    signed = {"extra_content": {"google": {"thought_signature": "s"}}}
    message = rebuilt(
        {"tool_calls": [call("plain"), call("signed", **signed)]}, {"tool_calls": [call("last"), call("too", **signed)]}
    )

    assert message["tool_calls"] == [call("plain"), call("signed", **signed), call("last"), call("too", **signed)]


def test_a_signature_of_no_call_harms_nothing() -> None:
    assert rebuilt({"tool_calls": [{"index": 0, "extra_content": {"s": 1}}]}) == {"role": "assistant", "content": None}


def test_an_event_with_a_message_in_place_of_a_delta_says_its_message() -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hi", "reasoning": "hm", "tool_calls": [call]}

    assert events_of(message, field="message") == [
        Started("c1", "m"),
        ReasoningDelta("hm"),
        TextDelta("Hi"),
        ToolCallDelta(key=None, id="1", name="f", arguments="{}"),
    ]


@pytest.mark.parametrize("message", [5, [], {"content": 5}])
def test_a_message_that_is_none_says_where_it_is(message: Any) -> None:
    with pytest.raises(WireFormatError):
        events_of(message, field="message")
    assert events_of(None, field="message") == []  # type: ignore[arg-type] # as servers send it
