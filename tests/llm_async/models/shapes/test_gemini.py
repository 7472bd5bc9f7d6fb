from __future__ import annotations

from typing import Any

import pytest

from llm_async import Message, ToolCall
from llm_async.models import ToolResult
from llm_async.models.message import Image, Item, Native, Text, as_items
from llm_async.models.shapes import translated

CALL = {"functionCall": {"name": "find", "args": {"city": "Paris"}}}


def elsewhere(*messages: Any) -> tuple[list[Item], list[str]]:
    """Return what Gemini's contents are to another format."""
    return translated(as_items(list(messages)), "anthropic")


def test_a_turn_is_one_message_and_its_signatures_stay_behind() -> None:
    parts = [
        {"text": "h", "thought": True},
        {"text": "m", "thought": True},
        {"text": "Hi "},
        {"text": "there", "thoughtSignature": "cw=="},
        {"functionCall": {"id": "7", "name": "find", "args": {"city": "Paris"}}},
        {"text": "", "thoughtSignature": "cw=="},
    ]

    items, lost = elsewhere({"role": "model", "parts": parts})

    call = ToolCall("7", "find", {"city": "Paris"}, '{"city":"Paris"}')
    assert items == [Message("assistant", "Hi there", "hm", [call])]
    assert lost == ["signatures of another provider were left out (thoughtSignature)"]


def test_what_only_google_understands_stays_behind() -> None:
    items, lost = elsewhere(
        {"role": "model", "parts": [{"executableCode": {"code": "1"}}, {"codeExecutionResult": {}}, {"text": "2"}]},
        {"role": "model", "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]},
        {"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "gs://mine/a.png"}}]},
    )

    assert items[:1] == [Message("assistant", "2", "", [])]
    assert [sentence.rpartition(" ")[2] for sentence in lost] == [
        "(executableCode)",
        "(codeExecutionResult)",
        "(inlineData)",
        "(fileData)",
    ]


@pytest.mark.parametrize(
    ("part", "neutral"),
    [
        ({"inlineData": {"mimeType": "image/png", "data": "a-_"}}, Image("data:image/png;base64,a+/")),
        ({"inline_data": {"mime_type": "image/png", "data": "iVBO"}}, Image("data:image/png;base64,iVBO")),
        (
            {"inlineData": {"mimeType": "audio/mpeg", "data": "SUQz"}},
            Native({"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}}),
        ),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
            Native({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}}),
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a"}},
            Image("https://example.com/a"),
        ),
        (
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a"}},
            Native({"type": "file", "file": {"file_url": "https://example.com/a"}}),
        ),
    ],
)
def test_what_a_user_shows_can_be_shown_elsewhere(part: Any, neutral: Any) -> None:
    items, lost = elsewhere({"role": "user", "parts": [{"text": "What?"}, part]})

    assert items == [Message("user", [Text("What?"), neutral], "", [])]
    assert lost == []


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"result": "sunny"}, "sunny", False),
        ({"output": {"a": 1}}, '{"a":1}', False),
        ({"error": "no"}, "no", True),
        ({"a": 1, "error": 2}, '{"a":1,"error":2}', False),
        (None, "{}", False),
    ],
)
def test_results_are_text_and_come_before_what_is_said_beside_them(response: Any, text: str, is_error: bool) -> None:
    part = {"functionResponse": {"id": "7", "name": "find", "response": response}}

    items, _ = elsewhere({"role": "user", "parts": [part, {"text": "And?"}]})

    assert items == [ToolResult("7", text, "find", is_error), Message("user", "And?", "", [])]


def test_a_picture_in_a_result_comes_along() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    part = {"functionResponse": {"id": "7", "name": "find", "response": {"result": "x"}, "parts": [picture]}}

    (result,), _ = elsewhere({"role": "user", "parts": [part]})

    assert result == ToolResult("7", "x", "find", False, [Text("x"), Image("data:image/png;base64,iVBO")])


def test_calls_without_ids_get_some_that_their_results_have_too() -> None:
    answers = [{"functionResponse": {"name": "find", "response": {"result": text}}} for text in ("a", "b")]

    items, _ = elsewhere({"role": "model", "parts": [CALL, CALL]}, {"role": "user", "parts": answers})

    check_paired(items, ["a", "b"])


def test_results_that_name_a_call_by_an_id_that_gemini_never_gave_are_paired_all_the_same() -> None:
    results: list[Any] = [
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "made-up", "name": "find", "response": {"result": "a"}}}],
        },
        {"role": "tool", "tool_call_id": "made-up-too", "content": "b"},
    ]

    items, _ = elsewhere({"role": "model", "parts": [CALL, CALL]}, *results)

    check_paired(items, ["a", "b"])


def check_paired(items: list[Item], texts: list[str]) -> None:
    asked, *answered = items
    assert isinstance(asked, Message)
    results = [item for item in answered if isinstance(item, ToolResult)]
    assert [result.id for result in results] == [call.id for call in asked.tool_calls]
    assert [(result.text, result.name) for result in results] == [(text, "find") for text in texts]
    assert len({call.id for call in asked.tool_calls}) == len(texts)


def test_strange_parts_break_nothing() -> None:
    items, lost = elsewhere({"parts": [None, {"text": 1}, {"functionCall": 1}, {}]}, {"role": "model", "parts": None})

    assert items == [Message("user", "", "", [])]
    assert lost
