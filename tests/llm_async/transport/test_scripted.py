from __future__ import annotations

import pytest

from llm_async import ConfigurationError, LLMError, StreamInterruptedError, TransportError
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import run
from transports import request_to

URL = "http://test/v1"


async def read(transport: ScriptedTransport) -> bytes:
    async with transport.open(request_to(URL)) as reply:
        return await reply.read()


def test_replies_come_in_their_order_and_requests_are_kept() -> None:
    transport = ScriptedTransport([ScriptedReply(pieces=[b"a", b"b"]), ScriptedReply(status=404, headers={"x": "y"})])

    async def work() -> None:
        assert await read(transport) == b"ab"
        async with transport.open(request_to(URL, body=b"2")) as reply:
            assert (reply.status, reply.headers, await reply.read()) == (404, {"x": "y"}, b"")
            await reply.drain()

    run(work())

    assert [request.body for request in transport.requests] == [b"{}", b"2"]


def test_pieces_come_one_a_read_and_an_error_among_them_in_its_place() -> None:
    got = []

    async def work() -> None:
        reply = ScriptedReply(pieces=[b"a", b"b", StreamInterruptedError("cut"), b"c"])
        async with ScriptedTransport([reply]).open(request_to(URL)) as opened:
            async for piece in opened.chunks():
                got.append(piece)  # noqa: PERF401 # what came before the error is wanted

    with pytest.raises(StreamInterruptedError, match="cut"):
        run(work())
    assert got == [b"a", b"b"]


def test_an_error_comes_in_place_of_a_reply() -> None:
    transport = ScriptedTransport([TransportError("refused"), ScriptedReply(pieces=[b"a"])])

    with pytest.raises(LLMError, match="refused"):
        run(read(transport))
    assert run(read(transport)) == b"a"


def test_a_request_too_many_says_how_many_there_are_replies_for() -> None:
    transport = ScriptedTransport([ScriptedReply()])
    run(read(transport))

    with pytest.raises(ConfigurationError, match=r"^request 2 came, and the script has replies for 1$"):
        run(read(transport))


def test_a_reply_is_closed_when_it_is_left_also_by_an_error() -> None:
    reply = ScriptedReply()

    async def work() -> None:
        async with ScriptedTransport([reply]).open(request_to(URL)):
            assert not reply.closed
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(work())
    assert reply.closed


def test_waits_are_noted_and_nothing_waits() -> None:
    transport = ScriptedTransport([])

    async def work() -> None:
        await transport.sleep(1000)
        await transport.sleep(2)
        await transport.aclose()

    run(work())

    assert transport.slept == [1000, 2]
