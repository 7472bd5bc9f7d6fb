"""A streamed reply put together as the message that the whole answer would have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_async.models.event import ModelEvent, Opaque, ReasoningDelta, TextDelta, ToolCallDelta
from llm_async.models.response import Reply
from llm_async.models.tool_call import ToolCall, parse_arguments

Json = dict[str, Any]


def message_in(body: Any, calls: Sequence[ToolCall] = ()) -> Any:
    """Return the model's message out of a whole answer, decoded: what is sent back of it.

    Args:
        calls: the calls in it as users see them, by whose ids the results will name them.
    """
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(content, list):
        return None
    return {"role": "assistant", "content": _with_ids(content, calls)}


def _with_ids(content: list[Any], calls: Sequence[ToolCall]) -> list[Any]:
    """Return blocks whose calls have the ids that users see: imitations may send none."""
    uses = [position for position, block in enumerate(content) if isinstance(block, dict) and _is_call(block)]
    if len(uses) != len(calls) or all(content[position].get("id") for position in uses):
        return content
    content = list(content)
    for position, call in zip(uses, calls, strict=True):
        content[position] = content[position] | {"id": call.id}
    return content


def _is_call(block: Json) -> bool:
    return block.get("type") == "tool_use"


def rebuild_body(reply: Reply, events: Sequence[ModelEvent] = ()) -> Json:
    """Return the reply as the whole answer would have been, had it not been streamed."""
    about: Json = {}
    content = _Blocks()
    for event in events:
        content.add(event)
        if type(event) is Opaque and event.field == "message":
            about |= event.value
    body = {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content.finish(),
        "stop_reason": reply.word or None,
        "stop_sequence": None,
        **about,
    }
    return body if reply.usage_original is None else body | {"usage": reply.usage_original}


class _Blocks:
    """The content of a message, block by block: each begins with itself, and what follows is in it."""

    def __init__(self) -> None:
        self._done: list[Json] = []
        self._block: Json = {}
        self._pieces: dict[str, list[str]] = {}

    def add(self, event: ModelEvent) -> None:
        """Take in the next event of the reply."""
        kind = type(event)
        if kind is TextDelta:
            self._append("text", "text", event.text)  # type: ignore[union-attr] # mypy does not narrow by `type(x) is`
        elif kind is ReasoningDelta:
            self._append("thinking", "thinking", event.text)  # type: ignore[union-attr] # as above
            self._append("thinking", "signature", event.signature)  # type: ignore[union-attr] # as above
        elif kind is ToolCallDelta:
            if not event.id and not event.name:  # type: ignore[union-attr] # as above
                self._append("tool_use", "input", event.arguments)  # type: ignore[union-attr] # as above
        elif kind is Opaque:
            self._add_opaque(event.field, event.value)  # type: ignore[union-attr] # as above

    def finish(self) -> list[Json]:
        """Return the content."""
        self._begin({})
        return self._done

    def _add_opaque(self, field: str, value: Any) -> None:
        if field == "content":
            for block in value:
                self._begin(block)
        elif field == "citations":
            self._block["citations"] = [*(self._block.get("citations") or ()), *value]
        elif field == "delta":
            for name, piece in value.items():
                if name != "type":
                    known = self._block.get(name)
                    is_more = isinstance(known, str) and isinstance(piece, str)
                    self._block[name] = f"{known}{piece}" if is_more else piece

    def _begin(self, block: Json) -> None:
        """End the block before, and begin one."""
        if self._block:
            self._done.append(self._block | {name: _joined(name, texts) for name, texts in self._pieces.items()})
        self._block, self._pieces = dict(block), {}
        # The text it begins with follows as an event of its own.
        for name in _FOLLOWING.get(block.get("type", ""), ()):
            if name in block:
                self._pieces[name] = []

    def _append(self, kind: str, name: str, text: str) -> None:
        if not text:
            return
        if not self._block:  # its beginning was lost
            self._begin({"type": kind})
        self._pieces.setdefault(name, []).append(text)


_FOLLOWING = {"text": ("text",), "thinking": ("thinking", "signature")}


def _joined(name: str, texts: list[str]) -> Any:
    text = "".join(texts)
    if name != "input":
        return text
    arguments, _ = parse_arguments(text)
    # Cut off, by a limit or a connection. Input must be an object when it is sent back, and this is the documented one.
    return {"INVALID_JSON": text} if arguments is None else arguments
