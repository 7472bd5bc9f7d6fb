"""Requests over HTTP/2, or HTTP/1.1 where the server does not speak it: both faces of the port, over httpx2.

Used only where `http2=True` asks for it; needs the extra `http2`. A connection carries one request at a time. HTTP/2
allows more, but in httpx2 (2.16) a request whose data have arrived waits until another one's read returns, and a
stream that is left early is forgotten without a word, so that the server generates to its end.

httpx2's transports are used and not its clients: those would keep cookies, follow redirects and add headers.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from llm_async.errors import LLMError, LLMTimeoutError, TransportError
from llm_async.timeouts import Limits
from llm_async.transport import MAX_BODY, HttpReply, HttpRequest, failures, head
from llm_async.transport.address import Address, check_headers, parse_url
from llm_async.transport.encoding import decoder_for
from llm_async.transport.httpx_lines import AsyncLine, Line, Shelf
from llm_async.transport.httpx_parts import (
    Phase,
    Timeouts,
    has_leftover,
    httpx2,
    os_error,
    translated,
    was_closed,
    words,
)
from llm_async.transport.pool import KEPT_FOR, Pool
from llm_async.transport.proxies import Proxy, proxy_for
from llm_async.transport.tls import http2_context

_DRAINED_FOR, _DRAINED_BYTES = 0.05, 64 * 1024

_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=KEPT_FOR)


class _Http2Transport:
    """What both transports have in common.

    Args:
        ssl_context: whom to trust, in place of the system's certificates; it will offer HTTP/2 to every server.
        proxy: a proxy's URL for every request, "" for none; None takes what the environment says.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, proxy: str | None = None) -> None:
        self._ssl_context, self._proxy = ssl_context, proxy

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpReply]:
        """Send the request and wait for the head of the answer; see `Transport.open`.

        Raises:
            ConfigurationError: the URL or a header cannot be sent.
        """
        return _Exchange(self, request)

    async def start(self, request: HttpRequest) -> _Reply:
        """Send the request and wait for the head; the reply is closed by its `aclose`."""
        raise NotImplementedError

    def _options(self, address: Address, proxy: Proxy | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            "verify": (self._ssl_context or http2_context()) if address.is_tls else False,
            "http2": True,
            "limits": _LIMITS,
            "trust_env": False,
        }
        if proxy is not None:
            headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
            options["proxy"] = httpx2.Proxy(f"http://{proxy.authority}", headers=headers)
        return options


class Http2AsyncTransport(_Http2Transport):
    """A transport for asyncio; may be used from several event loops, one after the other or at once."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, proxy: str | None = None) -> None:
        super().__init__(ssl_context=ssl_context, proxy=proxy)
        self._shelves: dict[asyncio.AbstractEventLoop, tuple[Shelf, AsyncGenerator[Shelf, None]]] = {}

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        """Close the connections that are kept for the running loop."""
        kept = self._shelves.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await kept[1].aclose()

    async def start(self, request: HttpRequest) -> _Reply:
        """Send the request and wait for the head; the reply is closed by its `aclose`."""
        address = parse_url(request.url)
        headers = check_headers(request.headers)
        proxy = proxy_for(address, self._proxy)
        origin = (address.scheme, address.host, address.port, proxy)
        shelf = await self._shelf()
        while True:
            kept = await shelf.take(origin)
            line = kept or AsyncLine(httpx2.AsyncHTTPTransport(**self._options(address, proxy)))
            shelf.lent.add(line)
            phase = Phase(request.limits)
            message = _message(request, address, headers, {"timeout": {}, "trace": phase.trace})
            try:
                async with phase.scope:
                    response = await line.network.handle_async_request(message)
                return _AsyncReply(response, address, request.limits, line, shelf, origin)
            except (httpx2.TransportError, OSError, ValueError) as error:
                await shelf.discard(line, phase)
                if phase.scope.expired():
                    raise request.limits.error(phase.limit) from error
                if kept is not None and not phase.is_fresh and was_closed(error):
                    continue  # by the server while it was idle; it has not seen this request
                raise translated(address, proxy, error) from error
            except BaseException:
                await shelf.discard(line, phase)
                raise

    async def _shelf(self) -> Shelf:
        loop = asyncio.get_running_loop()
        kept = self._shelves.get(loop)
        if kept is None:
            for other in [each for each in list(self._shelves) if each.is_closed()]:
                del self._shelves[other]
            keeper = _keep_shelf(loop, weakref.ref(self))
            kept = self._shelves[loop] = await anext(keeper), keeper
        return kept[0]


class Http2BlockingTransport(_Http2Transport):
    """A transport for callers without an event loop; shared by threads, and of use in a forked child."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, proxy: str | None = None) -> None:
        super().__init__(ssl_context=ssl_context, proxy=proxy)
        self._pool: Pool[Line] = Pool()
        weakref.finalize(self, self._pool.close)

    async def sleep(self, seconds: float) -> None:
        """Wait, and let the thread wait."""
        time.sleep(seconds)  # noqa: ASYNC251 # this is the transport that blocks

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        self._pool.clear()

    async def start(self, request: HttpRequest) -> _Reply:
        """Send the request and wait for the head; the reply is closed by its `aclose`."""
        address = parse_url(request.url)
        headers = check_headers(request.headers)
        proxy = proxy_for(address, self._proxy)
        origin = (address.scheme, address.host, address.port, proxy)
        while True:
            kept = self._pool.take(origin)
            line = kept or Line(httpx2.HTTPTransport(**self._options(address, proxy)))
            timeouts = Timeouts(request.limits)
            try:
                message = _message(request, address, headers, {"timeout": timeouts, "trace": timeouts.trace})
                response = line.network.handle_request(message)
                return _BlockingReply(response, address, timeouts, line, self._pool, origin)
            except httpx2.TimeoutException as error:
                line.close()
                raise request.limits.error(timeouts.name) from error
            except LLMTimeoutError:
                line.close()
                raise
            except (httpx2.TransportError, OSError, ValueError) as error:
                line.close()
                if kept is not None and not timeouts.is_fresh and was_closed(error):
                    continue  # by the server while it was idle; it has not seen this request
                raise translated(address, proxy, error) from error
            except BaseException:
                line.close()
                raise


# -------------------------------------------------------------------------------------------------------- replies


class _Reply:
    """An answer whose body is still to come."""

    def __init__(self, response: Any, address: Address) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = head.joined(response.headers.multi_items())
        self._decoder = decoder_for(self.headers.get("content-encoding", ""))
        self._address = address
        self._is_done = False
        if not 200 <= self.status <= 599:
            raise failures.not_http(address, f"its status is {self.status}")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives; see `HttpReply.chunks`."""
        decoder = self._decoder
        while (data := await self._next()) is not None:
            if decoder is not None:
                for piece in decoder.feed(data):
                    yield piece
            elif data:
                yield data
        if decoder is not None:
            decoder.finish()

    async def read(self) -> bytes:
        """Return the whole body; see `HttpReply.read`."""
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY:
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
        raise NotImplementedError

    async def aclose(self) -> None:
        """Free the connection."""
        raise NotImplementedError

    async def _next(self) -> bytes | None:
        """Return what arrived next, which may be nothing; None at the end of the body."""
        raise NotImplementedError

    def _interrupted(self, error: Exception) -> LLMError:
        if isinstance(error, httpx2.NetworkError) and (cause := os_error(error)) is not None:
            return failures.broken(self._address, cause)
        if counts := re.search(r"received (\d+) bytes, expected (\d+)", str(error)):
            received, total = map(int, counts.groups())
            return failures.cut_short(
                self._address, f"was cut short, {total - received} of its {total} bytes did not come"
            )
        return failures.cut_short(self._address, f"was cut short ({words(error)})")


class _AsyncReply(_Reply):
    def __init__(
        self,
        response: Any,
        address: Address,
        limits: Limits,
        line: AsyncLine,
        shelf: Shelf,
        origin: Hashable,
    ) -> None:
        super().__init__(response, address)
        self._limits, self._line, self._shelf, self._origin = limits, line, shelf, origin
        self._stream = response.stream
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)

    async def _next(self) -> bytes | None:
        if self._is_done:
            return None
        seconds, name = self._limits.for_read()
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await self._receive()
        except (httpx2.TransportError, OSError) as error:  # a TimeoutError is an OSError
            if scope.expired():
                raise self._limits.error(name) from error
            raise self._interrupted(error) from error

    async def drain(self) -> None:
        """Read what little may be left; see `HttpReply.drain`."""
        left = _DRAINED_BYTES
        with contextlib.suppress(httpx2.TransportError, OSError):
            async with asyncio.timeout(_DRAINED_FOR):
                while left > 0 and not self._is_done and (data := await self._receive()) is not None:
                    left -= len(data)

    async def aclose(self) -> None:
        """Keep the connection if the body was read to its end, else close it."""
        if self._is_done and not has_leftover(self._stream):
            await asyncio.shield(asyncio.ensure_future(self._stream.aclose()))
            await self._shelf.put(self._origin, self._line)
        else:
            await self._shelf.discard(self._line)

    async def _receive(self) -> bytes | None:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            self._is_done = True
            return None


class _BlockingReply(_Reply):
    def __init__(
        self,
        response: Any,
        address: Address,
        timeouts: Timeouts,
        line: Line,
        pool: Pool[Line],
        origin: Hashable,
    ) -> None:
        super().__init__(response, address)
        self._timeouts, self._line, self._pool, self._origin = timeouts, line, pool, origin
        pool.lent.add(line)
        self._stream = response.stream
        self._pieces: Iterator[bytes] = iter(response.stream)

    async def _next(self) -> bytes | None:
        if self._is_done:
            return None
        try:
            return self._receive()
        except LLMTimeoutError:
            raise
        except httpx2.TimeoutException as error:
            raise self._timeouts.limits.error(self._timeouts.name) from error
        except (httpx2.TransportError, OSError) as error:
            raise self._interrupted(error) from error

    async def drain(self) -> None:
        """Read what little may be left; see `HttpReply.drain`."""
        end, left = time.monotonic() + _DRAINED_FOR, _DRAINED_BYTES
        self._timeouts.end = end
        with contextlib.suppress(httpx2.TransportError, OSError, LLMTimeoutError):
            while left > 0 and not self._is_done and time.monotonic() < end and (data := self._receive()) is not None:
                left -= len(data)

    async def aclose(self) -> None:
        """Keep the connection if the body was read to its end, else close it."""
        self._pool.lent.discard(self._line)
        if not self._is_done or has_leftover(self._stream):
            self._line.close()
            return
        self._stream.close()
        self._pool.put(self._origin, self._line)

    def _receive(self) -> bytes | None:
        try:
            return next(self._pieces)
        except StopIteration:
            self._is_done = True
            return None


class _Exchange(AbstractAsyncContextManager[HttpReply]):
    def __init__(self, transport: _Http2Transport, request: HttpRequest) -> None:
        self._transport, self._request = transport, request
        self._reply: _Reply | None = None

    async def __aenter__(self) -> HttpReply:
        self._reply = await self._transport.start(self._request)
        return self._reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            await reply.aclose()


# ----------------------------------------------------------------------------------- connections and their phases


async def _keep_shelf(
    loop: asyncio.AbstractEventLoop, transport: weakref.ref[Http2AsyncTransport]
) -> AsyncGenerator[Shelf, None]:
    """Yield a shelf and clear it at the end, which `asyncio.run` brings about for every async generator."""
    shelf = Shelf()
    try:
        yield shelf
    finally:
        if (owner := transport()) is not None:
            owner._shelves.pop(loop, None)
        await shelf.aclose()


def _message(request: HttpRequest, address: Address, headers: Mapping[str, str], extensions: dict[str, Any]) -> Any:
    given = [(name, value) for name, value in headers.items() if name.lower() != "host"]
    return httpx2.Request(
        request.method,
        address.origin,
        headers=[("Host", address.host_header), *given],
        content=request.body or (None if request.method in ("GET", "HEAD") else b""),
        extensions={**extensions, "target": address.target.encode("ascii")},
    )


def _too_large(address: Address) -> TransportError:
    return TransportError(f"{address.origin}: the answer is larger than {MAX_BODY} bytes")
