"""OpenAI Chat's messages, which are the neutral shape, read from their dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_async.models.message import Item, Message, Native, Text, as_content
from llm_async.models.tool_call import ToolCall, ToolResult

_SIGNED = {
    "reasoning_details": "signed reasoning of another provider was left out (reasoning_details)",
    "extra_content": "signatures of another provider were left out (extra_content)",
    "images": "pictures that a model had made were left out (images)",
    "audio": "speech that a model had made was left out (audio)",
}


def read(message: Mapping[str, Any]) -> tuple[list[Item], list[str]]:
    """Return what a message means, and what of it only its issuer can read."""
    role = str(message.get("role"))
    content = as_content(message.get("content"), "content")
    if role in ("tool", "function"):
        return [_read_result(message, content)], []
    lost = [words for name, words in _SIGNED.items() if message.get(name)]
    calls = [call for call in message.get("tool_calls") or () if isinstance(call, Mapping)]
    if any(call.get("extra_content") for call in calls):
        lost.append("signatures of another provider were left out (tool_calls[].extra_content)")
    if isinstance(called := message.get("function_call"), Mapping) and called.get("name"):
        calls.append({"function": called})  # the time before tool_calls
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    reasoning = reasoning if isinstance(reasoning, str) else ""
    refusal = message.get("refusal")
    refusal = refusal if isinstance(refusal, str) else ""
    # Parts that are all text may have marks for a cache, and stay.
    if role == "assistant" and not isinstance(content, str) and any(type(part) is not Text for part in content):
        content, thought, refused = _read_parts(content, lost)
        reasoning, refusal = reasoning or thought, refusal or refused
    return [Message(role, content, reasoning, [_call(call) for call in calls], refusal=refusal)], lost


def _read_result(message: Mapping[str, Any], content: Any) -> ToolResult:
    name = message.get("name")
    text = content if isinstance(content, str) else "".join(part.text for part in content if type(part) is Text)
    parts = () if isinstance(content, str) else content
    return ToolResult(
        str(message.get("tool_call_id") or ""),
        text,
        name if isinstance(name, str) else "",
        message.get("is_error") is True,
        parts,
    )


def _read_parts(parts: Any, lost: list[str]) -> tuple[str, str, str]:
    """Return the text, the reasoning and the refusal of a model's message that is a list (Mistral)."""
    texts, thoughts, refusals = [], [], []
    for part in parts:
        if type(part) is Text:
            texts.append(part.text)
            continue
        value = part.value if type(part) is Native and isinstance(part.value, Mapping) else {}
        thinking = value.get("thinking") or (value.get("text") if value.get("type") == "reasoning" else None)
        if isinstance(refused := value.get("refusal"), str):
            refusals.append(refused)
        elif thinking:
            steps = thinking if isinstance(thinking, list) else [{"text": thinking}]
            thoughts += [str(step.get("text") or "") for step in steps if isinstance(step, Mapping)]
            if value.get("signature"):
                lost.append("signed reasoning of another provider was left out (thinking)")
        else:
            lost.append(f"a part that only its provider can read was left out ({value.get('type')})")
    return "".join(texts), "".join(thoughts), "".join(refusals)


def _call(call: Mapping[str, Any]) -> ToolCall:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return ToolCall.parse(str(call.get("id") or ""), str(function.get("name") or ""), text)
