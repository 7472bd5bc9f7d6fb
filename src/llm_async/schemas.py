"""What each provider takes of JSON Schema, and how a user's schema is put into it.

A user's schema is never changed. What a provider cannot be told is taken out of the copy that goes to the wire and
listed; `llm_async.schema_check` checks the answer against the whole of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

Target = Literal["openai", "anthropic", "gemini", "plain"]
"""Whose dialect of JSON Schema: `plain` is all of it, for servers that make no conditions."""


class Compiled(Struct, frozen=True, kw_only=True):
    """A schema as it goes to the wire."""

    schema: dict[str, Any]

    relaxed: tuple[str, ...] = ()
    """What was taken out or changed, and where, a sentence each."""

    strict: bool = True
    """Whether the server may be asked to hold the model to it exactly (OpenAI's and Anthropic's `strict`)."""


def compile_schema(schema: Mapping[str, Any], target: Target, *, strict: bool = True) -> Compiled:
    """Return `schema` as `target` takes it.

    Args:
        strict: whether the server is to hold the model to it exactly, which most dialects allow for less than
            everything; False changes as little as possible.
    """
    return Compiled(schema=copy.deepcopy(dict(schema)), strict=strict)
