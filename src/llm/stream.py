"""What users iterate: a stream of events that can be closed, sent into, and asked for the whole answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Self

from llm.answer import Answer
from llm.events import Decision, FinalResponse, Pending, Rejection, StreamEvent
from llm_async import LLMError


def _final_of(answer: Answer) -> FinalResponse:
    if answer.final is None:
        raise LLMError("the stream has not come to its end; iterate it first, then read .final")
    return answer.final


class EventStream:
    """A blocking stream: `for event in stream`, once; then `.final` is the whole answer.

    The request is sent at the first step. Leaving a `with` block, `close()`, or forgetting the stream closes the
    connection.
    """

    def __init__(self, events: Generator[StreamEvent, Decision | None, None], answer: Answer, pending: Pending) -> None:
        self._events, self._answer, self._pending = events, answer, pending

    @property
    def final(self) -> FinalResponse:
        """The whole answer.

        Raises:
            LLMError: the stream has not been iterated to its end.
        """
        return _final_of(self._answer)

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._events  # the generator itself: another layer would cost more than the work in it

    def __next__(self) -> StreamEvent:
        return next(self._events)

    def send(self, decision: Decision | None) -> StreamEvent:
        """Answer the last event and return the next one."""
        return self._events.send(decision)

    def approve(self) -> None:
        """Let the tool run whose review was just asked for; the next step delivers it."""
        self._pending.put("approve")

    def reject(self, reason: str = "not approved") -> None:
        """Keep the tool from running whose review was just asked for; the model is told the reason."""
        self._pending.put(Rejection(reason))

    def close(self) -> None:
        """Stop here: the connection is closed, and the server can stop too."""
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncEventStream:
    """The same for asyncio: `async for event in stream`, once; then `.final` is the whole answer."""

    def __init__(self, events: AsyncGenerator[StreamEvent, Decision | None], answer: Answer, pending: Pending) -> None:
        self._events, self._answer, self._pending = events, answer, pending

    @property
    def final(self) -> FinalResponse:
        """The whole answer.

        Raises:
            LLMError: the stream has not been iterated to its end.
        """
        return _final_of(self._answer)

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._events  # as above

    async def __anext__(self) -> StreamEvent:
        return await anext(self._events)

    async def asend(self, decision: Decision | None) -> StreamEvent:
        """Answer the last event and return the next one."""
        return await self._events.asend(decision)

    def approve(self) -> None:
        """Let the tool run whose review was just asked for; the next step delivers it."""
        self._pending.put("approve")

    def reject(self, reason: str = "not approved") -> None:
        """Keep the tool from running whose review was just asked for; the model is told the reason."""
        self._pending.put(Rejection(reason))

    async def aclose(self) -> None:
        """Stop here: the connection is closed, and the server can stop too."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
