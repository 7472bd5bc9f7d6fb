"""The shape an answer must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class ResponseSchema(Struct, frozen=True):
    """A JSON Schema that the model's answer must satisfy."""

    schema: Mapping[str, Any]
    name: str = "response"
    """What the schema is called on the wire: letters, digits, `_` and `-`, 64 at most."""

    strict: bool | None = True
    """Whether the server must hold the model to it; None leaves it to the server."""

    description: str | None = None
