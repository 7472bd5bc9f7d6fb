"""Schemas as users write them, values that may fit them, and the `jsonschema` package as judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

Schema = dict[str, Any]

NAMES = ("a", "b", "c")
_words = st.sampled_from(["", "x", "yy", "1994", "a1"])


def is_valid(schema: Schema, value: Any, root: Schema | None = None) -> bool:
    """Whether the judge finds `value` valid; references are looked up in `root`."""
    definitions = {"$defs": (root or schema)["$defs"]} if "$defs" in (root or schema) else {}
    return bool(Draft202012Validator(schema | definitions).is_valid(value))


def filled(schema: Schema, value: Any, root: Schema) -> Any:
    """`value` with null for every property that is missing, as strict OpenAI schemas want it."""
    if "$ref" in schema:
        return filled(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], value, root)
    for branch in schema.get("anyOf", ()):
        if is_valid(branch, attempt := filled(branch, value, root), root):
            return attempt
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [filled(schema["items"], item, root) for item in value]
    if isinstance(value, dict) and "properties" in schema:
        kept = {name: filled(schema["properties"].get(name, {}), item, root) for name, item in value.items()}
        return kept | {name: None for name in schema["properties"] if name not in value}
    return value


# ------------------------------------------------------------------------------------------------ schemas


@st.composite
def schemas(draw: st.DrawFn, *, extras: bool = True) -> Schema:
    """Schemas with types; objects say whether they are open, unless they are parts of an `allOf`.

    Args:
        extras: whether they may have keywords that no server takes.
    """
    schema = dict(draw(_parts(extras)))
    if draw(st.booleans()):
        schema["$defs"] = {"N": draw(_parts(extras)), "M": draw(_leaves(extras))}
    else:
        schema["$defs"] = {"N": {"type": "integer"}, "M": {"type": "string"}}
    return schema


def _parts(extras: bool) -> st.SearchStrategy[Schema]:
    return st.recursive(_leaves(extras), lambda inner: _larger(inner, extras), max_leaves=6)


def _some(draw: st.DrawFn, keywords: dict[str, st.SearchStrategy[Any]]) -> Schema:
    chosen = draw(st.lists(st.sampled_from(sorted(keywords)), unique=True, max_size=2)) if keywords else []
    return {keyword: draw(keywords[keyword]) for keyword in chosen}


@st.composite
def _leaves(draw: st.DrawFn, extras: bool) -> Schema:
    sizes = st.integers(0, 3)
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean", "null", "enum", "const", "two"]))
    described: Schema = draw(st.sampled_from([{}, {}, {"description": "what it is"}, {"title": "T", "default": "x"}]))
    if kind == "enum":
        values = draw(st.lists(st.sampled_from(["x", "yy", 1, 2.5, None, True]), min_size=1, max_size=3))
        return {**described, "enum": values}
    if kind == "const":
        return {**described, "const": draw(st.sampled_from(["x", 1, None, False]))}
    if kind == "two":
        return {**described, "type": draw(st.sampled_from([["string", "null"], ["integer", "string"]]))}
    more: Schema = {}
    if kind == "string":
        more = _some(
            draw, {"minLength": sizes, "maxLength": sizes, "pattern": st.sampled_from(["^x", r"\d", "^(?!x)"])}
        )
    elif kind in ("integer", "number"):
        numbers = dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), sizes)
        more = _some(draw, numbers | {"multipleOf": st.integers(1, 3)})
    if extras and draw(st.integers(0, 9)) == 0:
        more["not"] = {"const": "x"}
    return {**described, "type": kind, **more}


@st.composite
def _larger(draw: st.DrawFn, inner: st.SearchStrategy[Schema], extras: bool) -> Schema:
    kind = draw(st.sampled_from(["array", "tuple", "object", "object", "dict", "anyOf", "oneOf", "allOf"]))
    within = st.one_of(inner, st.sampled_from([{"$ref": "#/$defs/N"}, {"$ref": "#/$defs/M", "description": "one"}]))
    sizes = st.integers(0, 2)
    if kind == "array":
        more = {"minItems": sizes, "maxItems": st.integers(1, 3)} | ({"uniqueItems": st.booleans()} if extras else {})
        return {"type": "array", "items": draw(within), **_some(draw, more)}
    if kind == "tuple":
        first = draw(st.lists(within, min_size=1, max_size=2))
        further: Schema = draw(
            st.sampled_from([{"items": False}, {"maxItems": len(first)}, {"items": {"type": "null"}}])
        )
        return {"type": "array", "prefixItems": first, **further}
    if kind == "dict":
        return {"type": "object", "additionalProperties": draw(st.one_of(st.booleans(), within))}
    if kind == "object":
        return draw(_objects(within, NAMES)) | {"additionalProperties": False}
    if kind == "allOf":
        return {"allOf": [draw(_objects(within, NAMES[:1])), draw(_objects(within, NAMES[1:]))]}
    return {kind: draw(st.lists(inner, min_size=1, max_size=3))}


@st.composite
def _objects(draw: st.DrawFn, within: st.SearchStrategy[Schema], names: tuple[str, ...]) -> Schema:
    properties = draw(st.dictionaries(st.sampled_from(names), within, max_size=3))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    return {"type": "object", "properties": properties, "required": required}


# ------------------------------------------------------------------------------------------------ values


def values(schema: Schema, root: Schema | None = None, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that fit `schema`, or come close to it."""
    root = root or schema
    if depth > 6:
        return st.just(None)

    def within(part: Any) -> st.SearchStrategy[Any]:
        return values(part, root, depth + 1) if isinstance(part, dict) else st.just(None)

    if "$ref" in schema:
        return within(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return st.one_of([within(part) for part in schema[keyword]])
    if "allOf" in schema:
        return st.tuples(*[within(part) for part in schema["allOf"]]).map(_joined)
    kinds = schema.get("type", "null")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return st.one_of([_of_type[kind](schema, within) for kind in kinds])


def _joined(parts: tuple[Any, ...]) -> Any:
    return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}


Within = Callable[[Any], st.SearchStrategy[Any]]


def _arrays(schema: Schema, within: Within) -> st.SearchStrategy[Any]:
    first = schema.get("prefixItems", [])
    further = within(schema["items"]) if isinstance(schema.get("items"), dict) else st.nothing()
    more = st.just([]) if further.is_empty else st.lists(further, min_size=schema.get("minItems", 0), max_size=3)
    return st.tuples(st.tuples(*[within(part) for part in first]), more).map(lambda both: [*both[0], *both[1]])


def _dicts(schema: Schema, within: Within) -> st.SearchStrategy[Any]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    listed = st.fixed_dictionaries(
        {name: within(properties[name]) for name in properties if name in required},
        optional={name: within(part) for name, part in properties.items() if name not in required},
    )
    more = schema.get("additionalProperties", False)
    if more is False:
        return listed
    free = st.dictionaries(st.just("d"), within(more) if isinstance(more, dict) else _words)
    return st.tuples(listed, free).map(lambda both: {**both[1], **both[0]})


_of_type: dict[str, Callable[[Schema, Within], st.SearchStrategy[Any]]] = {
    "string": lambda schema, within: _words,
    "integer": lambda schema, within: st.integers(-1, 6),
    "number": lambda schema, within: st.one_of(st.integers(-1, 6), st.sampled_from([0.5, 2.0, 2.5])),
    "boolean": lambda schema, within: st.booleans(),
    "null": lambda schema, within: st.none(),
    "array": _arrays,
    "object": _dicts,
}

any_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 6), st.sampled_from([0.5, 2.0]), _words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*NAMES, "d"]), inner)),
    max_leaves=5,
)
