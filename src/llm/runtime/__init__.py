"""The port to whatever runs the core: everything that differs between blocking and asyncio."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from llm.events import Events
from llm_async.providers import BaseProvider
from llm_async.transport import Transport

T = TypeVar("T")


class Runtime(Protocol):
    """What the core may await. The coroutines of the blocking runtime never suspend."""

    def transport(self, provider: BaseProvider) -> Transport:
        """Return what sends this provider's requests in this runtime."""
        ...

    async def call(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Run the user's blocking code where it holds up nothing but its caller.

        Raises:
            TimeoutError: it took longer than `seconds`. What blocks a thread cannot be ended: it is left behind, and
                where it runs in the caller's own thread it is waited for.
        """
        ...

    async def wait(
        self, work: Awaitable[T], seconds: float | None = None, context: contextvars.Context | None = None
    ) -> T:
        """Await the user's async code.

        Args:
            context: where it runs if it does not run in place, in the caller's own.

        Raises:
            TimeoutError: it took longer than `seconds`; it was cancelled.
        """
        ...

    def merge(self, jobs: Sequence[Events], *, limit: int | None) -> Events:
        """Yield the events of all jobs as they come; a decision goes to the job whose event it answers.

        Args:
            limit: how many run at once; None is this runtime's own measure.
        """
        ...
