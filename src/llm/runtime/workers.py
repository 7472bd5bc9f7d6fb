"""Threads of our own for the user's blocking code: the event loop's are for others, and may all be taken."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()


async def run(work: Callable[[], T]) -> T:
    """Run `work` in a worker thread. One that is cancelled is left to end by itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    try:
        worker = _idle.get_nowait()
    except queue.Empty:
        worker = _Worker()
        worker.start()

    def report(settle: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            settle(value)

    def done(value: Any, error: BaseException | None) -> None:
        try:
            if error is None:
                loop.call_soon_threadsafe(report, future.set_result, value)
            else:
                loop.call_soon_threadsafe(report, future.set_exception, error)
        except RuntimeError:
            pass  # the loop was closed meanwhile; nobody waits any more

    worker.tasks.put((work, done))
    return await future


class _Worker(threading.Thread):
    """Does one thing after the other; a daemon, so that a tool that hangs does not keep the program from ending."""

    def __init__(self) -> None:
        super().__init__(name="dragoman-worker", daemon=True)
        self.tasks: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any, BaseException | None], None]]] = (
            queue.SimpleQueue()
        )

    def run(self) -> None:
        """Wait for work, for ever."""
        while True:
            work, done = self.tasks.get()
            value, failure = None, None
            try:
                value = work()
            except BaseException as error:  # noqa: BLE001 - it is raised again where the work is awaited
                failure = error
            _idle.put(self)
            done(value, failure)
            del work, done, value, failure  # an idle thread must not keep them
