from __future__ import annotations

from typing import Any

import pytest

from llm_async import Message, ToolCall
from llm_async.models import ToolResult
from llm_async.models.message import Image, Item, Native, Text, as_items
from llm_async.models.shapes import translated

REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA=="}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
TEXT = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
AS_CALL = ToolCall("call_1", "f", {"a": 1}, '{"a": 1}')


def elsewhere(*messages: Any) -> tuple[list[Item], list[str]]:
    """Return what messages of the Responses format are to another one."""
    return translated(as_items(list(messages)), "anthropic")


def test_a_reply_is_one_message_and_its_encrypted_reasoning_stays_behind() -> None:
    items, lost = elsewhere({"role": "assistant", "output": [REASONING, TEXT, CALL, REASONING, TEXT]})

    assert items == [Message("assistant", "HiHi", tool_calls=[AS_CALL])]
    assert lost == ["encrypted reasoning of another provider was left out (encrypted_content)"]


def test_readable_reasoning_is_kept_in_paragraphs() -> None:
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": text} for text in ("a", "", "b")]}
    content = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "c"}]}

    items, lost = elsewhere({"role": "assistant", "output": [summary, content, TEXT]})

    assert items == [Message("assistant", "Hi", "a\n\nb\n\nc", [])]
    assert lost == []


def test_items_given_one_by_one_are_read_as_one_reply() -> None:
    other = CALL | {"call_id": "call_2", "arguments": ""}
    second = RESULT | {"call_id": "call_2"}

    items, lost = elsewhere({"role": "user", "content": "Hello"}, TEXT, CALL, other, RESULT, second, TEXT)

    assert items == [
        Message("user", "Hello", tool_calls=[]),
        Message("assistant", "Hi", tool_calls=[AS_CALL, ToolCall("call_2", "f", {}, "")]),
        ToolResult("call_1", "sunny"),
        ToolResult("call_2", "sunny"),
        Message("assistant", "Hi"),
    ]
    assert lost == []


def test_replies_with_something_between_them_stay_apart() -> None:
    reply = {"role": "assistant", "output": [TEXT]}

    items, _ = elsewhere(reply, Message("user", "Go on"), reply)

    assert items == [Message("assistant", "Hi"), Message("user", "Go on"), Message("assistant", "Hi")]


def test_items_that_others_cannot_read_are_named() -> None:
    items, lost = elsewhere({"role": "assistant", "output": [{"type": "web_search_call", "id": "ws_1"}, "odd"]})

    assert items == []
    assert lost == ["an item that only its provider can read was left out (web_search_call)"]


def test_parts_are_read_into_neutral_ones() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    content = [
        {"type": "input_text", "text": "What?"},
        {"type": "input_image", "image_url": "https://a.test/b.png", "detail": "low"},
        {"type": "input_file", "file_id": "f", "filename": None},
        sound,
        {"type": "input_image", "file_id": "file_1"},
    ]

    items, lost = elsewhere({"role": "user", "content": content})

    assert items == [
        Message(
            "user",
            [
                Text("What?"),
                Image("https://a.test/b.png", detail="low"),
                Native({"type": "file", "file": {"file_id": "f"}}),
                Native(sound),
            ],
        )
    ]
    assert lost == ["a part that only its provider can read was left out (input_image)"]


def test_text_in_parts_is_text() -> None:
    content = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]

    assert elsewhere({"role": "developer", "content": content})[0] == [Message("developer", "ab")]
    assert elsewhere({"type": "message", "role": "user", "content": "a"})[0] == [Message("user", "a")]


def test_a_refusal_is_one() -> None:
    refused = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]}

    assert elsewhere(refused)[0] == [Message("assistant", "", refusal="No")]


def test_a_result_with_pictures_keeps_them() -> None:
    output = [{"type": "input_text", "text": "A map"}, {"type": "input_image", "image_url": "https://a.test/b.png"}]

    (result,), _ = elsewhere(RESULT | {"output": output})

    assert result == ToolResult("call_1", "A map", parts=[Text("A map"), Image("https://a.test/b.png")])


@pytest.mark.parametrize("arguments", [{"a": 1}, '{"a":1}'], ids=["object", "text"])
def test_a_call_without_call_id_has_its_items_id(arguments: Any) -> None:
    call = {"type": "function_call", "id": "fc_1", "name": "f", "arguments": arguments}

    (message,), _ = elsewhere(call)

    assert isinstance(message, Message)
    assert message.tool_calls == [ToolCall("fc_1", "f", {"a": 1}, '{"a":1}')]
