"""Running the core without an event loop: coroutines that never suspend finish at their first step."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import TypeVar, cast

from llm.events import Decision, Events, Pending, StreamEvent

T = TypeVar("T")


def finish(work: Awaitable[T]) -> T:
    """Run work that never suspends and return its result.

    Raises:
        RuntimeError: it suspended; the core awaited something that its runtime does not offer.
    """
    steps = work.__await__()
    try:
        steps.send(None)
    except StopIteration as finished:
        return cast(T, finished.value)  # StopIteration.value is untyped
    steps.close()
    raise RuntimeError("the core may await only what its runtime offers; something else suspended")


def drive(events: Events, pending: Pending) -> Generator[StreamEvent, Decision | None, None]:
    """Turn the core's lists of events into a plain generator; decisions reach the core."""
    decision: Decision | None = None
    try:
        while True:
            batch = finish(events.asend(decision))
            for event in batch:
                decision = yield event
            decision = pending.take(decision, batch)
    except StopAsyncIteration:
        return
    finally:
        finish(events.aclose())
