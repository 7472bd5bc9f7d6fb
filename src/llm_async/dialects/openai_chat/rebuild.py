"""A streamed reply, put together as if it had come whole; and the message in it that is sent back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_async.models.event import ModelEvent, Opaque, TextDelta
from llm_async.models.response import Reply, assemble
from llm_async.models.tool_call import ToolCall

_JOINED = ("text", "summary", "data")
"""The fields of a piece of reasoning that go on where the last one ended; of the others the last value counts."""


def message_in(body: Any, calls: Sequence[ToolCall] = ()) -> Any:
    """Return the model's message out of a whole answer, decoded: what is sent back of it.

    What some servers leave out, and refuse the message without when it comes back, is put in.

    Args:
        calls: the calls in it as users see them, by whose ids the results will name them.
    """
    choices = body.get("choices") if isinstance(body, dict) else None
    message = choices[0].get("message") if choices else None
    if not isinstance(message, dict):
        return None
    message = message | {"role": message.get("role") or "assistant"}
    sent = message.get("tool_calls")
    if isinstance(sent, list) and len(sent) == len(calls):
        message["tool_calls"] = [_complete_call(*pair) for pair in zip(sent, calls, strict=True)]
    return message


def _complete_call(sent: Any, call: ToolCall) -> Any:
    function = sent.get("function")
    has_arguments = isinstance(function, dict) and isinstance(function.get("arguments"), str)
    if sent.get("id") and sent.get("type") and has_arguments:
        return sent
    return sent | {"id": call.id, "type": sent.get("type") or "function", "function": call.function}


def rebuild_body(
    reply: Reply, events: Sequence[ModelEvent] = (), *, reasoning: str = "reasoning_content"
) -> dict[str, Any]:
    """Return the reply as the whole answer would have been, had it not been streamed.

    Args:
        events: all that it was made of, in their order.
        reasoning: the field of a message that holds its reasoning.
    """
    choice = {"index": 0, "message": _rebuild_message(reply, events, reasoning), "finish_reason": reply.word or None}
    body = {"id": reply.id, "object": "chat.completion", "model": reply.model, "choices": [choice]}
    return body if reply.usage_original is None else body | {"usage": reply.usage_original}


def _rebuild_message(reply: Reply, events: Sequence[ModelEvent], reasoning: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    parts = _rebuild_parts(events)
    if reply.reasoning and not any("thinking" in part for part in parts):
        message[reasoning] = reply.reasoning
    if reply.refusal:
        message["refusal"] = reply.refusal
    if reply.tool_calls:
        calls = [{"id": call.id, "type": "function", "function": call.function} for call in reply.tool_calls]
        message["tool_calls"] = [call | more for call, more in zip(calls, _added_to_calls(events, calls), strict=True)]
    message |= {field: value for field, value in reply.opaque.items() if field not in ("content", "tool_calls")}
    if "reasoning_details" in message:
        message["reasoning_details"] = _joined_details(message["reasoning_details"])
    if parts:
        message["content"] = parts
    return message


def _rebuild_parts(events: Sequence[ModelEvent]) -> list[dict[str, Any]]:
    """Return the content as a list, if it came as one in pieces (Mistral); otherwise nothing."""
    if not any(type(event) is Opaque and event.field == "content" for event in events):
        return []
    parts: list[dict[str, Any]] = []
    for event in events:
        if type(event) is TextDelta:
            _join_part(parts, {"type": "text", "text": event.text})
        elif type(event) is Opaque and event.field == "content":
            for part in event.value:
                _join_part(parts, part)
    return parts


def _join_part(parts: list[Any], part: Any) -> None:
    """Add a part to those before it; what goes on with the last one becomes one with it."""
    last = parts[-1] if parts else None
    if not isinstance(part, dict) or not isinstance(last, dict) or part.get("type") != last.get("type"):
        parts.append(part)
    elif isinstance(part.get("text"), str) and isinstance(last.get("text"), str):
        parts[-1] = last | part | {"text": last["text"] + part["text"]}
    elif isinstance(part.get("thinking"), list) and isinstance(last.get("thinking"), list):
        thinking: list[Any] = list(last["thinking"])
        for step in part["thinking"]:
            _join_part(thinking, step)
        parts[-1] = last | part | {"thinking": thinking}
    elif isinstance(part.get("thinking"), str) and isinstance(last.get("thinking"), str):
        parts[-1] = last | part | {"thinking": last["thinking"] + part["thinking"]}
    else:
        parts.append(part)


def _added_to_calls(events: Sequence[ModelEvent], calls: Sequence[object]) -> list[dict[str, Any]]:
    """Return what came with each call beside the call itself (Gemini's signatures)."""
    added: list[dict[str, Any]] = [{} for _ in calls]
    for position, event in enumerate(events):
        if type(event) is Opaque and event.field == "tool_calls":
            begun = len(assemble(events[:position]).tool_calls)  # it comes right behind its call
            if 0 < begun <= len(added):
                added[begun - 1].update(event.value[0])
    return added


def _joined_details(details: list[Any]) -> list[Any]:
    """Return OpenRouter's reasoning details, whose pieces a stream numbers, as they are sent back: joined.

    >>> _joined_details([{"type": "reasoning.text", "index": 0, "text": "a"},
    ...                  {"type": "reasoning.text", "index": 0, "text": "b", "signature": "s"}])
    [{'type': 'reasoning.text', 'index': 0, 'text': 'ab', 'signature': 's'}]
    """
    joined: list[Any] = []
    for detail in details:
        known = next((other for other in reversed(joined) if _go_together(other, detail)), None)
        if known is None:
            joined.append(dict(detail) if isinstance(detail, dict) else detail)
            continue
        for name, value in detail.items():
            if name in _JOINED and isinstance(value, str) and isinstance(known.get(name), str):
                known[name] += value
            elif value is not None and (value != "" or name not in known):
                known[name] = value
    return joined


def _go_together(known: Any, detail: Any) -> bool:
    if not isinstance(known, dict) or not isinstance(detail, dict) or known.get("type") != detail.get("type"):
        return False
    ids = {id for id in (known.get("id"), detail.get("id")) if id}
    if len(ids) > 1:
        return False
    # Without a number only text goes on; what is encrypted comes whole.
    return known.get("index") == detail.get("index") and (detail.get("index") is not None or "text" in detail)
