"""Errors as servers report them, whichever envelope they put them in.

Six are on record: OpenAI's `{"error": {message, type, param, code}}`; Anthropic's `{"type": "error", "error": …,
"request_id"}`; Google's `{"error": {code: int, status, details}}`; xAI's `{"code", "error": "text"}`; Mistral's
`{"detail": "text"}` and `{"object": "error", "message"}`; OpenRouter's, which holds the provider's own as text in
`metadata.raw`. The status is not reliable: a conversation that is too long is a 400, 413 or 429.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llm_async.errors import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitError,
    StatusError,
)
from llm_async.retry import is_retryable

_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|prompt is too long|input (is )?too long"
    r"|too many (input )?tokens|exceeds? (the )?(maximum|max|available).{0,40}(tokens|context)"
    r"|input token count.{0,40}exceeds",
    re.IGNORECASE,
)

_TOO_FAST = re.compile(r"per[ -]?(second|minute|min\b|hour|day)|rate.?limit|please wait", re.IGNORECASE)
"""What is said of too many tokens in too short a time, which passes."""

_OVERLOADED_WORDS = frozenset(
    {
        "overloaded_error",
        "overloaded",
        "server_error",
        "api_error",
        "internal_server_error",
        "service_unavailable",
        "timeout_error",
    }
)


def status_error(status: int, headers: Mapping[str, str], body: bytes) -> StatusError:
    """Return the error that an answer of status 400 or above reports, JSON or not."""
    text = body.decode("utf-8", "replace").strip()
    envelope = _object(text)
    if envelope is None:
        return _error(_said(text), None, status, headers, text)
    message, code = read_envelope(envelope)
    error = _error(message, code, status, headers, text, _word(envelope.get("request_id")))
    error.retry_after = _retry_delay(envelope)
    return error


def error_in_text(body: bytes) -> StatusError:
    """Return the error that an event called `error` reports, JSON or not."""
    text = body.decode("utf-8", "replace").strip()
    envelope = _object(text)
    return _error(_said(text), None, None, {}, text) if envelope is None else error_inside_answer(envelope, body)


def error_inside_answer(envelope: Mapping[str, Any], body: bytes) -> StatusError:
    """Return the error that an answer of status 200, or an event of its stream, holds in an envelope."""
    message, code = read_envelope(envelope)
    return _error(
        message,
        code,
        _numeric_status(envelope, code),
        {},
        body.decode("utf-8", "replace"),
        _word(envelope.get("request_id")),
    )


def read_envelope(envelope: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the message and the server's own word for an error."""
    error = envelope.get("error", envelope)
    if isinstance(error, str):
        return error, _word(envelope.get("code"))
    if not isinstance(error, Mapping):
        error = envelope
    message = error.get("message") or error.get("detail") or error.get("error") or envelope.get("message")
    if not isinstance(message, str):
        message = msgspec.json.encode(message if message is not None else envelope).decode()[:300]
    words = [word for word in map(_word, (error.get("code"), error.get("type"), error.get("status"))) if word]
    # A number there repeats the status; what follows it says more.
    code = next((word for word in words if not word.isdecimal()), words[0] if words else None)
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    if isinstance(raw, str) and raw and raw != message:
        inner = _object(raw)
        message = f"{message}: {read_envelope(inner)[0] if inner else raw[:300]}"
    return message, code


def _retry_delay(envelope: Mapping[str, Any]) -> float | None:
    """Return the seconds that Google asks to wait, in a detail of its error: `{"retryDelay": "34.07s"}`."""
    error = envelope.get("error")
    details = error.get("details") if isinstance(error, Mapping) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?s", delay):
            return float(delay[:-1])
    return None


def _said(text: str) -> str:
    """Return what a page says to people: proxies answer with HTML."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())[:300] or "no explanation"


def _error(
    message: str,
    code: str | None,
    status: int | None,
    headers: Mapping[str, str],
    body: str,
    request_id: str | None = None,
) -> StatusError:
    shown = f"{message} (HTTP {status})" if status else message
    kind = _class_of(status, code, message)
    may_pass = code in _OVERLOADED_WORDS or (kind is RateLimitError and code != "insufficient_quota")
    passes = is_retryable(status, headers) if status else may_pass
    return kind(
        shown,
        body=body,
        status_code=status,
        code=code,
        request_id=headers.get("x-request-id") or headers.get("request-id") or request_id,
        # A conversation that is too long stays so, though Gemini and Azure say it with a 429.
        retryable=passes and kind is not ContextLengthError,
    )


def _class_of(status: int | None, code: str | None, message: str) -> type[StatusError]:
    if status not in (401, 403, 404) and _is_too_long(code, message):
        return ContextLengthError
    if status in (401, 403) or code in ("invalid_api_key", "authentication_error"):
        return AuthenticationError
    if status == 404:
        return NotFoundError
    if status == 429 or code in ("rate_limit_exceeded", "rate_limit_error", "insufficient_quota"):
        return RateLimitError
    if (status is not None and status >= 500) or code in _OVERLOADED_WORDS:
        return OverloadedError
    return InvalidRequestError if status is not None else StatusError


def _is_too_long(code: str | None, message: str) -> bool:
    return code == "context_length_exceeded" or bool(_TOO_LONG.search(message) and not _TOO_FAST.search(message))


def _numeric_status(envelope: Mapping[str, Any], code: str | None) -> int | None:
    """Return the status that an error inside a 200 claims, if it claims one."""
    error = envelope.get("error")
    names = ("status_code", "code", "status")
    claims = [error.get(name) for name in names] if isinstance(error, Mapping) else []
    for claim in (*claims, envelope.get("status_code"), code):
        if isinstance(claim, (int, str)) and re.fullmatch("[45][0-9][0-9]", str(claim)):
            return int(claim)
    return None


def _word(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
