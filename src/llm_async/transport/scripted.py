"""Replies from memory instead of a network, for tests: ours, and those of users through `llm.testing`.

Its coroutines never suspend, so that it serves the blocking runtime as well as asyncio.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct, field

from llm_async.errors import ConfigurationError, LLMError
from llm_async.transport import HttpRequest


class ScriptedReply(Struct, kw_only=True):
    """One answer: its pieces are handed out one a read; an error among them is raised in its place."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Sequence[bytes | LLMError] = ()
    closed: bool = False
    """Whether whoever opened it has let go of it."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the pieces."""
        for piece in self.pieces:
            if isinstance(piece, LLMError):
                raise piece
            yield piece

    async def read(self) -> bytes:
        """Return the pieces, joined."""
        return b"".join([piece async for piece in self.chunks()])

    async def drain(self) -> None:
        """Do nothing: there is no connection to keep."""


class ScriptedTransport:
    """Gives out replies in their order, and keeps what was asked.

    Attributes:
        requests: the HTTP requests so far.
        slept: the seconds of each wait so far; nothing really waits.
    """

    def __init__(self, replies: Iterable[ScriptedReply | LLMError]) -> None:
        self._replies = list(replies)
        self.requests: list[HttpRequest] = []
        self.slept: list[float] = []

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncGenerator[ScriptedReply, None]:
        """Return the next reply, or raise the next error."""
        self.requests.append(request)
        if len(self.requests) > len(self._replies):
            count = len(self._replies)
            raise ConfigurationError(f"request {len(self.requests)} came, and the script has replies for {count}")
        reply = self._replies[len(self.requests) - 1]
        if isinstance(reply, LLMError):
            raise reply
        try:
            yield reply
        finally:
            reply.closed = True

    async def sleep(self, seconds: float) -> None:
        """Note the wait."""
        self.slept.append(seconds)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""
