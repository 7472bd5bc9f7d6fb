"""What a model is told of a function it may call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Tool(Struct, frozen=True):
    """A function the model may call: its name, what it does, and a JSON Schema of its arguments."""

    name: str
    description: str = ""

    parameters: Mapping[str, Any] | None = None
    """JSON Schema of the arguments, an object; None for a function without arguments."""

    input_schema: Mapping[str, Any] | None = None
    """The same under the name that Anthropic gives it; counts where `parameters` is not given."""

    strict: bool | None = None
    """Whether the server must hold the model to the schema; None leaves it to the server."""

    cache_control: Mapping[str, Any] | None = None
    """Where a provider's prompt cache is to have a mark, in Anthropic's words."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of the arguments, whichever way it was given."""
        if self.parameters is not None:
            return self.parameters
        return self.input_schema if self.input_schema is not None else {"type": "object", "properties": {}}
