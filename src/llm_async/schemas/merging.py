"""Two schemas that both have to fit, as one."""

from __future__ import annotations

from typing import Any

from llm_async.schemas.rules import KEYWORDS

_LARGER = frozenset(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"))
_SMALLER = frozenset(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"))


class Conflict(Exception):
    """No value can fit both."""


def merged(first: dict[str, Any], second: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a schema that every value fits which fits both, and the keywords of `second` that it had to leave out.

    Descriptions are the first's.

    Raises:
        Conflict: no value fits both.
    """
    result, lost = dict(first), list[str]()
    for key, value in second.items():
        if key not in first:
            result[key] = value
        elif first[key] == value or key not in KEYWORDS:
            continue
        elif key == "type":
            result[key] = _common_types(first[key], value)
        elif key == "properties":
            ours = first[key]
            result[key] = {
                **{name: {"allOf": [part, value[name]]} if name in value else part for name, part in ours.items()},
                **{name: part for name, part in value.items() if name not in ours},
            }
        elif key == "required":
            result[key] = list(dict.fromkeys([*first[key], *value]))
        elif key == "enum":
            result[key] = [item for item in first[key] if item in value]
        elif key == "allOf":
            result[key] = [*first[key], *value]
        elif key == "const":
            raise Conflict(f"a value that is both {first[key]!r} and {value!r}")
        elif key in _LARGER:
            result[key] = max(first[key], value)
        elif key in _SMALLER:
            result[key] = min(first[key], value)
        elif key == "additionalProperties" and False in (first[key], value):
            result[key] = False
        elif key in ("items", "additionalProperties") and isinstance(first[key], dict) and isinstance(value, dict):
            result[key] = {"allOf": [first[key], value]}
        else:
            lost.append(key)
    if _closes(first, second) or _closes(second, first):
        lost.append("additionalProperties")
    return result, list(dict.fromkeys(lost))


def _closes(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Return whether the first says something of properties that only the second lists."""
    return "additionalProperties" in first and not set(second.get("properties", ())) <= set(first.get("properties", ()))


def _common_types(first: Any, second: Any) -> Any:
    ours, theirs = ([kinds] if isinstance(kinds, str) else list(kinds) for kinds in (first, second))
    common = [kind for kind in ours if kind in theirs or (kind == "integer" and "number" in theirs)]
    common += ["integer"] if "number" in ours and "integer" in theirs and "integer" not in common else []
    if not common:
        raise Conflict(f"a value that is both {first!r} and {second!r}")
    return common[0] if len(common) == 1 else common
