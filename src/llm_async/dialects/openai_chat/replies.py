"""What OpenAI Chat's answers say, whole or streamed, as recorded from 24 servers up to 2026-11.

Imitations leave out indices, ids and types, send null, empty text or placeholders where nothing is meant, put
reasoning into one of five places, and report errors inside a 200 and in the middle of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from llm_async.dialects.failures import error_in_text, error_inside_answer, status_error
from llm_async.dialects.openai_chat.requests import NAME
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


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None  # Ollama's own shape, an object, comes through gateways


class _ToolCall(Struct, gc=False):
    index: int | None = None  # left out by some imitations, which then send whole calls
    id: str | None = None
    function: _Function | None = None
    extra_content: Any = None  # Gemini's thought signature


class _Said(Struct, gc=False):
    """A delta of a stream, or the message of a whole answer."""

    role: str | None = None
    content: str | list[Any] | None = None
    reasoning_content: str | None = None  # DeepSeek, xAI, Alibaba, Z.ai, llama.cpp
    reasoning: str | None = None  # OpenRouter, Groq, Ollama, vLLM
    reasoning_text: str | None = None
    reasoning_details: list[Any] | None = None  # OpenRouter
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None  # the time before tool_calls
    annotations: list[Any] | None = None
    images: list[Any] | None = None
    audio: Any = None
    extra_content: Any = None  # Gemini's thought signature


class _Choice(Struct, gc=False):
    index: int | None = None
    delta: _Said | None = None
    message: msgspec.Raw = msgspec.Raw()  # beside the delta all text so far (Perplexity), so that it is rarely read
    finish_reason: str | None = None
    error: Any = None  # OpenRouter


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None


class _WholeChoice(Struct):
    index: int | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    error: Any = None


class _Completion(Struct):
    id: Any = None
    model: Any = None
    choices: list[_WholeChoice] | None = None
    usage: Any = None
    error: Any = None


class _Head(Struct):
    """What a chunk says beside its deltas; read again from the few chunks where it matters."""

    id: Any = None
    model: Any = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_said = msgspec.json.Decoder(_Said | None).decode
_decode_completion = msgspec.json.Decoder(_Completion).decode
_decode_any = msgspec.json.Decoder().decode
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_stream_event(event: ServerSentEvent) -> list[ModelEvent]:
    """Return what one event of a streamed answer says, maybe nothing.

    Raises:
        WireFormatError: it is none.
    """
    data = event.data
    try:
        chunk = _decode_chunk(data)
    except _UNREADABLE as error:
        return _decode_unreadable(event, error)
    events: list[ModelEvent] = []
    choices = chunk.choices
    if choices:
        choice = choices[0]
        if choice.index:  # n > 1: the others are in `.original`
            choice = next((other for other in choices if not other.index), _Choice())
        said = choice.delta
        if said is not None:
            if said.role is not None:
                _say_head(data, events)
            _say(said, events)
        elif bytes(choice.message):
            _say_message(choice.message, data, events)
        if choice.finish_reason is not None:
            _say_head(data, events)
            if choice.finish_reason:  # Snowflake sends "" in every chunk
                events.append(Finished(_finish_reason(choice.finish_reason), choice.finish_reason))
        if choice.error:
            events.append(Failed(error_inside_answer({"error": choice.error}, data)))
    if chunk.usage:
        _say_usage(chunk.usage, events)
    if chunk.x_groq is not None and isinstance(chunk.x_groq, dict) and chunk.x_groq.get("usage"):
        _say_usage(chunk.x_groq["usage"], events)
    if chunk.error or event.event == "error":
        events.append(Failed(error_inside_answer(_decode_object(data), data)))
    return events


def decode_response(body: bytes) -> list[ModelEvent]:
    """Return what a whole answer says: the events that its stream would have had.

    Raises:
        WireFormatError: it is none.
    """
    try:
        completion = _decode_completion(body)
    except _UNREADABLE as error:
        raise _unreadable(body, error) from error
    choice = (completion.choices or [_WholeChoice()])[0]
    events: list[ModelEvent] = [_started(completion)]
    if choice.message is not None:
        _say(choice.message, events, whole=True)
    if choice.finish_reason:
        events.append(Finished(_finish_reason(choice.finish_reason), choice.finish_reason))
    if completion.usage:
        _say_usage(completion.usage, events)
    if completion.error:
        events.append(Failed(error_inside_answer(_decode_object(body), body)))
    elif choice.error:
        events.append(Failed(error_inside_answer({"error": choice.error}, body)))
    elif choice.message is None and not choice.finish_reason:  # Azure leaves a filtered message out
        envelope = _decode_object(body)
        if "detail" in envelope or envelope.get("object") == "error":
            return [Failed(error_inside_answer(envelope, body))]
        raise WireFormatError(NAME, "$.choices[0].message", body)
    return events


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
    """Return the error that an answer of status 400 or above reports."""
    return status_error(status, headers, body)


def _say(said: _Said, events: list[ModelEvent], *, whole: bool = False) -> None:
    """Append what a delta or a message says."""
    # Servers that send two of these fields send the same text in both.
    reasoning = said.reasoning_content or said.reasoning or said.reasoning_text
    if reasoning:
        events.append(ReasoningDelta(reasoning))
    if said.reasoning_details:
        if not reasoning:
            _say_details(said.reasoning_details, events)
        events.append(Opaque("reasoning_details", said.reasoning_details))
    content = said.content
    if content:
        if type(content) is str:
            events.append(TextDelta(content))
        else:
            _say_parts(content, events)  # type: ignore[arg-type] # mypy does not narrow by `type(x) is`
    if said.refusal:
        events.append(Refusal(said.refusal))
    if said.tool_calls:
        for call in said.tool_calls:
            _say_call(call, events, whole=whole)
    if said.function_call is not None and (said.function_call.name or said.function_call.arguments):
        _say_call(_ToolCall(index=None if whole else 0, function=said.function_call), events, whole=whole)
    if said.annotations:
        events.append(Opaque("annotations", said.annotations))
    if said.images:
        events.append(Opaque("images", said.images))
    if said.audio and (not isinstance(said.audio, dict) or said.audio.get("data") or said.audio.get("id")):
        events.append(Opaque("audio", said.audio))
    if said.extra_content:
        events.append(Opaque("extra_content", said.extra_content))


def _say_message(message: msgspec.Raw, data: bytes, events: list[ModelEvent]) -> None:
    """Append what an event says that has a whole message in place of a delta."""
    try:
        said = _decode_said(message)
    except _UNREADABLE as error:
        raise _unreadable(data, error) from error
    if said is not None:
        _say_head(data, events)
        _say(said, events, whole=True)


def _say_call(call: _ToolCall, events: list[ModelEvent], *, whole: bool) -> None:
    function = call.function or _Function()
    arguments = function.arguments or ""
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    if not (call.id or function.name or arguments):
        return
    key = None if whole else call.index
    events.append(ToolCallDelta(key=key, id=call.id or "", name=function.name or "", arguments=arguments))
    if call.extra_content:
        events.append(Opaque("tool_calls", [{"extra_content": call.extra_content}]))


def _say_parts(content: list[Any], events: list[ModelEvent]) -> None:
    """Append what a content list says: Mistral puts its reasoning there. What is no text is kept as well."""
    for part in content:
        if isinstance(part, str):
            events.append(TextDelta(part))
            continue
        if not isinstance(part, dict):
            continue
        if isinstance(text := part.get("text"), str):
            if part.get("type") != "reasoning":
                events.append(TextDelta(text))
                continue
            events.append(ReasoningDelta(text))
        elif isinstance(thinking := part.get("thinking"), list):
            texts = [inner.get("text") for inner in thinking if isinstance(inner, dict)]
            events.append(ReasoningDelta("".join(text for text in texts if isinstance(text, str))))
        elif isinstance(thinking, str):
            events.append(ReasoningDelta(thinking))
        events.append(Opaque("content", [part]))


def _say_details(details: list[Any], events: list[ModelEvent]) -> None:
    for detail in details:
        text = (detail.get("text") or detail.get("summary")) if isinstance(detail, dict) else None
        if isinstance(text, str):
            events.append(ReasoningDelta(text))


def _say_head(data: bytes, events: list[ModelEvent]) -> None:
    events.append(_started(_decode_head(data)))


def _started(head: _Head | _Completion) -> Started:
    id, model = head.id, head.model  # of any type, for nothing hangs on them
    return Started("" if id is None else str(id), model if isinstance(model, str) else "")


def _say_usage(usage: Any, events: list[ModelEvent]) -> None:
    if isinstance(usage, dict):
        events.append(UsageReport(_read_usage(usage), usage))


def _read_usage(usage: dict[str, Any]) -> Usage:
    prompt, completion, total = (_count(usage, f"{name}_tokens") for name in ("prompt", "completion", "total"))
    prompt_details = usage.get("prompt_tokens_details") or {}
    completion_details = usage.get("completion_tokens_details") or {}
    reasoning = _count(completion_details, "reasoning_tokens")
    if reasoning is None:
        reasoning = _count(usage, "reasoning_tokens")
    # xAI leaves reasoning out of completion_tokens, and counts it in the total.
    if reasoning and completion is not None and total == (prompt or 0) + completion + reasoning:
        completion += reasoning
    cached = _count(prompt_details, "cached_tokens")
    for name in ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens"):  # DeepSeek; Together; Mistral
        cached = _count(usage, name) if cached is None else cached
    return Usage(
        input_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=_count(prompt_details, "cache_write_tokens"),
        output_tokens=completion,
        reasoning_tokens=reasoning,
    )


def _count(counts: Any, name: str) -> int | None:
    value = counts.get(name) if isinstance(counts, dict) else None
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}


def _finish_reason(word: str) -> FinishReason:
    return _REASONS.get(word, "other")


def _decode_unreadable(event: ServerSentEvent, error: Exception) -> list[ModelEvent]:
    """Return what an event that is no chunk says: the end mark, or an error in a shape of its own."""
    data = event.data
    if data.strip() == b"[DONE]":
        return [EndMark()]
    if event.event == "error":
        return [Failed(error_in_text(data))]
    try:
        value = _decode_any(data)
    except _UNREADABLE:
        raise _unreadable(data, error) from error
    if isinstance(value, dict) and value.get("error"):
        return [Failed(error_inside_answer(value, data))]
    raise _unreadable(data, error) from error


def _decode_object(data: bytes) -> dict[str, Any]:
    """Return what a typed decode has found to be an object; of it, that skipped what is no JSON in strange fields."""
    try:
        value: dict[str, Any] = _decode_any(data)
    except _UNREADABLE as error:
        raise _unreadable(data, error) from error
    return value


def _unreadable(data: bytes, error: Exception) -> WireFormatError:
    # msgspec ends its sentence with the path: "Expected `str`, got `int` - at `$.choices[0].delta`".
    path = str(error).partition(" - at `")[2].rstrip("`")
    return WireFormatError(NAME, path or "$", data)
