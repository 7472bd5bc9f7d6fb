"""Whether a value fits a JSON Schema, and if not, where and why.

The keywords of draft 2020-12 that say which values fit, with the older spellings that are still written
(`definitions`, `items` as a list). Unknown keywords and unknown formats have no effect. `pattern` is Python's `re`; a
pattern that it cannot read is passed over, and one that takes for ever is its author's: patterns come from the
caller's schema, never from a model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from llm_async.schemas.references import resolve

_KIND_NAMES = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", type(None): "null"}
_TYPE_NAMES = {
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "null": "null",
    "array": "an array",
    "object": "an object",
}


def problems(schema: Mapping[str, Any] | bool, value: Any) -> list[str]:
    """Return what in `value` does not fit `schema`, a sentence each; none if it fits.

    >>> problems({"type": "array", "items": {"type": "object", "required": ["name"]}}, [{}])
    ["$[0]: the property 'name' is missing"]

    Raises:
        ConfigurationError: a reference in the schema leads nowhere.
    """
    return list(_Check(schema).problems(schema, value, "$"))


def restored(schema: Mapping[str, Any], value: Any) -> Any:
    """Return an answer as the user's schema means it, undoing what `compile_schema` does to a schema.

    Null as an optional property that may not be null is taken out: OpenAI's strict mode has no other way to leave a
    property away. The single property `value` around a root that is no object is taken off. Anything else stays.

    >>> restored({"type": "object", "properties": {"a": {"type": "string"}}}, {"a": None})
    {}
    """
    check = _Check(schema)
    if isinstance(value, dict) and set(value) == {"value"} and not check.is_object(schema):
        inner, whole = check.restored(schema, value["value"]), check.restored(schema, value)
        return inner if check.fits(schema, inner) or not check.fits(schema, whole) else whole
    return check.restored(schema, value)


class _Check:
    """Checks values against one schema; holds what its references lead into."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._following: set[tuple[str, int]] = set()

    def problems(self, schema: Any, value: Any, at: str) -> Iterator[str]:
        if not isinstance(schema, Mapping):
            if schema is False:
                yield f"{at}: nothing fits there"
            return
        if (reference := schema.get("$ref")) is not None:
            yield from self._referred(reference, value, at)
        if (kinds := schema.get("type")) is not None:
            kinds = [kinds] if isinstance(kinds, str) else kinds
            if not any(_is_a(kind, value) for kind in kinds):
                wanted = " or ".join(_TYPE_NAMES.get(kind, repr(kind)) for kind in kinds)
                yield f"{at}: must be {wanted}; it is {_kind(value)}"
                return  # all further complaints would follow from this one
        if "const" in schema and not _same(schema["const"], value):
            yield f"{at}: must be {_shown(schema['const'])}; it is {_shown(value)}"
        if "enum" in schema and not any(_same(item, value) for item in schema["enum"]):
            allowed = ", ".join(_shown(item) for item in schema["enum"][:20])
            yield f"{at}: must be one of {allowed}; it is {_shown(value)}"
        yield from self._combined(schema, value, at)
        if isinstance(value, str):
            yield from _text_problems(schema, value, at)
        elif isinstance(value, list):
            yield from self._array_problems(schema, value, at)
        elif isinstance(value, dict):
            yield from self._object_problems(schema, value, at)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from _number_problems(schema, value, at)

    def fits(self, schema: Any, value: Any) -> bool:
        return next(self.problems(schema, value, "$"), None) is None

    def restored(self, schema: Any, value: Any) -> Any:
        """Return `value` without the nulls that stand for properties left away."""
        if not isinstance(schema, Mapping) or not isinstance(value, (dict, list)):
            return value
        if (reference := schema.get("$ref")) is not None:
            value = self.restored(resolve(self._root, reference), value)
        for branch in schema.get("allOf", ()):
            value = self.restored(branch, value)
        for keyword in ("anyOf", "oneOf"):
            for branch in schema.get(keyword, ()):
                attempt = self.restored(branch, value)
                if self.fits(branch, attempt):
                    value = attempt
                    break
        if isinstance(value, list):
            first, further = _items(schema)
            return [self.restored(first[i] if i < len(first) else further, item) for i, item in enumerate(value)]
        properties, required = schema.get("properties", {}), schema.get("required", ())
        more = schema.get("additionalProperties")
        kept = {}
        for name, item in value.items():
            if name not in properties:
                kept[name] = self.restored(more, item)
            elif item is not None or name in required or self.fits(properties[name], None):
                kept[name] = self.restored(properties[name], item)
        return kept

    def is_object(self, schema: Any) -> bool:
        """Return whether only objects fit."""
        seen = set()
        while isinstance(schema, Mapping) and "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            schema = resolve(self._root, schema["$ref"])
        return isinstance(schema, Mapping) and (schema.get("type") == "object" or "properties" in schema)

    # ------------------------------------------------------------------------------------------ combinations

    def _referred(self, reference: str, value: Any, at: str) -> Iterator[str]:
        key = (reference, id(value))
        if key in self._following:
            return  # it refers to itself without going deeper, and so says nothing
        self._following.add(key)
        try:
            yield from self.problems(resolve(self._root, reference), value, at)
        finally:
            self._following.discard(key)

    def _combined(self, schema: Mapping[str, Any], value: Any, at: str) -> Iterator[str]:
        for branch in schema.get("allOf", ()):
            yield from self.problems(branch, value, at)
        if "anyOf" in schema:
            found = [list(self.problems(branch, value, at)) for branch in schema["anyOf"]]
            if all(found):
                yield from _closest(found, at)
        if "oneOf" in schema:
            found = [list(self.problems(branch, value, at)) for branch in schema["oneOf"]]
            fitting = [str(index) for index, branch in enumerate(found) if not branch]
            if not fitting:
                yield from _closest(found, at)
            elif len(fitting) > 1:
                yield f"{at}: must fit one of the alternatives; it fits {' and '.join(fitting)}"
        if "not" in schema and self.fits(schema["not"], value):
            yield f"{at}: fits what it must not"
        if "if" in schema:
            yield from self.problems(schema.get("then" if self.fits(schema["if"], value) else "else"), value, at)

    # ----------------------------------------------------------------------------------------- arrays, objects

    def _array_problems(self, schema: Mapping[str, Any], value: list[Any], at: str) -> Iterator[str]:
        yield from _count_problems(schema, len(value), "minItems", "maxItems", "item", at)
        if schema.get("uniqueItems") is True and (twice := _repeated(value)) is not None:
            yield f"{at}[{twice}]: is in the array already"
        first, further = _items(schema)
        for index, item in enumerate(value):
            part = first[index] if index < len(first) else further
            yield from self.problems(part, item, f"{at}[{index}]")
        if "contains" in schema:
            fitting = sum(self.fits(schema["contains"], item) for item in value)
            least, most = schema.get("minContains", 1), schema.get("maxContains")
            if fitting < least or (most is not None and fitting > most):
                wanted = f"{least} or more" if most is None else f"{least} to {most}"
                yield f"{at}: must contain {wanted} items of a kind; it contains {fitting}"

    def _object_problems(self, schema: Mapping[str, Any], value: dict[str, Any], at: str) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{at}: the property {name!r} is missing"
        yield from _count_problems(schema, len(value), "minProperties", "maxProperties", "property", at)
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        more = schema.get("additionalProperties", True)
        for name, item in value.items():
            where = _step(at, name)
            known = name in properties
            if known:
                yield from self.problems(properties[name], item, where)
            for pattern, part in patterns.items():
                if _found(pattern, name):
                    known = True
                    yield from self.problems(part, item, where)
            if not known and more is False:
                yield f"{where}: there is no such property"
            elif not known:
                yield from self.problems(more, item, where)
            if "propertyNames" in schema and not self.fits(schema["propertyNames"], name):
                yield f"{where}: its name is not allowed"
        for name, needed in schema.get("dependentRequired", {}).items():
            for other in needed if name in value else ():
                if other not in value:
                    yield f"{at}: the property {other!r} is missing, which {name!r} needs"
        for name, part in schema.get("dependentSchemas", {}).items():
            if name in value:
                yield from self.problems(part, value, at)


def _items(schema: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Return the schemas of the first items, and the one of all further ones."""
    items = schema.get("items", True)
    if isinstance(items, (list, tuple)):  # as until 2019-09
        return list(items), schema.get("additionalItems", True)
    return list(schema.get("prefixItems", ())), items


def _closest(found: list[list[str]], at: str) -> Iterator[str]:
    """Say what is wrong with a value that fits no alternative, in terms of the one that it comes closest to."""
    deep = [problems for problems in found if not any(problem.startswith(f"{at}: must be") for problem in problems)]
    if len(deep) == 1 or len(found) == 1:
        yield from (deep or found)[0]
    else:
        reasons = "; ".join(dict.fromkeys(problems[0].removeprefix(f"{at}: ") for problems in (deep or found)[:8]))
        yield f"{at}: fits none of {len(found)} alternatives ({reasons})"


def _count_problems(schema: Mapping[str, Any], count: int, least: str, most: str, what: str, at: str) -> Iterator[str]:
    if least in schema and count < schema[least]:
        yield f"{at}: must have {_counted(schema[least], what)} at least; it has {count}"
    if most in schema and count > schema[most]:
        yield f"{at}: must have {_counted(schema[most], what)} at most; it has {count}"


def _counted(number: Any, what: str) -> str:
    return (
        f"{number} {what}" if number == 1 else f"{number} {what.removesuffix('y')}{'ies' if what[-1] == 'y' else 's'}"
    )


# ------------------------------------------------------------------------------------------------ plain values


def _text_problems(schema: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
    yield from _count_problems(schema, len(value), "minLength", "maxLength", "character", at)
    if "pattern" in schema and not _found(schema["pattern"], value):
        yield f"{at}: must match {schema['pattern']!r}; it is {_shown(value)}"
    form = _FORMATS.get(schema.get("format", ""))
    if form is not None and not form(value):
        yield f"{at}: must be in the format {schema['format']!r}; it is {_shown(value)}"


def _number_problems(schema: Mapping[str, Any], value: float, at: str) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{at}: must be {schema['minimum']} at least; it is {value}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"{at}: must be {schema['maximum']} at most; it is {value}"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield f"{at}: must be more than {schema['exclusiveMinimum']}; it is {value}"
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        yield f"{at}: must be less than {schema['exclusiveMaximum']}; it is {value}"
    if "multipleOf" in schema and not _is_multiple(value, schema["multipleOf"]):
        yield f"{at}: must be a multiple of {schema['multipleOf']}; it is {value}"


def _is_multiple(value: float, of: float) -> bool:
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    quotient = value / of
    # 0.3 is a multiple of 0.1 in writing, though not in binary.
    return math.isinf(quotient) or math.isclose(quotient, round(quotient), rel_tol=1e-9, abs_tol=1e-9)


def _found(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True  # written for another language of patterns: what cannot be read cannot be held against the answer


_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_BYTE = r"(25[0-5]|2[0-4]\d|1?\d?\d)"


def _is_date(text: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return lambda text: compiled.fullmatch(text) is not None


_is_time = _matches(_TIME)

_FORMATS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": lambda text: _is_date(text[:10]) and text[10:11] in ("T", "t", " ") and _is_time(text[11:]),
    "uuid": _matches(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}"),
    "email": _matches(r"[^@\s]+@[^@\s]+"),
    "ipv4": _matches(rf"({_BYTE}\.){{3}}{_BYTE}"),
}
"""Formats whose violation is beyond dispute; others are taken on trust."""


def _is_a(kind: str, value: Any) -> bool:
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    python = {"string": str, "boolean": bool, "null": type(None), "array": list, "object": dict}.get(kind)
    return python is not None and isinstance(value, python)


def _same(first: Any, second: Any) -> bool:
    """Return whether two JSON values are equal: 1 is 1.0, and neither is true."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_same(value, second[key]) for key, value in first.items())
    return bool(first == second)


def _repeated(items: list[Any]) -> int | None:
    """Return where something is in a list for the second time."""
    seen: dict[Any, list[Any]] = {}
    for index, item in enumerate(items):
        key = (type(item) is bool, item) if isinstance(item, (str, int, float, bool, type(None))) else type(item)
        bucket = seen.setdefault(key, [])
        if any(_same(item, other) for other in bucket):
            return index
        bucket.append(item)
    return None


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, dict) else _KIND_NAMES.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _step(at: str, name: str) -> str:
    return f"{at}.{name}" if name.isidentifier() else f"{at}[{name!r}]"
