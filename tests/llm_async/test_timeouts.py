from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from llm_async import ConfigurationError, LLMTimeoutError, Timeouts, timeouts
from llm_async.timeouts import Limits, check_limit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; tests turn it."""
    now = [1000.0]
    monkeypatch.setattr(timeouts.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("value", [0, -1, -0.5, math.nan, True, "5", [5]])
@pytest.mark.parametrize("name", ["connect", "first_token", "idle", "tool"])
def test_a_limit_that_is_no_positive_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^timeouts\.{name} must be a positive number of seconds"):
        Timeouts(**{name: value})


def test_a_limit_may_be_a_number_of_any_size_or_none() -> None:
    for seconds in (None, 1, 0.001, 10**400, math.inf):
        check_limit("timeout", seconds)
        assert Timeouts(idle=seconds).idle == seconds


def test_connecting_alone_is_limited_by_default() -> None:
    limits = Limits(Timeouts())

    assert limits.for_connect() == (10.0, "connect")
    assert limits.for_read() == (None, "idle")


@pytest.mark.parametrize("seconds", [math.inf, 1e300, 10**400], ids=["infinite", "float", "int"])
def test_a_limit_beyond_all_clocks_is_none(seconds: float) -> None:
    limits = Limits(Timeouts(connect=seconds, first_token=seconds, idle=seconds), seconds)

    assert limits.for_connect() == (None, "connect")
    assert limits.for_read() == (None, "idle")


def test_the_nearest_limit_counts_for_a_read(clock: list[float]) -> None:
    limits = Limits(Timeouts(first_token=20, idle=8), 30)

    assert limits.for_read() == (8, "idle")
    clock[0] += 15
    assert limits.for_read() == (5, "first token")
    limits.first_token_came()
    assert limits.for_read() == (8, "idle")
    clock[0] += 10
    assert limits.for_read() == (5, "total")


def test_the_nearest_limit_counts_for_connecting(clock: list[float]) -> None:
    limits = Limits(Timeouts(connect=8, first_token=20), 30)

    assert limits.for_connect() == (8, "connect")
    clock[0] += 15
    assert limits.for_connect() == (5, "first token")
    assert Limits(Timeouts(connect=None), 30).for_connect() == (30, "total")
    assert Limits(Timeouts(connect=None, first_token=40), 30).deadline() == (clock[0] + 30, "total")


@pytest.mark.parametrize("ask", ["for_read", "for_connect"])
def test_nothing_begins_after_its_limit(ask: str, clock: list[float]) -> None:
    limits = Limits(Timeouts(), 30)
    clock[0] += 30

    with pytest.raises(LLMTimeoutError) as caught:
        getattr(limits, ask)()
    assert caught.value.limit == "total"
    assert caught.value.seconds == 30


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("connect", "the connect limit of 1 s ran out before the server was reached"),
        ("first token", "the first token limit of 2.5 s ran out before the answer began"),
        ("idle", "the idle limit of 3 s ran out with nothing from the server"),
        ("total", "the total limit of 4 s ran out before the answer was whole"),
    ],
)
def test_the_error_says_which_limit_ran_out_and_when(name: str, text: str) -> None:
    error = Limits(Timeouts(connect=1, first_token=2.5, idle=3), 4).error(name)

    assert str(error) == text
    assert error.limit == name
    assert isinstance(error, TimeoutError)


def test_timeouts_pickle() -> None:
    limits = Timeouts(connect=1, idle=None)

    assert pickle.loads(pickle.dumps(limits)) == limits
