"""The core runs without an event loop as long as it awaits only its runtime, and says so where it does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm.events import Events, Pending, StreamEvent
from llm.runtime.asynchronous import AsyncioRuntime, unpack
from llm.runtime.blocking import BlockingRuntime
from llm.runtime.drive import drive, finish

pytestmark = pytest.mark.anyio


def event(content: object) -> StreamEvent:
    return {"type": "answer", "content": content, "depth": 0}


async def echoing(log: list[Any]) -> Events:
    """Show two events, then one that repeats the decision on the second."""
    try:
        decision = yield [event(1), event(2)]
        yield [event(decision)]
    finally:
        log.append("closed")


def test_work_that_never_suspends_finishes_at_once() -> None:
    async def work() -> int:
        return await inner() + 1

    async def inner() -> int:
        return 1

    assert finish(work()) == 2


def test_work_that_suspends_is_refused_and_closed() -> None:
    log = []

    async def work() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            log.append("closed")

    with pytest.raises(RuntimeError, match="something else suspended"):
        finish(work())
    assert log == ["closed"]


def test_an_error_of_the_work_is_raised_as_it_is() -> None:
    async def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        finish(work())


def test_driven_events_come_one_by_one_and_decisions_reach_the_core() -> None:
    log: list[Any] = []
    stream = drive(echoing(log), Pending())

    assert [next(stream)["content"], next(stream)["content"], stream.send("yes")["content"]] == [1, 2, "yes"]
    assert list(stream) == []
    assert log == ["closed"]


@pytest.mark.parametrize("end", ["close", "forget", "throw"])
def test_a_driven_stream_that_is_left_closes_the_core(end: str) -> None:
    log: list[Any] = []
    stream = drive(echoing(log), Pending())
    next(stream)

    if end == "close":
        stream.close()
    elif end == "forget":
        del stream
    else:
        with pytest.raises(KeyError):
            stream.throw(KeyError())

    assert log == ["closed"]


async def test_unpacked_events_come_one_by_one_and_decisions_reach_the_core() -> None:
    log: list[Any] = []
    stream = unpack(echoing(log), Pending())

    first, second = await anext(stream), await anext(stream)
    third = await stream.asend("yes")

    assert [first["content"], second["content"], third["content"]] == [1, 2, "yes"]
    assert [left async for left in stream] == []
    assert log == ["closed"]


async def test_an_unpacked_stream_that_is_closed_closes_the_core() -> None:
    log: list[Any] = []
    stream = unpack(echoing(log), Pending())
    await anext(stream)

    await stream.aclose()

    assert log == ["closed"]


async def test_blocking_work_runs_where_it_holds_up_only_its_caller() -> None:
    import threading

    here = threading.get_ident()

    assert finish(BlockingRuntime().call(threading.get_ident)) == here
    assert await AsyncioRuntime().call(threading.get_ident) != here
