"""One event loop and one server for all replays of a module, so that a thousand of them take seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("conformance.replay")

from conformance.replay import Replay, replaying  # noqa: E402 # its assertions are to explain themselves


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The same as for all tests, but kept for the whole module."""
    return "asyncio"


@pytest.fixture(scope="module")
async def replay(anyio_backend: str) -> AsyncIterator[Replay]:
    """Replays recorded exchanges through `OpenAIProvider`."""
    async with replaying() as replay:
        yield replay
