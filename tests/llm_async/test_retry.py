from __future__ import annotations

import math
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async import ConfigurationError, ModelRequestError, RetryConfig, RetryPolicy
from llm_async.retry import is_retryable, next_delay, retry_after

NOW = 1_800_000_000.0


def failure(*, retryable: bool = True, retry_after: float | None = None) -> ModelRequestError:
    return ModelRequestError("no", retryable=retryable, retry_after=retry_after)


def test_each_further_delay_is_longer_up_to_the_longest() -> None:
    policy = RetryPolicy(max_attempts=9, base_delay=1, factor=2, max_delay=5)

    delays = [next_delay(policy, attempt=n, error=failure(), jitter=0.999999999) for n in range(1, 6)]

    assert delays == pytest.approx([1, 2, 4, 5, 5])


def test_jitter_takes_any_part_of_the_delay() -> None:
    policy = RetryPolicy(base_delay=2)

    assert next_delay(policy, attempt=1, error=failure(), jitter=0) == 0
    assert next_delay(policy, attempt=1, error=failure(), jitter=0.25) == 0.5


def test_attempts_end_at_their_number() -> None:
    policy = RetryPolicy(max_attempts=3)

    assert next_delay(policy, attempt=2, error=failure(), jitter=0.5) is not None
    assert next_delay(policy, attempt=3, error=failure(), jitter=0.5) is None
    assert next_delay(policy, attempt=4, error=failure(), jitter=0.5) is None


def test_what_will_fail_again_is_not_tried_again() -> None:
    assert next_delay(RetryPolicy(), attempt=1, error=failure(retryable=False, retry_after=1), jitter=0.5) is None


def test_a_delay_named_by_the_server_is_obeyed_to_the_second() -> None:
    policy = RetryPolicy(max_delay=10)

    assert next_delay(policy, attempt=1, error=failure(retry_after=7.5), jitter=0.1) == 7.5
    assert next_delay(policy, attempt=1, error=failure(retry_after=0), jitter=0.1) == 0
    assert next_delay(policy, attempt=1, error=failure(retry_after=10), jitter=0.1) == 10
    assert next_delay(policy, attempt=1, error=failure(retry_after=10.1), jitter=0.1) is None


@given(
    st.builds(
        RetryPolicy,
        max_attempts=st.integers(1, 10**9),
        base_delay=st.floats(0, 3600),
        factor=st.floats(1, 100),
        max_delay=st.floats(0, 86400),
    ),
    st.integers(1, 10**9),
    st.floats(0, 1, exclude_max=True),
)
def test_no_delay_is_longer_than_the_longest(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    delay = next_delay(policy, attempt=attempt, error=failure(), jitter=jitter)

    assert (delay is None) == (attempt >= policy.max_attempts)
    assert delay is None or 0 <= delay <= policy.max_delay


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_attempts", value) for value in (0, -1, 1.5, True, "3", None)]
    + [("base_delay", value) for value in (-1, math.nan, math.inf, "1", None, True)]
    + [("factor", value) for value in (0.5, math.nan, 101, "2")]
    + [("max_delay", value) for value in (-1, math.nan, 86401, None)],
)
def test_a_policy_that_can_never_work_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be .*; it is {value!r}$"):
        RetryPolicy(**{name: value})


def test_retry_config_is_the_same_policy() -> None:
    assert RetryConfig(max_attempts=2) == RetryPolicy(max_attempts=2)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_status_that_may_pass_is_tried_again(status: int) -> None:
    assert is_retryable(status, {})


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 499])
def test_a_status_that_stays_is_not_tried_again(status: int) -> None:
    assert not is_retryable(status, {})


def test_the_server_knows_best_whether_to_try_again() -> None:
    assert not is_retryable(503, {"x-should-retry": "false"})
    assert is_retryable(404, {"x-should-retry": "True"})
    assert is_retryable(503, {"x-should-retry": "perhaps"})


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place where local time is not the world's, which all dates in headers are in."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "20", "retry-after": "3"}, 0.02),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW + 90).replace("-0000", "").strip()}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 99 Nov 2026 00:00:00 GMT"}, None),
        ({"retry-after": "Wed, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
    ],
)
@pytest.mark.usefixtures("_far_east")
def test_the_wait_a_server_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds
