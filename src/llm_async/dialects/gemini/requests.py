"""Requests to `generateContent` and `streamGenerateContent`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from llm_async.dialects import HttpCall, Profile
from llm_async.dialects.gemini.contents import encode_contents, encode_tool_result
from llm_async.dialects.gemini.parts import tell_of_marks
from llm_async.dialects.gemini.words import GENERATION_CONFIG, SAMPLING, camel_case, is_before_3, thinking_config
from llm_async.errors import ConfigurationError
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.models.tool import Tool
from llm_async.schemas import compile_schema

__all__ = ["encode_body", "encode_request", "encode_tool_result", "model_path", "to_call"]


def encode_request(request: ModelRequest, profile: Profile, *, stream: bool) -> HttpCall:
    """Return the call that says `request`.

    Raises:
        ConfigurationError: nobody is asked anything, a tool is chosen that is not there, or a value has no JSON.
    """
    lost: list[str] = []
    body = encode_body(request, lost)
    # Without alt=sse the stream would be one JSON array, which says nothing before it ends.
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return to_call(f"{model_path(request.model)}:{method}", body, lost)


def model_path(model: str) -> str:
    """Return the path of a model.

    >>> model_path("gemini-2.5-flash"), model_path("models/gemini-2.5-flash"), model_path("tunedModels/mine")
    ('/models/gemini-2.5-flash', '/models/gemini-2.5-flash', '/tunedModels/mine')
    """
    return "/" + quote(model if "/" in model else f"models/{model}", safe="/@:._-")


def to_call(path: str, body: Mapping[str, Any], lost: list[str]) -> HttpCall:
    """Return the call with a body, and the warnings of what it lacks, each once."""
    try:
        data = msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from error
    return HttpCall(path=path, body=data, warnings=tuple(dict.fromkeys(lost)))


def _plain(value: object) -> Any:
    """Return what msgspec can write in place of what it cannot: it knows no mapping but `dict`."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON")


def encode_body(request: ModelRequest, lost: list[str]) -> dict[str, Any]:
    """Return the body that says `request`; what could not be said is added to `lost`, a sentence each."""
    contents, system = encode_contents(request.messages, request.model, lost)
    if not contents:
        raise ConfigurationError("messages says nothing that Gemini could answer; it needs a message of the user's")
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    tools = _encode_tools(request.tools, lost)
    if tools:
        body["tools"] = tools
    tool_config = _encode_choice(request, lost)
    if tool_config:
        body["toolConfig"] = tool_config
    generation = _encode_generation(request, lost)
    if generation:
        body["generationConfig"] = generation
    for name, value in request.extra.items():
        _add_extra(body, name, value)
    return body


_WHOLES = frozenset({"generationConfig", "toolConfig"})


def _add_extra(body: dict[str, Any], name: str, value: Any) -> None:
    """Add a parameter that the caller gives under the format's own name, to what else was said of the same."""
    place = camel_case(name)
    if place in GENERATION_CONFIG:
        body["generationConfig"] = body.get("generationConfig", {}) | {name: value}
    elif place in _WHOLES and isinstance(value, Mapping):
        body[place] = body.get(place, {}) | dict(value)
    elif place == "systemInstruction" and isinstance(value, Mapping) and place in body:
        body[place] = {**value, "parts": [*body[place]["parts"], *(value.get("parts") or ())]}
    else:
        body[name] = value


# -------------------------------------------------------------------------------------------------- generation


def _encode_generation(request: ModelRequest, lost: list[str]) -> dict[str, Any]:
    generation: dict[str, Any] = {}
    given = request.sampling.given()
    effort = given.pop("reasoning_effort", None)
    for name, value in given.items():
        generation[SAMPLING[name]] = [value] if isinstance(value, str) else value
    if effort is not None:
        thinking, warning = thinking_config(request.model, effort)
        if thinking:
            generation["thinkingConfig"] = thinking
        if warning:
            lost.append(warning)
    schema = request.response_schema
    if schema is not None:
        if request.tools and is_before_3(request.model):
            lost.append(f"response_schema was left out: {request.model!r} does not take one together with tools")
        else:
            compiled = compile_schema(schema.schema, "gemini", strict=bool(schema.strict))
            lost += compiled.relaxed
            generation |= {"responseMimeType": "application/json", "responseJsonSchema": compiled.schema}
    return generation


# ------------------------------------------------------------------------------------------------------- tools


def _encode_tools(tools: tuple[ToolLike, ...], lost: list[str]) -> list[Any]:
    """Return the tools: all functions in one place, for Gemini takes several lists only of its own tools."""
    functions: list[Any] = []
    encoded: list[Any] = []
    for tool in tools:
        function = _encode_function(tool, lost)
        if function is None:
            encoded.append(tool)
            continue
        if not functions:
            encoded.append({"functionDeclarations": functions})
        functions.append(function)
    return encoded


def _encode_function(tool: ToolLike, lost: list[str]) -> Any:
    """Return a function's declaration; None for a tool of Gemini's own."""
    if not isinstance(tool, Tool):
        function = tool.get("function")
        if tool.get("type") == "function" and isinstance(function, Mapping):
            tool = _described(function, tool.get("cache_control"))
        else:
            return tool if "name" in tool else None
    if tool.cache_control is not None:
        tell_of_marks(lost)
    declaration: dict[str, Any] = {"name": tool.name, "description": tool.description}
    compiled = compile_schema(tool.schema, "gemini")
    lost += [f"tool {tool.name!r}: {sentence}" for sentence in compiled.relaxed]
    return declaration | {"parametersJsonSchema": compiled.schema}


def _described(function: Mapping[str, Any], cache_control: Any) -> Tool:
    """Return the tool that a dict in OpenAI Chat's shape describes."""
    description, strict = function.get("description"), function.get("strict")
    return Tool(
        str(function.get("name") or ""),
        description if isinstance(description, str) else "",
        function.get("parameters"),
        strict=strict if isinstance(strict, bool) else None,
        cache_control=cache_control,
    )


_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY", "validated": "VALIDATED"}


def _encode_choice(request: ModelRequest, lost: list[str]) -> dict[str, Any] | None:
    """Return the `toolConfig`, which Gemini refuses where there is no function to choose."""
    choice = request.tool_choice
    if choice is None:
        # Held to the schemas, but free whether to call: the only way to say `strict`.
        is_strict = any(_is_strict(tool) for tool in request.tools)
        return {"functionCallingConfig": {"mode": "VALIDATED"}} if is_strict else None
    if not request.tools:
        if choice not in ("auto", "none"):
            lost.append("tool_choice was left out: there are no tools to choose from")
        return None
    if isinstance(choice, str):
        if choice.lower() not in _MODES:
            raise ConfigurationError(f"tool_choice must be 'auto', 'none', 'required' or a dict; it is {choice!r}")
        mode = _MODES[choice.lower()]
        if mode == "AUTO" and any(_is_strict(tool) for tool in request.tools):
            mode = "VALIDATED"
        return {"functionCallingConfig": {"mode": mode}}
    if choice.get("type") == "function":
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
        names = [_name_of(tool) for tool in request.tools]
        if name not in names and all(names):
            raise ConfigurationError(f"tool_choice names {name!r}, which is not among tools")
        return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}
    return {"functionCallingConfig": dict(choice)} if "mode" in choice else dict(choice)


def _is_strict(tool: ToolLike) -> bool:
    return _of_function(tool, "strict") is True


def _name_of(tool: ToolLike) -> Any:
    return _of_function(tool, "name")


def _of_function(tool: ToolLike, field: str) -> Any:
    """Return what a tool says of its function; None for a tool of Gemini's own."""
    if isinstance(tool, Tool):
        return getattr(tool, field)
    function = tool.get("function")
    return (function if isinstance(function, Mapping) else tool).get(field)
