"""HTTP/2 as it is spoken with a server that offers it.

What every transport must do, these two included, is in `test_transports`.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from authority import Authority
from h2_server import H2Server
from llm_async import LLMTimeoutError, StreamInterruptedError, TransportError
from llm_async.transport import Transport
from llm_async.transport.http2 import Http2AsyncTransport, Http2BlockingTransport
from transports import HTTP2, Runtime, finish, read, request_to, stream

REFUSED, INTERNAL = 7, 2


@pytest.fixture(params=HTTP2, ids=str)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    found: Runtime = request.param
    return found


@pytest.fixture
def server(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[H2Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    context = authority.server_context
    context.set_alpn_protocols(["h2"])
    try:
        with H2Server(context) as server:
            yield server
    finally:
        context.set_alpn_protocols([])


def test_a_server_that_offers_http2_is_spoken_to_in_it(runtime: Runtime, server: H2Server) -> None:
    server.reply(404, [("X-Request-ID", "7"), ("set-cookie", "a=1"), ("set-cookie", "b=2")], b"no such model")

    async def work(transport: Transport) -> tuple[int, dict[str, str], bytes]:
        request = request_to(f"{server.url}/chat?q=%20x", body=b'{"a": 1}', headers={"Authorization": "Bearer k"})
        async with transport.open(request) as reply:
            return reply.status, dict(reply.headers), await reply.read()

    status, headers, body = runtime.run(work)

    assert (status, body) == (404, b"no such model")
    assert headers == {"x-request-id": "7", "set-cookie": "a=1, b=2"}
    assert server.requests[0].body == b'{"a": 1}'
    assert server.requests[0].headers == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": f"localhost:{server.port}",
        ":path": "/v1/chat?q=%20x",
        "authorization": "Bearer k",
        "accept-encoding": "identity",
        "content-length": "8",
    }


def test_a_piece_is_given_out_before_the_next_one_is_sent(runtime: Runtime, server: H2Server) -> None:
    gates = [threading.Event() for _ in range(3)]
    server.reply(body=[b"0", gates[0], b"1", gates[1], b"2", gates[2]])

    async def work(transport: Transport) -> list[bytes]:
        got = []
        async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
            for gate in gates:
                got.append(await anext(chunks))
                gate.set()
        return got

    assert runtime.run(work) == [b"0", b"1", b"2"]


def test_large_requests_and_answers_pass(runtime: Runtime, server: H2Server) -> None:
    for _ in range(2):
        server.reply(body=b"x" * 3_000_000)

    async def work(transport: Transport) -> list[int]:
        return [len(await read(transport, server.url, body=b"y" * 1_000_000)) for _ in range(2)]

    assert runtime.run(work) == [3_000_000] * 2
    assert [len(request.body) for request in server.requests] == [1_000_000] * 2
    assert server.connections == 1


def test_requests_at_once_have_a_connection_each_and_keep_it(server: H2Server) -> None:
    gate = threading.Event()
    for _ in range(20):
        server.reply(body=[b"a", gate, b"b"])
    for _ in range(20):
        server.reply(body=b"again")

    async def work() -> list[bytes]:
        transport = Http2AsyncTransport()

        async def one() -> bytes:
            async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
                first = await anext(chunks)
                begun.append(first)
                if len(begun) == 20:
                    gate.set()
                return first + b"".join([chunk async for chunk in chunks])

        begun: list[bytes] = []
        try:
            first = await asyncio.gather(*(one() for _ in range(20)))
            return first + await asyncio.gather(*(read(transport, server.url) for _ in range(20)))
        finally:
            await transport.aclose()

    assert asyncio.run(work()) == [b"ab"] * 20 + [b"again"] * 20
    assert server.connections == 20
    assert sorted(server.closed.get(timeout=20) for _ in range(20)) == list(range(1, 21))


def test_threads_have_a_connection_each(server: H2Server) -> None:
    gate = threading.Event()
    for _ in range(3):
        server.reply(body=[b"a", gate, b"b"])
    transport = Http2BlockingTransport()
    got: list[bytes] = []

    async def one() -> None:
        got.append(b"".join(await stream(transport, server.url)))

    threads = [threading.Thread(target=lambda: finish(one())) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(server.requests) < 3:
        threading.Event().wait(0.005)
    gate.set()
    for thread in threads:
        thread.join(20)
    finish(transport.aclose())

    assert got == [b"ab"] * 3
    assert server.connections == 3
    assert sorted(server.closed.get(timeout=20) for _ in range(3)) == [1, 2, 3]


def test_the_server_sees_that_an_answer_is_not_read_to_its_end(runtime: Runtime, server: H2Server) -> None:
    never = threading.Event()
    server.reply(body=[b"a" * 40_000, never])
    server.reply(body=b"second")

    async def work(transport: Transport) -> bytes:
        async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
            await anext(chunks)
        assert await runtime.aside(lambda: server.closed.get(timeout=20)) == 1
        return await read(transport, server.url)

    assert runtime.run(work) == b"second"


@pytest.mark.parametrize("where", ["the head", "the body"])
def test_a_cancelled_request_ends_alone(server: H2Server, where: str) -> None:
    gate, never = threading.Event(), threading.Event()
    server.reply(body=[b"a", gate, b"b"])
    server.reply(body=[never] if where == "the head" else [b"x", never])

    async def work() -> bytes:
        transport = Http2AsyncTransport()
        got: list[bytes] = []
        try:
            async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
                first = await anext(chunks)
                other = asyncio.create_task(stream(transport, server.url, got))
                # The server's thread has no event of this loop's.
                while len(server.requests) < 2 or (where == "the body" and not got):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                other.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await other
                assert await asyncio.to_thread(lambda: server.closed.get(timeout=20)) == 2
                gate.set()
                return first + b"".join([chunk async for chunk in chunks])
        finally:
            await transport.aclose()

    assert asyncio.run(work()) == b"ab"


@pytest.mark.parametrize("where", ["the head", "the body"])
def test_a_limit_of_one_request_is_not_the_others(server: H2Server, where: str) -> None:
    gate, never = threading.Event(), threading.Event()
    server.reply(body=[b"a", gate, b"b"])
    server.reply(body=[never] if where == "the head" else [b"x", never])

    async def work() -> bytes:
        transport = Http2AsyncTransport()
        try:
            async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
                first = await anext(chunks)
                with pytest.raises(LLMTimeoutError) as caught:
                    await stream(transport, server.url, idle=0.2)
                assert caught.value.limit == "idle"
                gate.set()
                return first + b"".join([chunk async for chunk in chunks])
        finally:
            await transport.aclose()

    assert asyncio.run(work()) == b"ab"


def test_a_stream_that_the_server_resets_is_an_error(runtime: Runtime, server: H2Server) -> None:
    server.reply(body=[REFUSED])
    server.reply(body=[b"some", INTERNAL])
    server.reply(body=b"fine")
    got: list[bytes] = []

    async def work(transport: Transport) -> bytes:
        with pytest.raises(TransportError, match="reset the stream: REFUSED_STREAM") as before:
            await read(transport, server.url)
        assert before.value.retryable
        with pytest.raises(StreamInterruptedError, match="reset the stream: INTERNAL_ERROR") as within:
            await stream(transport, server.url, got)
        assert within.value.retryable
        return await read(transport, server.url)

    assert runtime.run(work) == b"fine"
    assert got == [b"some"]


def test_a_connection_that_the_server_ends_while_it_is_idle_is_replaced_silently(
    runtime: Runtime, server: H2Server
) -> None:
    server.reply(body=b"first")
    server.reply(body=b"second")

    async def work(transport: Transport) -> list[bytes]:
        first = await read(transport, server.url)
        server.close_connections()
        await runtime.aside(lambda: server.closed.get(timeout=20))
        return [first, await read(transport, server.url)]

    assert runtime.run(work) == [b"first", b"second"]
    assert server.connections == 2


def test_a_connection_that_the_server_ends_within_an_answer_is_an_error(runtime: Runtime, server: H2Server) -> None:
    server.reply(body=[b"some", None])
    server.reply(body=b"fine")

    async def work(transport: Transport) -> bytes:
        with pytest.raises(StreamInterruptedError, match="ended the connection: NO_ERROR"):
            await stream(transport, server.url)
        return await read(transport, server.url)

    assert runtime.run(work) == b"fine"


def run_with(runtime: Runtime, transport: Transport, url: str) -> bytes:
    async def work() -> bytes:
        try:
            return await read(transport, url)
        finally:
            await transport.aclose()

    return finish(work()) if runtime.is_blocking else asyncio.run(work())


def test_a_given_context_is_used(
    runtime: Runtime, server: H2Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    context: ssl.SSLContext = authority.client_context()
    kind = Http2BlockingTransport if runtime.is_blocking else Http2AsyncTransport
    server.reply(body=b"hello")

    transport = kind(ssl_context=context)

    assert run_with(runtime, transport, server.url) == b"hello"
    assert server.requests[0].headers[":scheme"] == "https"
