"""Requests to OpenAI's Chat Completions and its imitations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llm_async.dialects import HttpCall, Profile
from llm_async.dialects.openai_chat.messages import (
    encode_messages,
    encode_tool_result,
    has_mark,
    tell_of_marks,
    without_mark,
)
from llm_async.errors import ConfigurationError
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.models.response_schema import ResponseSchema
from llm_async.models.tool import Tool
from llm_async.schemas import compile_schema

NAME = "openai_chat"

__all__ = ["NAME", "encode_body", "encode_request", "encode_tool_result", "to_call"]


def encode_request(request: ModelRequest, profile: Profile, *, stream: bool) -> HttpCall:
    """Return the call that says `request`.

    Raises:
        ConfigurationError: a value in it has no JSON.
    """
    lost: list[str] = []
    return to_call(encode_body(request, profile, NAME, lost, stream=stream), lost)


def encode_body(
    request: ModelRequest, profile: Profile, issuer: str, lost: list[str], *, stream: bool
) -> dict[str, Any]:
    """Return the body that says `request`.

    Args:
        issuer: whose own messages go out as they are, by name of the dialect.
        lost: what could not be said is added to it, a sentence each.
    """
    messages = encode_messages(request.messages, profile, issuer, lost)
    body: dict[str, Any] = {"model": request.model, "messages": messages}
    tools, choice = _narrowed(request) if profile.tool_choice == "words" else (request.tools, request.tool_choice)
    if tools:
        body["tools"] = [_encode_tool(tool, profile, lost) for tool in tools]
    if choice is not None:
        body["tool_choice"] = profile.required if choice == "required" else choice
    if request.response_schema is not None:
        body["response_format"] = _encode_schema(request.response_schema, profile, messages, lost)
    body |= _encode_sampling(request, profile, lost)
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    body.update(request.extra)
    for name, models in profile.refused.items():
        if body.get(name) is not None and re.search(models, request.model):
            del body[name]
            lost.append(f"{name} was left out, which {request.model!r} refuses")
    return body


def to_call(body: Mapping[str, Any], lost: list[str]) -> HttpCall:
    """Return the call with a body, and the warnings of what it lacks, each once."""
    try:
        data = msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from error
    return HttpCall(path="/chat/completions", body=data, warnings=tuple(dict.fromkeys(lost)))


def _plain(value: object) -> Any:
    """Return what msgspec can write in place of what it cannot: it knows no mapping but `dict`."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON")


def _encode_sampling(request: ModelRequest, profile: Profile, lost: list[str]) -> dict[str, Any]:
    names = {"max_tokens": profile.max_tokens, "seed": profile.seed}
    given = request.sampling.given()
    effort = given.pop("reasoning_effort", None)
    sampling = {names.get(name, name): value for name, value in given.items()}
    if effort is None:
        return sampling
    stands_for_it = profile.efforts.get(effort, effort)
    if isinstance(stands_for_it, dict):
        return sampling | stands_for_it
    if stands_for_it != effort:
        lost.append(f"reasoning_effort {effort!r} was sent as {stands_for_it!r}, the nearest that this server knows")
    return sampling | {"reasoning_effort": stands_for_it}


def _encode_schema(schema: ResponseSchema, profile: Profile, messages: list[Any], lost: list[str]) -> dict[str, Any]:
    """Return the `response_format`; where the server cannot be told the schema, the model is, in `messages`."""
    if profile.response_format == "json_object":
        lost.append("the server cannot hold the model to a schema; the model was told of it instead")
        shape = msgspec.json.encode(schema.schema, enc_hook=_plain).decode()
        told = f"Answer with nothing but one JSON value that satisfies this JSON Schema:\n{shape}"
        messages.insert(0, {"role": "system", "content": told})
        return {"type": "json_object"}
    described: dict[str, Any] = {"name": schema.name, "description": schema.description, "schema": schema.schema}
    strict = schema.strict
    if profile.schemas == "openai":
        compiled = compile_schema(schema.schema, "openai", strict=bool(strict))
        lost += compiled.relaxed
        described["schema"], strict = compiled.schema, strict and compiled.strict
    described["strict"] = strict
    return {
        "type": "json_schema",
        "json_schema": {name: value for name, value in described.items() if value is not None},
    }


def _encode_tool(tool: ToolLike, profile: Profile, lost: list[str]) -> Any:
    if not isinstance(tool, Tool):
        if profile.cache_control or not has_mark(tool):
            return tool
        tell_of_marks(lost)
        return without_mark(tool)
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    if tool.strict is not None:
        function["strict"] = tool.strict
    if tool.strict and profile.schemas == "openai":
        compiled = compile_schema(tool.schema, "openai")
        lost += [f"tool {tool.name!r}: {sentence}" for sentence in compiled.relaxed]
        function["parameters"], function["strict"] = compiled.schema, compiled.strict
    written = {"type": "function", "function": function}
    if tool.cache_control is None:
        return written
    if profile.cache_control:
        return written | {"cache_control": tool.cache_control}
    tell_of_marks(lost)
    return written


def _narrowed(request: ModelRequest) -> tuple[tuple[ToolLike, ...], Any]:
    """Return tools and choice for a server that does not know how to choose: it is shown only what it may use."""
    choice = request.tool_choice
    if choice == "none":
        return (), None
    if not isinstance(choice, Mapping):
        return request.tools, choice
    name = _function_name(choice)
    chosen = tuple(tool for tool in request.tools if name is not None and _tool_name(tool) == name)
    if not chosen:
        raise ConfigurationError(f"tool_choice names {name!r}, which is not among tools")
    return chosen, "required"


def _tool_name(tool: ToolLike) -> Any:
    return tool.name if isinstance(tool, Tool) else _function_name(tool)


def _function_name(described: Mapping[str, Any]) -> Any:
    function = described.get("function")
    return function.get("name") if isinstance(function, Mapping) else None
