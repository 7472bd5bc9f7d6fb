"""What is known of JSON Schema, and what of it each vendor's servers take: data."""

from __future__ import annotations

from msgspec import Struct


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BY_TYPE: dict[str, frozenset[str]] = {
    "string": _words("minLength maxLength pattern format"),
    "number": _words("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf format"),
    "array": _words(
        "items prefixItems additionalItems minItems maxItems uniqueItems contains minContains maxContains"
        " unevaluatedItems"
    ),
    "object": _words(
        "properties required additionalProperties patternProperties propertyNames minProperties maxProperties"
        " dependentRequired dependentSchemas dependencies unevaluatedProperties"
    ),
    "boolean": frozenset(),
    "null": frozenset(),
}
BY_TYPE["integer"] = BY_TYPE["number"]

CONDITIONALS = _words("not if then else")

OF_ANY_TYPE = CONDITIONALS | {"enum", "const", "anyOf", "oneOf", "allOf", "$ref", "type"}

KEYWORDS = OF_ANY_TYPE.union(*BY_TYPE.values())
"""Everything that says which values fit; other keywords describe, or are unknown and have no effect."""


class Rules(Struct, frozen=True, kw_only=True):
    """What one vendor's servers take."""

    name: str

    keywords: frozenset[str]
    """Conditions on values that may stay; the rest is told to the model in the description."""

    formats: frozenset[str]

    closed: bool
    """Whether every object must list its properties and every value have a type."""

    fill: bool = False
    """Whether every property must be required; optional ones may be null instead."""

    object_root: bool = False
    recursive: bool = True
    recursive_required: bool = True
    """Whether a required property may lead back to where it is."""

    prefix_items: bool = False
    const: bool = True
    enum_of: frozenset[str] = _words("string integer number boolean null")
    """Types of the values that an `enum` may list."""

    largest_min_items: int | None = None
    lookaround: bool = False
    """Whether patterns may look ahead or back: Pydantic's for decimal numbers do."""

    most_properties: int | None = None
    deepest: int | None = None
    most_enum_values: int | None = None


_FORMATS = _words("date-time time date duration email hostname ipv4 ipv6 uuid")

RULES: dict[str, Rules] = {
    "openai": Rules(
        name="openai",
        keywords=_words(
            "pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems"
        ),
        formats=_FORMATS,
        closed=True,
        fill=True,
        object_root=True,
        most_properties=5000,
        deepest=10,
        most_enum_values=1000,
    ),
    "anthropic": Rules(
        name="anthropic",
        keywords=_words("format minItems"),
        formats=_FORMATS | {"uri"},
        closed=True,
        recursive=False,
        largest_min_items=1,
    ),
    "gemini": Rules(
        name="gemini",
        keywords=_words("format minimum maximum minItems maxItems"),
        formats=_words("date-time date time int32 int64 float double"),
        closed=False,
        recursive_required=False,
        prefix_items=True,
        const=False,
        enum_of=_words("string integer number"),
    ),
}
