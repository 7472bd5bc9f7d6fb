"""What only the transports for asyncio do: cancellation, several event loops, and their ends."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from llm_async.errors import StreamInterruptedError
from llm_async.transport import Transport
from llm_async.transport.asynchronous import AsyncTransport
from llm_async.transport.http2 import Http2AsyncTransport
from server import Server, raw, reply
from transports import read, request_to, stream

pytestmark = pytest.mark.anyio


Kind = type[AsyncTransport] | type[Http2AsyncTransport]


@pytest.fixture(params=[AsyncTransport, Http2AsyncTransport], ids=["HTTP/1.1", "HTTP/2"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
async def transport(kind: Kind) -> AsyncGenerator[Transport, None]:
    transport = kind()
    yield transport
    await transport.aclose()


def kept_by(transport: AsyncTransport | Http2AsyncTransport) -> object:
    return transport._sessions if isinstance(transport, AsyncTransport) else transport._shelves


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("where", ["the head", "the body"])
async def test_cancelling_closes_the_connection(server: Server, transport: Transport, where: str, times: int) -> None:
    never = threading.Event()
    server.add(raw(never) if where == "the head" else reply(body=[b"hello", never]))
    arrived = asyncio.Event()

    async def work() -> None:
        try:
            async with transport.open(request_to(server.url)) as answer, aclosing(answer.chunks()) as chunks:
                async for _ in chunks:
                    arrived.set()
        finally:
            await transport.aclose()

    task = asyncio.create_task(work())
    await asyncio.to_thread(server.wait_requests, 1)
    if where == "the body":
        await arrived.wait()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.to_thread(server.wait_closed, 1)
    assert server.open_connections == 0


async def test_many_requests_go_at_once(server: Server, transport: Transport) -> None:
    together = threading.Barrier(30)
    server.handler = lambda request: raw(
        lambda _: together.wait() and None, b"HTTP/1.1 204 No Content\r\n\r\n", close=False
    )

    await asyncio.gather(*(read(transport, server.url) for _ in range(30)))

    assert server.connections == 30


def test_one_transport_serves_one_loop_after_the_other_and_leaves_nothing_open(server: Server, kind: Kind) -> None:
    transport = kind()
    server.handler = lambda request: reply(body=b"hello")

    async def work() -> bytes:
        await read(transport, server.url)
        return await read(transport, server.url)

    for number in (1, 2):
        assert asyncio.run(work()) == b"hello"
        server.wait_closed(number)

    assert server.connections == 2
    assert kept_by(transport) == {}


def test_one_transport_serves_several_loops_at_once(server: Server, kind: Kind) -> None:
    transport = kind()
    server.handler = lambda request: reply(body=[request.body])
    answers: list[bytes] = []

    async def work(number: int) -> None:
        for _ in range(10):
            answers.extend(await stream(transport, server.url, body=b"%d" % number))

    threads = [threading.Thread(target=asyncio.run, args=(work(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == sorted([b"0", b"1", b"2", b"3"] * 10)
    assert server.connections == 4


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # asyncio's own word for such a loop's connections
def test_a_loop_closed_by_hand_is_forgotten(server: Server, kind: Kind) -> None:
    transport = kind()
    server.handler = lambda request: reply(body=b"hello", close=True, headers={"Connection": "close"})

    loop = asyncio.new_event_loop()
    loop.run_until_complete(read(transport, server.url))
    loop.close()

    assert asyncio.run(read(transport, server.url)) == b"hello"
    assert kept_by(transport) == {}
    del loop
    gc.collect()


async def test_a_forgotten_transport_closes_its_connections(server: Server, kind: Kind) -> None:
    server.reply(body=b"hello")
    transport = kind()
    await read(transport, server.url)

    del transport
    gc.collect()

    await asyncio.to_thread(server.wait_closed, 1)
    assert server.open_connections == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_connections_of_its_own(server: Server, kind: Kind) -> None:
    server.handler = lambda request: reply(body=b"hello")
    script = f"""
        import asyncio, os
        from transports import read
        from {kind.__module__} import {kind.__name__}
        transport = {kind.__name__}()
        async def work():
            asyncio.get_running_loop().slow_callback_duration = 60  # waiting for the child is meant
            assert await read(transport, {server.url!r}) == b"hello"
            child = os.fork()
            if not child:
                try:
                    asyncio.run(read(transport, {server.url!r}))
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            assert await read(transport, {server.url!r}) == b"hello"
        asyncio.run(work())
    """

    assert output_of(script) == (0, b"")
    assert [request.connection for request in server.requests] == [1, 2, 1]


def test_nothing_is_printed_in_development_mode(server: Server, kind: Kind) -> None:
    server.reply(body=b"hello")
    server.reply(body=[b"hello", threading.Event()])
    script = f"""
        import asyncio
        from transports import read, request_to
        from {kind.__module__} import {kind.__name__}
        transport = {kind.__name__}()
        async def work():
            await read(transport, {server.url!r}, body=b"x" * 3_000_000)
            async with transport.open(request_to({server.url!r})) as reply:
                async for chunk in reply.chunks():
                    return chunk
        assert asyncio.run(work()) == b"hello"
    """

    assert output_of(script) == (0, b"")


async def test_a_connection_reset_while_the_caller_pauses_is_an_error(server: Server, transport: Transport) -> None:
    gate = threading.Event()
    server.add(reply(body=[b"one ", gate, b"two"], content_length=50, reset=True))

    async with transport.open(request_to(server.url)) as answer, aclosing(answer.chunks()) as chunks:
        assert await anext(chunks) == b"one "
        gate.set()
        await asyncio.to_thread(server.wait_idle)
        with pytest.raises(StreamInterruptedError, match=r"127\.0\.0\.1"):
            [chunk async for chunk in chunks]


async def test_compressed_pieces_that_came_before_a_cut_are_given_out(server: Server, transport: Transport) -> None:
    import zlib

    gate = threading.Event()
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(b"one ") + packer.flush(zlib.Z_SYNC_FLUSH)
    second = packer.compress(b"two") + packer.flush(zlib.Z_SYNC_FLUSH)
    headers = {"Content-Encoding": "gzip"}
    server.add(reply(headers=headers, body=[first, gate, second], content_length=500, close=True))

    async with transport.open(request_to(server.url)) as answer, aclosing(answer.chunks()) as chunks:
        assert await anext(chunks) == b"one "
        gate.set()
        await asyncio.to_thread(server.wait_idle)
        await asyncio.sleep(0.01)
        assert await anext(chunks) == b"two"
        with pytest.raises(StreamInterruptedError):
            await anext(chunks)


def output_of(script: str) -> tuple[int, bytes]:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, done.stdout
