"""`yield from` for streams of events, which async generators lack."""

from __future__ import annotations

from collections.abc import Sequence

from llm.events import Decision, Events


async def relay(events: Events) -> Events:
    """Yield the events of a stream; decisions reach it, and it is closed however this one ends."""
    decision: Decision | None = None
    try:
        while True:
            decision = yield await events.asend(decision)
    except StopAsyncIteration:
        return
    finally:
        await events.aclose()


async def in_turn(jobs: Sequence[Events]) -> Events:
    """Run jobs one after the other; each decision goes to the job that asked."""
    try:
        for job in jobs:
            decision: Decision | None = None
            while True:
                try:
                    batch = await job.asend(decision)
                except StopAsyncIteration:
                    break
                decision = yield batch
    finally:
        for job in jobs:
            await job.aclose()
