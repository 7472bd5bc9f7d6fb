from __future__ import annotations

from typing import Any

import pytest

from llm_async.models import Message, ToolResult
from llm_async.models.message import Image, Native, Text, as_items
from llm_async.models.shapes import anthropic, translated

MARK = {"type": "ephemeral"}


def read(role: str, *content: Any) -> list[Any]:
    """Return what a message means that loses nothing."""
    items, lost = anthropic.read({"role": role, "content": list(content)})
    assert lost == []
    return items


def part_of(block: Any) -> Any:
    """Return the part that a block of the user's is."""
    [message] = read("user", block)
    [part] = message.content
    return part


def test_text_is_text() -> None:
    assert anthropic.read({"role": "user", "content": "Hello"}) == ([Message("user", "Hello")], [])
    assert part_of({"type": "text", "text": "a", "cache_control": MARK}) == Text("a", MARK)


def test_a_models_text_and_calls_are_one_message() -> None:
    [message] = read(
        "assistant",
        {"type": "text", "text": "Let me "},
        {"type": "text", "text": "see."},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
    )

    assert message.content == "Let me see."
    assert [(call.id, call.name, call.arguments) for call in message.tool_calls] == [("t1", "f", {"a": 1})]


def test_results_come_before_what_the_user_says_with_them() -> None:
    items = read(
        "user",
        {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"},
        {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "no"}], "is_error": True},
        {"type": "text", "text": "Thanks"},
    )

    assert items == [
        ToolResult("t1", "sunny"),
        ToolResult("t2", "no", is_error=True),
        Message("user", [Text("Thanks")]),
    ]


def test_a_result_keeps_its_picture() -> None:
    source = {"type": "url", "url": "https://h/a.png"}
    content = [{"type": "text", "text": "see"}, {"type": "image", "source": source}]
    [result] = read("user", {"type": "tool_result", "tool_use_id": "t1", "content": content})

    assert result == ToolResult("t1", "see", parts=[Text("see"), Image("https://h/a.png")])
    assert read("user", {"type": "tool_result", "tool_use_id": "t1"}) == [ToolResult("t1", "")]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            Image("data:image/png;base64,AAAA"),
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"}},
            Native(
                {
                    "type": "file",
                    "file": {"file_data": "data:application/pdf;base64,AA", "filename": "document.pdf"},
                }
            ),
        ),
        (
            {"type": "document", "title": "a.pdf", "source": {"type": "url", "url": "https://h/a.pdf"}},
            Native({"type": "file", "file": {"file_url": "https://h/a.pdf", "filename": "a.pdf"}}),
        ),
        (
            {"type": "document", "title": "A", "source": {"type": "text", "media_type": "text/plain", "data": "b"}},
            Text("A\nb"),
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "b"}]}},
            Text("b"),
        ),
        (
            {"type": "search_result", "title": "A", "source": "https://h", "content": [{"type": "text", "text": "b"}]},
            Text("A\nhttps://h\nb"),
        ),
    ],
    ids=["image", "pdf", "pdf by address", "text", "content", "search result"],
)
def test_pictures_and_documents_are_the_neutral_parts(block: Any, part: Any) -> None:
    assert part_of(block) == part


@pytest.mark.parametrize(
    ("block", "lost"),
    [
        (
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            "signed reasoning of another provider was left out (thinking)",
        ),
        (
            {"type": "redacted_thinking", "data": "x"},
            "encrypted reasoning of another provider was left out (redacted_thinking)",
        ),
        (
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
            "what only its own server can read of another provider was left out (server_tool_use)",
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            "what only its own server can read of another provider was left out (image)",
        ),
    ],
)
def test_what_only_anthropic_can_read_is_left_out_and_told(block: Any, lost: str) -> None:
    items, told = anthropic.read({"role": "assistant", "content": [block, {"type": "text", "text": "Hi"}]})

    assert told == [lost]
    assert [item.content for item in items if isinstance(item, Message)] == ["Hi"]


def test_shown_reasoning_is_still_known() -> None:
    [message], _ = anthropic.read({"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}]})

    assert isinstance(message, Message)
    assert message.reasoning == "Hm"


def test_the_block_of_a_result_that_cannot_be_read_is_told() -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "tool_reference", "tool_name": "f"}, "?"],
    }
    items, told = anthropic.read({"role": "user", "content": [result]})

    assert items == [ToolResult("t1", "")]
    assert len(told) == 2


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "a", "citations": [{"type": "char_location"}]}],
        [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "f"}}],
        [{"type": "image", "source": {"type": "url", "url": "https://h"}}],
        [{"type": "web_fetch_tool_result", "tool_use_id": "s1", "content": {}}],
    ],
)
def test_anthropics_own_messages_are_known_by_their_blocks(content: Any) -> None:
    message = {"role": "assistant", "content": content}
    [item] = as_items([message])

    assert isinstance(item, Message)
    assert (item.issuer, item.original) == ("anthropic", message)
    assert translated([item], "anthropic")[0] == [item]
