"""What a request looks like in OpenAI's Responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llm_async.dialects import HttpCall, Profile
from llm_async.errors import ConfigurationError
from llm_async.models.message import Image, Item, Message, Native, Part, Text, as_content
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.models.response_schema import ResponseSchema
from llm_async.models.shapes import translated
from llm_async.models.tool import Tool
from llm_async.models.tool_call import ToolResult
from llm_async.schemas import compile_schema

NAME = "openai_responses"

_UNKNOWN = {"stop": "stop sequences", "seed": "a seed"}
"""What Responses has no parameter for, and would answer with a 400."""

_HAS_BREAKPOINTS = re.compile(r"gpt-(5\.([6-9]|\d\d)|([6-9]|\d\d)\b)")
"""Models that take marks for the prompt cache: gpt-5.6 and later. All others cache by themselves."""


def encode_request(request: ModelRequest, profile: Profile, *, stream: bool) -> HttpCall:
    """Return the call that says `request`. `store` and `include` are left to the caller, and so to the server.

    Raises:
        ConfigurationError: a value in it has no JSON.
    """
    items, warnings = translated(request.messages, NAME)
    writer = _Writer(request.model, warnings)
    body: dict[str, Any] = {"model": request.model, "input": [sent for item in items for sent in writer.items_of(item)]}
    if request.tools:
        body["tools"] = [writer.tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = _encode_choice(request.tool_choice)
    if request.response_schema is not None:
        body["text"] = {"format": writer.schema(request.response_schema)}
    for name, value in request.sampling.given().items():
        if name in _UNKNOWN:
            warnings.append(f"{name} was left out: OpenAI's Responses take no {_UNKNOWN[name].removeprefix('a ')}")
        elif name == "reasoning_effort":
            body["reasoning"] = {"effort": value}
        else:
            body["max_output_tokens" if name == "max_tokens" else name] = value
    if stream:
        body["stream"] = True
    for name, value in request.extra.items():
        known = body.get(name)
        if name in ("reasoning", "text") and isinstance(known, dict) and isinstance(value, Mapping):
            value = known | dict(value)  # `text={"verbosity": …}` beside a response_schema
        body[name] = value
    try:
        data = msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from error
    return HttpCall(path="/responses", body=data, warnings=tuple(dict.fromkeys(warnings)))


def encode_tool_result(result: ToolResult) -> dict[str, Any]:
    """Return the item that carries a tool's result."""
    return {"type": "function_call_output", "call_id": result.id, "output": result.text}


def _plain(value: object) -> Any:
    """Return what msgspec can write in place of what it cannot: it knows no mapping but `dict`."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON")


def _encode_choice(choice: str | Mapping[str, Any]) -> Any:
    function = choice.get("function") if isinstance(choice, Mapping) else None
    return {"type": "function", "name": function.get("name")} if isinstance(function, Mapping) else choice


class _Writer:
    """Writes the parts of one request, and notes what could not be said."""

    def __init__(self, model: str, warnings: list[str]) -> None:
        self._warnings = warnings
        self._has_breakpoints = _HAS_BREAKPOINTS.match(model) is not None

    def items_of(self, item: Item) -> list[Any]:
        """Return the input items that a message amounts to."""
        if isinstance(item, ToolResult):
            return [self._result(item)]
        original = item.original
        if original is not None:  # `translated` leaves it to what is our own
            output = original.get("output") if "type" not in original else None
            return list(output) if isinstance(output, list) else [original]
        if item.role == "assistant":
            return self._answer(item)
        return [{"role": item.role, "content": self._content(item)}]

    def _result(self, result: ToolResult) -> dict[str, Any]:
        item = encode_tool_result(result)
        if result.parts:
            item["output"] = self._parts(as_content(result.parts, "parts"))
        return item

    def _answer(self, message: Message) -> list[Any]:
        if message.reasoning:
            self._warnings.append("reasoning of another model was left out: OpenAI takes only its own")
        content = as_content(message.content, "content")
        texts = [content] if isinstance(content, str) else [self._text_of(part) for part in content]
        text = "".join(texts) or message.refusal
        # As plain text: a message in the shape of the server's own needs an id that the server has given.
        said = text if text or isinstance(content, str) else []
        items: list[Any] = [{"role": "assistant", "content": said}] if text or not message.tool_calls else []
        items += [
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.function["arguments"]}
            for call in message.tool_calls
        ]
        return items

    def _text_of(self, part: Part) -> str:
        if isinstance(part, Text):
            return part.text
        kind = part.value.get("type") if isinstance(part, Native) and isinstance(part.value, Mapping) else "image"
        self._warnings.append(f"a part of an assistant's message was left out: {kind}; OpenAI's Responses take text")
        return ""

    def _content(self, message: Message) -> Any:
        content = as_content(message.content, "content")
        return content if isinstance(content, str) else self._parts(content)

    def _parts(self, content: str | tuple[Part, ...]) -> list[Any]:
        return [self._part(part) for part in ((Text(content),) if isinstance(content, str) else content)]

    def _part(self, part: Part) -> Any:
        match part:
            case Text(text, mark):
                return {"type": "input_text", "text": text} | self._mark(mark)
            case Image(url, mark, detail):
                return {"type": "input_image", "image_url": url, "detail": detail or "auto"} | self._mark(mark)
            case Native({"type": "file", "file": Mapping() as file, **rest}):
                return {"type": "input_file", **file} | self._mark(rest.get("cache_control"))
            case Native(Mapping() as value) if "cache_control" in value:
                plain = {name: inner for name, inner in value.items() if name != "cache_control"}
                return plain | self._mark(value["cache_control"])
            case Native(value):  # `input_audio` has the same shape as in Chat
                return value

    def _mark(self, cache_control: Any) -> dict[str, Any]:
        if not cache_control:
            return {}
        if self._has_breakpoints:
            return {"prompt_cache_breakpoint": {"mode": "explicit"}}
        self._warn_of_mark()
        return {}

    def _warn_of_mark(self) -> None:
        self._warnings.append("cache_control was left out: this model caches by itself; prompt_cache_key helps it")

    def tool(self, tool: ToolLike) -> Any:
        """Return a tool in the flat shape of Responses."""
        if isinstance(tool, Tool):
            if tool.cache_control is not None:
                self._warn_of_mark()
            parameters, strict = tool.schema, tool.strict or False
            if strict:
                compiled = compile_schema(tool.schema, "openai")
                self._warnings += [f"tool {tool.name!r}: {sentence}" for sentence in compiled.relaxed]
                parameters, strict = compiled.schema, compiled.strict
            # `strict` is said in any case: without it the server would make optional arguments required.
            shown = {"name": tool.name, "description": tool.description, "parameters": parameters, "strict": strict}
            return {"type": "function", **shown}
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, Mapping):
            return tool
        if "cache_control" in tool:
            self._warn_of_mark()
        defaults = {"parameters": {"type": "object", "properties": {}}, "strict": False}
        return {"type": "function", **defaults, **function}

    def schema(self, schema: ResponseSchema) -> dict[str, Any]:
        """Return the format that a schema asks for."""
        compiled = compile_schema(schema.schema, "openai", strict=bool(schema.strict))
        self._warnings += compiled.relaxed
        described = {"name": schema.name, "description": schema.description, "schema": compiled.schema}
        given = {name: value for name, value in described.items() if value is not None}
        strict = {} if schema.strict is None else {"strict": schema.strict and compiled.strict}
        return {"type": "json_schema", **given, **strict}
