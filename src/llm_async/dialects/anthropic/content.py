"""The parts of messages as blocks: text, pictures, documents, tool calls and their results."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from llm_async.models.message import Image, Message, Native, Text, as_content
from llm_async.models.tool_call import ToolCall, ToolResult

Block = dict[str, Any]

_NOT_IN_IDS = re.compile("[^a-zA-Z0-9_-]")


def encode_tool_result(result: ToolResult) -> Any:
    """Return the message that carries a tool's result."""
    return {"role": "user", "content": [result_block(result, [])]}


def result_block(result: ToolResult, warnings: list[str]) -> Block:
    """Return the block that carries a tool's result."""
    content: Any = blocks_of(result.parts, warnings) if result.parts else result.text
    block = {"type": "tool_result", "tool_use_id": tool_id(result.id), "content": content}
    return block | {"is_error": True} if result.is_error else block


def call_block(call: ToolCall) -> Block:
    """Return the block of a call the model made."""
    # Input must be an object. What the model wrote instead is kept, in the way that the documentation advises.
    input = {"INVALID_JSON": call.arguments_text} if call.arguments is None else call.arguments
    return {"type": "tool_use", "id": tool_id(call.id), "name": call.name, "input": input}


def tool_id(id: str) -> str:
    """Return a call's id with the characters that are taken; other servers use dots, colons and bars."""
    return _NOT_IN_IDS.sub("_", id)


def content_of(message: Message, warnings: list[str]) -> list[Block]:
    """Return a message's content as blocks; what cannot be said as one is told of in `warnings`."""
    if isinstance(message.content, str):
        return [{"type": "text", "text": message.content}] if message.content else []
    return blocks_of(message.content, warnings)


def blocks_of(parts: Iterable[Any], warnings: list[str]) -> list[Block]:
    """Return parts as blocks; what cannot be said as one is told of in `warnings`."""
    blocks: list[Block] = []
    read = as_content(list(parts), "content")
    for part in () if isinstance(read, str) else read:
        match part:
            case Text(text, cache_control):
                if text:  # empty text is refused
                    blocks.append(_marked({"type": "text", "text": text}, cache_control))
            case Image(url, cache_control):
                block = _picture_block(url, warnings)
                if block is not None:
                    blocks.append(_marked(block, cache_control))
            case Native(value):
                block = _native_block(value, warnings)
                if block is not None:
                    blocks.append(block)
    return blocks


def _marked(block: Block, cache_control: object) -> Block:
    return block if cache_control is None else block | {"cache_control": cache_control}


def _picture_block(url: str, warnings: list[str]) -> Block | None:
    if url[:5].lower() != "data:":
        return {"type": "image", "source": {"type": "url", "url": url}}
    block = _data_block(url, None)
    if block is None:
        warnings.append(f"a picture was left out: Claude takes no {url[5:].partition(',')[0].partition(';')[0]!r}")
    return block


def _native_block(value: Any, warnings: list[str]) -> Block | None:
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind == "input_audio":
        warnings.append("audio was left out: Claude takes none")
        return None
    if kind != "file" or not isinstance(file := value.get("file"), Mapping):
        return value  # type: ignore[no-any-return] # a block of the format itself, or the server says what is wrong with it
    block = _file_block(file)
    if block is None:
        name = file.get("filename")
        warnings.append(f"the file {name!r} was left out: Claude takes PDF, text and pictures")
        return None
    return _marked(block, value.get("cache_control"))


def _file_block(file: Mapping[str, Any]) -> Block | None:
    title = file.get("filename")
    title = title if isinstance(title, str) else None
    source: Block
    if isinstance(file.get("file_id"), str):
        source = {"type": "file", "file_id": file["file_id"]}
        return _document(source, title)
    data = file.get("file_data") or file.get("file_url")
    if not isinstance(data, str) or not data:
        return None
    if data[:5].lower() == "data:":
        return _data_block(data, title)
    if re.match("https?://", data, re.IGNORECASE):
        return _document({"type": "url", "url": data}, title)
    return _document({"type": "base64", "media_type": "application/pdf", "data": data}, title)


def _data_block(url: str, title: str | None) -> Block | None:
    """Return the block with a data URL's content; None if Claude does not take such."""
    head, _, data = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    media_type = media_type.strip().lower()
    is_base64 = "base64" in parameters
    if media_type.startswith("text/") or media_type == "application/json":
        content = _decoded(data) if is_base64 else unquote_to_bytes(data)
        text = content.decode("utf-8", "replace")
        return _document({"type": "text", "media_type": "text/plain", "data": text}, title)
    if not is_base64:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    source = {"type": "base64", "media_type": media_type, "data": data}
    if media_type == "application/pdf":
        return _document(source, title)
    return {"type": "image", "source": source} if media_type.startswith("image/") else None


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except binascii.Error:
        return data.encode()


def _document(source: Block, title: str | None) -> Block:
    document = {"type": "document", "source": source}
    return document if title is None else document | {"title": title}
