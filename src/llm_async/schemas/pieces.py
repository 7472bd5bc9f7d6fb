"""Small things done with schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from llm_async.errors import ConfigurationError
from llm_async.schemas.rules import KEYWORDS

Schema = dict[str, Any]


def plain(value: Any) -> Any:
    """Return a copy of a schema made of dicts and lists alone."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


class Size:
    """How large a rewritten schema is, as OpenAI counts."""

    def __init__(self) -> None:
        self.properties = self.depth = self.enum_values = 0

    def add(self, schema: Schema, depth: int) -> None:
        properties = schema.get("properties", {})
        self.properties += len(properties)
        self.enum_values += len(schema.get("enum", ()))
        self.depth = max(self.depth, depth)
        for part in [*properties.values(), *schema.get("$defs", {}).values()]:
            self.add(part, depth + 1)
        for part in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]:
            self.add(part, depth)


def split(schema: Schema) -> tuple[Schema, Schema]:
    """Return what describes a schema and what it demands."""
    described = {key: value for key, value in schema.items() if key in ("title", "description")}
    kept = KEYWORDS | {"default"}
    return described, {key: value for key, value in schema.items() if key in kept}


def only(schema: Schema, keywords: Iterable[str]) -> Schema:
    """Return the part of `schema` under `keywords`."""
    return {key: value for key, value in schema.items() if key in keywords}


def described(schema: Schema, hint: str) -> Schema:
    """Return a schema whose description tells the model what the schema cannot."""
    if not hint:
        return schema
    known = schema.get("description")
    words = only(schema, ("title", "description"))
    # Before everything else, where `split` puts a user's: compiled again, the schema stays as it is.
    return {
        **words,
        "description": f"{known} ({hint})" if known else hint,
        **{key: value for key, value in schema.items() if key not in words},
    }


def only_values(schema: Any) -> set[str] | None:
    """Return the values, as JSON, that a property is confined to; None if it is not."""
    if not isinstance(schema, dict) or not ("const" in schema or isinstance(schema.get("enum"), list)):
        return None
    return {as_json(value) for value in ([schema["const"]] if "const" in schema else schema["enum"])}


def all_differ(sets: list[set[str] | None]) -> bool:
    """Return whether the sets are all known and have nothing in common."""
    known = [values for values in sets if values is not None]
    return len(known) == len(sets) and len(set[str]().union(*known)) == sum(map(len, known))


def quoted(keywords: Iterable[str]) -> str:
    """Return keywords as a sentence names them."""
    return ", ".join(repr(keyword) for keyword in keywords)


def as_json(value: Any) -> str:
    """Return `value` as JSON, or as Python shows it where it has none."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return str(value)


def escaped(name: str) -> str:
    """Return a property's name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def a_dict(value: Any, at: str) -> Schema:
    """Return `value` if it is a dict, which is what belongs at `at`."""
    if not isinstance(value, dict):
        raise ConfigurationError(f"the schema is wrong at {at}: a dict belongs there; it is a {type(value).__name__}")
    return value


def a_list(value: Any, at: str) -> list[Any]:
    """Return `value` if it is a list, which is what belongs at `at`."""
    if not isinstance(value, list):
        raise ConfigurationError(f"the schema is wrong at {at}: a list belongs there; it is a {type(value).__name__}")
    return value
