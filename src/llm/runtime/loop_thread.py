"""One background event loop, started the first time a blocking call meets async code of the user's."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_process = 0


def run(work: Awaitable[T], seconds: float | None) -> T:
    """Run async code on the background loop and wait for it here.

    Context variables are the caller's. Ctrl-C here cancels it there.

    Raises:
        TimeoutError: it took longer than `seconds`; it was cancelled.
    """
    loop = _running_loop()
    context = contextvars.copy_context()
    done: threading.Event = threading.Event()
    tasks: list[asyncio.Task[T]] = []

    async def awaited() -> T:
        async with asyncio.timeout(seconds):
            return await work

    def start() -> None:
        task = loop.create_task(awaited(), context=context)
        tasks.append(task)
        task.add_done_callback(lambda _: done.set())

    loop.call_soon_threadsafe(start)
    try:
        done.wait()
    except BaseException:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
        done.wait()
        raise
    return tasks[0].result()


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop, _lock, _process
    if _process != os.getpid():  # a forked child has the loop and not the thread that ran it
        _process, _loop, _lock = os.getpid(), None, threading.Lock()
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="dragoman-loop", daemon=True).start()
        return _loop
