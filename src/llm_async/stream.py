"""A streamed reply as users of `llm_async` iterate it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from llm_async.client import Batches, Client
from llm_async.errors import LLMError, LLMTimeoutError, ModelRequestError
from llm_async.models.event import EndMark, Finished, ModelEvent, ReasoningDelta, TextDelta
from llm_async.models.response import Assembler, Response, StreamChunk


class Stream:
    """A reply as it arrives: `async for chunk in stream`, once; then `.response` is the whole of it.

    The request is sent at the first step. Leaving an `async with` block, `aclose()`, or forgetting the stream closes
    the connection.
    """

    def __init__(self, batches: Batches, client: Client) -> None:
        self._client = client
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
        assembler = Assembler()
        try:
            async with aclosing(batches):
                async for batch in batches:
                    assembler.feed([event for _, events in batch for event in events])
                    for data, events in batch:
                        if len(events) == 1 and type(event := events[0]) is TextDelta:
                            yield StreamChunk(event.text, "", (), data)
                        elif data and ((chunk := _chunk(data, events, assembler)).tool_calls or not _is_end(events)):
                            yield chunk
        except (ModelRequestError, LLMTimeoutError) as error:
            error.partial = self._client.rebuilt(assembler.reply())
            raise
        self._response = self._client.rebuilt(assembler.reply())


def _chunk(data: bytes, events: list[ModelEvent], assembler: Assembler) -> StreamChunk:
    calls = assembler.complete_calls() if any(isinstance(event, (Finished, EndMark)) for event in events) else ()
    return StreamChunk(
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        calls,
        data,
    )


def _is_end(events: list[ModelEvent]) -> bool:
    return len(events) == 1 and isinstance(events[0], EndMark)
