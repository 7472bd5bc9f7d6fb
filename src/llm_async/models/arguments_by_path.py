"""A call's arguments that come piece by piece, each with its place in them: Gemini's `partialArgs`.

>>> arguments_by_path([{"jsonPath": "$.city", "stringValue": "Pa", "willContinue": True},
...                    {"jsonPath": "$.city", "stringValue": "ris"}, {"jsonPath": "$.days[0]", "numberValue": 3}])
'{"city":"Paris","days":[3]}'
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

_STEP = re.compile(r"""\.([^.\[\]]+) | \[(\d+)\] | \['((?:[^'\\]|\\.)*)'\] | \["((?:[^"\\]|\\.)*)"\]""", re.VERBOSE)

_LONGEST_GAP = 1000
"""How many elements of a list may be left out: more than any model has, less than what fills the memory."""


def arguments_by_path(pieces: Iterable[Any]) -> str:
    """Return the arguments as JSON text; where a piece has no place in them, the pieces as text, which are a list."""
    pieces = list(pieces)
    values: dict[str, Any] = {}  # text as a list of its pieces, joined once: adding to it would be quadratic
    try:
        for piece in pieces:
            path = piece["jsonPath"]
            text = piece.get("stringValue")
            if isinstance(text, str):
                known = values.setdefault(path, [])
                if not isinstance(known, list):
                    raise ValueError(path)
                known.append(text)
            else:
                kinds = ("numberValue", "boolValue")
                values[path] = next((piece[kind] for kind in kinds if kind in piece), None)
        arguments: dict[str, Any] = {}
        for path, value in values.items():
            _put(arguments, _steps(path), "".join(value) if isinstance(value, list) else value)
        return msgspec.json.encode(arguments).decode()
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError):
        return msgspec.json.encode(pieces).decode()


def _steps(path: str) -> list[str | int]:
    """Return the steps of a JSON path.

    >>> _steps("$.days[0]['high noon']")
    ['days', 0, 'high noon']
    """
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            break
        name, index, quoted, double = step.groups()
        steps.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted if quoted is not None else double))
        position = step.end()
    if path[:1] != "$" or position != len(path) or not steps or isinstance(steps[0], int):
        raise ValueError(path)
    return steps


def _put(place: Any, steps: list[str | int], value: Any) -> None:
    for step, following in pairwise(steps):
        place = _at(place, step, [] if isinstance(following, int) else {})
    _at(place, steps[-1], None)
    place[steps[-1]] = value


def _at(place: Any, step: str | int, default: Any) -> Any:
    """Return what is at a step of an object or a list, which has it from now on."""
    if isinstance(place, dict) and isinstance(step, str):
        return place.setdefault(step, default)
    if not isinstance(place, list) or not isinstance(step, int) or step - len(place) > _LONGEST_GAP:
        raise ValueError(step)
    while step >= len(place):
        place.append(None)
    if place[step] is None:
        place[step] = default
    return place[step]
