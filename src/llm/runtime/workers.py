"""Threads of our own for the user's blocking code: the event loop's are for others, and may all be taken."""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

_idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
_process = os.getpid()


async def run(work: Callable[[], T]) -> T:
    """Run `work` in a worker thread, with the caller's context variables. Cancelled, it is left to end by itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    worker = _free_worker()

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

    worker.tasks.put((partial(contextvars.copy_context().run, work), done))
    return await future


def _free_worker() -> _Worker:
    global _idle, _process
    if _process != os.getpid():  # a forked child has the list of the threads and none of them
        _process, _idle = os.getpid(), queue.SimpleQueue()
    try:
        return _idle.get_nowait()
    except queue.Empty:
        worker = _Worker()
        worker.start()
        return worker


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
            value: Any = None
            failure: BaseException | None = None
            try:
                value = work()
            except StopIteration as error:  # which no future can carry
                failure = RuntimeError("StopIteration was raised, which only an iterator may")
                failure.__cause__ = error
            except BaseException as error:  # noqa: BLE001 - it is raised again where the work is awaited
                failure = error
            _idle.put(self)
            done(value, failure)
            del work, done, value, failure  # an idle thread must not keep them
