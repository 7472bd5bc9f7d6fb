"""Schemas in the dialects of the providers."""

from __future__ import annotations

import copy
import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from json_schemas import Schema, filled, is_valid, schemas, values
from llm_async.errors import ConfigurationError
from llm_async.schema_check import restored
from llm_async.schemas import Target, compile_schema

TARGETS: list[Target] = ["openai", "anthropic", "gemini", "plain"]
every_target = pytest.mark.parametrize("target", TARGETS)


def sent(target: Target, schema: Schema, value: Any) -> tuple[Schema, Any]:
    """The schema on the wire, and `value` as a model answers it there."""
    wire = compile_schema(schema, target).schema
    if target == "openai" and wire.get("type") == "object":
        wrapped = set(wire.get("properties", ())) == {"value"} and "value" not in json.dumps(schema)
        value = filled(wire, {"value": value} if wrapped else value, wire)
    return wire, value


# ------------------------------------------------------------------------------------------------ what always holds


@every_target
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_what_fits_the_users_schema_fits_the_one_on_the_wire(target: Target, data: st.DataObject) -> None:
    schema = data.draw(schemas())
    value = data.draw(values(schema))
    wire, answer = sent(target, schema, value)

    if is_valid(schema, value) and compile_schema(schema, target).strict:
        assert is_valid(wire, answer), (wire, answer)


@every_target
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_what_fits_on_the_wire_fits_the_users_schema_unless_something_was_left_out(
    target: Target, data: st.DataObject
) -> None:
    schema = data.draw(schemas(extras=False))
    compiled = compile_schema(schema, target)
    answer = data.draw(values(compiled.schema))

    if not compiled.relaxed and is_valid(compiled.schema, answer):
        assert is_valid(schema, restored(schema, answer)), (compiled.schema, answer)


@every_target
@given(schema=schemas())
@settings(max_examples=80, deadline=None)
def test_compiling_changes_no_argument_and_again_changes_nothing(target: Target, schema: Schema) -> None:
    before = copy.deepcopy(schema)
    once = compile_schema(schema, target)
    again = compile_schema(once.schema, target)

    assert schema == before
    assert json.dumps(once.schema) == json.dumps(compile_schema(before, target).schema)
    assert json.dumps(again.schema) == json.dumps(once.schema)
    # What cannot be enforced at all is said again, in the places where it lies by then.
    assert bool(again.relaxed) == (not once.strict)


def objects_in(schema: Any) -> list[Schema]:
    if isinstance(schema, list):
        return [found for item in schema for found in objects_in(item)]
    if not isinstance(schema, dict):
        return []
    found = [part for value in schema.values() for part in objects_in(value)]
    return [schema, *found] if "object" in [schema.get("type"), *(schema.get("type") or [])] else found


@given(schema=schemas())
@settings(max_examples=80, deadline=None)
def test_openai_gets_closed_objects_whose_properties_are_all_required(schema: Schema) -> None:
    compiled = compile_schema(schema, "openai")

    if compiled.strict:
        assert compiled.schema["type"] == "object"
        for found in objects_in(compiled.schema):
            assert found["additionalProperties"] is False
            assert found["required"] == list(found["properties"])
        words = set(json.dumps(compiled.schema).replace('"', " ").split())
        assert not words & {"allOf", "oneOf", "not", "prefixItems", "uniqueItems"}


# ------------------------------------------------------------------------------------------------ by example

PERSON: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "in full", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["name", "tags"],
}


def test_openai_is_told_of_optional_properties_as_nullable_ones() -> None:
    compiled = compile_schema(PERSON, "openai")

    assert compiled.schema == {
        "type": "object",
        "properties": {
            "name": {"description": "in full (minLength: 1)", "type": "string"},
            "age": {"type": ["integer", "null"], "minimum": 0},
            "tags": {"type": "array", "items": {"type": "string"}, "description": "uniqueItems: true"},
        },
        "required": ["name", "age", "tags"],
        "additionalProperties": False,
    }
    assert compiled.relaxed == (
        "the schema at #/properties/name: 'minLength' is left out, which openai does not take",
        "the schema at #/properties/tags: 'uniqueItems' is left out, which openai does not take",
    )


def test_anthropic_is_told_of_numbers_limits_in_words() -> None:
    compiled = compile_schema(PERSON, "anthropic")

    assert compiled.schema["properties"]["age"] == {"type": "integer", "description": "minimum: 0"}
    assert compiled.schema["required"] == ["name", "tags"]
    assert compiled.schema["additionalProperties"] is False
    assert len(compiled.relaxed) == 3


def test_gemini_takes_limits_and_constants_as_lists_of_one() -> None:
    schema = {"type": "object", "properties": {"kind": {"const": "a"}, "age": {"type": "integer", "maximum": 9}}}

    compiled = compile_schema(schema, "gemini")

    assert compiled.schema["properties"] == {
        "kind": {"type": "string", "enum": ["a"]},
        "age": {"type": "integer", "maximum": 9},
    }
    assert compiled.relaxed == ()


def test_a_plain_schema_is_a_copy() -> None:
    compiled = compile_schema(PERSON, "plain")

    assert compiled.schema == PERSON
    assert compiled.schema["properties"] is not PERSON["properties"]
    assert compile_schema(PERSON, "openai", strict=False).schema == PERSON


@pytest.mark.parametrize("target", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("part", "what"),
    [
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "an object whose keys are free"),
        ({"type": "object"}, "an object whose keys are free"),
        ({"type": "object", "properties": {}, "additionalProperties": True}, "an object whose keys are free"),
        ({"type": "object", "properties": {}, "required": ["x"]}, "the required property 'x' is not described"),
        ({"type": "array"}, "an array of items of any type"),
        ({"description": "anything"}, "a value of any type"),
        ({"enum": [{"a": 1}]}, "a list or a dict among the values of an enum"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "a value that is both 'string' and 'null'"),
    ],
)
def test_what_a_strict_server_cannot_be_told_turns_strictness_off(target: Target, part: Schema, what: str) -> None:
    schema = {"type": "object", "properties": {"p": part}}
    compiled = compile_schema(schema, target)

    assert (compiled.strict, compiled.schema) == (False, schema)
    assert compiled.relaxed == (
        f"the schema has, at #/properties/p, {what}, which {target} cannot hold a model to; "
        "the schema is sent as it is, without being enforced",
    )
    assert compile_schema(schema, "gemini").strict or part.keys() == {"allOf"}


def test_a_root_that_openai_refuses_even_without_strictness_becomes_a_property_all_the_same() -> None:
    compiled = compile_schema({"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {}}}, "openai")

    assert not compiled.strict
    assert compiled.schema["properties"] == {"value": {"type": "array", "items": {"$ref": "#/$defs/A"}}}
    assert compiled.schema["$defs"] == {"A": {}}
    assert len(compiled.relaxed) == 2


NODE: Schema = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/Node", "description": "rest"}},
            "required": ["value", "next"],
        }
    },
    "$ref": "#/$defs/Node",
}


def test_recursion_is_kept_for_openai_with_an_object_as_root() -> None:
    compiled = compile_schema(NODE, "openai")

    assert (compiled.strict, compiled.relaxed) == (True, ())
    assert compiled.schema["type"] == "object"
    assert compiled.schema["properties"]["next"] == {"description": "rest", "anyOf": [{"$ref": "#/$defs/Node"}]}
    assert compiled.schema["$defs"]["Node"]["properties"] == compiled.schema["properties"]


def test_recursion_is_refused_by_anthropic() -> None:
    compiled = compile_schema(NODE, "anthropic")

    assert not compiled.strict
    assert "a recursive schema" in compiled.relaxed[0]


def test_for_gemini_what_leads_back_is_not_required() -> None:
    compiled = compile_schema(NODE, "gemini")

    assert compiled.schema["$defs"]["Node"]["required"] == ["value"]
    assert len(compiled.relaxed) == 1


def test_references_of_every_form_become_definitions() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"$ref": "#/properties/a"}, "c": {"$ref": "#/definitions/X%20Y"}},
        "definitions": {"X Y": {"type": "null"}, "unused": {"type": "string"}},
    }

    compiled = compile_schema(schema, "gemini")

    assert compiled.schema["properties"]["b"] == {"$ref": "#/$defs/a"}
    assert compiled.schema["properties"]["c"] == {"$ref": "#/$defs/X_20Y"}
    assert compiled.schema["$defs"] == {"a": {"type": "string"}, "X_20Y": {"type": "null"}}


def test_all_of_is_merged() -> None:
    schema = {
        "allOf": [{"$ref": "#/$defs/A"}, {"properties": {"n": {"maximum": 5}, "t": {"type": "string"}}}],
        "description": "both",
        "$defs": {"A": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}},
    }

    compiled = compile_schema(schema, "openai")

    assert compiled.relaxed == ()
    assert compiled.schema["properties"] == {
        "n": {"type": "integer", "maximum": 5},
        "t": {"type": ["string", "null"]},
    }


@pytest.mark.parametrize(
    ("branches", "notes"),
    [
        ([{"type": "string"}, {"type": "integer"}], 0),
        ([{"type": "number"}, {"type": "integer"}], 1),
        ([{"type": "string"}, {"type": ["string", "null"]}], 1),
        ([{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}], 0),
        ([{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}], 1),
    ],
)
def test_exclusive_alternatives_are_listed_only_where_two_could_fit(branches: list[Schema], notes: int) -> None:
    definitions = {
        name: {"type": "object", "properties": {"kind": {"const": name}}, "required": ["kind"]} for name in "AB"
    }
    schema = {"type": "object", "properties": {"p": {"oneOf": branches}}, "$defs": definitions}

    assert len(compile_schema(schema, "anthropic").relaxed) == notes


def test_conditions_beside_properties_are_left_out() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }

    compiled = compile_schema(schema, "openai")

    assert compiled.strict
    assert compiled.schema["type"] == "object"
    assert compiled.relaxed == ("the schema at #: 'anyOf' is left out",)


def test_a_tool_of_several_forms_is_not_wrapped() -> None:
    schema = {"type": "object", "oneOf": [PERSON, {"type": "object", "properties": {"id": {"type": "integer"}}}]}

    compiled = compile_schema(schema, "openai")

    assert (compiled.strict, compiled.schema) == (False, schema)


def test_more_properties_than_openai_takes_turn_strictness_off() -> None:
    schema = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(5001)}}

    assert "5001 properties (5000 at most are taken)" in compile_schema(schema, "openai").relaxed[0]


def test_patterns_that_look_around_are_left_out() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "string", "pattern": r"^(?!^[-+.]*$)\d*$"}}}

    assert "pattern" not in compile_schema(schema, "openai").schema["properties"]["n"]


def test_any_mapping_is_a_schema() -> None:
    schema = MappingProxyType({"type": "object", "properties": MappingProxyType({"a": {"enum": ("x", "y")}})})

    assert json.dumps(compile_schema(schema, "openai").schema)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object", "properties": []}, "#/properties: a dict belongs there; it is a list"),
        ({"type": "object", "properties": {"a/b": 3}}, "#/properties/a~1b: a dict belongs there; it is a int"),
        ({"type": "array", "items": "string"}, "#/items: a dict belongs there"),
        ({"anyOf": {}}, "#/anyOf: a list belongs there"),
        ({"type": "text"}, "'text', which JSON Schema does not know"),
        ({"$ref": "#/$defs/A"}, "'#/$defs/A' leads nowhere"),
        ({"items": {"$ref": "other.json"}}, "'other.json' cannot be followed"),
        ([], "a schema must be a dict; it is a list"),
    ],
)
def test_what_is_no_schema_is_the_callers_error(schema: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compile_schema(schema, "openai")

    assert message in str(caught.value)


def test_a_schema_that_contains_itself_is_the_callers_error() -> None:
    schema: Schema = {"type": "array"}
    schema["items"] = schema

    with pytest.raises(ConfigurationError, match="nested too deeply"):
        compile_schema(schema, "gemini")
