"""A model's wish to call a function, and what the function gave back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct


class ToolCall(Struct, frozen=True):
    """One call the model asks for."""

    id: str
    """What the result must name; made up where the server sends none, stable within the response."""

    name: str

    arguments: dict[str, Any] | None
    """The arguments; None where what the model wrote is not a JSON object."""

    arguments_text: str = ""
    """The arguments as the model wrote them."""

    arguments_error: str | None = None
    """Why `arguments` is None."""

    @classmethod
    def parse(cls, id: str, name: str, text: str) -> ToolCall:
        """Return the call whose arguments the model wrote as `text`; empty text means no arguments."""
        arguments, problem = parse_arguments(text)
        return cls(id, name, arguments, text, problem)

    @property
    def type(self) -> str:
        """Always `function`, as in OpenAI's format."""
        return "function"

    @property
    def function(self) -> dict[str, str]:
        """The call as OpenAI Chat shows it: `{"name": …, "arguments": JSON text}`."""
        # A call that was made by hand has no text of a model's.
        text = (
            self.arguments_text if self.arguments_text.strip() else msgspec.json.encode(self.arguments or {}).decode()
        )
        return {"name": self.name, "arguments": text}

    @property
    def input(self) -> dict[str, Any] | None:
        """The arguments under Anthropic's name."""
        return self.arguments


class ToolResult(Struct, frozen=True):
    """What a call gave back, as the model reads it."""

    id: str
    """The call's."""

    text: str

    name: str = ""
    """The function's; some providers want it beside the id."""

    is_error: bool = False

    parts: Sequence[Any] = ()
    """The same with pictures and the like, for models that take them: parts as in a user's message."""


def parse_arguments(text: str) -> tuple[dict[str, Any] | None, str | None]:
    """Return the arguments a model wrote as JSON text, or why they are none.

    >>> parse_arguments('{"city": "Paris"}')
    ({'city': 'Paris'}, None)
    >>> parse_arguments("")
    ({}, None)
    >>> parse_arguments("[1]")
    (None, 'the arguments are a JSON array, not an object')
    """
    if not text.strip():
        return {}, None
    try:
        value = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return None, f"the arguments are not JSON: {error}"
    if isinstance(value, dict):
        return value, None
    kind = {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")
    return None, f"the arguments are a JSON {kind}, not an object"
