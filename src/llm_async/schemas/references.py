"""References within a schema: where they lead, and what leads back to itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from llm_async.errors import ConfigurationError

_SCHEMAS = ("items", "additionalItems", "additionalProperties", "contains", "not", "if", "then", "else")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_TABLES = ("properties", "patternProperties", "dependentSchemas")
_MORE = ("propertyNames", "unevaluatedItems", "unevaluatedProperties")


def resolve(root: Mapping[str, Any], pointer: str) -> Any:
    """Return the schema that a `$ref` names.

    Raises:
        ConfigurationError: there is none, or it is not in this schema.
    """
    if not isinstance(pointer, str) or not (pointer == "#" or pointer.startswith("#/")):
        raise ConfigurationError(f"the schema's $ref {pointer!r} cannot be followed; only '#/…' can")
    found: Any = root
    for step in pointer.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, (list, tuple)) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise ConfigurationError(f"the schema's $ref {pointer!r} leads nowhere")
    return found


def parts(schema: Any) -> Iterator[Any]:
    """Yield the schemas directly within `schema`, definitions left out."""
    if not isinstance(schema, Mapping):
        return
    for keyword in (*_SCHEMAS, *_MORE):
        if isinstance(part := schema.get(keyword), Mapping):
            yield part
    for keyword in _LISTS:
        if isinstance(part := schema.get(keyword), (list, tuple)):
            yield from part
    for keyword in _TABLES:
        if isinstance(part := schema.get(keyword), Mapping):
            yield from part.values()


def references(schema: Any) -> Iterator[str]:
    """Yield the references in `schema`, at any depth, not following them."""
    if isinstance(schema, Mapping) and isinstance(reference := schema.get("$ref"), str):
        yield reference
    for part in parts(schema):
        yield from references(part)


def reachable(root: Mapping[str, Any], start: str) -> set[str]:
    """Return what references lead to from the schema at `start`, itself only if something leads back to it."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for reference in references(resolve(root, waiting.pop())):
            if reference not in found:
                found.add(reference)
                waiting.append(reference)
    return found
