"""When a failed request is made again: pure decisions, no waiting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC

from msgspec import Struct

from llm_async.errors import ConfigurationError, LLMTimeoutError, ModelRequestError

_RETRYABLE = frozenset({408, 409, 429})


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often and how patiently a request is made again. It never is once an event of its answer was shown."""

    max_attempts: int = 3
    """Requests in all, the first one included; 1 means no retry."""

    base_delay: float = 0.5
    """Seconds before the first retry, before jitter."""

    factor: float = 2.0
    """By how much each further delay is longer."""

    max_delay: float = 60.0
    """The longest delay in seconds; a server that asks for more ends the attempts."""

    def __post_init__(self) -> None:
        if not isinstance(self.max_attempts, int) or isinstance(self.max_attempts, bool) or self.max_attempts < 1:
            raise ConfigurationError(f"max_attempts must be a whole number from 1; it is {self.max_attempts!r}")
        for name, least, most in (("base_delay", 0, 3600), ("factor", 1, 100), ("max_delay", 0, 86400)):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= most:
                raise ConfigurationError(f"{name} must be a number from {least} to {most}; it is {value!r}")


RetryConfig = RetryPolicy
"""The other name of `RetryPolicy`."""


def next_delay(
    policy: RetryPolicy, *, attempt: int, error: ModelRequestError | LLMTimeoutError, jitter: float
) -> float | None:
    """Return the seconds to wait before trying again, or None to give up.

    A delay named by the server (`Retry-After`) is obeyed; one beyond `policy.max_delay` ends the attempts.

    Args:
        attempt: attempts made so far, counted from 1.
        jitter: a number in [0, 1), drawn by the caller so that this function stays pure; the delay is that part
            of the policy's, so that clients which failed together do not come back together.
    """
    if attempt >= policy.max_attempts or not error.retryable:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= policy.max_delay else None
    # The exponent is bounded because floats are; by then the delay is max_delay.
    longest = min(policy.base_delay * policy.factor ** min(attempt - 1, 32), policy.max_delay)
    return longest * jitter


def is_retryable(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether the same request may succeed later: 408, 409, 429 and 5xx, unless the server says otherwise."""
    word = headers.get("x-should-retry", "").lower()
    if word in ("true", "false"):
        return word == "true"
    return status in _RETRYABLE or status >= 500


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds a server asks to wait (`retry-after-ms`, `retry-after` in seconds or as a date).

    Args:
        headers: names in lower case.
        now: seconds since the epoch, which a date is counted from.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    from email.utils import parsedate_to_datetime  # loads socket; `import llm` need not

    try:
        date = parsedate_to_datetime(value)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
