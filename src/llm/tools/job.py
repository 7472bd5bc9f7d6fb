"""One tool call, from its announcement to its result, for every kind of function.

A job is a stream of events that receives decisions, so that a review inside a generator tool needs no machinery of
its own. A failing tool is no exception to the user: it becomes a `tool_error` event and a result the model can read.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from typing import Any, TypeVar, cast

from llm import events
from llm.events import Decision, Events, StreamEvent
from llm.review import OnReview, ask
from llm.runtime import Runtime
from llm.runtime.stepping import Stepper
from llm.tools.introspect import FunctionTool
from llm.tools.results import as_text, encodable, in_words
from llm_async.models import ToolCall, ToolResult
from llm_async.models.tool_call import parse_arguments

T = TypeVar("T")

GRACE = 0.1
"""Seconds that a stream which ends waits for a generator tool that is in the middle of a step."""


class ToolJob:
    """One call of one tool.

    Attributes:
        number: counted from 1 through the whole answer.
        result: what the model is told, once the job is done.
        outcome: what the user is told.
    """

    def __init__(
        self, number: int, call: ToolCall, tool: FunctionTool | None, *, known: str, limit: float | None
    ) -> None:
        """`tool` is None for a name that is none of the tools, of which `known` is a list for the model."""
        self.number, self.call, self._tool = number, call, tool
        self._known, self._limit = known, limit
        self.on_review: OnReview | None = None
        self.result: ToolResult | None = None
        self.outcome: events.ToolResult | None = None
        self._yielded = _Yielded()

    @property
    def described(self) -> events.ToolCall:
        """The call as users see it."""
        # A copy: whoever looks at a call, or approves it, must not change what runs.
        return {
            "id": self.call.id,
            "name": self.call.name,
            "arguments": parse_arguments(self.call.arguments_text)[0] or {},
        }

    def announcement(self) -> StreamEvent:
        """Return the event that shows the call."""
        return self._event("tool_call", self.described)

    def review_request(self) -> StreamEvent:
        """Return the event that asks whether it may run."""
        return self._event("review_request", self.described)

    def reject(self, reason: str) -> StreamEvent:
        """Note that it must not run, and return the event that says so."""
        return self._fail(f"Rejected: {reason}")

    async def run(self, runtime: Runtime) -> Events:
        """Run the tool: what a generator tool yields is shown as it comes, then the result or the error."""
        try:
            tool, arguments = self._prepared()
        except ValueError as error:
            yield [self._fail(str(error))]
            return
        clock = _Clock(self._limit)
        context = contextvars.copy_context()
        try:
            steps = self._steps(runtime, tool.function, arguments, clock, context)
            decision: Decision | None = None
            try:
                while True:
                    value = await steps.asend(decision)
                    review = _review_in(value)
                    with clock.stopped():  # what the user takes to look and to decide is not the tool's time
                        decision = yield [self._stream_event(value)]
                        if self.on_review is not None and review is not None:
                            decision = await ask(self.on_review, (review.get("content"),), runtime)
            except StopAsyncIteration:
                pass
            finally:
                await steps.aclose()
        except Exception as error:  # noqa: BLE001 - whatever a tool raises, the model is told
            yield [self._fail(in_words(error, clock.limit))]
            return
        value = self._yielded.result()
        self.result = ToolResult(self.call.id, as_text(value), self.call.name)
        self.outcome = {"name": self.call.name, "result": value, "id": self.call.id, "is_error": False}
        shown = {"name": self.call.name, "result": value, "id": self.call.id}
        yield [self._event("tool_result", shown)]

    def _prepared(self) -> tuple[FunctionTool, dict[str, Any]]:
        if self._tool is None:
            raise ValueError(f"there is no tool {self.call.name!r}; there are: {self._known}")
        if self.call.arguments is None:
            raise ValueError(f"{self.call.arguments_error}; they were: {self.call.arguments_text[:500]}")
        return self._tool, self._tool.convert(self.call.arguments)

    async def _steps(
        self,
        runtime: Runtime,
        function: Callable[..., Any],
        arguments: dict[str, Any],
        clock: _Clock,
        context: contextvars.Context,
    ) -> AsyncGenerator[Any, Decision | None]:
        """Yield what the tool yields, and keep what it returns."""
        work = partial(function, **arguments)

        async def here(step: Callable[[], T]) -> T:
            return await runtime.call(partial(context.run, step), clock.left())

        async def there(step: Awaitable[T]) -> T:
            return await runtime.wait(step, clock.left(), context)

        outcome: Any = work() if _makes_awaitable(function) else await here(work)
        if inspect.isawaitable(outcome):
            outcome = await there(outcome)
        if inspect.isgenerator(outcome):
            stepper = Stepper(outcome, context)
            try:
                step = await runtime.call(partial(stepper.advance, None), clock.left())
                while not step.is_last:
                    self._yielded.add(step.value)
                    decision = yield step.value
                    step = await runtime.call(partial(stepper.advance, decision), clock.left())
            finally:
                # A step that is still going on was cancelled or is late; its thread closes the generator after it.
                # What its `finally` blocks raise must not stand in for a cancellation, and is nobody's result.
                with contextlib.suppress(Exception):
                    await runtime.call(stepper.close, GRACE if stepper.is_running else None)
            self._yielded.returned = step.value
        elif inspect.isasyncgen(outcome):
            source = cast(AsyncGenerator[Any, Any], outcome)  # what isasyncgen says of it takes nothing in
            decision = None
            try:
                while True:
                    try:
                        value = await there(source.asend(decision))
                    except StopAsyncIteration:
                        break
                    self._yielded.add(value)
                    decision = yield value
            finally:
                with contextlib.suppress(Exception):  # as above
                    await runtime.wait(source.aclose(), None, context)
        else:
            self._yielded.returned = outcome

    def _stream_event(self, value: Any) -> StreamEvent:
        depth = value.get("depth") if isinstance(value, dict) else 0
        event = self._event("tool_stream", value)
        event["depth"] = (depth if isinstance(depth, int) else 0) + 1
        return event

    def _fail(self, problem: str) -> StreamEvent:
        self.result = ToolResult(self.call.id, encodable(problem), self.call.name, is_error=True)
        self.outcome = {"name": self.call.name, "result": problem, "id": self.call.id, "is_error": True}
        return self._event("tool_error", {"name": self.call.name, "error": problem, "id": self.call.id})

    def _event(self, type: str, content: Any) -> StreamEvent:
        return {
            "type": type,
            "content": content,
            "source": self.call.name,
            "tool_id": self.call.id,
            "job": self.number,
            "depth": 0,
        }


class _Yielded:
    """What a tool gave, and which of it is its result.

    The returned value; if there is none, the content of the last `final` event; if there is none, the joined contents
    of the `answer` events; if no events were yielded, the last value.
    """

    def __init__(self) -> None:
        self.returned: Any = None
        self._final: Any = None
        self._answers: list[str] = []
        self._last: Any = None
        self._has_events = False

    def add(self, value: Any) -> None:
        """Take in a yielded value."""
        self._last = value
        if not (isinstance(value, dict) and isinstance(value.get("type"), str) and "content" in value):
            return
        self._has_events = True
        if value["type"] == "final":
            self._final = value["content"]
        elif value["type"] == "answer":
            self._answers.append(str(value["content"]))

    def result(self) -> Any:
        """Return the tool's result."""
        if self.returned is not None:
            return self.returned
        if self._final is not None:
            return self._final
        return "".join(self._answers) if self._has_events else self._last


class _Clock:
    """How long a job may still take."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._end = None if limit is None else time.monotonic() + limit

    def left(self) -> float | None:
        """Return the seconds that are left, None for any number.

        Raises:
            TimeoutError: there are none.
        """
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @contextlib.contextmanager
    def stopped(self) -> Generator[None]:
        """Stand still meanwhile."""
        start = time.monotonic()
        yield
        if self._end is not None:
            self._end += time.monotonic() - start


def _makes_awaitable(function: Any) -> bool:
    """Return whether calling it runs nothing yet, so that no thread is needed for that."""
    while isinstance(function, partial):
        function = function.func
    call = function if inspect.isroutine(function) else type(function).__call__
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)


def _review_in(value: Any) -> dict[str, Any] | None:
    """Return the request for a review that a yielded value is, or passes on from a tool further down."""
    while isinstance(value, dict):
        if value.get("type") == "review_request":
            return value
        value = value.get("content") if value.get("type") == "tool_stream" else None
    return None
