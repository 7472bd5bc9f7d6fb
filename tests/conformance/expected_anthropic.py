"""What a client must make of a recorded Anthropic answer, read from its bytes without any code of the project.

The second opinion on the decoder, as `expected_chat` is for OpenAI Chat. Here everything is in the message that the
server means: a whole body is that message, and the events of a stream are put together into it first, as
`message_of` says. So what a streamed message means is said once, and the test of the rebuilt original has it too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from conformance.exchanges import Exchange
from conformance.expected_chat import Call, Expected, Failure, Json, Tokens, retry_after_of, stream_documents

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}

STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that goes with each word for an error; inside a stream the word comes alone."""


def expected(exchange: Exchange) -> Expected:
    """Return what the exchange's answer means."""
    if exchange.status >= 400:
        document = json.loads(exchange.body)
        return Expected(failure=failure_of(document, exchange), request_id=request_id_of(document, exchange))
    message = message_of(exchange)
    blocks = message["content"]
    calls = tuple(Call(block["id"], block["name"], block["input"]) for block in of_type("tool_use", blocks))
    failure, request_id = None, request_id_of({}, exchange)
    for document in stream_documents(exchange.body) if exchange.is_sse else ():
        if document["type"] == "error":
            failure, request_id = failure_of(document, exchange), request_id_of(document, exchange)
    if not failure and not message.get("stop_reason") and b"message_stop" not in exchange.body:
        failure = Failure("StreamInterruptedError", None, None, "")
    return Expected(
        text="".join(block["text"] for block in of_type("text", blocks)),
        reasoning="".join(block["thinking"] for block in of_type("thinking", blocks)),
        calls=calls,
        finish="tool_calls" if calls else FINISH.get(message.get("stop_reason") or "", "other"),
        usage=usage_of(message),
        id=message.get("id", ""),
        model=message.get("model", ""),
        request_id=request_id,
        failure=failure,
    )


def message_of(exchange: Exchange) -> Json:
    """Return the message that the answer is, put together if it was streamed."""
    if not exchange.is_sse:
        message: Json = json.loads(exchange.body)
        return message
    return put_together(stream_documents(exchange.body))


def put_together(events: Iterable[Json]) -> Json:
    """Return the message that events amount to.

    The input of a tool that was cut off is None.
    """
    message: Json = {"content": [], "usage": {}}
    begun: dict[int, Json] = {}
    inputs: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start" if "id" not in message:  # a call out of running code has all its content here
                message |= {**event["message"], "usage": said_in(event["message"]["usage"])}
            case "content_block_start":
                begun[event["index"]] = block = dict(event["content_block"])
                message["content"] = [*message["content"], block]
            case "content_block_delta":
                if event["index"] not in begun:  # only in a documented case, which begins in the middle
                    begun[event["index"]] = {"type": "text", "text": ""}
                    message["content"] = [*message["content"], begun[event["index"]]]
                block, delta = begun[event["index"]], event["delta"]
                match delta["type"]:
                    case "text_delta":
                        block["text"] += delta["text"]
                    case "thinking_delta":
                        block["thinking"] += delta["thinking"]
                    case "signature_delta":
                        block["signature"] += delta["signature"]
                    case "citations_delta":
                        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
                    case "compaction_delta":
                        block |= {name: value for name, value in delta.items() if name != "type"}
                    case "input_json_delta":
                        inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
                    case unknown:
                        raise AssertionError(f"nobody has said what a {unknown} means")
            case "message_delta":  # its counts are those of the whole message so far, and may correct earlier ones
                about = {name: value for name, value in event.items() if name not in ("type", "delta", "usage")}
                usage = message["usage"] | said_in(event.get("usage") or {})
                message |= {**event["delta"], **about, "usage": usage}
            case "content_block_stop" | "message_stop" | "message_start" | "ping" | "error":
                pass  # a second message_start says nothing new
            case unknown:
                raise AssertionError(f"nobody has said what a {unknown} means")
    for index, text in inputs.items():
        if text:  # else the start had it whole, or there are no arguments
            begun[index]["input"] = arguments_of(text)
    return message


def said_in(values: Json) -> Json:
    """Return the values without what says nothing: null is the same as left out."""
    return {name: value for name, value in values.items() if value is not None}


def of_type(kind: str, blocks: list[Json]) -> list[Json]:
    return [block for block in blocks if block["type"] == kind]


def arguments_of(text: str) -> Json | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def usage_of(message: Json) -> Tokens:
    """Return the counts; Anthropic's own `input_tokens` leaves out what was read from and written to the cache."""
    usage = said_in(message.get("usage") or {})
    cached, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    input = usage.get("input_tokens")
    return Tokens(
        input=None if input is None else input + (cached or 0) + (written or 0),
        cached=cached,
        cache_write=written,
        output=usage.get("output_tokens"),
        reasoning=(usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    )


def refusal_of(message: Json) -> str:
    """Return why the model would not answer, as far as the server says so."""
    return (message.get("stop_details") or {}).get("explanation") or ""


def failure_of(document: Json, exchange: Exchange) -> Failure:
    error = document["error"]
    status = exchange.status if exchange.status >= 400 else None
    return Failure(
        kind=kind_of(status or STATUS_OF[error["type"]]),
        status_code=status,
        code=error["type"],
        message=error["message"],
        retry_after=retry_after_of(exchange) if status else None,
    )


def kind_of(status: int) -> str:
    match status:
        case 401 | 403:
            return "AuthenticationError"
        case 404:
            return "NotFoundError"
        case 429:
            return "RateLimitError"
        case _:
            return "OverloadedError" if status >= 500 else "InvalidRequestError"


def request_id_of(document: Json, exchange: Exchange) -> Any:
    """Return what the server calls the request: in a header, which some recorders dropped, or in the error itself."""
    return exchange.headers.get("request-id") or document.get("request_id")
