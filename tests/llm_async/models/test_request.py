from __future__ import annotations

import collections
import copy
from typing import Any

import pytest

from llm_async import ConfigurationError, Message, ResponseSchema, Tool
from llm_async.models import ModelRequest, Sampling

TOOL = Tool("f")


def test_a_request_holds_what_was_asked() -> None:
    schema, tool = ResponseSchema({"type": "object"}), {"type": "web_search"}

    request = ModelRequest.build(
        "m",
        "Hello",
        tools=[TOOL, tool],
        tool_choice="auto",
        response_schema=schema,
        headers={"X-A": "b"},
        parameters={"temperature": 0, "stop": ["x"], "n": 2, "max_tokens": 5},
    )

    assert request == ModelRequest(
        model="m",
        messages=(Message("user", "Hello"),),
        tools=(TOOL, tool),
        tool_choice="auto",
        response_schema=schema,
        sampling=Sampling(temperature=0, stop=["x"], max_tokens=5),
        extra={"n": 2},
        headers={"X-A": "b"},
    )


def test_a_request_may_be_almost_empty() -> None:
    assert ModelRequest.build("m", "Hello") == ModelRequest(model="m", messages=(Message("user", "Hello"),))
    assert Sampling().given() == {}
    assert Sampling(temperature=0, seed=0).given() == {"temperature": 0, "seed": 0}


def test_parameters_that_are_none_say_nothing() -> None:
    request = ModelRequest.build("m", "Hello", parameters=dict.fromkeys(Sampling.__struct_fields__))

    assert request.sampling.given() == {}


def test_the_parameters_and_headers_passed_in_stay_as_they_are() -> None:
    parameters, headers, tools = {"temperature": 1, "n": 2}, {"A": "b"}, [TOOL]
    before = copy.deepcopy((parameters, headers, tools))

    request = ModelRequest.build("m", "Hello", tools=tools, headers=headers, parameters=parameters)
    tools.clear()
    headers.clear()

    assert parameters == before[0]
    assert request.headers == before[1]
    assert request.tools == tuple(before[2])


def test_tools_may_be_any_sequence() -> None:
    assert ModelRequest.build("m", "Hello", tools=collections.deque([TOOL])).tools == (TOOL,)
    assert ModelRequest.build("m", "Hello", tools=()).tools == ()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"model": ""}, "model must be the name of a model; it is ''"),
        ({"model": None}, "model must be the name of a model; it is None"),
        ({"model": 5}, "model must be the name of a model; it is 5"),
        ({"messages": 5}, "messages must be a list of messages or a string; it is a int"),
        ({"tools": TOOL}, "tools must be a list; it is a Tool"),
        ({"tools": "f"}, "tools must be a list; it is a str"),
        ({"tools": {"type": "function"}}, "tools must be a list; it is a dict"),
        ({"tools": [TOOL, print]}, "tools[1] must be a Tool or a dict; it is a builtin_function_or_method"),
        ({"tool_choice": 5}, "tool_choice must be a string or a dict; it is a int"),
        ({"tool_choice": TOOL}, "tool_choice must be a string or a dict; it is a Tool"),
        ({"response_schema": {"type": "object"}}, "response_schema must be a ResponseSchema; it is a dict"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_by_its_name(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ModelRequest.build(**({"model": "m", "messages": "Hello"} | arguments))
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("temperature", "hot", "temperature must be a number; it is a str"),
        ("temperature", True, "temperature must be a number; it is a bool"),
        ("top_p", [1], "top_p must be a number; it is a list"),
        ("max_tokens", "5", "max_tokens must be a whole number; it is a str"),
        ("max_tokens", 5.0, "max_tokens must be a whole number; it is a float"),
        ("stop", 5, "stop must be a string or a list of strings; it is a int"),
        ("stop", ["a", 5], "stop[1] must be a string; it is a int"),
        ("seed", 1.5, "seed must be a whole number; it is a float"),
        ("reasoning_effort", 5, "reasoning_effort must be a string such as 'low'; it is a int"),
    ],
)
def test_a_common_parameter_of_the_wrong_type_is_refused_by_its_name(name: str, value: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ModelRequest.build("m", "Hello", parameters={name: value})
    assert str(caught.value) == problem
