"""Every kind of request that we can make of Claude, held against Anthropic's own description of its types."""

from __future__ import annotations

import copy
import json
from functools import cache
from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from conformance.exchanges import ABSENT, WIRE
from llm_async import Message, ResponseSchema, Tool, ToolCall
from llm_async.dialects import Profile, anthropic
from llm_async.models import ModelRequest, ToolResult

pytestmark = pytest.mark.shared

Json = dict[str, Any]

TYPES = WIRE.parent / "specs" / "anthropic.types.schema.json"

MODELS = ("claude-3-haiku-20240307", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-8", "claude-opus-5")
VERSIONS = ("2023-06-01", "2026-10-21")
SAMPLING = ("temperature", "top_p", "top_k")

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQ="
MARK = {"type": "ephemeral"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}

CALL = ToolCall("call_1|fc:2", "get_weather", {"city": "Paris"}, '{"city": "Paris"}')
SIGNED = {
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}},
    ],
}

CONVERSATIONS: dict[str, Any] = {
    "text": "Hello",
    "system": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello"}],
    "systems": [
        {"role": "system", "content": "Be brief"},
        {"role": "developer", "content": [{"type": "text", "text": "And polite", "cache_control": MARK}]},
        {"role": "user", "content": "Hello"},
    ],
    "late system": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "How are you?"},
    ],
    "parts": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?", "cache_control": MARK},
                {"type": "image_url", "image_url": {"url": PNG}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}, "cache_control": MARK},
                {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
                {"type": "file", "file": {"file_data": "data:text/plain,hello", "filename": "a.txt"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            ],
        }
    ],
    "calls": [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}},
                {"id": "c2", "type": "function", "function": {"name": "get_weather", "arguments": "{broken"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "rain"}]},
        {"role": "user", "content": "Thanks"},
    ],
    "results": [
        Message("user", "Weather?"),
        Message("assistant", "Let me see.", "I must look.", [CALL]),
        ToolResult(CALL.id, "no such city", is_error=True),
        ToolResult("c2", "a picture", parts=[{"type": "image_url", "image_url": {"url": PNG}}]),
    ],
    "signed": [
        {"role": "user", "content": "Weather?"},
        SIGNED,
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]},
    ],
    "refused": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": None, "refusal": "I will not."},
        {"role": "user", "content": "Why?"},
    ],
}

TOOLS: dict[str, Any] = {
    "none": None,
    "tool": [Tool("get_weather", "The weather of a city", SCHEMA, strict=True, cache_control=MARK)],
    "dicts": [
        {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}},
        {"type": "function", "function": {"name": "get_time"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 1},
    ],
}

CHOICES: tuple[Any, ...] = (
    None,
    "auto",
    "none",
    "required",
    {"type": "function", "function": {"name": "get_weather"}},
    {"type": "auto", "disable_parallel_tool_use": True},
)
EFFORTS = (None, "none", "minimal", "high", "max")

PARAMETERS = {
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": "END",
    "seed": 1,
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "cache_control": MARK,
}


@cache
def judge_of(*, stream: bool) -> Draft202012Validator:
    """Return what judges requests for a stream, or for a whole answer."""
    if not TYPES.exists():
        pytest.skip(ABSENT)
    types = json.loads(TYPES.read_bytes())["schemas"]["MessageCreateParams"]
    kind = "Streaming" if stream else "NonStreaming"
    return Draft202012Validator({"$defs": closed(types["$defs"]), "$ref": f"#/$defs/MessageCreateParams{kind}"})


def closed(schema: Any) -> Any:
    """Return a schema that knows no other fields than those it names; the document leaves all objects open."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(value) for name, value in schema.items()}
    if isinstance(shut.get("properties"), dict) and "type" in shut and "additionalProperties" not in shut:
        shut["additionalProperties"] = False
    return shut


def check(request: ModelRequest, version: str, *, stream: bool) -> None:
    """Assert that the body of a request is one that Anthropic describes."""
    call = anthropic.encode_request(request, Profile(version=version), stream=stream)
    body = json.loads(call.body)
    if version == "2023-06-01":  # the description is that of the later version
        body = {name: value for name, value in body.items() if name not in SAMPLING}
    error = best_match(judge_of(stream=stream).iter_errors(body))
    assert error is None, f"{list(error.absolute_path)}: {error.message}\n{json.dumps(body)}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_every_kind_of_message_is_one_that_anthropic_describes(conversation: str, model: str, version: str) -> None:
    before = copy.deepcopy(CONVERSATIONS[conversation])
    for tools in TOOLS:
        request = ModelRequest.build(model, CONVERSATIONS[conversation], tools=TOOLS[tools])
        check(request, version, stream=True)
    assert CONVERSATIONS[conversation] == before, "what the caller passed in was changed"


@pytest.mark.parametrize(("model", "version"), [*product(MODELS, VERSIONS[:1]), (MODELS[-1], VERSIONS[1])])
@pytest.mark.parametrize("tools", TOOLS)
def test_every_combination_of_options_is_one_that_anthropic_describes(tools: str, model: str, version: str) -> None:
    for choice, effort, schema in product(CHOICES if TOOLS[tools] else (None,), EFFORTS, (None, SCHEMA)):
        request = ModelRequest.build(
            model,
            "Hello",
            tools=TOOLS[tools],
            tool_choice=choice,
            response_schema=ResponseSchema(schema) if schema else None,
            parameters={**PARAMETERS, "reasoning_effort": effort},
        )
        check(request, version, stream=False)


def test_the_judge_sees_what_anthropic_does_not_describe() -> None:
    judge = judge_of(stream=False)
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]}

    assert judge.is_valid(body)
    assert not judge.is_valid(body | {"temperature": 1})
    assert not judge.is_valid(body | {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})
    assert not judge.is_valid(body | {"messages": [{"role": "tool", "content": "sunny"}]})
    assert not judge.is_valid(body | {"tools": [{"name": "f", "parameters": {}, "input_schema": {}}]})
