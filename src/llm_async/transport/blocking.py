"""Requests over blocking sockets, behind coroutines that never suspend.

No event loop and no thread is needed: whoever runs a coroutine of this module does the waiting. Heads are read by
`http.client`; what carries bodies, `connection`, asks the request's limits before each read.
"""

from __future__ import annotations

import ssl
import time
import weakref
from collections.abc import AsyncGenerator, Hashable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from llm_async.errors import LLMTimeoutError, TransportError
from llm_async.transport import MAX_BODY, HttpReply, HttpRequest, failures, head
from llm_async.transport.address import Address, check_headers, parse_url
from llm_async.transport.connection import Connection, connect
from llm_async.transport.encoding import decoder_for
from llm_async.transport.framing import SizedBody
from llm_async.transport.pool import Pool
from llm_async.transport.proxies import Proxy, proxy_for
from llm_async.transport.tls import default_context

_DRAINED_FOR, _DRAINED_BYTES = 0.05, 64 * 1024


class BlockingTransport:
    """A transport for callers without an event loop; shared by threads, and of use in a forked child.

    Args:
        ssl_context: whom to trust, in place of the system's certificates.
        proxy: a proxy's URL for every request, "" for none; None takes what the environment says.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, proxy: str | None = None) -> None:
        self._ssl_context, self._proxy = ssl_context, proxy
        self._pool: Pool[Connection] = Pool()
        weakref.finalize(self, self._pool.close)  # forgotten sockets warn, at the latest when Python ends

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpReply]:
        """Send the request and wait for the head of the answer; see `Transport.open`.

        Raises:
            ConfigurationError: the URL or a header cannot be sent.
        """
        return _Exchange(self, request)

    async def sleep(self, seconds: float) -> None:
        """Wait, and let the thread wait."""
        time.sleep(seconds)  # noqa: ASYNC251 # this is the transport that blocks

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        self._pool.clear()

    def start(self, request: HttpRequest) -> BlockingReply:
        """Send the request and wait for the head; the reply is closed by its `close`."""
        address = parse_url(request.url)
        headers = check_headers(request.headers)
        proxy = proxy_for(address, self._proxy)
        message = _encode(request, address, headers, proxy)
        origin = (address.scheme, address.host, address.port, proxy)
        kept = self._pool.take(origin)
        if kept is not None:
            kept.limits = request.limits
            try:
                return self._exchange(kept, origin, address, message, request.method)
            except _StaleError:
                pass  # closed by the server while it was idle; it has not seen this request
        context = (self._ssl_context or default_context()) if address.is_tls else None
        fresh = connect(address, proxy, context, request.limits)
        try:
            return self._exchange(fresh, origin, address, message, request.method)
        except _StaleError as error:
            cause = error.__cause__
            raise failures.not_answered(address, cause if isinstance(cause, OSError) else None) from cause

    def _exchange(
        self, connection: Connection, origin: Hashable, address: Address, message: bytes, method: str
    ) -> BlockingReply:
        try:
            refusal = _send(connection, message)
            answer, rest = _receive_head(connection, address, method, refusal)
            return BlockingReply(self._pool, origin, connection, address, answer, rest)
        except BaseException:
            connection.close()
            raise


class BlockingReply:
    """An answer whose body is still in the connection."""

    def __init__(
        self,
        pool: Pool[Connection],
        origin: Hashable,
        connection: Connection,
        address: Address,
        answer: head.Head,
        rest: bytes,
    ) -> None:
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._decoder = decoder_for(answer.headers.get("content-encoding", ""))
        self._pool, self._origin, self._connection = pool, origin, connection
        self._address, self._body, self._is_kept = address, answer.body, answer.is_kept
        self._rest = rest  # what came with the head
        if self._body.is_done and rest:
            self._is_kept = False
        pool.lent.add(connection)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives; see `HttpReply.chunks`."""
        body, decoder = self._body, self._decoder
        while not body.is_done:
            data = self._receive()
            if data is None:
                break
            if decoder is not None:
                for piece in decoder.feed(data):
                    yield piece
            elif data:
                yield data
        if decoder is not None:
            decoder.finish()

    async def read(self) -> bytes:
        """Return the whole body; see `HttpReply.read`."""
        if isinstance(self._body, SizedBody) and self._body.length > MAX_BODY:
            raise _too_large(self._address)
        pieces = []
        size = 0
        async for piece in self.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > MAX_BODY:
                raise _too_large(self._address)
        return b"".join(pieces)

    async def drain(self) -> None:
        """Read what little may be left; see `HttpReply.drain`."""
        if not self._is_kept:
            return
        end, left = time.monotonic() + _DRAINED_FOR, _DRAINED_BYTES
        try:
            while not self._body.is_done and left > 0 and (seconds := end - time.monotonic()) > 0:
                data, self._rest = self._rest or self._connection.receive_within(seconds), b""
                if not data:
                    return
                left -= len(data)
                self._body.feed(data)
        except (OSError, ValueError):
            return  # the body has not ended, so that the connection will be closed

    def close(self) -> None:
        """Give the connection back if it can serve another request, else close it."""
        connection = self._connection
        self._pool.lent.discard(connection)
        if self._body.is_done and self._is_kept and not self._body.has_leftover:
            self._pool.put(self._origin, connection)
        else:
            connection.close()

    def _receive(self) -> bytes | None:
        """Return what arrived next of the body, which may be nothing of it; None where it has ended well."""
        data, self._rest = self._rest, b""
        try:
            if not data:
                data = self._connection.receive()
            if data:
                return self._body.feed(data)
        except LLMTimeoutError:
            raise
        except OSError as error:
            raise failures.broken(self._address, error) from error
        except ValueError as error:
            raise failures.cut_short(self._address, str(error)) from error
        if missing := self._body.missing():
            raise failures.cut_short(self._address, f"was cut short, {missing} did not come")
        return None


class _Exchange(AbstractAsyncContextManager[HttpReply]):
    def __init__(self, transport: BlockingTransport, request: HttpRequest) -> None:
        self._transport, self._request = transport, request
        self._reply: BlockingReply | None = None

    async def __aenter__(self) -> HttpReply:
        self._reply = self._transport.start(self._request)
        return self._reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reply is not None:
            self._reply.close()
            self._reply = None


class _StaleError(Exception):
    """The connection ended before a byte of an answer; its cause is the OSError, if there was one."""


def _encode(request: HttpRequest, address: Address, headers: Mapping[str, str], proxy: Proxy | None) -> bytes:
    target = address.target
    lines = [f"Host: {address.host_header}"]
    if proxy is not None and not address.is_tls:
        target = address.url
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "host"]
    if request.body or request.method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([f"{request.method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1") + request.body


def _send(connection: Connection, message: bytes) -> OSError | None:
    """Send; a server that refuses to read on may have answered why, so that its refusal is returned, not raised."""
    try:
        connection.send(message)
    except LLMTimeoutError:
        raise
    except ConnectionError as error:
        return error
    except OSError as error:
        raise _StaleError from error
    return None


def _receive_head(
    connection: Connection, address: Address, method: str, refusal: OSError | None
) -> tuple[head.Head, bytes]:
    """Return the answer's head, and what came behind it. `refusal` is what sending the request met with."""
    data = b""
    has_any = False
    try:
        while True:
            while not (end := head.find_end(data)):
                received = connection.receive()
                if not received:
                    if not has_any:
                        raise _StaleError from refusal
                    raise failures.not_answered(address, refusal)
                has_any = True
                data += received
            if not head.is_interim(data):
                return head.parse_head(data[:end], method=method), data[end:]
            data = data[end:]
    except LLMTimeoutError:
        raise
    except OSError as error:
        if not has_any:
            raise _StaleError from refusal or error
        raise failures.not_answered(address, error) from error
    except ValueError as error:
        raise failures.not_http(address, str(error)) from error


def _too_large(address: Address) -> TransportError:
    return TransportError(f"{address.origin}: the answer is larger than {MAX_BODY} bytes")
