"""What every transport must do, over loopback sockets."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager, suppress
from typing import Any

import pytest

from authority import Authority
from llm_async.errors import ConfigurationError, LLMTimeoutError, StreamInterruptedError, TransportError
from llm_async.transport import Transport
from server import Proxy, Reply, Request, Server, raw, reply, sse
from transports import Runtime, read, request_to, stream

BODIES: dict[str, dict[str, Any]] = {
    "sized": {"body": b"hello world"},
    "chunked": {"body": [b"hello", b" ", b"world"]},
    "until close": {"body": b"hello world", "content_length": False},
}
every_body = pytest.mark.parametrize("answer", BODIES.values(), ids=BODIES)


# The answer


@every_body
@pytest.mark.parametrize("every_byte", [False, True], ids=["at once", "byte by byte"])
def test_a_body_arrives_whole_however_it_is_cut(
    runtime: Runtime, server: Server, answer: dict[str, Any], every_byte: bool
) -> None:
    server.reply(every_byte=every_byte, **answer)
    server.reply(every_byte=every_byte, **answer)

    async def work(transport: Transport) -> tuple[bytes, list[bytes]]:
        return await read(transport, server.url), await stream(transport, server.url)

    whole, pieces = runtime.run(work)

    assert whole == b"".join(pieces) == b"hello world"
    assert all(pieces)


def test_a_piece_is_given_out_before_the_next_one_is_sent(runtime: Runtime, server: Server) -> None:
    gates = [threading.Event() for _ in range(3)]
    server.reply(body=sse("0", gates[0], "1", gates[1], "2", gates[2]))

    async def work(transport: Transport) -> list[bytes]:
        got = []
        async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
            for gate in gates:
                got.append(await anext(chunks))
                gate.set()
        return got

    assert runtime.run(work) == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


def test_status_and_headers_are_told(runtime: Runtime, server: Server) -> None:
    server.reply(404, [("X-Request-ID", "7"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")], b"no such model")

    async def work(transport: Transport) -> tuple[int, dict[str, str], bytes]:
        async with transport.open(request_to(server.url)) as reply:
            return reply.status, dict(reply.headers), await reply.read()

    status, headers, body = runtime.run(work)

    assert (status, body) == (404, b"no such model")
    assert headers == {"x-request-id": "7", "set-cookie": "a=1, b=2", "content-length": "13"}


def test_a_request_is_sent_as_it_is_given(runtime: Runtime, server: Server) -> None:
    server.reply()
    body = '{"text": "größer"}'.encode()

    runtime.run(
        lambda transport: read(transport, f"{server.url}/v1/ü%20?key=a%2Fb&x=ö", headers={"X-A": "1"}, body=body)
    )

    sent = server.requests[0]
    assert (sent.method, sent.target, sent.body) == ("POST", "/v1/%C3%BC%20?key=a%2Fb&x=%C3%B6", body)
    assert sent.headers == {
        "host": f"127.0.0.1:{server.port}",
        "x-a": "1",
        "accept-encoding": "identity",
        "content-length": str(len(body)),
    }


def test_cookies_are_not_kept(runtime: Runtime, server: Server) -> None:
    server.reply(headers={"Set-Cookie": "session=1"})
    server.reply()

    async def work(transport: Transport) -> None:
        await read(transport, server.url)
        await read(transport, server.url)

    runtime.run(work)

    assert "cookie" not in server.requests[1].headers


def test_a_get_request_has_no_body(runtime: Runtime, server: Server) -> None:
    server.reply(body=b"models")

    assert runtime.run(lambda transport: read(transport, f"{server.url}/models", method="GET", body=b"")) == b"models"
    assert server.requests[0].method == "GET"
    assert server.requests[0].headers.get("content-length", "0") == "0"


def test_a_redirect_is_an_answer(runtime: Runtime, server: Server) -> None:
    server.reply(307, {"Location": "/elsewhere"}, b"there")

    async def work(transport: Transport) -> tuple[int, str]:
        async with transport.open(request_to(server.url)) as reply:
            return reply.status, reply.headers["location"]

    assert runtime.run(work) == (307, "/elsewhere")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2]
)
@pytest.mark.parametrize("every_byte", [False, True])
def test_provisional_answers_are_passed_over(
    runtime: Runtime, server: Server, interim: bytes, every_byte: bool
) -> None:
    server.reply(body=b"hello", interim=interim, every_byte=every_byte)

    assert runtime.run(lambda transport: read(transport, server.url)) == b"hello"


def test_an_answer_without_a_body_ends_at_once(runtime: Runtime, server: Server) -> None:
    server.raw(b"HTTP/1.1 204 No Content\r\n\r\n", close=False)
    server.reply(body=b"next")

    async def work(transport: Transport) -> tuple[bytes, bytes]:
        return await read(transport, server.url), await read(transport, server.url)

    assert runtime.run(work) == (b"", b"next")
    assert server.connections == 1


def test_a_large_request_and_a_large_answer_pass(runtime: Runtime, server: Server) -> None:
    large = bytes(range(256)) * 4 * 3000
    server.handler = lambda request: reply(body=request.body)

    async def work(transport: Transport) -> list[bytes]:
        return await stream(transport, server.url, body=large)

    pieces = runtime.run(work)

    assert b"".join(pieces) == large
    assert max(map(len, pieces)) <= 64 * 1024


def test_an_answer_larger_than_the_bound_is_refused(
    runtime: Runtime, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("blocking", "asynchronous", "http2"):
        monkeypatch.setattr(f"llm_async.transport.{module}.MAX_BODY", 10)
    server.reply(body=b"12345678901")
    server.reply(body=[b"123456", b"78901"])
    server.reply(body=[b"123456", b"78901"])

    async def work(transport: Transport) -> bytes:
        for _ in range(2):
            with pytest.raises(TransportError, match="larger than 10 bytes"):
                await read(transport, server.url)
        return b"".join(await stream(transport, server.url))

    assert runtime.run(work) == b"12345678901", "a stream may be of any length"


# Connections


def test_a_connection_is_used_again(runtime: Runtime, server: Server) -> None:
    server.handler = lambda request: reply(body=[b"hello"])

    async def work(transport: Transport) -> None:
        for _ in range(5):
            assert await read(transport, server.url) == b"hello"

    runtime.run(work)

    assert (server.connections, len(server.requests)) == (1, 5)


def test_closing_the_transport_closes_the_kept_connections_and_it_can_go_on(runtime: Runtime, server: Server) -> None:
    server.handler = lambda request: reply(body=b"hello")

    async def work(transport: Transport) -> bytes:
        await read(transport, server.url)
        await transport.aclose()
        await runtime.aside(server.wait_closed, 1)
        return await read(transport, server.url)

    assert runtime.run(work) == b"hello"
    assert server.connections == 2


@every_body
def test_leaving_early_closes_the_connection(runtime: Runtime, server: Server, answer: dict[str, Any]) -> None:
    never = threading.Event()
    body = answer["body"] if isinstance(answer["body"], list) else [answer["body"]]
    length = None if isinstance(answer["body"], list) else answer.get("content_length", 50)
    server.reply(body=[*body, never], content_length=length)

    async def work(transport: Transport) -> bytes:
        async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
            first = await anext(chunks)
        await runtime.aside(server.wait_closed, 1)
        return first

    assert runtime.run(work).startswith(b"hello")


def test_an_answer_nobody_reads_closes_the_connection(runtime: Runtime, server: Server) -> None:
    server.reply(body=[b"hello", threading.Event()])

    async def work(transport: Transport) -> None:
        with pytest.raises(ZeroDivisionError):
            async with transport.open(request_to(server.url)):
                raise ZeroDivisionError
        await runtime.aside(server.wait_closed, 1)

    runtime.run(work)


def test_the_rest_behind_the_end_mark_is_drained_so_that_the_connection_is_kept(
    runtime: Runtime, server: Server
) -> None:
    gate = threading.Event()
    server.reply(body=[b"data: [DONE]\n\n", gate, b"\n"])
    server.reply(body=b"next")

    async def work(transport: Transport) -> bytes:
        async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
            await anext(chunks)
            gate.set()
            await reply.drain()
        return await read(transport, server.url)

    assert runtime.run(work) == b"next"
    assert server.connections == 1


@pytest.mark.parametrize("rest", [b"", b"x" * 300_000], ids=["that does not come", "that is long"])
def test_draining_gives_up_a_rest(runtime: Runtime, server: Server, rest: bytes) -> None:
    server.reply(body=[b"data: [DONE]\n\n", rest, threading.Event()])

    async def work(transport: Transport) -> None:
        async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
            await anext(chunks)
            await reply.drain()
        await runtime.aside(server.wait_closed, 1)

    runtime.run(work)

    assert server.closed_by_client == 1


def test_draining_is_quiet_when_the_connection_breaks(runtime: Runtime, server: Server) -> None:
    gates = [threading.Event(), threading.Event(), threading.Event()]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    server.raw(head, gates[0], reset=True)
    server.raw(head, gates[1], b"-5\r\n")
    server.raw(head, gates[2])
    server.reply(body=b"fine", content_length=False)

    async def work(transport: Transport) -> bytes:
        for gate in gates:
            async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
                await anext(chunks)
                gate.set()
                await reply.drain()
        async with transport.open(request_to(server.url)) as reply:
            await reply.drain()
            await reply.drain()
        return b"fine"

    assert runtime.run(work) == b"fine"


def test_bytes_behind_an_answer_are_never_taken_for_the_next_one(runtime: Runtime, server: Server) -> None:
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    for first in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright" + stray,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nright\r\n0\r\n\r\n" + stray,
        b"HTTP/1.1 204 No Content\r\n\r\n" + stray,
    ):
        server.raw(first, close=False)
        server.reply(body=b"second")

    async def work(transport: Transport) -> list[bytes]:
        return [await read(transport, server.url) for _ in range(6)]

    assert runtime.run(work) == [b"right", b"second", b"right", b"second", b"", b"second"]
    assert [request.connection for request in server.requests] == [1, 2, 2, 3, 3, 4]


def test_bytes_that_come_late_are_not_taken_for_the_next_answer_either(runtime: Runtime, server: Server) -> None:
    gate, sent = threading.Event(), threading.Event()
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    server.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright", gate, stray, lambda _: sent.set(), close=False)
    server.reply(body=b"second")

    async def work(transport: Transport) -> tuple[bytes, bytes]:
        first = await read(transport, server.url)
        gate.set()
        await runtime.aside(sent.wait)
        await transport.sleep(0.01)  # time for the loop to notice
        return first, await read(transport, server.url)

    assert runtime.run(work) == (b"right", b"second")


@pytest.mark.parametrize("end", [raw(), raw(reset=True)], ids=["closes", "resets"])
@pytest.mark.parametrize("size", [2, 3_000_000], ids=["small", "large"])
def test_a_kept_connection_that_the_server_closes_is_replaced_silently(
    runtime: Runtime, server: Server, end: Reply, size: int
) -> None:
    server.reply(body=b"first")
    server.add(end)
    server.reply(body=b"second")

    async def work(transport: Transport) -> tuple[bytes, bytes]:
        return await read(transport, server.url), await read(transport, server.url, body=b"x" * size)

    assert runtime.run(work) == (b"first", b"second")
    assert server.connections == 2


def test_connections_closed_while_idle_are_replaced_silently(runtime: Runtime, server: Server) -> None:
    server.handler = lambda request: reply(body=b"hello")

    async def work(transport: Transport) -> bytes:
        await read(transport, server.url)
        await runtime.aside(server.drop_connections)
        return await read(transport, server.url)

    assert runtime.run(work) == b"hello"
    assert server.connections == 2


@pytest.mark.parametrize("end", [raw(), raw(reset=True)], ids=["closes", "resets"])
def test_a_fresh_connection_that_the_server_closes_is_an_error(runtime: Runtime, server: Server, end: Reply) -> None:
    server.add(end)

    with pytest.raises(TransportError, match=r"127\.0\.0\.1:.* before an answer came") as caught:
        runtime.run(lambda transport: read(transport, server.url))

    assert caught.value.retryable
    assert len(server.requests) == 1


def test_a_refusal_sent_while_the_request_is_still_being_sent_is_read(runtime: Runtime) -> None:
    with deaf_server(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge") as url:

        async def work(transport: Transport) -> tuple[int, bytes]:
            async with transport.open(request_to(url, body=b"x" * 20_000_000)) as reply:
                return reply.status, await reply.read()

        assert runtime.run(work) == (413, b"large")


# What is not an answer


NOT_HTTP = {
    "another protocol": b"220 mail.test ESMTP\r\n\r\n",
    "a wrong status": b"HTTP/1.1 OK\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    "endless header lines": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
    "a wrong length": b"HTTP/1.1 200 OK\r\nContent-Length: 5_0\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_an_error_that_says_so(runtime: Runtime, server: Server, data: bytes) -> None:
    server.raw(data)

    with pytest.raises(
        TransportError, match=r"http://127\.0\.0\.1:\d+ answered with something else than HTTP"
    ) as caught:
        runtime.run(lambda transport: read(transport, server.url))

    assert not caught.value.retryable
    assert len(str(caught.value)) < 500


def test_an_answer_cut_off_in_its_head_is_an_error(runtime: Runtime, server: Server) -> None:
    server.raw(b"HTTP/1.1 200 OK\r\nContent-")

    with pytest.raises(TransportError, match="before an answer came") as caught:
        runtime.run(lambda transport: read(transport, server.url))

    assert caught.value.retryable


CUT_SHORT = {
    "sized": reply(body=b"hello world", cut=5),
    "chunked, behind a chunk": reply(body=[b"hello", b" world"], cut=10),
    "chunked, inside a chunk": reply(body=[b"hello world"], cut=8),
    "chunked, before the last": reply(body=[b"hello"], cut=10),
    "chunked, inside the last": reply(body=[b"hello"], cut=13),
    "sized, reset": reply(body=b"hello world", cut=5, reset=True),
    "chunked, reset": reply(body=[b"hello", b"world"], cut=10, reset=True),
}


@pytest.mark.parametrize("answer", CUT_SHORT.values(), ids=CUT_SHORT)
def test_a_body_that_ends_too_early_is_an_error_behind_what_came(
    runtime: Runtime, server: Server, answer: Reply
) -> None:
    held, gate = gated(answer)
    server.add(held)
    got: list[bytes] = []

    async def work(transport: Transport) -> None:
        async with transport.open(request_to(server.url)) as reply:
            gate.set()
            async for chunk in reply.chunks():
                got.append(chunk)  # noqa: PERF401 # a comprehension would lose what came before the error

    with pytest.raises(StreamInterruptedError, match=r"127\.0\.0\.1:") as caught:
        runtime.run(work)

    assert caught.value.retryable
    if not answer.reset:
        assert b"".join(got) == b"hello"


def test_what_came_before_a_cut_is_given_out_even_when_it_was_noticed_already(runtime: Runtime, server: Server) -> None:
    gate = threading.Event()
    server.reply(body=[b"one ", gate, b"two ", b"three"], content_length=50, close=True)

    async def work(transport: Transport) -> list[bytes]:
        got = []
        async with transport.open(request_to(server.url)) as reply, aclosing(reply.chunks()) as chunks:
            got.append(await anext(chunks))
            gate.set()
            await runtime.aside(server.wait_idle)
            await transport.sleep(0.01)  # time for the loop to notice as well
            with pytest.raises(StreamInterruptedError, match="37 of its 50 bytes"):  # noqa: PT012 # the loop is one
                async for chunk in chunks:
                    got.append(chunk)  # noqa: PERF401 # a comprehension would lose what came before the error
        return got

    assert b"".join(runtime.run(work)) == b"one two three"


@pytest.mark.parametrize("size", [b"-5", b"0x10", b"5_0", b"+5", b"xyz", b"", b" 5", b"1" * 40])
def test_a_chunk_size_that_is_none_interrupts_the_stream(runtime: Runtime, server: Server, size: bytes) -> None:
    server.raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + size + b"\r\nhello\r\n0\r\n\r\n"
    )

    with pytest.raises((StreamInterruptedError, TransportError), match=r"127\.0\.0\.1:"):
        runtime.run(lambda transport: read(transport, server.url))


def test_trailers_are_skipped(runtime: Runtime, server: Server) -> None:
    server.reply(body=[b"hello"], trailers=b"X-Sum: 5\r\nX-More: 6\r\n")
    server.reply(body=b"next")

    async def work(transport: Transport) -> tuple[bytes, bytes]:
        return await read(transport, server.url), await read(transport, server.url)

    assert runtime.run(work) == (b"hello", b"next")
    assert server.connections == 1


# Compressed answers


def deflate(data: bytes, bits: int) -> bytes:
    stream = zlib.compressobj(wbits=bits)
    return stream.compress(data) + stream.flush()


COMPRESSED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "gzip in two members": ("gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
    "deflate": ("deflate", lambda data: deflate(data, 15)),
    "deflate without a header": ("deflate", lambda data: deflate(data, -15)),
    "identity": ("identity", lambda data: data),
}


@pytest.mark.parametrize("every_byte", [False, True])
@pytest.mark.parametrize(("name", "compress"), COMPRESSED.values(), ids=COMPRESSED)
def test_compressed_answers_are_decompressed(
    runtime: Runtime, server: Server, name: str, compress: Callable[[bytes], bytes], every_byte: bool
) -> None:
    server.reply(headers={"Content-Encoding": name}, body=compress(b"hello world"), every_byte=every_byte)

    assert runtime.run(lambda transport: read(transport, server.url)) == b"hello world"


def test_a_compression_that_nobody_knows_is_an_error(runtime: Runtime, server: Server) -> None:
    server.reply(headers={"Content-Encoding": "zstd"}, body=b"?")

    with pytest.raises(TransportError, match="'zstd'"):
        runtime.run(lambda transport: read(transport, server.url))


def test_a_compressed_answer_that_ends_too_early_is_an_error_behind_what_came(runtime: Runtime, server: Server) -> None:
    data = zlib.compressobj(wbits=31)
    flushed = data.compress(b"hello ") + data.flush(zlib.Z_SYNC_FLUSH)
    for answer in ({"body": flushed}, {"body": flushed, "content_length": 500, "close": True}):
        server.reply(headers={"Content-Encoding": "gzip"}, **answer)
        got: list[bytes] = []

        with pytest.raises(StreamInterruptedError):
            runtime.run(lambda transport, got=got: stream(transport, server.url, got))  # type: ignore[misc]

        assert b"".join(got) == b"hello "


def test_a_small_answer_that_decompresses_to_a_huge_one_is_refused(
    runtime: Runtime, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_async.transport.encoding.MAX_BODY", 1_000_000)
    server.reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(5_000_000)))
    got: list[bytes] = []

    with pytest.raises(TransportError, match="larger than 1000000 bytes"):
        runtime.run(lambda transport: stream(transport, server.url, got))

    assert max(map(len, got)) <= 64 * 1024


# Time limits


def test_the_connect_limit_ends_waiting_for_a_server_that_does_not_accept(runtime: Runtime) -> None:
    with unwilling_server() as url, pytest.raises(LLMTimeoutError) as caught:
        runtime.run(lambda transport: read(transport, url, connect=0.05))

    assert caught.value.limit == "connect"


def test_the_connect_limit_covers_the_tls_handshake(runtime: Runtime, server: Server) -> None:
    url = server.url.replace("http:", "https:")

    with pytest.raises(LLMTimeoutError) as caught:
        runtime.run(lambda transport: read(transport, url, connect=0.2))

    assert caught.value.limit == "connect"
    assert server.connections == 1


@pytest.mark.parametrize("limit", ["idle", "first_token", "total"])
@pytest.mark.parametrize("where", ["the head", "the body"])
def test_a_limit_ends_waiting_for(runtime: Runtime, server: Server, limit: str, where: str) -> None:
    never = threading.Event()
    server.add(raw(never) if where == "the head" else reply(body=[b"hello", never]))
    limits: dict[str, Any] = {"total": None, limit: 0.1}

    async def work(transport: Transport) -> None:
        with pytest.raises(LLMTimeoutError) as caught:
            await stream(transport, server.url, got, **limits)
        assert caught.value.limit == limit.replace("_", " ")
        assert caught.value.seconds == 0.1
        await runtime.aside(server.wait_closed, 1)

    got: list[bytes] = []
    runtime.run(work)

    assert got == ([] if where == "the head" else [b"hello"])


def test_the_idle_limit_begins_anew_with_each_arrival_and_ignores_the_callers_pauses(
    runtime: Runtime, server: Server
) -> None:
    server.reply(body=[b"x" for _ in range(200)], every_byte=True)

    async def work(transport: Transport) -> bytes:
        got = b""
        async with transport.open(request_to(server.url, idle=0.25)) as reply:
            async for chunk in reply.chunks():
                if not got:
                    await transport.sleep(0.5)
                got += chunk
        return got

    assert runtime.run(work) == b"x" * 200


def test_the_total_counts_the_callers_pauses(runtime: Runtime, server: Server) -> None:
    server.reply(body=[b"hello", threading.Event()])

    async def work(transport: Transport) -> None:
        async with (
            transport.open(request_to(server.url, total=0.6, idle=10)) as reply,
            aclosing(reply.chunks()) as chunks,
        ):
            await anext(chunks)
            await transport.sleep(0.65)
            with pytest.raises(LLMTimeoutError) as caught:
                await anext(chunks)
        assert caught.value.limit == "total"

    runtime.run(work)


def test_the_first_tokens_limit_is_lifted_when_it_came(runtime: Runtime, server: Server) -> None:
    gate = threading.Event()
    server.reply(body=[b"hello", gate, b"world"])
    request = request_to(server.url, first_token=0.2)

    async def work(transport: Transport) -> list[bytes]:
        async with transport.open(request) as reply, aclosing(reply.chunks()) as chunks:
            first = await anext(chunks)
            request.limits.first_token_came()
            await transport.sleep(0.25)
            gate.set()
            return [first, await anext(chunks)]

    assert runtime.run(work) == [b"hello", b"world"]


def test_a_request_whose_time_is_up_is_not_sent(runtime: Runtime, server: Server) -> None:
    request = request_to(server.url, total=0.001)

    async def work(transport: Transport) -> None:
        await transport.sleep(0.01)
        with pytest.raises(LLMTimeoutError) as caught:
            async with transport.open(request):
                pass
        assert caught.value.limit == "total"

    runtime.run(work)

    assert server.requests == []


@pytest.mark.parametrize("limit", ["idle", "total"])
def test_a_limit_ends_sending_to_a_server_that_does_not_read(runtime: Runtime, limit: str) -> None:
    limits: dict[str, Any] = {"total": None, limit: 0.2}
    with unwilling_server(backlog=5) as url, pytest.raises(LLMTimeoutError) as caught:
        runtime.run(lambda transport: read(transport, url, body=bytes(30_000_000), **limits))

    assert caught.value.limit == limit


def test_the_connect_limit_covers_the_proxys_answer(runtime: Runtime, server: Server) -> None:
    server.raw(threading.Event())

    with pytest.raises(LLMTimeoutError) as caught:
        runtime.run(lambda transport: read(transport, "https://model.test/", connect=0.2), proxy=server.url)

    assert caught.value.limit == "connect"


# Servers that are not there


def test_a_refused_connection_names_host_and_port(runtime: Runtime) -> None:
    port = free_port()

    with pytest.raises(TransportError, match=rf"http://127\.0\.0\.1:{port} refused the connection") as caught:
        runtime.run(lambda transport: read(transport, f"http://127.0.0.1:{port}/v1?key=secret"))

    assert caught.value.retryable
    assert "secret" not in str(caught.value)


def test_an_unknown_host_is_named(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(TransportError, match=r"host 'model\.test' is unknown \(Name or service not known\)") as caught:
        runtime.run(lambda transport: read(transport, "http://model.test:81/"))

    assert caught.value.retryable


def test_the_second_address_of_a_host_is_tried(
    runtime: Runtime, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply(body=b"hello")
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", free_port())),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)

    assert runtime.run(lambda transport: read(transport, f"http://model.test:{server.port}/")) == b"hello"


# TLS


def test_tls_works_with_a_given_context_and_connections_are_kept(runtime: Runtime, authority: Authority) -> None:
    with Server(lambda request: reply(body=[b"hel", b"lo"], every_byte=True), tls=authority.server_context) as server:

        async def work(transport: Transport) -> list[bytes]:
            return [await read(transport, f"https://localhost:{server.port}") for _ in range(3)]

        assert runtime.run(work, ssl_context=authority.client_context()) == [b"hello"] * 3
        assert server.connections == 1


def test_the_certificate_file_of_the_environment_is_trusted(
    runtime: Runtime, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with Server(lambda request: reply(body=b"hello"), tls=authority.server_context) as server:
        assert runtime.run(lambda transport: read(transport, server.url)) == b"hello"


def test_a_certificate_nobody_trusts_is_an_error_that_names_the_way_out(
    runtime: Runtime, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with Server(tls=authority.server_context) as server:
        for file, hint in (
            (None, "name its certificate in SSL_CERT_FILE"),
            ("/no/such.pem", "'/no/such.pem', where no file is"),
        ):
            if file is not None:
                monkeypatch.setenv("SSL_CERT_FILE", file)
            with pytest.raises(TransportError, match="its certificate is not trusted") as caught:
                runtime.run(lambda transport: read(transport, server.url))

            assert hint in str(caught.value)
            assert not caught.value.retryable


def test_a_certificate_for_another_host_is_an_error(runtime: Runtime, authority: Authority) -> None:
    refused = pytest.raises(TransportError, match=r"127\.0\.0\.2.*not trusted")
    with Server(tls=authority.server_context, host="127.0.0.2") as server, refused as caught:
        runtime.run(lambda transport: read(transport, server.url), ssl_context=authority.client_context())
    assert not caught.value.retryable


def test_a_server_without_tls_is_an_error_that_asks_whether_it_has_it(runtime: Runtime) -> None:
    refused = pytest.raises(TransportError, match="does this server speak https")
    with deaf_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url, refused as caught:
        runtime.run(lambda transport: read(transport, url.replace("http:", "https:")))
    assert not caught.value.retryable


# Proxies


def test_a_plain_request_goes_through_the_proxy_of_the_environment(
    runtime: Runtime, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.handler = lambda request: reply(body=request.target)
    with Proxy(names={"model.test": server}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)

        async def work(transport: Transport) -> list[bytes]:
            return [await read(transport, "http://model.test:81/v1?a=b") for _ in range(2)]

        assert runtime.run(work) == [b"/v1?a=b"] * 2
        assert [request.target for request in proxy.requests] == ["http://model.test:81/v1?a=b"] * 2
        assert proxy.requests[0].headers["host"] == "model.test:81"
        assert proxy.connections == 1


@pytest.mark.parametrize("by", ["environment", "parameter"])
def test_a_tls_request_is_tunnelled(
    runtime: Runtime, authority: Authority, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with (
        Server(lambda request: reply(body=b"hello"), tls=authority.server_context) as server,
        Proxy(credentials="Basic dXNlcjpwQHNz", names={"model.test": server}) as proxy,
    ):
        given = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        if by == "environment":
            monkeypatch.setenv("https_proxy", given)

        async def work(transport: Transport) -> list[bytes]:
            return [await read(transport, "https://model.test/v1") for _ in range(2)]

        context = authority.client_context()
        assert runtime.run(work, ssl_context=context, proxy=given if by == "parameter" else None) == [b"hello"] * 2
        assert [(request.method, request.target) for request in proxy.requests] == [("CONNECT", "model.test:443")]
        assert "proxy-authorization" not in server.requests[0].headers
        assert server.connections == 1


def test_credentials_go_to_the_proxy_of_a_plain_request(runtime: Runtime, server: Server) -> None:
    server.handler = lambda request: reply(body=b"hello")
    with Proxy(credentials="Basic dXNlcjpwQHNz", names={"model.test": server}) as proxy:
        given = f"http://user:p%40ss@127.0.0.1:{proxy.port}"

        assert runtime.run(lambda transport: read(transport, "http://model.test/"), proxy=given) == b"hello"
        assert "proxy-authorization" not in server.requests[0].headers


def test_a_proxy_that_wants_credentials_is_named_and_they_are_not(runtime: Runtime) -> None:
    with Proxy(credentials="Basic x") as proxy:
        given = f"http://user:hunter2@127.0.0.1:{proxy.port}"

        with pytest.raises(TransportError, match=rf"the proxy 127\.0\.0\.1:{proxy.port} .*HTTP 407") as caught:
            runtime.run(lambda transport: read(transport, "https://model.test/"), proxy=given)

        assert "hunter2" not in str(caught.value)
        assert not caught.value.retryable


def test_a_proxy_that_does_not_reach_the_server_may_do_so_later(runtime: Runtime) -> None:
    with Proxy() as proxy, pytest.raises(TransportError, match=r"127\.0\.0\.1:\d+ \(HTTP 502\)") as caught:
        runtime.run(lambda transport: read(transport, f"https://127.0.0.1:{free_port()}/"), proxy=proxy.url)
    assert caught.value.retryable


@pytest.mark.parametrize("answer", [b"", b"SMTP\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_proxy_that_is_none_is_an_error(runtime: Runtime, server: Server, answer: bytes) -> None:
    server.raw(answer)

    with pytest.raises(TransportError):
        runtime.run(lambda transport: read(transport, "https://model.test/"), proxy=server.url)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named(runtime: Runtime, scheme: str) -> None:
    port = free_port()

    with pytest.raises(TransportError, match=rf"the proxy 127\.0\.0\.1:{port} refused the connection") as caught:
        runtime.run(lambda transport: read(transport, f"{scheme}://model.test/"), proxy=f"http://127.0.0.1:{port}")

    assert caught.value.retryable


def test_the_environment_names_hosts_that_need_no_proxy(
    runtime: Runtime, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.handler = lambda request: reply(body=b"direct")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    for value in ("127.0.0.1", f"127.0.0.1:{server.port}", "*"):
        monkeypatch.setenv("no_proxy", value)
        assert runtime.run(lambda transport: read(transport, server.url)) == b"direct"


def test_a_transport_without_proxies_goes_straight(
    runtime: Runtime, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.handler = lambda request: reply(body=b"direct")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")

    assert runtime.run(lambda transport: read(transport, server.url), proxy="") == b"direct"


# What can never be sent


def test_what_cannot_be_sent_is_refused_before_anything_is(runtime: Runtime, server: Server) -> None:
    for url, headers in (
        ("ftp://127.0.0.1/", {}),
        (f"{server.url}/a\r\nX: y", {}),
        (server.url, {"Authorization": "Bearer sk-secret\n"}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            runtime.run(lambda transport, url=url, headers=headers: read(transport, url, headers=headers))  # type: ignore[misc]
        assert "sk-secret" not in str(caught.value)

    assert server.connections == 0


# Helpers


def gated(answer: Reply) -> tuple[Reply, threading.Event]:
    """Hold the body of an answer back until the event is set."""
    gate = threading.Event()
    head, *body = answer.steps
    return Reply([head, gate, *body], close=answer.close, reset=answer.reset), gate


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def unwilling_server(backlog: int = 0) -> Iterator[str]:
    """A server that accepts nothing. With a backlog of 0 its queue is full, so that connecting takes for ever."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=backlog))
        for _ in range(0 if backlog else 3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def deaf_server(answer: bytes) -> Iterator[str]:
    """A server that answers at once, without reading the request, and closes its ears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted, suppress(OSError):
                accepted.recv(10)
                accepted.sendall(answer)
                accepted.shutdown(socket.SHUT_WR)
                while accepted.recv(1_000_000):  # else the kernel resets the connection and drops our answer
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_the_handler_gets_the_request(runtime: Runtime, server: Server) -> None:
    seen: list[Request] = []
    server.handler = lambda request: seen.append(request) or reply()  # type: ignore[func-returns-value]

    runtime.run(lambda transport: read(transport, f"{server.url}/v1", body=b'{"a": 1}'))

    assert (seen[0].path, seen[0].json()) == ("/v1", {"a": 1})
