"""Running the core on the caller's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from llm.events import Decision, Events, StreamEvent
from llm_async.providers import BaseProvider
from llm_async.transport import Transport

T = TypeVar("T")


class AsyncioRuntime:
    """Suspends where the blocking runtime blocks."""

    def transport(self, provider: BaseProvider) -> Transport:
        """Return the provider's asynchronous transport."""
        return provider.transport(blocking=False)

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` in a worker thread, context variables included."""
        return await asyncio.to_thread(work)


async def unpack(events: Events) -> AsyncGenerator[StreamEvent, Decision | None]:
    """Turn the core's lists of events into single ones; what is sent in reaches the core."""
    decision: Decision | None = None
    try:
        while True:
            for event in await events.asend(decision):
                decision = yield event
    except StopAsyncIteration:
        return
    finally:
        await events.aclose()
