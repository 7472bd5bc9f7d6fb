"""What a model says, piece by piece, the same for every provider.

Dialects produce these; `llm_async.models.response` folds them. The first four carry the daily traffic, the rest
is rare but must survive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from llm_async.errors import StatusError

if TYPE_CHECKING:
    from llm_async.models.response import Response

FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "refusal", "pause", "context_window", "error", "other"
]
"""Why a model stopped, in one vocabulary. The provider's own word is in `.original`."""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens of one model turn, as counted by the server; None where it does not say, 0 only where it says 0."""

    input_tokens: int | None = None
    """The whole prompt, cached part included."""

    cached_tokens: int | None = None
    """The part of `input_tokens` that was read from the server's cache."""

    cache_write_tokens: int | None = None
    """The part of `input_tokens` that was written to the server's cache."""

    output_tokens: int | None = None
    """Everything generated, reasoning included."""

    reasoning_tokens: int | None = None
    """The part of `output_tokens` that was reasoning."""


# gc=False: events hold no cycles, and the collector's book-keeping would cost more than they do.
class TextDelta(Struct, frozen=True, gc=False, tag="text"):
    """A piece of the answer."""

    text: str


class ReasoningDelta(Struct, frozen=True, gc=False, tag="reasoning"):
    """A piece of the reasoning, or the signature that some servers want back with it."""

    text: str = ""
    signature: str = ""


class ToolCallDelta(Struct, frozen=True, gc=False, tag="tool_call", kw_only=True):
    """A piece of a tool call."""

    key: int | str | None
    """What the server correlates the pieces by; None: this delta is a whole call."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    """A piece of JSON text."""

    whole: bool = False
    """Whether `arguments` is all of them, whatever pieces came before."""

    pieces: tuple[Any, ...] = ()
    """Pieces of the arguments by their place in them, instead of text: Gemini's `partialArgs` as they came."""


class Finished(Struct, frozen=True, gc=False, tag="finished"):
    """The model has stopped."""

    reason: FinishReason
    word: str = ""
    """The server's own word for it."""


class Opened(Struct, frozen=True, tag="opened"):
    """The server has accepted the request; the client says so before anything that the model says."""

    request_id: str | None = None
    warnings: tuple[str, ...] = ()
    """What could not be sent as it was asked for."""

    is_whole: bool = False
    """Whether the answer comes in one piece, so that its one event is the body."""


class Closed(Struct, frozen=True, tag="closed"):
    """The reply is whole; the client says so after everything that the model says."""

    response: Response


class Started(Struct, frozen=True, gc=False, tag="started"):
    """The reply has begun: what the server calls it, and which model it says answers."""

    id: str = ""
    model: str = ""


class UsageReport(Struct, frozen=True, tag="usage"):
    """The server's count so far; a later report replaces an earlier one."""

    usage: Usage
    original: Any = None
    """As the server sent it."""

    corrects: bool = False
    """Whether it only corrects the one before: what it does not say stays as it was."""


class Refusal(Struct, frozen=True, gc=False, tag="refusal"):
    """A piece of the model's explanation of why it will not answer."""

    text: str


class Opaque(Struct, frozen=True, tag="opaque"):
    """Something only its issuer understands; kept as it came, sent back only to that issuer.

    Pieces of the same `field` are joined in order: lists are concatenated, anything else replaces what was there.
    """

    field: str
    """Where it belongs in the issuer's own message."""

    value: Any


class EndMark(Struct, frozen=True, gc=False, tag="end"):
    """The stream says that nothing more will come."""


class Failed(Struct, frozen=True, tag="failed"):
    """The server reports an error where an answer was promised: inside a 200, or in the middle of a stream."""

    error: StatusError


ModelEvent = (
    TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | Finished
    | Opened
    | Closed
    | Started
    | UsageReport
    | Refusal
    | Opaque
    | EndMark
    | Failed
)
