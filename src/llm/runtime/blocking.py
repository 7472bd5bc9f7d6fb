"""Running the core in the caller's thread, with no event loop anywhere."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from llm.events import Decision, Events, StreamEvent
from llm.runtime.drive import finish
from llm.runtime.relay import in_turn
from llm_async.providers import BaseProvider
from llm_async.transport import Transport

T = TypeVar("T")


class BlockingRuntime:
    """Blocks instead of suspending."""

    def transport(self, provider: BaseProvider) -> Transport:
        """Return the provider's blocking transport."""
        return provider.transport(blocking=True)

    async def call(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Run `work` here and now; it cannot be interrupted, whatever `seconds` says."""
        return work()

    async def wait(
        self, work: Awaitable[T], seconds: float | None = None, context: contextvars.Context | None = None
    ) -> T:
        """Run async code on the background loop, and wait for it."""
        from llm.runtime import loop_thread  # loads asyncio, for the one case that needs it

        return loop_thread.run(work, seconds, context)

    def merge(self, jobs: Sequence[Events], *, limit: int | None) -> Events:
        """Yield the events of jobs: one after the other in this thread, or `limit` at once in threads."""
        return in_turn(jobs) if limit is None or limit == 1 or len(jobs) < 2 else _in_threads(jobs, limit)


async def _in_threads(jobs: Sequence[Events], limit: int) -> Events:
    inbox: queue.SimpleQueue[tuple[_Pump, list[StreamEvent] | None]] = queue.SimpleQueue()
    gate = threading.Semaphore(limit)
    pumps = [_Pump(job, inbox, gate) for job in jobs]
    running = len(pumps)
    try:
        for pump in pumps:
            pump.start()
        while running:
            pump, batch = inbox.get()
            if batch is not None:
                pump.answers.put((yield batch))
                continue
            running -= 1
            if pump.failure is not None:
                raise pump.failure
    finally:
        for pump in pumps:
            pump.close()
        for pump in pumps:
            pump.join()  # a plain function cannot be interrupted; its thread is waited for, as in this thread


_CLOSED = object()


class _Pump(threading.Thread):
    """Drives one job in a thread, hands its events over, and waits for the answer to each."""

    def __init__(self, job: Events, inbox: queue.SimpleQueue[Any], gate: threading.Semaphore) -> None:
        super().__init__(name="dragoman-tool", daemon=True)
        self._job, self._inbox, self._gate = job, inbox, gate
        self._context = contextvars.copy_context()
        self._is_closed = False
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.failure: BaseException | None = None

    def close(self) -> None:
        """Let it end: a job that has not begun never does, one that waits for an answer is closed."""
        self._is_closed = True
        self.answers.put(_CLOSED)

    def run(self) -> None:
        """Run the job to its end, or until it is closed."""
        try:
            self._context.run(self._pump)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the jobs are merged
            self.failure = error
        self._inbox.put((self, None))

    def _pump(self) -> None:
        decision: Decision | None = None
        with self._gate:
            try:
                while not self._is_closed:
                    try:
                        batch = finish(self._job.asend(decision))
                    except StopAsyncIteration:
                        return
                    self._inbox.put((self, batch))
                    decision = self.answers.get()
                    if decision is _CLOSED:
                        return
            finally:
                finish(self._job.aclose())
