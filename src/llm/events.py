"""What users see: plain dicts, the same in all four methods."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Any, NotRequired, TypedDict


class EventType(StrEnum):
    """The values of an event's `type`; each equals its plain text."""

    ANSWER = "answer"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    TOOL_ERROR = "tool_error"
    TOOL_STREAM = "tool_stream"
    REVIEW_REQUEST = "review_request"
    VERBOSE = "verbose"
    FINAL = "final"
    DONE = "done"


class StreamEvent(TypedDict):
    """One event of a stream."""

    type: str
    """One of `EventType`."""

    content: Any
    """For `answer` and `reasoning` a piece of text, for `verbose` a `VerboseInfo`, for `final` a `FinalResponse`,
    for `done` None."""

    depth: int
    """How deep it is nested: 0 at the top, one more in each generator tool."""

    source: NotRequired[str]
    """Name of the tool it comes from."""

    tool_id: NotRequired[str]
    """The call it belongs to."""

    job: NotRequired[int]
    """Number of the tool call, counted from 1 through the whole answer."""


class ToolCall(TypedDict):
    """A call the model makes."""

    id: str
    name: str
    arguments: dict[str, Any]


class ToolResult(TypedDict):
    """What a call gave back."""

    name: str
    result: Any
    id: str
    is_error: bool


class VerboseInfo(TypedDict):
    """How fast the answer came."""

    tokens: int
    """Tokens of output as the server counts them; where it does not, the number of pieces that came."""

    tokens_per_second: float
    """Counted from the first piece; 0.0 where everything came at once."""

    latency: float
    """Seconds to the first piece."""


class UsageInfo(TypedDict):
    """Tokens as the server counts them; None where it does not say."""

    input_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None


class FinalResponse(TypedDict):
    """A whole answer."""

    answer: Any
    """The text; with an `output_format`, plain data of that shape."""

    messages: list[dict[str, Any]]
    """The messages that this answer adds to the conversation, ready to be appended to it."""

    finish_reason: str
    """Why the model stopped: `stop`, `length` (it was cut off), `content_filter`, `refusal`, …"""

    usage: UsageInfo

    parsed: NotRequired[Any]
    """With an `output_format` that is a class: the answer as an instance of it."""

    reasoning: NotRequired[str]
    """What the model thought; absent if hidden or empty."""

    tool_calls: NotRequired[list[ToolCall]]
    tool_results: NotRequired[list[ToolResult]]
    verbose: NotRequired[VerboseInfo]
    warnings: NotRequired[list[str]]
    """What could not be done as it was asked for; absent if there is nothing to say."""


Decision = object
"""What a user sends into a stream as the answer to an event."""

Events = AsyncGenerator[list[StreamEvent], Decision | None]
"""What the core yields: lists, one a network read. An event that wants a decision is alone in its list."""


class Rejection(str):
    """The reason of a `reject()`: text like any other, and never an approval, whatever it says."""

    __slots__ = ()


class Pending:
    """A decision that was made by `approve()` or `reject()` and waits for the next step of the stream."""

    __slots__ = ("_decision",)

    def __init__(self) -> None:
        self._decision: Decision | None = None

    def put(self, decision: Decision) -> None:
        """Keep a decision for the next step."""
        self._decision = decision

    def take(self, sent: Decision | None, batch: list[StreamEvent]) -> Decision | None:
        """Return the decision on the event just shown: what was sent, else what was put.

        One that was put while other events were shown is dropped: it must never approve what came after it.
        """
        put, self._decision = self._decision, None
        return put if sent is None and len(batch) == 1 else sent


def reasoning(text: str) -> StreamEvent:
    """Return the event that shows a piece of the reasoning."""
    return {"type": "reasoning", "content": text, "depth": 0}


def verbose(figures: VerboseInfo) -> StreamEvent:
    """Return the event that shows how fast the answer came."""
    return {"type": "verbose", "content": figures, "depth": 0}


def final(response: FinalResponse) -> StreamEvent:
    """Return the event that shows the whole answer."""
    return {"type": "final", "content": response, "depth": 0}


def done() -> StreamEvent:
    """Return the event that ends every stream."""
    return {"type": "done", "content": None, "depth": 0}
