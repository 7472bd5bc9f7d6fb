from __future__ import annotations

import json
import time
from typing import Any

import pytest

from llm_async.models.arguments_by_path import arguments_by_path


def text(path: str, value: str) -> dict[str, Any]:
    return {"jsonPath": path, "stringValue": value}


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ([], {}),
        ([text("$.a", "x"), text("$.b", "y"), text("$.a", "z")], {"a": "xz", "b": "y"}),
        ([text("$['a.b'][\"c\"]", "x")], {"a.b": {"c": "x"}}),
        ([text(r"$['it\'s']", "x")], {"it's": "x"}),
        ([{"jsonPath": "$.a[0][1].b", "numberValue": 1.5}], {"a": [[None, {"b": 1.5}]]}),
        (
            [{"jsonPath": "$.a", "boolValue": False}, {"jsonPath": "$.b", "nullValue": "NULL_VALUE"}],
            {"a": False, "b": None},
        ),
        ([{"jsonPath": "$.a", "numberValue": 1}, {"jsonPath": "$.a", "numberValue": 2}], {"a": 2}),
    ],
)
def test_pieces_come_where_they_belong(pieces: Any, arguments: Any) -> None:
    assert json.loads(arguments_by_path(pieces)) == arguments


@pytest.mark.parametrize(
    "piece",
    [
        text("a", "x"),
        text("$", "x"),
        text("$[0]", "x"),
        text("$.a[999999999]", "x"),
        text("$.a b..c[", "x"),
        text("$..a", "x"),
        {"stringValue": "x"},
        None,
    ],
)
def test_a_piece_without_a_place_leaves_the_text_of_all(piece: Any) -> None:
    pieces = [text("$.a", "x"), piece]

    assert json.loads(arguments_by_path(pieces)) == pieces


def test_a_place_that_is_two_things_leaves_the_text_of_all() -> None:
    pieces = [text("$.a", "x"), text("$.a.b", "y")]

    assert json.loads(arguments_by_path(pieces)) == pieces


def test_many_pieces_cost_as_much_each_as_few() -> None:
    def cost(count: int) -> float:
        pieces = [text("$.a[0].text", "word ") for _ in range(count)]
        started = time.perf_counter()
        arguments_by_path(pieces)
        return (time.perf_counter() - started) / count

    few = min(cost(500) for _ in range(9))
    many = min(cost(16_000) for _ in range(3))
    assert many < few * 4
