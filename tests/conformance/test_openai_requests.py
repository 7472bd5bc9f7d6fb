"""Requests as the OpenAI providers make them, held against OpenAI's own description of what its server takes.

The description is JSON Schema in an OpenAPI document, stricter than the service for Responses: what satisfies it is on
the safe side. It is no part of the project, but of `../shared/specs`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from conformance.exchanges import WIRE
from llm_async import Message, OpenAIProvider, OpenAIResponsesProvider, ResponseSchema, Stream, Tool, ToolCall
from llm_async.models import ToolResult
from llm_async.models.message import Image, Text
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import run

pytestmark = pytest.mark.shared

DOCUMENT = WIRE.parent / "specs" / "openai.openapi.json"

PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1, "description": "Where?"},
        "near": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]},
    },
    "required": ["city"],
    "$defs": {"Place": {"type": "object", "properties": {"near": {"$ref": "#/$defs/Place"}}}},
}

CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Paris"}'}}
OTHER_CALL = {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}}
ASKED: list[Any] = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
ITEMS: list[Any] = [
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA=="},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Let me see.", "annotations": [], "logprobs": []}],
    },
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "find",
        "arguments": '{"city": "Paris"}',
        "status": "completed",
    },
]
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "call_1", "name": "find", "input": {"city": "Paris"}},
]
SUNNY = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}

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
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-abc"}},
            ],
        }
    ],
    "objects": [Message("system", "Be brief."), Message("user", [Text("What is this?"), Image(PIXEL)])],
    "earlier answers": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        Message("assistant", "Hi", "A greeting."),
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "content": "Bye"},
    ],
    "a call and its result": [*ASKED, SUNNY],
    "calls at once": [
        {"role": "user", "content": "Where and when?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, OTHER_CALL]},
        SUNNY,
        ToolResult("call_2", "noon", "now", is_error=True),
        Message("assistant", "", tool_calls=[ToolCall("call_3", "now", {})]),
        ToolResult("call_3", "one", "now"),
    ],
    "a result with a picture": [*ASKED, ToolResult("call_1", "A map", "find", parts=[Text("A map"), Image(PIXEL)])],
    "items of Responses": [{"role": "user", "content": "Where?"}, {"role": "assistant", "output": ITEMS}, SUNNY],
    "items of Responses one by one": [{"role": "user", "content": "Where?"}, *ITEMS, SUNNY],
    "a message of Anthropic's": [
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": BLOCKS},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}]},
    ],
    "a message of Gemini's": [
        {"role": "user", "parts": [{"text": "Where?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "now", "args": {}}, "thoughtSignature": "c2ln"}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "now", "response": {"result": "noon"}}}]},
    ],
}

FIND, NOW = Tool("find", "Find a city", SCHEMA), Tool("now")
CHAT_TOOL = {"type": "function", "function": {"name": "find", "description": "Find a city", "parameters": SCHEMA}}
TOOLS: Mapping[str, Mapping[str, Any]] = {
    "no tools": {},
    "tools": {"tools": [FIND, NOW], "tool_choice": "auto"},
    "strict tools": {"tools": [Tool("find", "", SCHEMA, strict=True)], "tool_choice": "required"},
    "tools as dicts": {"tools": [CHAT_TOOL], "tool_choice": {"type": "function", "function": {"name": "find"}}},
    "no call": {"tools": [FIND], "tool_choice": "none"},
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "nothing more": {},
    "a stream": {"stream": True},
    "a schema": {"response_schema": ResponseSchema(SCHEMA, name="place", description="A place")},
    "a schema that is shown": {"response_schema": ResponseSchema(SCHEMA, strict=None)},
    "a schema that cannot be enforced": {"response_schema": ResponseSchema({"type": "object"})},
    "sampling": {"temperature": 0, "top_p": 0.5, "max_tokens": 50, "stop": ["x"], "seed": 7},
    "effort": {"reasoning_effort": "low", "max_tokens": 50},
    "caching": {"prompt_cache_key": "session", "service_tier": "flex", "metadata": {"a": "b"}, "store": False},
}
OF_RESPONSES: Mapping[str, Mapping[str, Any]] = {
    "reasoning": {"reasoning_effort": "high", "reasoning": {"summary": "auto"}},
    "included": {"include": ["reasoning.encrypted_content"], "store": False, "truncation": "auto"},
    "a conversation that goes on": {"previous_response_id": "resp_1", "instructions": "Be brief."},
    "verbosity": {"text": {"verbosity": "low"}, "response_schema": ResponseSchema(SCHEMA)},
    "in the background": {"background": True, "max_tool_calls": 3, "parallel_tool_calls": False},
}


@cache
def document() -> Any:
    if not DOCUMENT.exists() and not os.environ.get("CI"):
        pytest.skip(f"no document of OpenAI's at {DOCUMENT}; set DRAGOMAN_SHARED to the folder that holds `specs`")
    read = json.loads(DOCUMENT.read_bytes())
    # A message with parts is described there twice, so that it fits more than the one that `oneOf` allows.
    items = read["components"]["schemas"]["InputItem"]
    items["anyOf"] = items.pop("oneOf")
    return read


@cache
def judge(path: str) -> Draft202012Validator:
    """Return the judge of the requests to an endpoint."""
    whole = Resource.from_contents(document(), default_specification=DRAFT202012)
    escaped = path.replace("~", "~0").replace("/", "~1")
    schema = f"urn:openai#/paths/{escaped}/post/requestBody/content/application~1json/schema"
    return Draft202012Validator({"$ref": schema}, registry=Registry().with_resource("urn:openai", whole))


@cache
def fields_of(path: str) -> frozenset[str]:
    """Return the names that a request to an endpoint may have at its top; the schemas allow any."""
    body = document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return frozenset(_names_in(body))


def _names_in(schema: Any) -> set[str]:
    if "$ref" in schema:
        return _names_in(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    inner = [_names_in(part) for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()))]
    return set(schema.get("properties", ())).union(*inner)


def check(path: str, body: Any) -> None:
    """Assert that OpenAI's document has nothing against a request."""
    complaints = [f"{error.json_path}: {error.message[:300]}" for error in judge(path).iter_errors(body)]
    assert complaints == [], json.dumps(body)[:2000]
    assert set(body) <= fields_of(path)


def sent_by(kind: type[OpenAIProvider], messages: Any, **arguments: Any) -> Any:
    """Return the body of a request to OpenAI itself."""
    answer: Any = {"id": "r", "model": "m", "output": [], "status": "completed", "choices": [{"message": {}}]}
    schema = arguments.get("response_schema")
    if schema is not None:  # an answer that was filtered is held against no schema
        answer |= {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
        answer["choices"][0]["finish_reason"] = "content_filter"
    script = ScriptedTransport([ScriptedReply(pieces=[json.dumps(answer).encode()], headers=JSON)])
    provider = kind("k", "https://api.openai.com/v1", transport=script)

    async def ask() -> None:
        reply = await provider.acomplete("gpt-5.6-sol", messages, **arguments)
        if isinstance(reply, Stream):
            async for _ in reply:
                pass

    run(ask())
    return json.loads(script.requests[0].body)


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("tools", TOOLS)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("options", OPTIONS)
def test_requests_are_what_chat_completions_takes(conversation: str, tools: str, options: str) -> None:
    arguments = {**TOOLS[tools], **OPTIONS[options]}

    check("/chat/completions", sent_by(OpenAIProvider, CONVERSATIONS[conversation], **arguments))


@pytest.mark.parametrize("tools", TOOLS)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("options", [*OPTIONS, *OF_RESPONSES])
def test_requests_are_what_responses_take(conversation: str, tools: str, options: str) -> None:
    arguments = {**TOOLS[tools], **{**OPTIONS, **OF_RESPONSES}[options]}

    check("/responses", sent_by(OpenAIResponsesProvider, CONVERSATIONS[conversation], **arguments))


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_count_is_asked_for_as_the_endpoint_takes_it(conversation: str) -> None:
    script = ScriptedTransport([ScriptedReply(pieces=[b'{"input_tokens": 3}'])])
    provider = OpenAIResponsesProvider("k", "https://api.openai.com/v1", transport=script)

    assert run(provider.count_tokens("gpt-5", CONVERSATIONS[conversation], tools=[FIND, CHAT_TOOL])) == 3

    check("/responses/input_tokens", json.loads(script.requests[0].body))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/chat/completions", {"messages": [{"role": "tool", "content": "sunny"}]}),
        ("/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "function"}]}),
        ("/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_output_tokens": 5}),
        ("/responses", {"input": [{"role": "tool", "content": "sunny"}]}),
        ("/responses", {"input": [{"type": "function_call_output", "call_id": "1"}]}),
        ("/responses", {"input": "Hi", "tools": [{"type": "function", "function": {"name": "f"}}]}),
        ("/responses", {"input": "Hi", "stop": ["x"]}),
    ],
)
def test_the_document_finds_what_is_wrong(path: str, wrong: Any) -> None:
    with pytest.raises(AssertionError):
        check(path, {"model": "m", **wrong})
