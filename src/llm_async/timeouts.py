"""How long a call may take: the limits a user sets, and the ones an attempt obeys.

A limit is data. The client makes one `Limits` for a call, and whoever reads from the network asks it before
each read how long that read may take; nothing here waits.
"""

from __future__ import annotations

import time
from typing import cast

from msgspec import Struct

from llm_async.errors import ConfigurationError, LLMTimeoutError


class Timeouts(Struct, frozen=True, kw_only=True):
    """Time limits within a call, in seconds; None means no limit. The whole call's limit is `timeout`."""

    connect: float | None = 10.0
    """To reach the server: name look-up, connection, TLS."""

    first_token: float | None = None
    """From the call to the first token of the answer. Pings and role-only deltas are no token."""

    idle: float | None = None
    """Between two arrivals from the server, whatever they hold. The caller's own pauses do not count."""

    tool: float | None = None
    """For one tool call."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            check_limit(f"timeouts.{name}", getattr(self, name))


def check_limit(name: str, seconds: object) -> None:
    """Refuse a limit that is not None and not a positive number; `name` is the argument's."""
    if seconds is None:
        return
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not cast(float, seconds) > 0:  # written so that NaN is refused too
        raise ConfigurationError(f"{name} must be a positive number of seconds, or None for none; it is {seconds!r}")


_FOR_EVER = 1e9
"""Seconds; from here on a limit is none, for clocks and sockets overflow at some point beyond."""


class Limits:
    """The limits of one call, counted from its start; shared by all its attempts."""

    __slots__ = ("_first_token", "_total", "connect", "first_token_at", "idle", "total_at")

    def __init__(self, timeouts: Timeouts, total: float | None = None) -> None:
        """Start counting now. `total` is the whole call's limit in seconds."""
        now = time.monotonic()
        self.connect, self.idle = _bounded(timeouts.connect), _bounded(timeouts.idle)
        self._total, self._first_token = _bounded(total), _bounded(timeouts.first_token)
        self.total_at = None if self._total is None else now + self._total
        self.first_token_at = None if self._first_token is None else now + self._first_token

    def first_token_came(self) -> None:
        """Lift the first token's limit."""
        self.first_token_at = None

    def deadline(self) -> tuple[float | None, str]:
        """Return the instant (of `time.monotonic`) by which the answer must go on, and the limit that says so."""
        at, name = self.total_at, "total"
        if self.first_token_at is not None and (at is None or self.first_token_at < at):
            at, name = self.first_token_at, "first token"
        return at, name

    def for_read(self) -> tuple[float | None, str]:
        """Return how many seconds a read that starts now may take (None: any), and the limit that says so.

        Raises:
            LLMTimeoutError: a limit has run out already, so that the read must not begin.
        """
        at, name = self.deadline()
        if at is None:
            return self.idle, "idle"
        left = at - time.monotonic()
        if left <= 0:
            raise self.error(name)
        if self.idle is not None and self.idle < left:
            return self.idle, "idle"
        return left, name

    def for_connect(self) -> tuple[float | None, str]:
        """Return how many seconds connecting may take from now (None: any), and the limit that says so.

        Raises:
            LLMTimeoutError: a limit has run out already.
        """
        at, name = self.deadline()
        if at is None:
            return self.connect, "connect"
        left = at - time.monotonic()
        if left <= 0:
            raise self.error(name)
        if self.connect is not None and self.connect < left:
            return self.connect, "connect"
        return left, name

    def error(self, name: str) -> LLMTimeoutError:
        """Return the error that says that the limit called `name` ran out."""
        seconds, doing = {
            "connect": (self.connect, "before the server was reached"),
            "first token": (self._first_token, "before the answer began"),
            "idle": (self.idle, "with nothing from the server"),
            "total": (self._total, "before the answer was whole"),
        }[name]
        return LLMTimeoutError(name, seconds, doing=doing)


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None or seconds >= _FOR_EVER else seconds
