"""OpenAI Responses' items, read into the neutral shape.

A message is here what our own dialect gives for a reply, `{"role": "assistant", "output": [items…]}`, or a single item
as the API takes it: a message, a call, a result, or anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import msgspec

from llm_async.models.message import Image, Item, Message, Native, Part, Text
from llm_async.models.tool_call import ToolCall, ToolResult


def read(message: Mapping[str, Any]) -> tuple[list[Item], list[str]]:
    """Return what a message means, and what of it only its issuer can read."""
    output = message.get("output")
    lost: list[str] = []
    if "type" not in message and isinstance(output, list):
        return joined(_read_item(item, lost) for item in output if isinstance(item, Mapping)), lost
    return [item for item in [_read_item(message, lost)] if item is not None], lost


def joined(read: Iterable[Item | None]) -> list[Item]:
    """Return what items mean as messages: all that the model says and calls in one go is one message elsewhere."""
    items: list[Item] = []
    for item in read:
        last = items[-1] if items else None
        if item is None:
            continue
        if not _is_answer(last) or not _is_answer(item):
            items.append(item)
            continue
        items[-1] = Message(
            "assistant",
            f"{last.content}{item.content}",
            "\n\n".join(filter(None, (last.reasoning, item.reasoning))),
            [*last.tool_calls, *item.tool_calls],
            refusal=last.refusal + item.refusal,
        )
    return items


def _is_answer(item: Item | None) -> TypeGuard[Message]:
    return isinstance(item, Message) and item.role == "assistant"


def _read_item(item: Mapping[str, Any], lost: list[str]) -> Item | None:
    """Return what an item means; None if that is nothing to anyone else."""
    kind = item.get("type")
    if kind == "function_call":
        arguments = item.get("arguments")
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
        id = str(item.get("call_id") or item.get("id") or "")
        return Message("assistant", tool_calls=[ToolCall.parse(id, str(item.get("name") or ""), text)])
    if kind == "function_call_output":
        return _read_result(item, lost)
    if kind == "reasoning":
        if item.get("encrypted_content"):
            lost.append("encrypted reasoning of another provider was left out (encrypted_content)")
        texts = [part.get("text") for name in ("summary", "content") for part in _mappings(item.get(name))]
        reasoning = "\n\n".join(text for text in texts if isinstance(text, str) and text)
        return Message("assistant", reasoning=reasoning) if reasoning else None
    if "role" in item and kind in (None, "message"):
        return _read_message(item, lost)
    lost.append(f"an item that only its provider can read was left out ({kind})")
    return None


def _read_result(item: Mapping[str, Any], lost: list[str]) -> ToolResult:
    output = item.get("output")
    id = str(item.get("call_id") or "")
    if isinstance(output, str):
        return ToolResult(id, output)
    parts = [part for part in (_read_part(part, lost) for part in _mappings(output)) if part is not None]
    return ToolResult(id, "".join(part.text for part in parts if isinstance(part, Text)), parts=parts)


def _read_message(item: Mapping[str, Any], lost: list[str]) -> Message:
    role, content = str(item["role"]), item.get("content")
    if isinstance(content, str):
        return Message(role, content)
    refusal = "".join(str(part.get("refusal") or "") for part in _mappings(content) if part.get("type") == "refusal")
    parts = [part for part in (_read_part(part, lost) for part in _mappings(content)) if part is not None]
    if role == "assistant" or all(type(part) is Text and part.cache_control is None for part in parts):
        return Message(role, "".join(part.text for part in parts if isinstance(part, Text)), refusal=refusal)
    return Message(role, parts)


def _read_part(part: Mapping[str, Any], lost: list[str]) -> Part | None:
    kind, text, url = part.get("type"), part.get("text"), part.get("image_url")
    if kind in ("input_text", "output_text", "text", "summary_text", "reasoning_text"):
        return Text(text if isinstance(text, str) else "")
    if kind == "input_image" and isinstance(url, str):
        detail = part.get("detail")
        return Image(url, detail=detail if isinstance(detail, str) else None)
    if kind == "input_file":
        names = ("file_data", "file_url", "file_id", "filename")
        file = {name: part[name] for name in names if part.get(name) is not None}
        return Native({"type": "file", "file": file})
    if kind == "input_audio":
        return Native(dict(part))
    if kind != "refusal":
        lost.append(f"a part that only its provider can read was left out ({kind})")
    return None


def _mappings(values: object) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []
