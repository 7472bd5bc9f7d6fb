"""A streamed reply as users of `llm_async` iterate it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from llm_async.client import Batches
from llm_async.errors import LLMError
from llm_async.models.event import Closed, EndMark, Finished, ModelEvent, ReasoningDelta, TextDelta
from llm_async.models.response import Assembler, Response, StreamChunk


class Stream:
    """A reply as it arrives: `async for chunk in stream`, once; then `.response` is the whole of it.

    The request is sent at the first step. Leaving an `async with` block, `aclose()`, or forgetting the stream closes
    the connection.
    """

    def __init__(self, batches: Batches) -> None:
        self._response: Response | None = None
        self._chunks = self._iterate(batches)

    @property
    def response(self) -> Response:
        """The whole reply, equal in content to what the same request gives without streaming.

        Raises:
            LLMError: the stream has not been iterated to its end.
        """
        if self._response is None:
            raise LLMError("the stream has not come to its end; iterate it first, then read .response")
        return self._response

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        return self._chunks  # the generator itself: another layer would cost more than the work in it

    async def __anext__(self) -> StreamChunk:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Stop here: the connection is closed, and the server can stop too."""
        await self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _iterate(self, batches: Batches) -> AsyncGenerator[StreamChunk, None]:
        calls = Assembler()
        async with aclosing(batches):
            async for events, sources in batches:
                calls.feed(events)
                start = 0
                for data, end in sources:
                    if end - start == 1 and type(event := events[start]) is TextDelta:
                        yield StreamChunk(event.text, "", (), data)
                    else:
                        chunk = _chunk(data, events[start:end], calls)
                        if chunk is not None:
                            yield chunk
                    start = end
                if events and isinstance(last := events[-1], Closed):
                    self._response = last.response


def _chunk(data: bytes, events: list[ModelEvent], assembler: Assembler) -> StreamChunk | None:
    """Return what one server event says; None for a bare end mark, which says nothing."""
    is_finished = any(isinstance(event, (Finished, EndMark)) for event in events)
    calls = assembler.complete_calls() if is_finished else ()
    if not calls and len(events) == 1 and isinstance(events[0], EndMark):
        return None
    return StreamChunk(
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        calls,
        data,
    )
