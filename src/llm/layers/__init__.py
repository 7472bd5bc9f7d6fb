"""What wraps a model: functions from a model stream to a model stream.

A layer sees requests and model events, never bytes and never tools.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from llm_async.client import Client
from llm_async.models import ModelRequest
from llm_async.models.event import ModelEvent
from llm_async.timeouts import Limits

ModelEvents = AsyncGenerator[list[ModelEvent], None]
"""What a model says, a list a network read."""

ModelStream = Callable[[ModelRequest], ModelEvents]
"""Asks a model and yields what it says."""


def model_stream(connect: Callable[[], Awaitable[Client]], start_limits: Callable[[], Limits]) -> ModelStream:
    """Return the innermost stream: the model itself.

    Always streamed on the wire, so that time limits, figures and an early exit are the same whatever the caller
    wants, and because llama.cpp stops a streamed request when its client leaves, and no other.

    Args:
        connect: finds the client to ask.
        start_limits: starts the clock; called once that is done, since fetching and starting an embedded model is
            not the model's time.
    """
    limits: Limits | None = None

    async def stream(request: ModelRequest) -> ModelEvents:
        nonlocal limits
        client = await connect()
        limits = limits or start_limits()  # one clock for all rounds of a call
        async with aclosing(client.stream(request, limits, is_checked=False)) as batches:
            async for events, _ in batches:
                yield events

    return stream
