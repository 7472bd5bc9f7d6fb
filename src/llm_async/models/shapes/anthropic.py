"""Anthropic's messages, read into the neutral shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from llm_async.models.message import Image, Item, Message, Native, Part, Text
from llm_async.models.tool_call import ToolCall, ToolResult


def read(message: Mapping[str, Any]) -> tuple[list[Item], list[str]]:
    """Return what a message means, and what of it only its issuer can read."""
    role, content = str(message.get("role") or "user"), message.get("content")
    if isinstance(content, str):
        return [Message(role, content)], []
    reading = _Reading()
    for block in content if isinstance(content, Sequence) else ():
        if isinstance(block, Mapping):
            reading.add(block)
    items: list[Item] = [*reading.results]
    parts, calls = reading.parts, reading.calls
    if role == "assistant":
        text = "".join(part.text for part in parts if type(part) is Text)
        kept = [part for part in parts if type(part) is not Text]
        said: str | Sequence[Any] = [*([Text(text)] if text else ()), *kept] if kept else text
        items.append(Message(role, said, "".join(reading.reasoning), calls))
    elif parts or not items:
        items.append(Message(role, parts))
    return items, reading.lost


class _Reading:
    """What the blocks of one message mean."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.calls: list[ToolCall] = []
        self.results: list[ToolResult] = []
        self.reasoning: list[str] = []
        self.lost: list[str] = []

    def add(self, block: Mapping[str, Any]) -> None:
        """Take in the next block."""
        kind = str(block.get("type"))
        match kind:
            case "tool_use":
                input = block.get("input")
                text = msgspec.json.encode(input if input is not None else {}).decode()
                self.calls.append(ToolCall.parse(str(block.get("id") or ""), str(block.get("name") or ""), text))
            case "tool_result":
                self.results.append(self._result(block))
            case "thinking":
                self.reasoning.append(str(block.get("thinking") or ""))
                self._lose("signed reasoning", kind)
            case "redacted_thinking":
                self._lose("encrypted reasoning", kind)
            case _:
                part = _part(block)
                if part is None:
                    self._lose("what only its own server can read", kind)
                else:
                    self.parts.append(part)

    def _result(self, block: Mapping[str, Any]) -> ToolResult:
        content = block.get("content")
        parts: list[Part] = []
        if isinstance(content, str):
            parts.append(Text(content))
        for inner in content if isinstance(content, list) else ():
            part = _part(inner) if isinstance(inner, Mapping) else None
            if part is None:
                self._lose(
                    "what only its own server can read", str(inner.get("type")) if isinstance(inner, Mapping) else "?"
                )
            else:
                parts.append(part)
        text = _text_of(parts)
        has_more = any(type(part) is not Text for part in parts)
        id, is_error = str(block.get("tool_use_id") or ""), block.get("is_error") is True
        return ToolResult(id, text, is_error=is_error, parts=parts if has_more else ())

    def _lose(self, what: str, kind: str) -> None:
        self.lost.append(f"{what} of another provider was left out ({kind})")


def _part(block: Mapping[str, Any]) -> Part | None:
    """Return the neutral part that a block is, if it is one."""
    kind, source = block.get("type"), block.get("source")
    mark = block.get("cache_control")
    if kind == "text" and isinstance(block.get("text"), str):
        return Text(block["text"], mark)
    if kind == "search_result":
        return Text(_lines(block.get("title"), source, _text_in(block.get("content"))), mark)
    if not isinstance(source, Mapping):
        return None
    data, url = source.get("data"), source.get("url")
    if isinstance(data, str) and source.get("type") == "base64":
        url = f"data:{source.get('media_type')};base64,{data}"
    if kind == "image":
        return Image(url, mark) if isinstance(url, str) else None
    if kind != "document":
        return None
    title = block.get("title")
    if isinstance(data, str) and source.get("type") == "text":
        return Text(_lines(title, data), mark)
    if source.get("type") == "content":
        return Text(_lines(title, _text_in(source.get("content"))), mark)
    if not isinstance(url, str):
        return None
    file = {"file_data" if url.startswith("data:") else "file_url": url}
    named = file | {"filename": title if isinstance(title, str) and title else "document.pdf"}
    return Native({"type": "file", "file": named})


def _text_of(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if type(part) is Text)


def _text_in(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else ()
    return "".join(str(block.get("text") or "") for block in blocks if isinstance(block, Mapping))


def _lines(*texts: object) -> str:
    return "\n".join(text for text in texts if isinstance(text, str) and text)
