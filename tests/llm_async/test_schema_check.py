"""Whether a value fits a schema is judged as the `jsonschema` package judges it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from json_schemas import any_values, is_valid, schemas, values
from llm_async.errors import ConfigurationError
from llm_async.schema_check import problems, restored

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "minimum": 0},
        "children": {"type": "array", "items": {"$ref": "#"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_values_are_judged_as_by_the_jsonschema_package(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    value = data.draw(st.one_of(values(schema), any_values))

    assert (problems(schema, value) == []) == is_valid(schema, value)


RARE: list[tuple[dict[str, Any], list[Any]]] = [
    ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "null"}}, ["x", "xx", None, 1]),
    ({"contains": {"type": "integer"}, "minContains": 1, "maxContains": 2}, [[], [1], [1, 2, "x"], [1, 2, 3], "x"]),
    ({"contains": {"const": 1}, "minContains": 0}, [[], [2]]),
    (
        {"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": False},
        [{"x1": None}, {"x": 1}, {"y": 1}],
    ),
    ({"propertyNames": {"maxLength": 1}}, [{"a": 1}, {"ab": 1}]),
    ({"minProperties": 1, "maxProperties": 2}, [{}, {"a": 1}, {"a": 1, "b": 1, "c": 1}]),
    ({"dependentRequired": {"a": ["b"]}}, [{"a": 1}, {"a": 1, "b": 1}, {"b": 1}]),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, [{"a": 1}, {"a": 1, "b": 1}, {}]),
    ({"uniqueItems": True}, [[1, True], [1, 1.0], [[1], [True]], [{"a": 1}, {"a": 1.0}], ["1", 1], [0, False]]),
    ({"const": 1}, [1, 1.0, True]),
    ({"enum": [[1, {"a": None}], False]}, [[1.0, {"a": None}], [True, {"a": None}], 0, False]),
    ({"type": "integer"}, [3.0, 3.5, True]),
    ({"items": False}, [[], [1]]),
    ({"properties": {"a": False}}, [{"a": 1}, {}]),
    ({"multipleOf": 0.1}, [0.3, 0.35]),
    ({"not": {}}, [1]),
    ({"required": ["a"], "minLength": 3, "minItems": 1}, [1, None, {}, "xx", []]),
    ({"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "null"}}}, [None, 1]),
]


@pytest.mark.parametrize(("schema", "value"), [(schema, value) for schema, them in RARE for value in them], ids=str)
def test_rarer_keywords_are_judged_as_by_the_jsonschema_package(schema: dict[str, Any], value: Any) -> None:
    # The judge computes 0.3 / 0.1 in binary; in writing it is a multiple.
    expected = value == 0.3 if "multipleOf" in schema else is_valid(schema, value)

    assert (problems(schema, value) == []) == expected


def test_every_problem_says_where_it_is_and_what_belongs_there() -> None:
    value = {"name": "x", "age": -1, "children": [{"name": "Al", "age": "3"}, {"x y": 1}]}

    assert problems(PERSON, value) == [
        "$.name: must have 2 characters at least; it has 1",
        "$.age: must be 0 at least; it is -1",
        "$.children[0].age: must be an integer; it is a string",
        "$.children[1]: the property 'name' is missing",
        "$.children[1]['x y']: there is no such property",
    ]


def test_the_alternative_that_comes_closest_says_what_is_wrong() -> None:
    schema = {"anyOf": [{"type": "null"}, PERSON | {"properties": {"name": {"const": "Al"}}}]}

    assert problems(schema, {"name": "Bo"}) == ["$.name: must be 'Al'; it is 'Bo'"]
    assert problems(schema, 3) == ["$: fits none of 2 alternatives (must be null; it is an integer; must be an object; "
                                   "it is an integer)"]  # fmt: skip


def test_a_value_that_fits_two_of_exclusive_alternatives_is_a_problem() -> None:
    schema = {"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}

    assert problems(schema, 1) == ["$: must fit one of the alternatives; it fits 0 and 1"]


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-02-29T12:00:00.5+01:00", "2024-02-29 25:00:00Z"),
        ("time", "23:59:60Z", "24:00:00Z"),
        ("uuid", "123E4567-e89b-12d3-a456-426614174000", "123"),
        ("email", "a@b.example", "a b"),
        ("ipv4", "192.168.0.1", "192.168.0.256"),
    ],
)
def test_formats_whose_violation_is_beyond_dispute_are_checked(form: str, right: str, wrong: str) -> None:
    assert problems({"format": form}, right) == []
    assert problems({"format": form}, wrong) == [f"$: must be in the format {form!r}; it is {wrong!r}"]


def test_unknown_keywords_formats_and_unreadable_patterns_have_no_effect() -> None:
    schema = {"x-order": 1, "format": "haiku", "pattern": r"\p{Lu}(", "discriminator": {"propertyName": "a"}}

    assert problems(schema, "x") == []


def test_items_as_a_list_and_definitions_are_read_as_they_were_written_until_2019() -> None:
    schema = {"items": [{"$ref": "#/definitions/A"}], "additionalItems": False, "definitions": {"A": {"type": "null"}}}

    assert problems(schema, [None]) == []
    assert problems(schema, [1, 2]) == ["$[0]: must be null; it is an integer", "$[1]: nothing fits there"]


def test_a_reference_that_goes_round_in_a_circle_ends() -> None:
    assert problems({"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}}}, 1) == []


@pytest.mark.parametrize("reference", ["#/$defs/B", "https://example.com/schema.json", "#anchor"])
def test_a_reference_that_cannot_be_followed_is_the_callers_error(reference: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\$ref"):
        problems({"$ref": reference, "$defs": {"A": {}}}, 1)


def test_null_as_a_property_that_may_be_missing_is_taken_out() -> None:
    answer = {"name": "Al", "age": None, "children": [{"name": "Bo", "age": None, "children": None}]}

    assert restored(PERSON, answer) == {"name": "Al", "children": [{"name": "Bo"}]}
    assert answer["age"] is None


def test_null_stays_where_it_is_allowed_or_required_or_unknown() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}, "c": {"anyOf": [{"type": "null"}]}},
        "required": ["b"],
    }

    assert restored(schema, {"a": None, "b": None, "c": None, "d": None}) == {
        "a": None,
        "b": None,
        "c": None,
        "d": None,
    }


def test_nulls_are_taken_out_of_the_alternative_that_fits() -> None:
    def form(kind: str) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"kind": {"const": kind}, kind: {"type": "string"}, "more": {"type": ["null", "integer"]}},
            "required": ["kind"],
            "additionalProperties": False,
        }

    schema = {"anyOf": [form("x"), form("y")]}

    assert restored(schema, {"kind": "y", "y": None, "more": None}) == {"kind": "y", "more": None}


def test_the_property_around_a_root_that_is_no_object_is_taken_off() -> None:
    numbers = {"type": "array", "items": {"type": "integer"}}

    assert restored(numbers, {"value": [1, 2]}) == [1, 2]
    assert restored(numbers, {"value": "x"}) == "x"
    assert restored({"type": ["array", "object"], "items": {"type": "null"}}, {"value": [1]}) == {"value": [1]}
    assert restored({"type": "object", "properties": {"value": {"type": "object"}}}, {"value": {}}) == {"value": {}}
