"""What a model says: whole answers, the events of a stream, and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from llm_async.dialects.failures import error_in_text, error_inside_answer, status_error
from llm_async.errors import StatusError, WireFormatError
from llm_async.models.event import (
    EndMark,
    Failed,
    Finished,
    FinishReason,
    ModelEvent,
    Opaque,
    ReasoningDelta,
    Refusal,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from llm_async.sse import ServerSentEvent

NAME = "anthropic"

Json = dict[str, Any]


class _Delta(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None


class _Event(Struct, gc=False):
    type: str | None = None
    index: int | None = None
    delta: _Delta | None = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_any = msgspec.json.Decoder().decode
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_stream_event(event: ServerSentEvent) -> list[ModelEvent]:
    """Return what one event of a streamed answer says, maybe nothing.

    Raises:
        WireFormatError: it is none.
    """
    data = event.data
    try:
        said = _decode_event(data)
    except _UNREADABLE as error:
        if event.event == "error":
            return [Failed(error_in_text(data))]
        raise _unreadable(data, error) from error
    kind, delta = said.type, said.delta
    if kind == "content_block_delta" and delta is not None:
        if delta.type == "text_delta":
            return [TextDelta(delta.text)] if delta.text else []
        if delta.type == "input_json_delta":
            # Of a tool that the server runs as well: the fold knows by the key that no call has begun.
            return [ToolCallDelta(key=said.index, arguments=delta.partial_json)] if delta.partial_json else []
        if delta.type == "thinking_delta":
            return [ReasoningDelta(delta.thinking)] if delta.thinking else []
        if delta.type == "signature_delta":
            return [ReasoningDelta("", delta.signature)] if delta.signature else []
    if kind == "content_block_stop" or kind == "ping":
        return []
    if kind == "message_stop":
        return [EndMark()]
    return _decode_rare(event)


def decode_response(body: bytes) -> list[ModelEvent]:
    """Return what a whole answer says: the events that its stream would have had.

    Raises:
        WireFormatError: it is none.
    """
    message = _decode_object(body)
    if message.get("error"):
        return [Failed(error_inside_answer(message, body))]
    if not isinstance(message.get("content"), list):
        raise WireFormatError(NAME, "$.content", body)
    return _say_message(message)


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
    """Return the error that an answer of status 400 or above reports."""
    return status_error(status, headers, body)


def _decode_rare(event: ServerSentEvent) -> list[ModelEvent]:
    said = _decode_object(event.data)
    kind = said.get("type")
    if kind == "error" or event.event == "error" or said.get("error"):
        return [Failed(error_inside_answer(said, event.data))]
    if kind == "message_start":
        return _say_message(_object_in(said, "message"))
    if kind == "content_block_start":
        events: list[ModelEvent] = []
        _say_block(_object_in(said, "content_block"), said.get("index"), events)
        return events
    if kind == "content_block_delta":
        delta = _object_in(said, "delta")
        citation = delta.get("citation")
        return [Opaque("citations", [citation])] if citation is not None else [Opaque("delta", delta)]
    if kind == "message_delta":
        return _say_end(said)
    return []  # more kinds may come at any time


def _say_message(message: Json) -> list[ModelEvent]:
    """Return what a whole message says, or the empty one that a stream begins with."""
    id, model, content = message.get("id"), message.get("model"), message.get("content")
    events: list[ModelEvent] = [Started(id if isinstance(id, str) else "", model if isinstance(model, str) else "")]
    for index, block in enumerate(content if isinstance(content, list) else ()):
        if isinstance(block, dict):
            _say_block(block, index, events)
    _say_stop(message, events)
    about = {name: value for name, value in message.items() if name not in _SAID_OTHERWISE and value is not None}
    if about:
        events.append(Opaque("message", about))
    _say_usage(message.get("usage"), events)
    return events


_SAID_OTHERWISE = frozenset({"id", "type", "role", "model", "content", "usage"})


def _say_end(said: Json) -> list[ModelEvent]:
    """Return what a stream says of the whole message at its end."""
    events: list[ModelEvent] = []
    delta = _object_in(said, "delta")
    _say_stop(delta, events)
    about = {name: value for name, value in (said | delta).items() if name not in ("type", "delta", "usage")}
    events.append(Opaque("message", about))
    _say_usage(said.get("usage"), events, corrects=True)
    return events


def _say_stop(said: Json, events: list[ModelEvent]) -> None:
    word, details = said.get("stop_reason"), said.get("stop_details")
    explanation = details.get("explanation") if isinstance(details, dict) else None
    if isinstance(explanation, str) and explanation:
        events.append(Refusal(explanation))
    if isinstance(word, str) and word:
        events.append(Finished(_REASONS.get(word, "other"), word))


_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}


def _say_block(block: Json, index: Any, events: list[ModelEvent]) -> None:
    """Append what a whole block says, or the beginning of one that is streamed.

    The block itself comes first, as an item of the message's `content`; what follows it up to the next one is in it.
    """
    kind = block.get("type")
    events.append(Opaque("content", [block]))
    if kind == "text":
        if isinstance(text := block.get("text"), str) and text:
            events.append(TextDelta(text))
    elif kind == "thinking":
        thinking, signature = block.get("thinking"), block.get("signature")
        if thinking or signature:
            events.append(ReasoningDelta(thinking or "", signature or ""))
    elif kind == "tool_use":
        input = block.get("input")
        # In a stream it is empty here, and comes in pieces; or it is whole, and no pieces come.
        arguments = msgspec.json.encode(input).decode() if input else ""
        id, name = str(block.get("id") or ""), str(block.get("name") or "")
        events.append(ToolCallDelta(key=index, id=id, name=name, arguments=arguments))


def _say_usage(usage: Any, events: list[ModelEvent], *, corrects: bool = False) -> None:
    if isinstance(usage, dict):
        events.append(UsageReport(_read_usage(usage), usage, corrects))


def _read_usage(usage: Json) -> Usage:
    cached, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    rest = _count(usage, "input_tokens")
    return Usage(
        input_tokens=None if rest is None else rest + (cached or 0) + (written or 0),
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=_count(usage, "output_tokens"),
        reasoning_tokens=_count(usage.get("output_tokens_details"), "thinking_tokens"),
    )


def _count(counts: Any, name: str) -> int | None:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _object_in(said: Json, name: str) -> Json:
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def _decode_object(data: bytes) -> Json:
    try:
        value = _decode_any(data)
    except _UNREADABLE as error:
        raise _unreadable(data, error) from error
    if not isinstance(value, dict):
        raise WireFormatError(NAME, "$", data)
    return value


def _unreadable(data: bytes, error: Exception) -> WireFormatError:
    # msgspec ends its sentence with the path: "Expected `str`, got `int` - at `$.delta.text`".
    path = str(error).partition(" - at `")[2].rstrip("`")
    return WireFormatError(NAME, path or "$", data)
