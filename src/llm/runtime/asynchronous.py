"""Running the core on the caller's event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from llm.events import Decision, Events, Pending, StreamEvent
from llm.runtime import workers
from llm.runtime.relay import in_turn
from llm_async.providers import BaseProvider
from llm_async.transport import Transport

T = TypeVar("T")

AT_ONCE = 32
"""How many tools run at the same time where nothing else is said."""


class AsyncioRuntime:
    """Suspends where the blocking runtime blocks."""

    def transport(self, provider: BaseProvider) -> Transport:
        """Return the provider's asynchronous transport."""
        return provider.transport(blocking=False)

    async def call(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Run `work` in a worker thread."""
        async with asyncio.timeout(seconds):
            return await workers.run(work)

    async def wait(
        self, work: Awaitable[T], seconds: float | None = None, context: contextvars.Context | None = None
    ) -> T:
        """Await `work` in place."""
        async with asyncio.timeout(seconds):
            return await work

    def merge(self, jobs: Sequence[Events], *, limit: int | None) -> Events:
        """Yield the events of jobs that run together, at most `limit` at once."""
        return in_turn(jobs) if len(jobs) < 2 or limit == 1 else _together(jobs, limit or AT_ONCE)


async def _together(jobs: Sequence[Events], limit: int) -> Events:
    # Tasks and no task group: none may be held open across a yield, for the consumer may go on in another task.
    inbox: asyncio.Queue[tuple[list[StreamEvent] | None, Any]] = asyncio.Queue()
    gate = asyncio.Semaphore(limit)
    loop = asyncio.get_running_loop()

    async def pump(job: Events) -> None:
        async with aclosing(job), gate:
            decision: Decision | None = None
            while True:
                try:
                    batch = await job.asend(decision)
                except StopAsyncIteration:
                    return
                answer: asyncio.Future[Decision | None] = loop.create_future()
                inbox.put_nowait((batch, answer))
                decision = await answer

    tasks = [asyncio.create_task(pump(job)) for job in jobs]
    for task in tasks:
        task.add_done_callback(lambda done: inbox.put_nowait((None, done)))
    running = len(tasks)
    try:
        while running:
            batch, source = await inbox.get()
            if batch is None:
                running -= 1
                source.result()  # raises what the job raised
            else:
                source.set_result((yield batch))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def unpack(events: Events, pending: Pending) -> AsyncGenerator[StreamEvent, Decision | None]:
    """Turn the core's lists of events into single ones; decisions reach the core."""
    decision: Decision | None = None
    try:
        while True:
            batch = await events.asend(decision)
            for event in batch:
                decision = yield event
            decision = pending.take(decision, batch)
    except StopAsyncIteration:
        return
    finally:
        await events.aclose()
