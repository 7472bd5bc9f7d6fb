"""All transports behind one face, so that a test says once what each of them must do.

def test_…(runtime: Runtime) -> None:          # the fixture of tests/llm_async/transport/conftest.py
    async def work(transport: Transport) -> bytes:
        async with transport.open(request_to(server.url)) as reply:
            await runtime.aside(server.wait_closed)
            ...
    assert runtime.run(work) == b"…"
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from llm_async.timeouts import Limits, Timeouts
from llm_async.transport import HttpRequest, Transport
from llm_async.transport.asynchronous import AsyncTransport
from llm_async.transport.blocking import BlockingTransport
from llm_async.transport.http2 import Http2AsyncTransport, Http2BlockingTransport

T = TypeVar("T")


class Runtime:
    """One way to run work over a transport, which is closed afterwards."""

    def __init__(self, *, is_blocking: bool, http2: bool = False) -> None:
        self.is_blocking, self.http2 = is_blocking, http2

    def transport(self, *, ssl_context: ssl.SSLContext | None = None, proxy: str | None = None) -> Transport:
        if self.http2:
            other = Http2BlockingTransport if self.is_blocking else Http2AsyncTransport
            return other(ssl_context=ssl_context, proxy=proxy)
        kind = BlockingTransport if self.is_blocking else AsyncTransport
        return kind(ssl_context=ssl_context, proxy=proxy)

    def run(self, work: Callable[[Transport], Awaitable[T]], **options: Any) -> T:
        async def whole() -> T:
            transport = self.transport(**options)
            try:
                return await work(transport)
            finally:
                await transport.aclose()

        return finish(whole()) if self.is_blocking else asyncio.run(whole())

    async def aside(self, wait: Callable[..., T], *args: Any) -> T:
        """Call what blocks, without blocking a loop."""
        return wait(*args) if self.is_blocking else await asyncio.to_thread(wait, *args)

    def __repr__(self) -> str:
        return ("blocking" if self.is_blocking else "asyncio") + ("-http2" if self.http2 else "")


BLOCKING, ASYNCIO = Runtime(is_blocking=True), Runtime(is_blocking=False)
HTTP2 = (Runtime(is_blocking=True, http2=True), Runtime(is_blocking=False, http2=True))


def finish(work: Awaitable[T]) -> T:
    """Run work that never suspends."""
    steps = work.__await__()
    try:
        steps.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]
    raise AssertionError("a coroutine of the blocking transport suspended")


def request_to(
    url: str,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"{}",
    total: float | None = 20,
    **timeouts: float | None,
) -> HttpRequest:
    """Make a request; a hanging test ends with its `total`."""
    limits = Limits(Timeouts(**timeouts), total)
    return HttpRequest(
        method=method,
        url=url,
        headers={"Content-Type": "application/json"} if headers is None else headers,
        body=body,
        limits=limits,
    )


async def read(transport: Transport, url: str, **options: Any) -> bytes:
    """Fetch a whole body."""
    async with transport.open(request_to(url, **options)) as reply:
        return await reply.read()


async def stream(transport: Transport, url: str, got: list[bytes] | None = None, **options: Any) -> list[bytes]:
    """Fetch a body piece by piece; `got` has the pieces even if it fails."""
    got = [] if got is None else got
    async with transport.open(request_to(url, **options)) as reply, aclosing(reply.chunks()) as chunks:
        async for chunk in chunks:
            got.append(chunk)
    return got
