"""What only the blocking transport does: threads, forks, and a pool of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_async.errors import TransportError
from llm_async.transport import pool
from llm_async.transport.blocking import BlockingTransport
from server import Server, raw, reply
from transports import finish, read, request_to, stream


@pytest.fixture
def transport() -> BlockingTransport:
    return BlockingTransport()


def test_it_works_inside_a_running_event_loop(server: Server, transport: BlockingTransport) -> None:
    server.reply(body=b"hello")

    async def work() -> bytes:
        return finish(read(transport, server.url))

    assert asyncio.run(work()) == b"hello"


def test_threads_share_it_and_its_connections(server: Server, transport: BlockingTransport) -> None:
    server.handler = lambda request: reply(body=[request.body])

    def work(number: int) -> bytes:
        return b"".join(finish(stream(transport, server.url, body=b"%d" % number)))

    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(work, range(100)))

    assert answers == [b"%d" % number for number in range(100)]
    assert server.connections <= 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_connections_of_its_own(server: Server, transport: BlockingTransport) -> None:
    server.handler = lambda request: reply(body=[b"hello"])
    finish(read(transport, server.url))

    child = os.fork()
    if not child:
        try:
            os._exit(0 if finish(read(transport, server.url)) == b"hello" else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    server.wait_closed(1)

    assert finish(read(transport, server.url)) == b"hello"
    assert [request.connection for request in server.requests] == [1, 2, 1]
    finish(transport.aclose())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_in_the_middle_of_the_pools_work_does_not_block_the_child(
    server: Server, transport: BlockingTransport
) -> None:
    server.handler = lambda request: reply(body=b"hello")
    with transport._pool._lock:
        child = os.fork()
        if not child:
            try:
                finish(transport.aclose())
                os._exit(0 if finish(read(transport, server.url)) == b"hello" else 1)
            finally:
                os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_a_connection_idle_for_long_is_not_used_again(
    server: Server, transport: BlockingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.handler = lambda request: reply(body=b"hello")
    with Server(lambda request: reply(body=b"other")) as other:
        finish(read(transport, other.url))
        finish(read(transport, server.url))
        monkeypatch.setattr(pool, "KEPT_FOR", 0.0)
        finish(read(transport, server.url))  # takes no old one, and puts none by

        other.wait_closed(1)
    server.wait_closed(2)
    assert server.connections == 2


def test_so_many_connections_are_kept_and_no_more(
    server: Server, transport: BlockingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "KEPT_PER_ORIGIN", 2)
    together = threading.Barrier(4)
    server.handler = lambda request: raw(
        lambda _: together.wait() and None, b"HTTP/1.1 204 No Content\r\n\r\n", close=False
    )

    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(lambda _: finish(read(transport, server.url)), range(4))) == [b""] * 4

    server.wait_closed(2)
    assert server.open_connections == 2


def test_a_forgotten_transport_closes_its_connections(server: Server) -> None:
    server.reply(body=b"hello")

    finish(read(BlockingTransport(), server.url))

    server.wait_closed(1)
    assert server.open_connections == 0


def test_a_reply_that_nobody_opened_needs_no_closing(transport: BlockingTransport) -> None:
    exchange = transport.open(request_to("http://a.test/"))

    assert finish(exchange.__aexit__(None, None, None)) is None


def test_the_systems_own_patience_is_not_called_a_limit(
    transport: BlockingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(TransportError, match=r"was not reached \(Connection timed out\)") as caught:
        finish(read(transport, "http://127.0.0.1:9/"))
    assert caught.value.retryable


@pytest.mark.parametrize("method", ["sendall", "recv"])
def test_nor_is_it_once_the_connection_stands(
    server: Server, transport: BlockingTransport, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*_: object) -> None:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    server.handler = lambda request: raw()
    monkeypatch.setattr(f"llm_async.transport.connection.socket.socket.{method}", fail)
    with pytest.raises(TransportError, match=r"broke \(Connection timed out\)"):
        finish(read(transport, server.url, total=1))
    monkeypatch.undo()


def test_an_interrupt_while_connecting_leaves_nothing_open(
    transport: BlockingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(KeyboardInterrupt):  # a socket left open would warn, which fails the test
        finish(read(transport, "http://127.0.0.1:9/"))


def test_an_interrupt_while_waiting_closes_the_connection(
    server: Server, transport: BlockingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.raw(threading.Event())

    def receive(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("llm_async.transport.connection.Connection.receive", receive)

    with pytest.raises(KeyboardInterrupt):
        finish(read(transport, server.url))
    server.wait_closed(1)


def test_a_host_name_that_is_none_is_unknown(transport: BlockingTransport) -> None:
    with pytest.raises(TransportError, match="is unknown"):
        finish(read(transport, f"http://{'a' * 70}.test/"))


def test_nothing_is_printed_in_development_mode(server: Server) -> None:
    server.reply(body=b"hello")
    server.reply(body=[b"hello", threading.Event()])
    script = f"""
        from transports import finish, read, request_to
        from llm_async.transport.blocking import BlockingTransport
        transport = BlockingTransport()
        async def work():
            await read(transport, {server.url!r})
            async with transport.open(request_to({server.url!r})) as reply:
                async for chunk in reply.chunks():
                    return chunk
        assert finish(work()) == b"hello"
    """
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
