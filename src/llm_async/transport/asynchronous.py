"""Requests over aiohttp: one session and its connection pool for each event loop that asks.

What makes a reply fast and its limits exact is written here and not left to aiohttp: bodies are read as they
arrive, and one timer per reply watches them instead of one per read.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
import time
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NoReturn

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL  # aiohttp's own type, which it does not re-export

from llm_async.errors import LLMError, LLMTimeoutError, TransportError
from llm_async.timeouts import Limits
from llm_async.transport import MAX_BODY, HttpReply, HttpRequest, failures, head
from llm_async.transport.address import Address, check_headers, parse_url
from llm_async.transport.encoding import PIECE, decoder_for
from llm_async.transport.pool import KEPT_FOR
from llm_async.transport.proxies import Proxy, proxy_for
from llm_async.transport.tls import default_context

_DRAINED_FOR, _DRAINED_BYTES = 0.05, 64 * 1024
_RETRIES = 3  # of connections that were closed while they were idle; each failure removes one from the pool
_NO_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_LARGE = 1024 * 1024  # aiohttp warns of larger bodies that are not files


class AsyncTransport:
    """A transport for asyncio; may be used from several event loops, one after the other or at once.

    Args:
        ssl_context: whom to trust, in place of the system's certificates.
        proxy: a proxy's URL for every request, "" for none; None takes what the environment says.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, proxy: str | None = None) -> None:
        self._ssl_context, self._proxy = ssl_context, proxy
        self._sessions: _Sessions = {}

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpReply]:
        """Send the request and wait for the head of the answer; see `Transport.open`.

        Raises:
            ConfigurationError: the URL or a header cannot be sent.
        """
        return _Exchange(self, request)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        """Close the connections that are kept for the running loop."""
        kept = self._sessions.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            await kept[1].aclose()

    async def start(self, request: HttpRequest) -> AsyncReply:
        """Send the request and wait for the head; the reply is closed by its `close`."""
        address = parse_url(request.url)
        headers = check_headers(request.headers)
        proxy = proxy_for(address, self._proxy)
        options: dict[str, Any] = {}
        if address.is_tls:
            options["ssl"] = self._ssl_context or default_context()
        if proxy is not None:
            options["proxy"] = f"http://{proxy.authority}"
            if proxy.authorization and address.is_tls:
                options["proxy_headers"] = {"Proxy-Authorization": proxy.authorization}
            elif proxy.authorization:
                headers["Proxy-Authorization"] = proxy.authorization
        session = await self._session()
        url = _as_given(address)
        for attempts_left in reversed(range(_RETRIES)):
            body = io.BytesIO(request.body) if len(request.body) > _LARGE else request.body or None
            phase = _Phase(request.limits)
            _phase.set(phase)
            try:
                async with phase.scope:
                    response = await session.request(
                        request.method,
                        url,
                        headers=headers,
                        data=body,
                        allow_redirects=False,
                        **options,
                    )
            except asyncio.CancelledError:
                phase.abort()
                raise
            except (aiohttp.ClientError, OSError, ValueError) as error:
                phase.abort()
                if phase.scope.expired():
                    raise request.limits.error(phase.limit) from error
                is_broken = isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError))
                if is_broken and phase.is_reused and attempts_left:
                    continue  # closed by the server while it was idle; it has not seen this request
                raise _translated(address, proxy, error) from error
            return _checked(response, address, request.limits)
        raise AssertionError("unreachable")  # pragma: no cover # the last attempt returns or raises

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        kept = self._sessions.get(loop)
        if kept is None:
            for other in [each for each in list(self._sessions) if each.is_closed()]:
                _abandon(self._sessions.pop(other)[0])  # closed without finishing its async generators
            keeper = _keep_session(loop, weakref.ref(self))
            kept = self._sessions[loop] = await anext(keeper), keeper
        return kept[0]


class AsyncReply:
    """An answer whose body is still to come."""

    def __init__(self, response: aiohttp.ClientResponse, address: Address, limits: Limits) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = head.joined(response.headers.items())
        self._decoder = decoder_for(self.headers.get("content-encoding", ""))
        self._response, self._address, self._limits = response, address, limits
        self._watch = _Watch(response, limits)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives; see `HttpReply.chunks`."""
        content, decoder, watch = self._response.content, self._decoder, self._watch
        watch.start()
        try:
            while True:
                watch.reading_since = time.monotonic()
                data = await content.readany()
                watch.reading_since = 0.0
                if not data:
                    break
                if decoder is not None:
                    for piece in decoder.feed(data):
                        yield piece
                elif len(data) <= PIECE:
                    yield data
                else:
                    for position in range(0, len(data), PIECE):
                        yield data[position : position + PIECE]
        except LLMError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            # What had arrived before the failure is still there: aiohttp raises before it gives it out.
            content.set_exception(None)  # type: ignore[arg-type] # None is how it says that there is none
            rest = content.read_nowait()
            for position in range(0, len(rest), PIECE):
                if decoder is None:
                    yield rest[position : position + PIECE]
                else:
                    for piece in decoder.feed(rest[position : position + PIECE]):
                        yield piece
            content.set_exception(error)
            self._interrupted(error)
        finally:
            watch.reading_since = 0.0
        if decoder is not None:
            decoder.finish()

    async def read(self) -> bytes:
        """Return the whole body; see `HttpReply.read`."""
        if (self._response.content_length or 0) > MAX_BODY:
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
        content, left = self._response.content, _DRAINED_BYTES
        if content.at_eof():
            return
        with contextlib.suppress(aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            async with asyncio.timeout(_DRAINED_FOR):
                while left > 0 and (data := await content.readany()):
                    left -= len(data)

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        self._watch.stop()
        if self._response.content.at_eof():
            self._response.release()
        else:
            _close(self._response)

    def _interrupted(self, error: aiohttp.ClientError | OSError) -> NoReturn:
        if isinstance(error, OSError):
            raise failures.broken(self._address, error) from error
        response = self._response
        total = response.content_length
        if total is not None and response.content.total_bytes < total:
            missing = f"{total - response.content.total_bytes} of its {total} bytes"
            raise failures.cut_short(self._address, f"was cut short, {missing} did not come") from error
        raise failures.cut_short(self._address, f"was cut short ({_words(error)})") from error


class _Exchange(AbstractAsyncContextManager[HttpReply]):
    def __init__(self, transport: AsyncTransport, request: HttpRequest) -> None:
        self._transport, self._request = transport, request
        self._reply: AsyncReply | None = None

    async def __aenter__(self) -> HttpReply:
        self._reply = await self._transport.start(self._request)
        return self._reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reply is not None:  # no await from here on: nothing can be cancelled
            self._reply.close()
            self._reply = None


class _Phase:
    """The time until the head of an answer: first to connect, then to wait for it.

    Attributes:
        scope: the time-out that is in force.
        limit: the name of the limit that it stands for.
        is_reused: whether a kept connection carries the request.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        seconds, self.limit = limits.for_connect()
        self.scope = asyncio.timeout(seconds)
        self.is_reused = False
        self._transport: asyncio.BaseTransport | None = None

    def connected(self, connection: Connection, *, is_reused: bool) -> None:
        """Let the limits of reading take over."""
        self.is_reused, self._transport = is_reused, connection.transport
        try:
            seconds, self.limit = self._limits.for_read()
        except LLMTimeoutError as error:  # raised where the scope is left: we are inside aiohttp here
            seconds, self.limit = 0.0, error.limit
        self.scope.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    def abort(self) -> None:
        """Close the connection at once."""
        _abort(self._transport)


_phase: ContextVar[_Phase] = ContextVar("phase")


class _Connector(aiohttp.TCPConnector):
    """A connection pool that tells a request's phase which connection it got."""

    def __init__(self) -> None:
        # The resolver that obeys the system's settings, whichever others are installed.
        super().__init__(limit=0, keepalive_timeout=KEPT_FOR, resolver=aiohttp.ThreadedResolver())
        self._used: weakref.WeakSet[object] = weakref.WeakSet()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            is_reused = protocol in self._used
            # aiohttp keeps what came on an idle connection, and would take it for the answer to the next request.
            if not is_reused or protocol is None or not protocol.should_close:
                break
            connection.close()
        _phase.get().connected(connection, is_reused=is_reused)
        self._used.add(protocol)
        return connection


class _Watch:
    """The time limits of one body: a single timer, set anew only when it has run out.

    Attributes:
        reading_since: when the read that is going on began, 0.0 while the caller is at work with what it got.
    """

    __slots__ = ("_handle", "_limits", "_loop", "_response", "reading_since")

    def __init__(self, response: aiohttp.ClientResponse, limits: Limits) -> None:
        self._response, self._limits = response, limits
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self.reading_since = 0.0

    def start(self) -> None:
        """Watch from now on."""
        if self._handle is None:
            self._look()

    def stop(self) -> None:
        """Watch no longer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        now = time.monotonic()
        at, name = self._limits.deadline()
        if at is not None and at <= now:
            self._end(name)
            return
        idle = self._limits.idle
        if idle is not None:
            idle_at = (self.reading_since or now) + idle
            if idle_at <= now:
                self._end("idle")
                return
            at = idle_at if at is None else min(at, idle_at)
        # Rounded up, so that the timer never comes just too early and once more.
        self._handle = None if at is None else self._loop.call_later(at - now + 0.001, self._look)

    def _end(self, name: str) -> None:
        self._handle = None
        if self._response.content.is_eof():
            return  # it has all arrived: too late to be late
        self._response.content.set_exception(self._limits.error(name))
        _close(self._response)


_Sessions = dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, AsyncGenerator[aiohttp.ClientSession, None]]]


async def _keep_session(
    loop: asyncio.AbstractEventLoop, transport: weakref.ref[AsyncTransport]
) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """Yield a session and close it at the end, which `asyncio.run` brings about for every async generator.

    It holds its transport weakly: a cycle would be collected in any order, and aiohttp complain.
    """
    session = aiohttp.ClientSession(
        connector=_Connector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        timeout=_NO_TIMEOUTS,
        auto_decompress=False,
        trust_env=False,  # it would read .netrc, and refuse an Authorization header beside it
        max_line_size=head.LONGEST,
        max_field_size=head.LONGEST,
        read_bufsize=PIECE,
    )
    try:
        yield session
    finally:
        if (owner := transport()) is not None:
            owner._sessions.pop(loop, None)
        await session.close()


def _close(response: aiohttp.ClientResponse) -> None:
    transport = None if response.connection is None else response.connection.transport
    response.close()
    _abort(transport)


def _abort(transport: asyncio.BaseTransport | None) -> None:
    """Close for good; a transport's `close` would wait until the server has read the whole request."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def _abandon(session: aiohttp.ClientSession) -> None:
    """Let go of a session whose loop is closed already, without its complaints."""
    connector = session.connector
    session.detach()
    if connector is not None:
        connector._close()  # the public way is a coroutine, and its loop runs no more


def _as_given(address: Address) -> URL:
    """Return the URL so that aiohttp does not quote it again."""
    return URL(address.url, encoded=True)


def _checked(response: aiohttp.ClientResponse, address: Address, limits: Limits) -> AsyncReply:
    try:
        if not 200 <= response.status <= 599:
            raise failures.not_http(address, f"its status is {response.status}")
        return AsyncReply(response, address, limits)
    except BaseException:
        _close(response)
        raise


def _translated(address: Address, proxy: Proxy | None, error: BaseException) -> TransportError:
    match error:
        case aiohttp.ClientHttpProxyError() if proxy is not None:
            return failures.not_tunnelled(address, proxy, error.status)
        case aiohttp.ClientProxyConnectionError():
            return failures.not_reached(address, proxy, error.os_error)
        case aiohttp.ClientConnectorCertificateError() if isinstance(error.certificate_error, OSError):
            return failures.not_reached(address, None, error.certificate_error)
        case aiohttp.ClientConnectorError():
            return failures.not_reached(address, None, error.os_error)
        case aiohttp.ServerDisconnectedError():
            return failures.not_answered(address)
        case OSError():
            return failures.not_answered(address, error)
        case aiohttp.ClientResponseError():
            return failures.not_http(address, _words(error))
        case _:
            return failures.not_http(address, f"{type(error).__name__}: {str(error)[:200]}")


def _words(error: aiohttp.ClientError) -> str:
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return " ".join(text.split())[:200]


def _too_large(address: Address) -> TransportError:
    return TransportError(f"{address.origin}: the answer is larger than {MAX_BODY} bytes")
