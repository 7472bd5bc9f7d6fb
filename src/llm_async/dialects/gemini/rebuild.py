"""A streamed Gemini reply, put together as the whole answer would have been; and the message that goes back.

Plain text is joined. A part that is signed, or anything but text, stays as it came and where it came: signatures
belong to their part, and an empty text may carry one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_async.dialects.gemini.replies import first_candidate
from llm_async.models.event import ModelEvent, Opaque, ReasoningDelta, TextDelta
from llm_async.models.response import Reply
from llm_async.models.tool_call import ToolCall


def message_in(body: Any, calls: Sequence[ToolCall] = ()) -> Any:
    """Return the model's message out of a whole answer, decoded: what is sent back of it, its parts as they are."""
    candidate = first_candidate(body) if isinstance(body, dict) else None
    content = candidate.get("content") if candidate is not None else None
    content = content if isinstance(content, dict) else {}
    parts = content.get("parts")
    return content | {"role": content.get("role") or "model", "parts": parts if isinstance(parts, list) else []}


def rebuild_body(reply: Reply, events: Sequence[ModelEvent] = ()) -> dict[str, Any]:
    """Return the reply as the whole answer would have been, had it not been streamed."""
    candidate: dict[str, Any] = {"content": {"parts": _Parts(reply, events).parts, "role": "model"}}
    body: dict[str, Any] = {"candidates": [candidate]}
    for event in events:
        if isinstance(event, Opaque) and event.field == "answer":
            body |= event.value
        elif isinstance(event, Opaque) and event.field == "candidate":
            _add(event.value, candidate)
    feedback = body.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        del body["candidates"]
    named = {"usageMetadata": reply.usage_original, "modelVersion": reply.model, "responseId": reply.id}
    return body | {name: value for name, value in named.items() if value}


def _add(rest: dict[str, Any], candidate: dict[str, Any]) -> None:
    """Add what an event says of a candidate: the last word counts, but citations and probabilities come in pieces."""
    for name, value in rest.items():
        known = candidate.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            joins = name in ("citationMetadata", "logprobsResult")
            candidate[name] = known | {
                inner: [*known[inner], *more] if joins and isinstance(more, list) and inner in known else more
                for inner, more in value.items()
            }
        else:
            candidate[name] = value


class _Parts:
    """The parts of a reply, out of its events."""

    def __init__(self, reply: Reply, events: Sequence[ModelEvent]) -> None:
        self.parts: list[Any] = []
        self._calls = list(reply.tool_calls)
        self._begun = 0
        self._text: list[str] = []
        self._is_thought = False
        is_said = False  # whether the next text is that of a part that is kept already
        for event in events:
            if isinstance(event, (TextDelta, ReasoningDelta)):
                if not is_said:
                    self._add_text(event.text, is_thought=isinstance(event, ReasoningDelta))
                is_said = False
            elif isinstance(event, Opaque) and event.field == "part":
                self._end_text()
                for part in event.value:
                    self._add_part(part)
                    is_said = bool(part.get("text"))
        self._end_text()

    def _add_text(self, text: str, *, is_thought: bool) -> None:
        if is_thought != self._is_thought:
            self._end_text()
            self._is_thought = is_thought
        self._text.append(text)

    def _end_text(self) -> None:
        text, self._text = "".join(self._text), []
        if text:
            self.parts.append({"text": text, "thought": True} if self._is_thought else {"text": text})

    def _add_part(self, part: dict[str, Any]) -> None:
        call = part.get("functionCall")
        if not isinstance(call, dict):
            self.parts.append(part)
            return
        in_pieces = call.get("willContinue") or call.get("partialArgs")
        if call.get("name") or call.get("id"):
            self._begun += 1
            self.parts.append(self._joined(part, call) if in_pieces else part)
        elif (not in_pieces and not call) or in_pieces:  # the end of a call in pieces
            self._sign(part)
        else:
            self.parts.append(part)

    def _joined(self, part: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
        """Return a part whose call came in pieces with the call whole."""
        made = self._calls[self._begun - 1] if self._begun <= len(self._calls) else None
        kept = {name: value for name, value in call.items() if name not in ("willContinue", "partialArgs")}
        return part | {"functionCall": kept | {"args": (made.arguments if made else None) or {}}}

    def _sign(self, part: dict[str, Any]) -> None:
        """Add to the call that is being put together what a later piece of it carries beside arguments."""
        rest = {name: value for name, value in part.items() if name != "functionCall"}
        if rest and self.parts:
            self.parts[-1] = self.parts[-1] | rest
