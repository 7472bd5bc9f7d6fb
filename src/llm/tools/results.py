"""What a tool gave back, as the model reads it."""

from __future__ import annotations

import msgspec

from llm.schema import to_data


def as_text(result: object) -> str:
    """Return any Python value as text for a model: text as it is, data as JSON, anything else in its own words."""
    if isinstance(result, str):
        return result
    if result is None:
        return "null"
    try:
        return msgspec.json.encode(to_data(result)).decode()
    except (TypeError, ValueError, RecursionError):
        return str(result)
