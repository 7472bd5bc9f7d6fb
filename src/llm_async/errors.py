"""What can go wrong, for both packages: one tree, and whose fault each branch is.

    LLMError
    ├── ConfigurationError            the caller: the call can never work as it is written
    ├── SchemaConversionError         the caller: an annotation has no JSON Schema
    ├── ToolExecutionError            a tool
    ├── StructuredOutputError         the model: its answer does not fit the schema
    │   └── OutputTruncatedError      … because it was cut off
    ├── LLMTimeoutError               a limit ran out (also a TimeoutError)
    └── ModelRequestError             the server, or the way to it
        ├── TransportError            no usable answer: refused, reset, TLS
        ├── StatusError               the server answered with an error
        │   ├── AuthenticationError · NotFoundError · InvalidRequestError · ContextLengthError
        │   └── RateLimitError · OverloadedError
        ├── StreamInterruptedError    the answer stopped before its end
        └── WireFormatError           the answer is not what its wire format allows

Nothing here holds a key or a prompt. Errors pickle with all their attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_async.models.response import Response


class LLMError(Exception):
    """The base of every error that the two packages raise on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Rebuilt without __init__: constructors differ, attributes travel in __dict__.
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(kind: type[LLMError], arguments: tuple[Any, ...]) -> LLMError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    return error


class ConfigurationError(LLMError):
    """The call can never work as it is written; nothing was sent."""


class SchemaConversionError(LLMError):
    """A Python annotation cannot be expressed as JSON Schema."""


class ToolExecutionError(LLMError):
    """A tool raised.

    Attributes:
        tool_name: the name the model called it by.
        original_error: what it raised.
    """

    def __init__(self, tool_name: str, message: str, original_error: BaseException | None = None) -> None:
        self.tool_name, self.original_error = tool_name, original_error
        super().__init__(f"tool {tool_name!r}: {message}")


class StructuredOutputError(LLMError):
    """The model's answer does not fit the schema that was asked for.

    Attributes:
        text: the answer as it came.
        problems: what does not fit, one sentence each.
        partial: the reply, so that nothing of it is lost.
    """

    def __init__(
        self, message: str, *, text: str = "", problems: tuple[str, ...] = (), partial: Response | None = None
    ) -> None:
        self.text, self.problems, self.partial = text, problems, partial
        super().__init__(message)


class OutputTruncatedError(StructuredOutputError):
    """The answer was cut off before it was whole; raising `max_tokens` may help."""


class LLMTimeoutError(LLMError, TimeoutError):
    """A time limit ran out.

    Attributes:
        limit: which one: `connect`, `first token`, `idle`, `tool` or `total`.
        seconds: how long that limit was.
        partial: what had arrived of the answer, or None.
        attempts: how many requests were made.
        retryable: whether another attempt makes sense: only where the server was not reached.
        retry_after: None; no server has said anything.
    """

    def __init__(self, limit: str, seconds: float | None = None, *, doing: str = "") -> None:
        self.limit, self.seconds = limit, seconds
        self.partial: Response | None = None
        self.attempts: int | None = None
        self.retryable = limit == "connect"
        self.retry_after: float | None = None
        allowed = "" if seconds is None else f" of {seconds:g} s"
        super().__init__(f"the {limit} limit{allowed} ran out{f' {doing}' if doing else ''}")


class ModelRequestError(LLMError):
    """A request to a model server failed.

    Attributes (None where unknown):
        status_code: the HTTP status; for an error inside a 200, its numeric code if that is 400 to 599.
        code: the server's own word for it, for example `rate_limit_exceeded`.
        request_id: what the server calls this request, for its support.
        retryable: whether the same request may succeed if it is made again.
        retry_after: seconds the server asks to wait.
        attempts: how many requests were made.
        partial: what had arrived of the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.status_code, self.code, self.request_id = status_code, code, request_id
        self.retryable, self.retry_after = retryable, retry_after
        self.attempts: int | None = None
        self.partial: Response | None = None
        super().__init__(message)


class TransportError(ModelRequestError):
    """No usable answer came: the server was not reached, or the connection broke."""


class StatusError(ModelRequestError):
    """The server answered with an error.

    Attributes:
        body: the answer's body as text, at most 2,000 characters, or None.
    """

    def __init__(self, message: str, *, body: str | None = None, **facts: Any) -> None:
        self.body = None if body is None else body[:2000]
        super().__init__(message, **facts)


class AuthenticationError(StatusError):
    """The key is missing, wrong, or not allowed to do this (401, 403)."""


class NotFoundError(StatusError):
    """There is no such model or address (404)."""


class InvalidRequestError(StatusError):
    """The server will not take the request as it is (400, 413, 422 and other 4xx)."""


class ContextLengthError(StatusError):
    """The conversation is longer than the model can read."""


class RateLimitError(StatusError):
    """Too many requests, or the account's budget is spent (429)."""


class OverloadedError(StatusError):
    """The server is overloaded or failing (5xx, 529)."""


class StreamInterruptedError(ModelRequestError):
    """The answer stopped before its end; `.partial` holds what had arrived."""


class WireFormatError(ModelRequestError):
    """The server sent something its dialect cannot read.

    Attributes:
        dialect: name of the wire format.
        path: where in the data, for example `$.choices[0].delta`.
        excerpt: the first 200 bytes of the data.
    """

    def __init__(self, dialect: str, path: str, data: bytes) -> None:
        self.dialect, self.path, self.excerpt = dialect, path, bytes(data[:200])
        super().__init__(f"{dialect}: cannot read {path} in {self.excerpt!r}")
