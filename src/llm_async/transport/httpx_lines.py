"""Connections of httpx2, one in each of its transports, and where those of an event loop are kept."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Hashable
from typing import Any

from llm_async.transport.httpx_parts import Phase, ProtocolError, httpx2
from llm_async.transport.pool import KEPT_FOR, KEPT_PER_ORIGIN


class Line:
    """One blocking connection, and httpx2's machinery around it."""

    def __init__(self, network: Any) -> None:
        self.network, self.idle_since = network, 0.0

    def is_quiet(self) -> bool:
        """Say yes: httpx2 looks for itself whether a connection can still be used."""
        return True

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(httpx2.TransportError, OSError, ProtocolError):
            self.network.close()


class AsyncLine:
    """One connection of an event loop, and httpx2's machinery around it."""

    def __init__(self, network: Any) -> None:
        self.network, self.idle_since = network, 0.0

    async def aclose(self) -> None:
        """Close the connection, which waits for nothing from the server."""
        with contextlib.suppress(httpx2.TransportError, OSError, ProtocolError):
            await self.network.aclose()


class Shelf:
    """The connections of one event loop.

    Attributes:
        lent: those that carry a request.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, list[AsyncLine]] = {}
        self.lent: set[AsyncLine] = set()

    async def take(self, origin: Hashable) -> AsyncLine | None:
        """Return the connection used last, or None."""
        kept = self._kept.get(origin, [])
        while kept:
            line = kept.pop()
            if time.monotonic() - line.idle_since < KEPT_FOR:
                return line
            await self.discard(line)
        return None

    async def put(self, origin: Hashable, line: AsyncLine) -> None:
        """Keep a connection whose answer was read to its end."""
        self.lent.discard(line)
        line.idle_since = time.monotonic()
        kept = self._kept.setdefault(origin, [])
        kept.append(line)
        while len(kept) > KEPT_PER_ORIGIN:
            await self.discard(kept.pop(0))

    async def discard(self, line: AsyncLine, phase: Phase | None = None) -> None:
        """Close a connection, opened whole or in part; a cancellation does not keep it from that."""

        async def close() -> None:
            if phase is not None:
                await phase.abandon()
            await line.aclose()
            self.lent.discard(line)

        await asyncio.shield(asyncio.ensure_future(close()))

    async def aclose(self) -> None:
        """Close them all, those that carry a request included."""
        lines = [*self.lent, *(line for kept in self._kept.values() for line in kept)]
        self._kept.clear()
        for line in lines:
            await self.discard(line)
