"""What each provider takes of JSON Schema, and how a user's schema is put into it.

A user's schema is never changed. What a provider cannot be told is taken out of the copy that goes to the wire and
listed; `llm_async.schema_check` checks the answer against the whole of it.

The facts are the vendors' documents of 2026-11: OpenAI's guide to structured outputs, the list of keywords beside
Gemini's `responseJsonSchema`, Anthropic's guide and the schema transformer of its own package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from llm_async.errors import ConfigurationError
from llm_async.schemas.compiler import Compiler, Unsayable
from llm_async.schemas.pieces import plain
from llm_async.schemas.rules import RULES

Target = Literal["openai", "anthropic", "gemini", "plain"]
"""Whose dialect of JSON Schema: `plain` is all of it, for servers that make no conditions."""


class Compiled(Struct, frozen=True, kw_only=True):
    """A schema as it goes to the wire."""

    schema: dict[str, Any]

    relaxed: tuple[str, ...] = ()
    """What was taken out or changed, and where, a sentence each."""

    strict: bool = True
    """Whether the server may be asked to hold the model to it: OpenAI's `strict`, Anthropic's `output_config.format`.

    False where the schema needs what the dialect cannot say at all, such as objects whose keys are free; `schema` is
    then the user's own, which the server can only be shown.
    """


def compile_schema(schema: Mapping[str, Any], target: Target, *, strict: bool = True) -> Compiled:
    """Return `schema` as `target` takes it; the same schema always gives the same bytes.

    Changed without a word, because nothing is lost: references gather in `$defs`, `allOf` is merged, objects that
    list their properties are closed, unless they are open explicitly. For OpenAI optional properties become required
    and may be null: `llm_async.schema_check.restored` takes such nulls out of an answer. For OpenAI a root that is no
    object becomes the only property, `value`, of one, which is listed and undone there too.

    Args:
        strict: whether the server is to hold the model to it; False leaves the schema as it is. Gemini knows no
            such choice.

    Raises:
        ConfigurationError: it is no JSON Schema: a reference leads nowhere, or a keyword has a value of a wrong type.
    """
    if not isinstance(schema, Mapping):
        raise ConfigurationError(f"a schema must be a dict; it is a {type(schema).__name__}")
    try:
        if target == "plain" or not (strict or target == "gemini"):
            return Compiled(schema=plain(schema), strict=strict)
        compiler = Compiler(schema, RULES[target])
        try:
            return Compiled(schema=compiler.root(), relaxed=tuple(compiler.relaxed))
        except Unsayable as error:
            why = f"{error}, which {target} cannot hold a model to; the schema is sent as it is, without being enforced"
            return Compiled(schema=compiler.as_it_is(), relaxed=(why, *compiler.relaxed), strict=False)
    except RecursionError:
        raise ConfigurationError("the schema is nested too deeply") from None
