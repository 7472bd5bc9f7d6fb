"""What a reply says in OpenAI's Responses, whole or event by event.

Ids of items are no keys: GitHub Copilot gives an item another one with each event. What belongs together has the same
`output_index`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from llm_async.dialects.failures import error_in_text, error_inside_answer, status_error
from llm_async.dialects.openai_responses.requests import NAME
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


class _Event(Struct, gc=False):
    """What is read of every event; the rest is read again from the few events where it matters."""

    type: str | None = None
    delta: str | None = None
    output_index: int | None = None


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
        wire = _decode_event(data)
    except _UNREADABLE as error:
        return _decode_odd_event(event, error)
    kind = wire.type or event.event
    delta = wire.delta
    if delta is not None:
        if kind == "response.output_text.delta":
            return [TextDelta(delta)] if delta else []
        if kind == "response.function_call_arguments.delta":
            return [ToolCallDelta(key=wire.output_index, arguments=delta)] if delta else []
        if kind == "response.reasoning_summary_text.delta" or kind == "response.reasoning_text.delta":
            return [ReasoningDelta(delta)] if delta else []
        if kind == "response.refusal.delta":
            return [Refusal(delta)] if delta else []
        return []  # of a server tool, whose whole item comes when it is done
    decode = _RARE.get(kind)
    if decode is not None:
        return decode(_decode_object(data), data)
    return [] if kind else _decode_odd_event(event, None)


def decode_response(body: bytes) -> list[ModelEvent]:
    """Return what a whole answer says: the events that its stream would have had.

    Raises:
        WireFormatError: it is none.
    """
    response = _decode_object(body)
    items = response.get("output")
    if not isinstance(items, list):
        if response.get("error") or "detail" in response:
            return [Failed(error_inside_answer(response, body))]
        raise WireFormatError(NAME, "$.output", body)
    events: list[ModelEvent] = [_started(response)]
    for index, item in enumerate(items):
        if isinstance(item, dict):
            _say_item(item, index, events)
        events.append(Opaque("output", [item]))
    _say_end(response, body, events)
    return events


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
    """Return the error that an answer of status 400 or above reports."""
    return status_error(status, headers, body)


# --------------------------------------------------------------------------------------------- rare events


def _decode_start(event: dict[str, Any], data: bytes) -> list[ModelEvent]:
    response = event.get("response")
    return [_started(response)] if isinstance(response, dict) else []


def _decode_added_item(event: dict[str, Any], data: bytes) -> list[ModelEvent]:
    item = event.get("item")
    if not isinstance(item, dict) or item.get("type") != "function_call":
        return []
    # Its arguments come in pieces, and whole when it is done.
    return [ToolCallDelta(key=_index(event, "output_index"), id=_call_id(item), name=_text(item.get("name")))]


def _decode_arguments(event: dict[str, Any], data: bytes) -> list[ModelEvent]:
    arguments = event.get("arguments")
    if not isinstance(arguments, str):
        return []
    return [ToolCallDelta(key=_index(event, "output_index"), arguments=arguments, whole=True)]


def _decode_added_part(event: dict[str, Any], data: bytes) -> list[ModelEvent]:
    part = event.get("part")
    if not isinstance(part, dict) or part.get("type") not in ("summary_text", "reasoning_text"):
        return []
    number = _index(event, "summary_index") or _index(event, "content_index")
    return _break_before(_index(event, "output_index"), number)


def _decode_done_item(event: dict[str, Any], data: bytes) -> list[ModelEvent]:
    item = event.get("item")
    events: list[ModelEvent] = []
    if isinstance(item, dict) and item.get("type") == "function_call":
        _say_call(item, _index(event, "output_index"), events)
    events.append(Opaque("output", [item]))
    return events


def _decode_end(event: dict[str, Any], data: bytes) -> list[ModelEvent]:
    response = event.get("response")
    if not isinstance(response, dict):
        raise WireFormatError(NAME, "$.response", data)
    if event.get("type") == "response.failed":
        response = response | {"status": "failed"}
    events: list[ModelEvent] = [_started(response), Opaque("response", event["response"])]
    _say_end(response, data, events)
    if type(events[-1]) is not Failed:
        events.append(EndMark())
    return events


def _decode_failure(event: dict[str, Any], data: bytes) -> list[ModelEvent]:
    # OpenAI's description has the fields in the event; what is recorded has them one level below, under `error`.
    nested = event.get("error")
    error = nested if nested else {name: value for name, value in event.items() if name != "type"}
    return [Failed(error_inside_answer({"error": error}, data))]


_RARE = {
    "response.created": _decode_start,
    "response.queued": _decode_start,
    "response.in_progress": _decode_start,
    "response.output_item.added": _decode_added_item,
    "response.output_item.done": _decode_done_item,
    "response.function_call_arguments.done": _decode_arguments,
    "response.reasoning_summary_part.added": _decode_added_part,
    "response.reasoning_part.added": _decode_added_part,  # OpenRouter, LM Studio
    "response.content_part.added": _decode_added_part,
    "response.completed": _decode_end,
    "response.incomplete": _decode_end,
    "response.failed": _decode_end,
    "response.cancelled": _decode_end,
    "error": _decode_failure,
}


def _decode_odd_event(event: ServerSentEvent, error: Exception | None) -> list[ModelEvent]:
    """Return what an event of no known shape says: an end mark, an error, or something new."""
    data = event.data
    if data.strip() == b"[DONE]":  # OpenRouter, after the response is complete
        return [EndMark()]
    if event.event == "error":
        return [Failed(error_in_text(data))]
    value = _decode_object(data)
    if value.get("type") is None and value.get("error"):
        return [Failed(error_inside_answer(value, data))]
    decode = _RARE.get(value["type"]) if isinstance(value.get("type"), str) else None
    if decode is None or error is None:
        return []  # an event of a kind that is not known yet
    return decode(value, data)


# ----------------------------------------------------------------------------------- what items and ends say


def _say_item(item: dict[str, Any], index: int, events: list[ModelEvent]) -> None:
    """Append what an item of a whole answer says; what is not said here is in the item itself."""
    kind = item.get("type")
    if kind == "message" and item.get("role", "assistant") == "assistant":  # compaction repeats the user's
        content = item.get("content")
        for part in [{"text": content}] if isinstance(content, str) else _dicts(content):
            if part.get("type") == "refusal" and part.get("refusal"):
                events.append(Refusal(str(part["refusal"])))
            elif part.get("type") in ("output_text", None) and part.get("text"):
                events.append(TextDelta(str(part["text"])))
    elif kind == "reasoning":
        for parts in (item.get("summary"), item.get("content")):  # DeepSeek and LM Studio: content, no summary
            for number, part in enumerate(_dicts(parts)):
                if text := _text(part.get("text")):
                    events += _break_before(index, number)
                    events.append(ReasoningDelta(text))
    elif kind == "function_call":
        _say_call(item, index, events)


def _say_call(item: dict[str, Any], index: int | None, events: list[ModelEvent]) -> None:
    arguments = item.get("arguments")
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode() if arguments else ""
    id, name = _call_id(item), _text(item.get("name"))
    events.append(ToolCallDelta(key=index, id=id, name=name, arguments=text, whole=True))


def _break_before(index: int | None, number: int | None) -> list[ModelEvent]:
    """Return the paragraph break that no server sends between parts of reasoning, if this is not the first part.

    It is for the eye. Nothing is remembered here, so an item that is not the reply's first counts as a further one.
    """
    return [ReasoningDelta("\n\n")] if index or number else []


def _say_end(response: dict[str, Any], data: bytes, events: list[ModelEvent]) -> None:
    """Append why the model stopped, and what it took."""
    usage = response.get("usage")
    if isinstance(usage, dict):
        events.append(UsageReport(_read_usage(usage), usage))
    removed = [thing for thing in _dicts(response.get("input_transformations")) if thing.get("action") == "removed"]
    if removed:
        events.append(Opaque("warnings", [_warning(thing) for thing in removed]))
    error, status = response.get("error"), _text(response.get("status"))
    if error or status == "failed":
        events.append(Finished("error", status or "failed"))
        error = error or {"message": "the server says that it failed, and not why"}
        events.append(Failed(error_inside_answer({"error": error}, data)))
        return
    details = response.get("incomplete_details")
    word = _text(details.get("reason")) if isinstance(details, dict) else ""
    word = word or status
    events.append(Finished(_REASONS.get(word, "other"), word))


_REASONS: dict[str, FinishReason] = {
    "completed": "stop",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}


def _warning(thing: dict[str, Any]) -> str:
    kind, reason = thing.get("type", "item"), thing.get("reason", "no reason given")
    return f"the server left out of the conversation: {kind} {thing.get('id', '')} ({reason})"


def _read_usage(usage: dict[str, Any]) -> Usage:
    of_input, of_output = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        cached_tokens=_count(of_input, "cached_tokens"),
        cache_write_tokens=_count(of_input, "cache_write_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        reasoning_tokens=_count(of_output, "reasoning_tokens"),
    )


def _started(response: dict[str, Any]) -> Started:
    return Started(_text(response.get("id")), _text(response.get("model")))


def _count(counts: Any, name: str) -> int | None:
    value = counts.get(name) if isinstance(counts, dict) else None
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _call_id(item: dict[str, Any]) -> str:
    return _text(item.get("call_id")) or _text(item.get("id"))


def _index(event: dict[str, Any], name: str) -> int | None:
    value = event.get(name)
    return value if isinstance(value, int) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _dicts(values: object) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _decode_object(data: bytes) -> dict[str, Any]:
    try:
        value = _decode_any(data)
    except _UNREADABLE as error:
        raise WireFormatError(NAME, "$", data) from error
    if not isinstance(value, dict):
        raise WireFormatError(NAME, "$", data)
    return value
