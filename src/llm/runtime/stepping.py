"""Advancing a user's generator from wherever its steps run: one at a time, and in one context."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Generator
from typing import Any

from llm.events import Decision


class Step:
    """What one step of a generator gave: a yielded value, or at last the returned one."""

    __slots__ = ("is_last", "value")

    def __init__(self, value: Any, *, is_last: bool) -> None:
        self.value, self.is_last = value, is_last


class Stepper:
    """A generator whose steps may run in different threads, though never two at once."""

    def __init__(self, generator: Generator[Any, Any, Any], context: contextvars.Context) -> None:
        self._generator, self._context = generator, context
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether a step is going on, maybe one that nobody waits for any more."""
        return self._lock.locked()

    def advance(self, decision: Decision | None) -> Step:
        """Take a step. StopIteration must not leave a worker thread: no future can carry it."""
        with self._lock:
            try:
                return Step(self._context.run(self._generator.send, decision), is_last=False)
            except StopIteration as stop:
                return Step(stop.value, is_last=True)

    def close(self) -> None:
        """Close the generator, so that its `finally` blocks run; waits for the step that is going on."""
        with self._lock:
            self._context.run(self._generator.close)
