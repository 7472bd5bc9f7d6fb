"""A conversation as Gemini's `contents` and `systemInstruction`.

All results of a turn go into one content, in the order of the calls, and by the ids that the calls have on the wire,
where they have any: Gemini refuses a turn whose answers are not as many as its calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from llm_async.dialects.gemini.parts import Part, encode_parts
from llm_async.dialects.gemini.words import NAME, is_before_3
from llm_async.models.message import Item, Message, Text
from llm_async.models.shapes import translated
from llm_async.models.tool_call import ToolCall, ToolResult

FOREIGN_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""`skip_thought_signature_validator`, base64 as the field wants it: what Google documents for calls that another model
made, which Gemini 3 refuses without a signature."""


def encode_contents(items: Iterable[Item], model: str, lost: list[str]) -> tuple[list[Any], list[Part]]:
    """Return the contents that say a conversation, and the parts of its system instruction.

    Args:
        lost: what had to be left out is added to it, a sentence each.
    """
    read, left = translated(items, NAME)
    lost += left
    encoding = _Contents(model, lost)
    for item in read:
        encoding.add(item)
    encoding.end_results()
    return encoding.contents, encoding.system


def encode_tool_result(result: ToolResult) -> dict[str, Any]:
    """Return the message that carries a tool's result."""
    media: list[Part] = []
    part = _result_part(result, result.name, result.id, media)
    return {"role": "user", "parts": [part, *media]}


def function_in(part: object, field: str, other: str) -> Mapping[str, Any] | None:
    """Return the call or the result that a part holds; the service takes both ways of writing its name."""
    if not isinstance(part, Mapping):
        return None
    value = part.get(field, part.get(other))
    return value if isinstance(value, Mapping) else None


def call_in(part: object) -> Mapping[str, Any] | None:
    """Return the function call that a part holds."""
    return function_in(part, "functionCall", "function_call")


def result_in(part: object) -> Mapping[str, Any] | None:
    """Return the function's result that a part holds."""
    return function_in(part, "functionResponse", "function_response")


class _Asked(Struct):
    """A call of the turn that is being answered."""

    name: str
    id: str
    """As it is on the wire; "" where it has none."""

    known_as: str
    """As the user sees it."""

    answered: bool = False


class _Contents:
    """The contents of a conversation, as far as it has been read."""

    def __init__(self, model: str, lost: list[str]) -> None:
        self.contents: list[Any] = []
        self.system: list[Part] = []
        self._lost = lost
        self._is_old = is_before_3(model)
        self._asked: list[_Asked] = []
        self._results: list[tuple[int | None, Any]] = []  # the position of the call, and the part
        self._shown: list[Part] = []

    def add(self, item: Item) -> None:
        """Take in the next message or result."""
        if isinstance(item, ToolResult):
            self._add_result(item)
        elif item.original is not None:
            self._add_own(item)
        elif item.role in ("system", "developer"):
            self._add_system(encode_parts(item.content, self._lost))
        elif item.role in ("assistant", "model"):
            self._add_turn(item)
        else:
            parts = encode_parts(item.content, self._lost) or [{"text": ""}]
            self._append({"role": "user", "parts": parts})

    def end_results(self) -> None:
        """Add the content with the results that have come, in the order of their calls, if all of them have one."""
        if self._results:
            if not any(position is None for position, _ in self._results):
                self._results.sort(key=lambda placed: placed[0] or 0)
            parts = [part for _, part in self._results] + self._shown
            self.contents.append({"role": "user", "parts": parts})
        self._results, self._shown = [], []

    def _append(self, content: Any) -> None:
        self.end_results()
        self.contents.append(content)

    def _add_system(self, parts: Iterable[Any]) -> None:
        if self.contents or self._results:
            self._lost.append("a system message within the conversation was moved to its beginning")
        self.system += parts

    def _add_turn(self, message: Message) -> None:
        """Add a turn of a model's that is not Gemini's own."""
        parts = encode_parts(message.content or message.refusal, self._lost)
        for number, call in enumerate(message.tool_calls):
            part = self._encode_call(call)
            if number == 0 and not self._is_old:
                part["thoughtSignature"] = FOREIGN_SIGNATURE
            parts.append(part)
        if parts:  # a content without parts is refused
            self._append({"role": "model", "parts": parts})
            self._asked = [_Asked(call.name, call.id, call.id) for call in message.tool_calls]

    def _encode_call(self, call: ToolCall) -> Part:
        if call.arguments is None:
            self._lost.append(f"the arguments of a call of {call.name!r} were left out: {call.arguments_error}")
        named = {"id": call.id, "name": call.name} if call.id else {"name": call.name}
        return {"functionCall": named | {"args": call.arguments or {}}}

    def _add_own(self, message: Message) -> None:
        """Add a content in Gemini's own shape, as it is."""
        content = message.original
        parts = content.get("parts") if isinstance(content, Mapping) else None
        if not isinstance(parts, (list, tuple)):
            self._append(content)
            return
        if content.get("role") == "system":
            self._add_system(parts)
            return
        if not parts:  # a reply that was blocked or cut off before it began
            return
        if content.get("role") == "user" and all(result_in(part) is not None for part in parts):
            for part in parts:
                self._add_own_result(part)
            return
        self._append(content)
        if content.get("role") == "model":
            calls = [call for part in parts if (call := call_in(part)) is not None]
            seen = [call.id for call in message.tool_calls] if len(message.tool_calls) == len(calls) else []
            self._asked = []
            for number, call in enumerate(calls):
                id = str(call.get("id") or "")
                self._asked.append(_Asked(str(call.get("name") or ""), id, seen[number] if seen else id))

    def _add_own_result(self, part: Mapping[str, Any]) -> None:
        result = result_in(part) or {}
        id = str(result.get("id") or "")
        position = self._answer(id, str(result.get("name") or ""))
        if position is not None and id != self._asked[position].id:
            # Our own, made before it was known that the call has no id on the wire.
            wire = {"id": self._asked[position].id} if self._asked[position].id else {}
            kept = {name: value for name, value in result.items() if name != "id"}
            field = "functionResponse" if "functionResponse" in part else "function_response"
            part = {**part, field: wire | kept}
        self._results.append((position, part))

    def _add_result(self, result: ToolResult) -> None:
        position = self._answer(result.id, result.name)
        asked = None if position is None else self._asked[position]
        name = result.name or (asked.name if asked else "")
        id = asked.id if asked else result.id
        media: list[Part] = []
        part = _result_part(result, name, id, media, is_old=self._is_old, lost=self._lost)
        self._results.append((position, part))
        self._shown += media

    def _answer(self, id: str, name: str) -> int | None:
        """Return which call a result answers: that of its id, else the next of its name, else the next of all."""
        waiting = [(position, asked) for position, asked in enumerate(self._asked) if not asked.answered]
        by_id = [place for place, asked in waiting if id and id in (asked.id, asked.known_as)]
        by_name = [place for place, asked in waiting if name and name == asked.name and not (id and asked.id)]
        by_place = [place for place, asked in waiting if not name and not asked.id]
        position = next(iter(by_id or by_name or by_place), None)
        if position is not None:
            self._asked[position].answered = True
        return position


def _result_part(
    result: ToolResult, name: str, id: str, media: list[Part], *, is_old: bool = False, lost: list[str] | None = None
) -> Part:
    """Return the part with a tool's result; what it shows beside text goes to `media` where the part cannot hold it."""
    response: dict[str, Any] = {"id": id} if id else {}
    response |= {"name": name or id, "response": {"error" if result.is_error else "result": result.text}}
    lost = [] if lost is None else lost
    others = [part for part in result.parts if not isinstance(part, Text) and not _is_text(part)]
    for shown in encode_parts(others, lost):
        # Gemini before 3 takes pictures beside a result, and nobody takes an address within one.
        if is_old or "inlineData" not in shown:
            media.append(shown)
        else:
            response.setdefault("parts", []).append(shown)
    return {"functionResponse": response}


def _is_text(part: object) -> bool:
    return isinstance(part, str) or (isinstance(part, Mapping) and part.get("type") == "text")
