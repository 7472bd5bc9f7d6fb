"""The port to whatever runs the core: everything that differs between blocking and asyncio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from llm_async.providers import BaseProvider
from llm_async.transport import Transport

T = TypeVar("T")


class Runtime(Protocol):
    """What the core may await. The coroutines of the blocking runtime never suspend."""

    def transport(self, provider: BaseProvider) -> Transport:
        """Return what sends this provider's requests in this runtime."""
        ...

    async def call(self, work: Callable[[], T]) -> T:
        """Run blocking code where it holds up nothing but its caller."""
        ...
