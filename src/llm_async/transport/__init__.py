"""The port through which everything of this package reaches the network, and the three that fit it.

`asynchronous` (aiohttp), `blocking` (http.client, behind coroutines that never suspend) and `scripted`
(replies from memory). None is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from llm_async.timeouts import Limits

MAX_BODY = 64 * 1024 * 1024
"""The most bytes that a body read whole may have once decompressed."""


class HttpRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request, complete: where it goes, what it says, and how long it may take."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    limits: Limits

    def __repr__(self) -> str:  # headers hold the key, the body holds the prompt
        return f"HttpRequest({self.method} {self.url}, {len(self.body)} bytes)"


class HttpReply(Protocol):
    """One HTTP answer: its head has arrived, its body comes as it is read."""

    @property
    def status(self) -> int:
        """The status code, 200 to 599; provisional answers (1xx) are passed over."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case; a repeated one joined with ', '."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives, decompressed: all that one receive brought, 64 KB at most, never empty.

        Raises:
            StreamInterruptedError: the body ended before the end its headers promised, or the connection broke.
            LLMTimeoutError: one of the request's limits ran out.
        """
        ...

    async def read(self) -> bytes:
        """Return the whole body, decompressed.

        Raises:
            TransportError: it is larger than `MAX_BODY`.
            StreamInterruptedError: it was cut short.
            LLMTimeoutError: one of the request's limits ran out.
        """
        ...

    async def drain(self) -> None:
        """Read what little may be left behind the end mark of a stream, for a moment at most (50 ms, 64 KB).

        Whoever stops at the mark calls this, so that the connection can be kept. It raises nothing of its own; a
        body that does not end within the moment is given up.
        """
        ...


class Transport(Protocol):
    """What sends requests. Its coroutines belong to one runtime: those of `blocking` never suspend."""

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpReply]:
        """Send the request and wait for the head of the answer.

        Leaving the context frees the connection at once: kept for the next request where the body was read to
        its end, closed where it was not.

        Raises:
            TransportError: no answer came; `.retryable` says whether trying again makes sense.
            LLMTimeoutError: one of the request's limits ran out.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def aclose(self) -> None:
        """Close the connections that are kept. The transport may be used again afterwards."""
        ...
