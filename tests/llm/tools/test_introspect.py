"""What the model is told of a function, and what is kept from it."""

from __future__ import annotations

import functools
import sqlite3
from typing import Annotated, Any, Literal

import pytest

from llm import ConfigurationError, SchemaConversionError
from llm.tools.introspect import function_tool, toolset
from llm_async import Tool


def google(city: str, unit: str = "celsius") -> None:
    """Get the weather.

    In words.

    Args:
        city: The name of the city
        unit: Temperature unit
    """


def numpy(city: str, unit: str = "celsius") -> None:
    """Get the weather.

    In words.

    Parameters
    ----------
    city : str
        The name of the city
    unit : str
        Temperature unit
    """


def rest(city: str, unit: str = "celsius") -> None:
    """Get the weather.

    In words.

    :param city: The name of the city
    :param unit: Temperature unit
    """


def annotated(
    city: Annotated[str, "The name of the city"], unit: Annotated[str, object(), "Temperature unit"] = "celsius"
) -> None:
    """Get the weather.

    In words.
    """


@pytest.mark.parametrize("function", [google, numpy, rest, annotated])
def test_descriptions_come_from_docstrings_and_annotations(function: Any) -> None:
    tool = function_tool(function)

    assert tool.spec.description == "Get the weather.\n\nIn words."
    assert tool.spec.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The name of the city"},
            "unit": {
                "type": "string", "default": "celsius", "description": "Temperature unit (default: 'celsius')",
            },
        },
        "required": ["city"],
        "additionalProperties": False,
    }  # fmt: skip


class Place:
    """Anywhere on earth."""

    name: str


def test_a_parameter_is_described_by_its_own_words_before_its_types() -> None:
    def go(a: Place, b: Place, c: Annotated[Place, "the third"], d: list[Place] | None = None) -> None:
        """Go.

        Args:
            a: the first
            c: overruled
        """

    schema: Any = function_tool(go).spec.schema

    assert [schema["properties"][name]["description"] for name in "abc"] == [
        "the first", "Anywhere on earth.", "the third",
    ]  # fmt: skip
    assert "description" not in schema["properties"]["d"]
    assert schema["$defs"].keys() == {"Place"}
    assert "$defs" not in schema["properties"]["d"]


def test_what_json_cannot_say_is_kept_from_the_model() -> None:
    def query(
        text: str, *rest: int, database: sqlite3.Connection | None = None, log: Any = print,
        mode: Literal["a", "b"] = "a", **options: Any,
    ) -> None: ...  # fmt: skip

    schema: Any = function_tool(query).spec.schema

    assert schema["properties"].keys() == {"text", "log", "mode"}
    assert "default" not in schema["properties"]["log"]
    assert schema["required"] == ["text"]


def test_bound_parameters_are_kept_from_the_model() -> None:
    def query(a: int, b: int, c: int = 3, *, d: int) -> int:
        """Query."""
        return a + b + c + d

    tool = function_tool(functools.partial(functools.partial(query, 1), d=4))

    assert tool.name == "query"
    assert tool.spec.description == "Query."
    assert list(tool.spec.schema["properties"]) == ["b", "c"]
    with pytest.raises(ValueError, match="no parameter 'd'"):
        tool.convert({"b": 1, "d": 5})


def test_what_a_function_cannot_do_without_must_have_a_schema() -> None:
    def query(database: sqlite3.Connection) -> None: ...

    with pytest.raises(SchemaConversionError, match=r"tool 'query': parameter 'database' is a Connection.*default"):
        function_tool(query)


def unreadable(a: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821 - a name that there is not
    ...


def positional(a: int, /) -> None: ...


def mostly(a: int = 1, /, *, b: int) -> None: ...


@pytest.mark.parametrize(
    ("tools", "error", "named"),
    [
        ([lambda: 1], ConfigurationError, r"tools\[0\].*<lambda>"),
        ([google, positional], ConfigurationError, "'a' cannot be given by name"),
        ([google, google], ConfigurationError, r"tools\[1\].*two tools called 'google'"),
        ([google, {"type": "function", "function": {"name": "google"}}], ConfigurationError, "two tools"),
        ([Tool("a"), Tool("a")], ConfigurationError, "two tools"),
        ([unreadable], SchemaConversionError, "'unreadable'.*Missing"),
        ([type], ConfigurationError, "type"),
        ([3], ConfigurationError, r"tools\[0\] must be a function or a dict; it is a int"),
        ((each for each in [google]), ConfigurationError, "tools must be a list"),
        ([{}], ConfigurationError, r"tools\[0\] needs a type"),
        ([{"type": "function", "function": {"name": ""}}], ConfigurationError, "function.name"),
    ],
)
def test_tools_that_can_never_work_are_refused_by_name(tools: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        toolset(tools)


def test_tools_of_every_sort_stand_side_by_side() -> None:
    native, flat = {"type": "web_search"}, {"type": "function", "name": "flat"}
    described = Tool("described")

    found = toolset((google, native, native, flat, described))

    assert found.specs[1:] == (native, native, flat, described)
    assert list(found.functions) == ["google"]
    assert found.left_to_caller == {"flat", "described"}


def test_a_positional_parameter_with_a_default_is_left_at_it() -> None:
    assert list(function_tool(mostly).spec.schema["properties"]) == ["b"]


class Recorder:
    def __init__(self, path: str) -> None:
        """Record."""

    def __call__(self, note: str) -> None:
        """Note it down."""


def test_objects_and_classes_are_described_by_what_they_do() -> None:
    made, recorder = function_tool(Recorder), function_tool(Recorder("a"))

    assert list(made.spec.schema["properties"]) == ["path"]
    assert list(recorder.spec.schema["properties"]) == ["note"]
    assert (recorder.name, recorder.spec.description) == ("Recorder", "Note it down.")
