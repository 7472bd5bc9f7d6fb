"""Requests as `GoogleProvider` makes them, held against Google's own descriptions of what its servers take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from conformance.exchanges import ABSENT, exchange_ids, load
from conformance.gemini_documents import complaints, judges
from llm_async import GoogleProvider, Message, ResponseSchema, Tool, ToolCall
from llm_async.models import ToolResult
from llm_async.models.message import Image, Text
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1},
        "kind": {"const": "capital"},
        "near": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]},
        "size": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"Place": {"type": "object", "properties": {"near": {"$ref": "#/$defs/Place"}}}},
}

CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Paris"}'}}
OTHER_CALL = {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}}
ASKED: list[Any] = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
SIGNED = {
    "role": "model",
    "parts": [
        {"text": "hm", "thought": True},
        {"functionCall": {"name": "find", "args": {"city": "Paris"}}, "thoughtSignature": "c2lnbmVk"},
        {"functionCall": {"name": "find", "args": {"city": "Rome"}}},
        {"text": "", "thoughtSignature": "c2lnbmVk"},
    ],
}

CONVERSATIONS: Mapping[str, Any] = {
    "a text": "Hello",
    "several system messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Hello"},
    ],
    "parts": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.webp?x=1"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_data": "aGVsbG8=", "filename": "a.txt"}},
                {"type": "file", "file": {"file_id": "files/abc"}},
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
            ],
        }
    ],
    "objects": [Message("system", "Be brief."), Message("user", [Text("What is this?"), Image(PIXEL)])],
    "earlier answers": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi", "reasoning_content": "A greeting."},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Bye"},
    ],
    "a call and its result": [*ASKED, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}],
    "calls at once": [
        {"role": "user", "content": "Where and when?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, OTHER_CALL]},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "user", "content": "And?"},
    ],
    "an error": [*ASKED, ToolResult("call_1", "no such city", "find", is_error=True)],
    "a picture as result": [*ASKED, ToolResult("call_1", "seen", "find", parts=[Text("seen"), Image(PIXEL)])],
    "an address as result": [*ASKED, ToolResult("call_1", "", "find", parts=[Image("https://example.com/a.png")])],
    "a broken call": [
        {"role": "user", "content": "Where?"},
        Message("assistant", "", "", [ToolCall.parse("call_1", "find", "{")]),
        ToolResult("call_1", "your arguments were no JSON"),
    ],
    "its own messages": [
        {"role": "user", "parts": [{"text": "Where?"}]},
        SIGNED,
        {"role": "user", "parts": [{"functionResponse": {"name": "find", "response": {"result": "there"}}}]},
        {"role": "tool", "tool_call_id": "made-up", "content": "here"},
    ],
    "Anthropic's messages": [
        {"role": "user", "content": [{"type": "text", "text": "Where?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"city": "Paris"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]},
    ],
    "Responses' items": [
        {"role": "user", "content": "Where?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ],
}

FIND = Tool("find", "Where a city is", SCHEMA)
CHAT_TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
TOOLS: Mapping[str, list[Any] | None] = {
    "no tools": None,
    "a tool": [FIND],
    "a strict tool": [Tool("find", "Where a city is", SCHEMA, strict=True)],
    "tools of all shapes": [Tool("noon"), CHAT_TOOL, FIND, {"googleSearch": {}}],
}
CHOICES: list[Any] = [None, "auto", "none", "required", {"type": "function", "function": {"name": "find"}}]
SCHEMAS = [None, ResponseSchema(SCHEMA), ResponseSchema(SCHEMA, strict=False)]
EFFORTS = [None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]
MODELS = ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-flash-latest"]
SAMPLING = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 100, "stop": "END", "seed": 7}


async def request_of(model: str, messages: Any, **parameters: Any) -> Any:
    """Return the body that goes out, unchanged arguments granted."""
    said = {"content": {"parts": [{"text": '{"city": "Paris"}'}], "role": "model"}, "finishReason": "STOP"}
    answer = json.dumps({"candidates": [said]}).encode()
    transport = ScriptedTransport([ScriptedReply(headers={"content-type": "application/json"}, pieces=[answer])])
    provider = GoogleProvider("k", transport=transport)
    await provider.acomplete(model, messages, **parameters)
    return json.loads(transport.requests[0].body)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_every_shape_of_a_conversation_is_what_google_describes(name: str, model: str) -> None:
    for tools, schema in product(TOOLS.values(), SCHEMAS[:2]):
        sent = await request_of(model, CONVERSATIONS[name], tools=tools, response_schema=schema)

        assert complaints(sent) == []
        turns = [content["role"] for content in sent["contents"]]
        assert turns[0] == "user"
        check_answers(sent["contents"])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("tools", TOOLS)
async def test_every_choice_schema_and_effort_is_what_google_describes(tools: str, model: str) -> None:
    for choice, schema, effort in product(CHOICES, SCHEMAS, EFFORTS):
        if isinstance(choice, dict) and tools == "no tools":
            continue
        sent = await request_of(
            model,
            "Hello",
            tools=TOOLS[tools],
            tool_choice=choice,
            response_schema=schema,
            reasoning_effort=effort,
            **SAMPLING,
        )

        assert complaints(sent) == [], (choice, schema, effort)


HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


@pytest.mark.parametrize(
    "broken",
    [
        {"contents": [{"role": "user", "parts": [{"txt": "Hello"}]}]},
        {"contents": [{"role": "user", "content": "Hello"}]},
        HELLO | {"generationConfig": {"max_tokens": 1}},
        HELLO | {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MOST"}}},
        HELLO | {"toolConfig": {"functionCallingConfig": {"mode": "REQUIRED"}}},
        HELLO | {"tools": [{"type": "function"}]},
    ],
)
def test_the_documents_refuse_what_is_wrong(broken: Any) -> None:
    for name, judge in judges().items():
        assert not judge.is_valid(broken), name
        assert judge.is_valid(HELLO), name


def test_the_documents_take_what_google_took() -> None:
    exchanges = [load("gemini", str(param.values[0])) for param in exchange_ids("gemini") if param.values[0]]
    if not exchanges:
        pytest.skip(ABSENT)
    # The others are written in snake_case and small letters, which the service takes and the documents do not name.
    asked = [exchange.request for exchange in exchanges if exchange.status == 200 and exchange.request]

    assert sum(not complaints(request) for request in asked) >= 80


def check_answers(contents: list[Any]) -> None:
    """Assert that each turn with calls is followed by one content that answers them all, by their names and ids."""
    for turn, following in zip(contents, [*contents[1:], {"parts": []}], strict=True):
        calls = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        results = [part["functionResponse"] for part in following["parts"] if "functionResponse" in part]
        if calls and turn["role"] == "model":
            assert [(call["name"], call.get("id")) for call in calls] == [
                (result["name"], result.get("id")) for result in results
            ]
