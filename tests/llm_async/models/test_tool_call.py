from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async import Tool, ToolCall
from llm_async.models.tool_call import parse_arguments

json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.booleans())
def test_any_json_object_is_arguments(arguments: dict[str, Any], escaped: bool) -> None:
    text = json.dumps(arguments, ensure_ascii=escaped)

    assert parse_arguments(text) == (json.loads(text), None)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_no_text_means_no_arguments(text: str) -> None:
    assert parse_arguments(text) == ({}, None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("[1]", "array"), ('"a"', "string"), ("true", "boolean"), ("null", "null"), ("1", "number"), ("1.5", "number")],
)
def test_json_that_is_no_object_is_named(text: str, kind: str) -> None:
    assert parse_arguments(text) == (None, f"the arguments are a JSON {kind}, not an object")


@pytest.mark.parametrize("text", ['{"a":', "{'a': 1}", "Paris", '{"a": 1} x', "[" * 100_000, '{"a":"\ud800"}'])
def test_what_is_no_json_says_why(text: str) -> None:
    arguments, problem = parse_arguments(text)

    assert arguments is None
    assert problem is not None
    assert problem.startswith("the arguments are not JSON: ")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_at_all_is_arguments_or_a_problem(text: str) -> None:
    arguments, problem = parse_arguments(text)

    assert (arguments is None) != (problem is None)


def test_a_call_shows_itself_in_the_providers_shapes() -> None:
    call = ToolCall.parse("1", "f", '{"a": 1}')

    assert call.arguments == call.input == {"a": 1}
    assert call.type == "function"
    assert call.function == {"name": "f", "arguments": '{"a": 1}'}
    assert call.arguments_error is None


def test_a_call_without_arguments_has_an_empty_object_for_the_wire() -> None:
    assert ToolCall.parse("1", "f", "").function == {"name": "f", "arguments": "{}"}


def test_a_call_made_by_hand_shows_its_arguments() -> None:
    assert ToolCall("1", "f", {"a": 1}).function == {"name": "f", "arguments": '{"a":1}'}


def test_a_call_with_unreadable_arguments_keeps_their_text() -> None:
    call = ToolCall.parse("1", "f", '{"a":')

    assert call.arguments is None
    assert call.arguments_error is not None
    assert call.function == {"name": "f", "arguments": '{"a":'}


def test_a_tool_has_the_schema_it_was_given_either_way() -> None:
    schema, other = {"type": "object", "properties": {"a": {}}}, {"type": "object"}

    assert Tool("f", parameters=schema).schema is schema
    assert Tool("f", input_schema=schema).schema is schema
    assert Tool("f", parameters=schema, input_schema=other).schema is schema
    assert Tool("f").schema == {"type": "object", "properties": {}}
