"""Gemini's answers: whole, as a stream of events, and as the growing array that is a stream without `alt=sse`.

As recorded from the Gemini API and Vertex AI up to 2026-11. An answer may have no candidates, a candidate no content,
a content no parts; the reason for that stands where it ended. Streams have no end mark: the finish reason is the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from llm_async.dialects.failures import error_inside_answer, status_error
from llm_async.dialects.gemini.words import FINISH_REASONS, NAME, finish_word
from llm_async.errors import AuthenticationError, InvalidRequestError, StatusError, WireFormatError
from llm_async.models.event import (
    EndMark,
    Failed,
    Finished,
    ModelEvent,
    Opaque,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from llm_async.sse import ServerSentEvent


# The hot path: an event that is a piece of text and nothing else. All others do not fit and are read as dicts.
class _TextPart(Struct, gc=False, forbid_unknown_fields=True):
    text: str
    thought: bool = False


class _TextContent(Struct, gc=False, forbid_unknown_fields=True):
    parts: list[_TextPart]
    role: str | None = None


class _TextCandidate(Struct, gc=False, forbid_unknown_fields=True):
    content: _TextContent
    index: int | None = None


class _TextAnswer(Struct, gc=False, forbid_unknown_fields=True):
    candidates: list[_TextCandidate]
    # These are in every event and count in the last one, which is read as a dict.
    usageMetadata: Raw = Raw()
    modelVersion: Raw = Raw()
    createTime: Raw = Raw()
    responseId: Raw = Raw()


_decode_text = msgspec.json.Decoder(_TextAnswer).decode
_decode_any = msgspec.json.Decoder().decode
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_stream_event(event: ServerSentEvent) -> list[ModelEvent]:
    """Return what one event of a streamed answer says, maybe nothing.

    Raises:
        WireFormatError: it is none.
    """
    try:
        candidates = _decode_text(event.data).candidates
    except _UNREADABLE:
        return _decode_rare(event)
    if len(candidates) == 1 and not candidates[0].index:
        parts = candidates[0].content.parts
        if len(parts) == 1 and (text := parts[0].text):
            return [ReasoningDelta(text)] if parts[0].thought else [TextDelta(text)]
    return _decode_rare(event)


def _decode_rare(event: ServerSentEvent) -> list[ModelEvent]:
    if event.data.strip() == b"[DONE]":  # Google never sends one; gateways do
        return [EndMark()]
    answer = _decode(event.data)
    if not isinstance(answer, dict):
        raise WireFormatError(NAME, "$", event.data)
    events: list[ModelEvent] = []
    _say(answer, event.data, events)
    return events


def decode_response(body: bytes) -> list[ModelEvent]:
    """Return what a whole answer says: the events that its stream would have had.

    Raises:
        WireFormatError: it is none.
    """
    value = _decode(body)
    answers = value if isinstance(value, list) else [value]
    events: list[ModelEvent] = []
    for answer in answers:
        if not isinstance(answer, dict):
            raise WireFormatError(NAME, "$", body)
        _say(answer, body, events)
        if events and type(events[-1]) is Failed:
            return events
    if not any(_KNOWN & answer.keys() for answer in answers):
        raise WireFormatError(NAME, "$.candidates", body)
    return events


_KNOWN = frozenset({"candidates", "promptFeedback", "usageMetadata"})
"""What makes an object an answer, any of them: a blocked prompt has no candidates."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
    """Return the error that an answer of status 400 or above reports."""
    try:
        value = _decode_any(body)
    except _UNREADABLE:
        return status_error(status, headers, body)
    if isinstance(value, list) and value:  # what was to be an array is an array of one error
        value = value[0]
        body = msgspec.json.encode(value)
    error = status_error(status, headers, body)
    if type(error) is not InvalidRequestError or not _refuses_key(value):
        return error
    refused = AuthenticationError(*error.args)  # Google says 400 to a wrong key
    refused.__dict__.update(error.__dict__)
    return refused


def _refuses_key(value: Any) -> bool:
    error = value.get("error") if isinstance(value, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    reasons = [each.get("reason") for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    return "API_KEY_INVALID" in reasons


def _decode(data: bytes) -> Any:
    try:
        return _decode_any(data)
    except _UNREADABLE as error:
        raise WireFormatError(NAME, "$", data) from error


def _say(answer: dict[str, Any], data: bytes, events: list[ModelEvent]) -> None:
    """Append what an answer, or an event of its stream, says."""
    id, model = answer.get("responseId"), answer.get("modelVersion")
    if id or model:
        events.append(Started(id if isinstance(id, str) else "", model if isinstance(model, str) else ""))
    rest = {name: value for name, value in answer.items() if name not in _READ}
    if rest:
        events.append(Opaque("answer", rest))
    candidate = first_candidate(answer)
    if candidate is not None:
        _say_candidate(candidate, events)
    else:
        _say_blocked(answer.get("promptFeedback"), events)
    usage = answer.get("usageMetadata")
    if isinstance(usage, dict) and usage:
        events.append(UsageReport(_read_usage(usage), usage))
    if answer.get("error"):
        events.append(Failed(error_inside_answer(answer, data)))


_READ = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "error"})


def first_candidate(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an answer's first candidate; the others of `candidateCount` are in `.original`."""
    candidates = answer.get("candidates")
    if not isinstance(candidates, list):
        return None
    return next((each for each in candidates if isinstance(each, dict) and not each.get("index")), None)


def _say_candidate(candidate: dict[str, Any], events: list[ModelEvent]) -> None:
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict):
            _say_part(part, events)
    rest = {name: value for name, value in candidate.items() if name != "content"}
    if rest.keys() - {"index"}:
        events.append(Opaque("candidate", rest))
    reason = candidate.get("finishReason")
    if reason:
        word = finish_word(reason)
        events.append(Finished(FINISH_REASONS.get(word, "other"), word))


def _say_part(part: dict[str, Any], events: list[ModelEvent]) -> None:
    """Append what a part says. One that is more than text is kept whole as well, right before what it says."""
    text = part.get("text")
    is_plain = isinstance(text, str) and part.keys() <= {"text", "thought"}
    if not is_plain:
        events.append(Opaque("part", [part]))
    if isinstance(text, str) and text:
        events.append(ReasoningDelta(text) if part.get("thought") else TextDelta(text))
    call = part.get("functionCall")
    if isinstance(call, dict):
        _say_call(call, events)


def _say_call(call: dict[str, Any], events: list[ModelEvent]) -> None:
    id, name, arguments, pieces = (call.get(field) for field in ("id", "name", "args", "partialArgs"))
    pieces = tuple(pieces) if isinstance(pieces, list) else ()
    if not (id or name or arguments or pieces):
        return  # the end of a call whose arguments came in pieces
    text = msgspec.json.encode(arguments).decode() if arguments else ""
    events.append(ToolCallDelta(key=None, id=str(id or ""), name=str(name or ""), arguments=text, pieces=pieces))


def _say_blocked(feedback: Any, events: list[ModelEvent]) -> None:
    """Append that the prompt was blocked, if it was: that reply is finished before it began."""
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if reason:
        events.append(Finished("content_filter", str(reason)))


def _read_usage(usage: dict[str, Any]) -> Usage:
    prompt, tool_use, candidates, thoughts, cached = (_count(usage, name) for name in _COUNTS)
    return Usage(
        # What server tools read stands beside the prompt, and what was thought beside the candidates.
        input_tokens=_sum(prompt, tool_use),
        cached_tokens=cached,
        output_tokens=_sum(candidates, thoughts),
        reasoning_tokens=thoughts,
    )


_COUNTS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
)


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _count(usage: dict[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
