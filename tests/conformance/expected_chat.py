"""What a client must make of a recorded OpenAI Chat answer, read from its bytes without any code of the project.

This is the second opinion that the decoder is held against, so it is written for the reader and shares nothing with
it: a whole body is `json.loads` and plain dicts, a stream is its lines. The meaning of every field is that of the
public API's definitions; the comments name servers that made a rule necessary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.exchanges import Exchange

Json = dict[str, Any]

FINISH = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}

STATUS_ERRORS = {
    401: "AuthenticationError",
    403: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
}

CONTEXT_LENGTH = ("maximum context length", "exceeds the available context size")
"""How DeepSeek, OpenRouter and llama.cpp say that a prompt is too long; status and code are any bad request's."""


@dataclass(frozen=True)
class Call:
    """A tool call; `id` is None where the server sent none and the client makes one up."""

    id: str | None
    name: str
    arguments: Json | None


@dataclass(frozen=True)
class Tokens:
    """Token counts; None where the server says nothing."""

    input: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True)
class Failure:
    """An error, by the name of its class."""

    kind: str
    status_code: int | None
    code: str | None
    message: str
    retry_after: float | None = None


@dataclass(frozen=True)
class Expected:
    """A reply; with `failure`, what had arrived of it."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "other"
    usage: Tokens = Tokens()
    id: str = ""
    model: str = ""
    request_id: str | None = None
    failure: Failure | None = None


def expected(exchange: Exchange) -> Expected:
    """Return what the exchange's answer means."""
    if not exchange.is_sse:
        document = json.loads(exchange.body)
        if exchange.status >= 400:
            return Expected(failure=failure_of(document, exchange), request_id=request_id_of(exchange))
        return reply_of([document], "message", exchange)
    return reply_of(list(stream_documents(exchange.body)), "delta", exchange)


def stream_documents(body: bytes) -> Iterator[Json]:
    """Yield the JSON documents of a stream, up to its end mark."""
    data: list[str] = []
    for line in [*body.decode().replace("\r\n", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            text, data = "\n".join(data), []
            if text == "[DONE]":
                return
            yield json.loads(text)


def reply_of(documents: list[Json], key: str, exchange: Exchange) -> Expected:
    """Return what the documents say together, up to the first that is an error.

    Args:
        key: where a choice has what the model says: `message` in a whole answer, `delta` in a stream.
    """
    failure, arrived = None, []
    for document in documents:
        arrived.append(document)
        if error_in(document):
            failure = failure_of(document, exchange)
            break
    choices = [choice for document in arrived for choice in document.get("choices") or [] if not choice.get("index")]
    said = [choice.get(key) or {} for choice in choices]
    calls = calls_of(said)
    words = [word for choice in choices if (word := choice.get("finish_reason"))]
    if calls:
        finish = "tool_calls"
    elif any(piece.get("refusal") for piece in said):
        finish = "refusal"
    else:
        finish = FINISH.get(words[-1], "other") if words else "other"
    if key == "delta" and not failure and not words and b"[DONE]" not in exchange.body:
        failure = Failure("StreamInterruptedError", None, None, "")
    return Expected(
        text="".join(text_of(piece) for piece in said),
        reasoning="".join(reasoning_of(piece) for piece in said),
        calls=calls,
        finish=finish,
        usage=usage_of(arrived),
        id=first(arrived, "id"),
        model=first(arrived, "model"),
        request_id=request_id_of(exchange),
        failure=failure,
    )


def first(documents: list[Json], name: str) -> str:
    """Return the first value that is not empty; Azure begins with a document where all are."""
    return next((document[name] for document in documents if document.get(name)), "")


def request_id_of(exchange: Exchange) -> str | None:
    return exchange.headers.get("x-request-id")


def text_of(piece: Json) -> str:
    content = piece.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def reasoning_of(piece: Json) -> str:
    """Return the reasoning, which several servers send under two names at once."""
    for name in ("reasoning_content", "reasoning", "reasoning_text"):
        if piece.get(name):
            return str(piece[name])
    if isinstance(piece.get("content"), list):  # Mistral
        thoughts = [part["thinking"] for part in piece["content"] if part["type"] == "thinking"]
        return "".join(step["text"] for thought in thoughts for step in thought)
    details = piece.get("reasoning_details") or []
    return "".join(detail.get("text") or detail.get("summary") or "" for detail in details)


def calls_of(said: list[Json]) -> tuple[Call, ...]:
    """Return the calls, put together from their parts in the order in which they began."""
    begun: list[Json] = []
    for piece in said:
        parts = list(piece.get("tool_calls") or [])
        if piece.get("function_call"):
            parts.append({"index": "legacy", "function": piece["function_call"]})
        for part in parts:
            function = part.get("function") or {}
            call = call_continued_by(part, begun)
            if call is None:
                call = {"index": part.get("index"), "id": "", "name": "", "text": ""}
                begun.append(call)
            call["id"] = call["id"] or part.get("id") or ""
            call["name"] = call["name"] or function.get("name") or ""
            arguments = function.get("arguments") or ""
            call["text"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
    # Snowflake sends an empty function_call with every message.
    return tuple(Call(call["id"] or None, call["name"], arguments_of(call["text"])) for call in begun if call["name"])


def call_continued_by(part: Json, begun: list[Json]) -> Json | None:
    """Return the call that this part goes on with, None if it begins one."""
    id, name = part.get("id"), (part.get("function") or {}).get("name")
    if part.get("index") is None:  # Mistral, Ollama: whole calls
        return None if id or name else begun[-1]
    same_place = [call for call in begun if call["index"] == part["index"]]
    if not same_place or (id and name and id != same_place[-1]["id"]):
        return None
    return same_place[-1]


def arguments_of(text: str) -> Json | None:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def usage_of(documents: list[Json]) -> Tokens:
    """Return the last count; many servers repeat it, larger each time."""
    counts = [document.get("usage") or (document.get("x_groq") or {}).get("usage") for document in documents]
    usage = next((count for count in reversed(counts) if count), None)
    if usage is None:
        return Tokens()
    of_input, of_output = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    input, output, reasoning = usage["prompt_tokens"], usage["completion_tokens"], of_output.get("reasoning_tokens")
    if reasoning and usage["total_tokens"] == input + output + reasoning:  # xAI
        output += reasoning
    # The others are DeepSeek's, Moonshot's and Hugging Face's, and Mistral's name for it.
    names = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
    cached = [of_input.get("cached_tokens"), *(usage.get(name) for name in names)]
    return Tokens(
        input=input,
        cached=next((count for count in cached if count is not None), None),
        cache_write=of_input.get("cache_write_tokens"),
        output=output,
        reasoning=reasoning,
    )


def error_in(document: Json) -> Any:
    """Return the error that a document holds, beside the reply or instead of it."""
    choices = document.get("choices") or [{}]
    return document.get("error") or choices[0].get("error")


def failure_of(document: Json, exchange: Exchange) -> Failure:
    error = error_in(document) or document
    if isinstance(error, str):  # xAI: {"code": "...", "error": "..."}
        error = {"message": error, "code": document.get("code")}
    message = error.get("message") or error.get("detail")
    assert message, f"{exchange.id}: no message in {error}"
    named = [str(error.get(name)) for name in ("code", "status_code", "status")]
    numbers = [exchange.status, *(int(number) for number in named if number.isdigit())]
    status = next((number for number in numbers if 400 <= number < 600), None)
    return Failure(
        kind=kind_of(status, message),
        status_code=status,
        code=word_for(error),
        message=message,
        retry_after=retry_after_of(exchange),
    )


def word_for(error: Json) -> str | None:
    """Return what the server calls the error: a word where it has one, else its number."""
    names = [error.get("code"), error.get("type")]
    words = [str(name) for name in names if name is not None]
    return next((word for word in words if not word.isdigit()), words[0] if words else None)


def kind_of(status: int | None, message: str) -> str:
    if any(words in message for words in CONTEXT_LENGTH):
        return "ContextLengthError"
    if status is None:
        return "StatusError"
    return STATUS_ERRORS.get(status) or ("OverloadedError" if status >= 500 else "InvalidRequestError")


def retry_after_of(exchange: Exchange) -> float | None:
    if "retry-after-ms" in exchange.headers:
        return float(exchange.headers["retry-after-ms"]) / 1000
    seconds = exchange.headers.get("retry-after")
    return None if seconds is None else float(seconds)
