"""Background event loops, started the first time a blocking call meets async code of the user's.

There is one, and one more for each blocking call inside async code that itself runs on the last of them, which is
held up as long as that call lasts.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("dragoman_loop_depth", default=0)
"""How many of the loops are held up by the blocking calls around this code."""

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []
_process = os.getpid()


def run(work: Awaitable[T], seconds: float | None, context: contextvars.Context | None = None) -> T:
    """Run async code on a background loop and wait for it here. Ctrl-C here cancels it there.

    Args:
        context: where it runs; None: in a copy of the caller's.

    Raises:
        TimeoutError: it took longer than `seconds`; it was cancelled.
    """
    depth = _depth.get()
    loop = _running_loop(depth)
    context = contextvars.copy_context() if context is None else context
    context.run(_depth.set, depth + 1)
    done: threading.Event = threading.Event()
    tasks: list[asyncio.Task[None]] = []
    results: list[T] = []
    failures: list[BaseException] = []

    async def awaited() -> None:
        try:
            async with asyncio.timeout(seconds):
                results.append(await work)
        except BaseException as error:  # noqa: BLE001 - raised again below; SystemExit in a task would end the loop
            failures.append(error)

    def start() -> None:
        task = loop.create_task(awaited(), context=context)
        tasks.append(task)
        task.add_done_callback(lambda _: done.set())

    def cancel() -> None:
        for task in tasks:
            task.cancel()
        if not tasks:
            done.set()  # Ctrl-C came before it could start

    try:
        loop.call_soon_threadsafe(start)
        done.wait()
    except BaseException:
        loop.call_soon_threadsafe(cancel)
        done.wait()
        raise
    if failures:
        raise failures.pop()
    return results.pop()


def _running_loop(depth: int) -> asyncio.AbstractEventLoop:
    global _lock, _process
    if _process != os.getpid():  # a forked child has the loops and not the threads that ran them
        _process, _lock = os.getpid(), threading.Lock()
        _loops.clear()
    with _lock:
        while len(_loops) <= depth:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="dragoman-loop", daemon=True).start()
            _loops.append(loop)
        return _loops[depth]
