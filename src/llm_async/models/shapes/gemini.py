"""The own messages of the gemini format, read into the neutral shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_async.models.message import Item, Message


def read(message: Mapping[str, Any]) -> tuple[list[Item], list[str]]:
    """Return what a message means, and what of it only its issuer can read."""
    return [Message(str(message.get("role") or "user"))], []
