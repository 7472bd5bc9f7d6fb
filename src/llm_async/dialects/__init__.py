"""Wire formats as pure functions from values to values: no sockets, no clocks, nothing remembered.

A module with the functions of `Dialect` is one; type checkers verify it where a provider names the module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from llm_async.errors import StatusError
from llm_async.models.event import ModelEvent
from llm_async.models.request import ModelRequest
from llm_async.models.response import Reply
from llm_async.models.tool_call import ToolCall, ToolResult
from llm_async.sse import ServerSentEvent


class Profile(Struct, frozen=True, kw_only=True):
    """How one server differs from others that speak the same wire format; data, so that no code has to."""

    max_tokens: str = "max_tokens"
    """What the limit on output is called: OpenAI's own Chat wants `max_completion_tokens`, others do not know it."""

    stream_usage: bool = True
    """Whether `stream_options` may be sent, without which most servers count no tokens in streams."""

    tool_choice: Literal["full", "words"] = "full"
    """`words`: a named tool cannot be forced (llama.cpp ignores the name); only that tool is sent, as `required`."""

    required: str = "required"
    """The word for a call that must be made; Mistral's is `any`."""

    seed: str = "seed"
    """What the seed is called; Mistral's is `random_seed`."""

    developer_role: bool = True
    """Whether messages may have the role `developer`; elsewhere it is called `system`."""

    assistant_fields: tuple[str, ...] | None = None
    """What of a model's message goes back beside role, content, name, calls and reasoning; None: all, as it came."""

    thinking_parts: bool = True
    """Whether reasoning that is part of a content list goes back there (Mistral)."""

    reasoning: str | None = None
    """The field in which a model's reasoning goes back; "": in none; None: in the one it came in."""

    efforts: dict[str, str | dict[str, Any]] = {}
    """What stands for a `reasoning_effort` that the server does not know: the nearest one, or other parameters."""

    refused: dict[str, str] = {}
    """Parameters that the server refuses, and a pattern of the models that do; "" is all of them."""

    response_format: Literal["json_schema", "json_object"] = "json_schema"
    """`json_object`: the server can be asked for JSON, but not for JSON of a certain shape."""

    schemas: Literal["plain", "openai"] = "plain"
    """Whose dialect of JSON Schema a strict schema must be written in."""

    cache_control: bool = True
    """Whether parts and tools may have marks for the prompt cache, in Anthropic's words."""

    pictures_in_results: bool | None = None
    """Whether a tool's result may hold pictures; elsewhere they follow in a message of the user's. None: they follow,
    but what a caller wrote in the server's own shape stays as it is."""

    version: str = ""
    """The version of the interface that the server is asked for, where there is more than one."""


class HttpCall(Struct, frozen=True, kw_only=True):
    """What a request says, before it is known where it goes."""

    method: str = "POST"
    path: str
    """Below the provider's base address, beginning with a slash."""

    body: bytes = b""
    warnings: tuple[str, ...] = ()
    """What could not be said in this format as it was asked for."""


class Dialect(Protocol):
    """One wire format. The same arguments give the same result."""

    @property
    def NAME(self) -> str:
        """What the format is called in errors, and as the issuer of messages."""
        ...

    def encode_request(self, request: ModelRequest, profile: Profile, *, stream: bool) -> HttpCall:
        """Return the call that says `request`."""
        ...

    def decode_response(self, body: bytes) -> list[ModelEvent]:
        """Return what a whole answer says: the events that its stream would have had.

        Raises:
            WireFormatError: it is none.
        """
        ...

    def decode_stream_event(self, event: ServerSentEvent) -> list[ModelEvent]:
        """Return what one event of a streamed answer says, maybe nothing.

        Raises:
            WireFormatError: it is none.
        """
        ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
        """Return the error that an answer of status 400 or above reports."""
        ...

    def encode_tool_result(self, result: ToolResult) -> Any:
        """Return the message that carries a tool's result."""
        ...

    def message_in(self, body: Any, calls: Sequence[ToolCall] = ()) -> Any:
        """Return the model's message out of a whole answer, decoded: what is sent back of it.

        Args:
            calls: the calls in it as users see them, by whose ids the results will name them.
        """
        ...

    def rebuild_body(self, reply: Reply, events: Sequence[ModelEvent]) -> Any:
        """Return the reply as the whole answer would have been, had it not been streamed."""
        ...
