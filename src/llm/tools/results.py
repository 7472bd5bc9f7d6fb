"""What a tool gave back, as the model reads it."""

from __future__ import annotations

import msgspec

from llm.schema import to_data


def as_text(result: object) -> str:
    """Return any Python value as text for a model: text as it is, data as JSON, anything else in its own words."""
    if isinstance(result, str):
        return encodable(result)
    if result is None:
        return "null"
    try:
        return msgspec.json.encode(to_data(result)).decode()
    except Exception:  # noqa: BLE001 - JSON cannot say it, or code of its own type failed
        return encodable(_words(result) or f"a {type(result).__name__}")


def in_words(error: Exception, limit: float | None) -> str:
    """Return what went wrong in a tool whose time limit is `limit` seconds."""
    text = _words(error)
    if isinstance(error, TimeoutError) and limit is not None and not text:
        return f"the tool limit of {limit:g} s ran out"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def encodable(text: str) -> str:
    """Return text without lone surrogates (such as in names of files), which no request can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _words(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the program's own code, which must not end the stream
        return ""
