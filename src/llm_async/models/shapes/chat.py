"""OpenAI Chat's messages, which are the neutral shape, read from their dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_async.models.message import Item, Message, Text, as_content
from llm_async.models.tool_call import ToolCall, ToolResult


def read(message: Mapping[str, Any]) -> tuple[list[Item], list[str]]:
    """Return what a message means, and what of it only its issuer can read."""
    role, lost = str(message.get("role")), []
    content = as_content(message.get("content"), "content")
    if role in ("tool", "function"):
        name = message.get("name")
        text = content if isinstance(content, str) else "".join(part.text for part in content if type(part) is Text)
        parts = () if isinstance(content, str) else content
        is_error = message.get("is_error") is True
        id = message.get("tool_call_id")
        result = ToolResult(str(id or ""), text, name if isinstance(name, str) else "", is_error, parts)
        return [result], []
    if message.get("reasoning_details"):
        lost.append("signed reasoning of another provider was left out (reasoning_details)")
    if message.get("extra_content"):
        lost.append("signatures of another provider were left out (extra_content)")
    calls = [_call(call) for call in message.get("tool_calls") or () if isinstance(call, Mapping)]
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    refusal = message.get("refusal")
    said = Message(
        role,
        content,
        reasoning if isinstance(reasoning, str) else "",
        calls,
        refusal=refusal if isinstance(refusal, str) else "",
    )
    return [said], lost


def _call(call: Mapping[str, Any]) -> ToolCall:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return ToolCall.parse(str(call.get("id") or ""), str(function.get("name") or ""), text)
