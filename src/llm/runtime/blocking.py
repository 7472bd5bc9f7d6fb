"""Running the core in the caller's thread, with no event loop anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from llm_async.providers import BaseProvider
from llm_async.transport import Transport

T = TypeVar("T")


class BlockingRuntime:
    """Blocks instead of suspending."""

    def transport(self, provider: BaseProvider) -> Transport:
        """Return the provider's blocking transport."""
        return provider.transport(blocking=True)

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` here and now."""
        return work()
