"""What a client must make of a recorded OpenAI Responses answer, read from its bytes without any code of the project.

The second opinion that the decoder is held against, as `expected_chat` is for the other format of OpenAI. A response
is one object, whole or in the last event of a stream, and what it says is read from there. What had arrived of a
stream that broke off is read from its pieces instead; `pieces_of` a whole stream say the same as its last event, which
the tests check.

Text is all `output_text` of the assistant's messages, joined by nothing. Reasoning is the texts of summaries and
contents, here a paragraph each; servers do not say what stands between them, so `in_paragraphs` compares it leniently.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from conformance.exchanges import Exchange
from conformance.expected_chat import Call, Expected, Failure, Json, Tokens, arguments_of, request_id_of, word_for
from conformance.expected_chat import stream_documents as stream_documents

ENDS = ("response.completed", "response.incomplete", "response.failed")
"""The events that end a stream; they hold the whole response."""

FINISH = {
    ("completed", None): "stop",
    ("incomplete", "max_output_tokens"): "length",
    ("incomplete", "content_filter"): "content_filter",
}
"""What a status and the reason of an incomplete response mean; others, such as `queued`, are no end of a reply."""

PARAGRAPH = "\n\n"


def expected(exchange: Exchange) -> Expected:
    """Return what the exchange's answer means."""
    if exchange.is_sse:
        want = reply_in(list(stream_documents(exchange.body)))
    else:
        document = json.loads(exchange.body)
        if exchange.status >= 400:
            want = Expected(failure=failure_of(document["error"], exchange.status))
        else:
            want = said_by(document)
    return replace(want, request_id=request_id_of(exchange))


def reply_in(events: list[Json]) -> Expected:
    """Return what a stream means: its last event says it, or, if there is none, what had arrived until then."""
    for number, event in enumerate(events):
        if event["type"] == "error":  # with the fields of the error in it, or, as recorded, nested
            error = event.get("error") or {name: value for name, value in event.items() if name != "type"}
            return replace(pieces_of(events[:number]), failure=failure_of(error, None))
        if event["type"] == "response.failed":
            return replace(pieces_of(events[:number]), failure=failure_of(event["response"]["error"], None))
        if event["type"] in ENDS:
            return said_by(event["response"])
    return replace(pieces_of(events), failure=Failure("StreamInterruptedError", None, None, ""))


def said_by(response: Json) -> Expected:
    """Return what a response object says."""
    items = response.get("output") or []
    calls = tuple(
        Call(item["call_id"], item["name"], arguments_of(item["arguments"]))
        for item in items
        if item["type"] == "function_call"
    )
    parts = [part for item in items if is_answer(item) for part in item["content"]]
    refusals = [part for part in parts if part["type"] == "refusal"]
    return Expected(
        text="".join(part["text"] for part in parts if part["type"] == "output_text"),
        reasoning=PARAGRAPH.join(text for item in items if item["type"] == "reasoning" for text in thoughts_in(item)),
        calls=calls,
        finish="tool_calls" if calls else "refusal" if refusals else finish_of(response),
        usage=usage_of(response),
        id=response["id"],
        model=response["model"],
        failure=failure_of(response["error"], None) if response.get("error") else None,
    )


def is_answer(item: Json) -> bool:
    """Return whether the model speaks in this item; what `compact` gives back repeats the user's messages too."""
    return bool(item["type"] == "message" and item["role"] == "assistant")


def thoughts_in(item: Json) -> list[str]:
    parts = [*item["summary"], *(item.get("content") or [])]  # DeepSeek and LM Studio: content, no summary
    return [part["text"] for part in parts if part["text"]]


def finish_of(response: Json) -> str:
    reason = (response.get("incomplete_details") or {}).get("reason")
    return FINISH.get((response["status"], reason), "other")


def usage_of(response: Json) -> Tokens:
    usage = response.get("usage")
    if not usage:
        return Tokens()
    of_input, of_output = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return Tokens(
        input=usage["input_tokens"],
        cached=of_input.get("cached_tokens"),
        cache_write=of_input.get("cache_write_tokens"),
        output=usage["output_tokens"],
        reasoning=of_output.get("reasoning_tokens"),
    )


def pieces_of(events: list[Json]) -> Expected:
    """Return what the pieces of a stream say together; where they belong is said by their indexes, not their ids."""
    text, thoughts, calls = "", dict[tuple[int, str, int], str](), dict[int, Json]()
    begun: Json = next((event["response"] for event in events if event.get("response")), {})
    for event in events:
        kind, delta, place = event["type"], event.get("delta"), event.get("output_index", -1)
        if kind == "response.output_text.delta":
            text += str(delta)
        elif kind == "response.reasoning_summary_text.delta":
            index = (place, "summary", event["summary_index"])
            thoughts[index] = thoughts.get(index, "") + str(delta)
        elif kind == "response.reasoning_text.delta":
            index = (place, "text", event["content_index"])
            thoughts[index] = thoughts.get(index, "") + str(delta)
        elif kind == "response.output_item.added" and event["item"]["type"] == "function_call":
            calls[place] = dict(event["item"])
        elif kind == "response.function_call_arguments.delta":
            calls[place]["arguments"] += delta
        elif kind == "response.function_call_arguments.done":
            calls[place]["arguments"] = event["arguments"]
    return Expected(
        text=text,
        reasoning=PARAGRAPH.join(thoughts.values()),
        calls=tuple(Call(call["call_id"], call["name"], arguments_of(call["arguments"])) for call in calls.values()),
        id=begun.get("id", ""),
        model=begun.get("model", ""),
    )


def failure_of(error: Json, status: int | None) -> Failure:
    code = word_for(error)
    return Failure(kind=kind_of(status, code), status_code=status, code=code, message=error["message"])


def kind_of(status: int | None, code: str | None) -> str:
    if code == "context_length_exceeded":
        return "ContextLengthError"
    if status in (401, 403):
        return "AuthenticationError"
    if status == 404:
        return "NotFoundError"
    if status == 429 or code in ("rate_limit_exceeded", "insufficient_quota"):  # documented as 429
        return "RateLimitError"
    if (status or 0) >= 500 or code == "server_error":  # documented as 500
        return "OverloadedError"
    return "InvalidRequestError" if status else "StatusError"


def in_paragraphs(want: Expected, got: str) -> Expected:
    """Return the expectation with `got` as its reasoning, if they differ only in white space between paragraphs."""
    paragraphs = r"\s+".join(map(re.escape, want.reasoning.split(PARAGRAPH)))
    return replace(want, reasoning=got) if re.fullmatch(paragraphs, got) else want


def whole_response(exchange: Exchange) -> Any:
    """Return the response object of an answer, whole or streamed.

    Raises:
        StopIteration: the stream has none.
    """
    if not exchange.is_sse:
        return json.loads(exchange.body)
    return next(event["response"] for event in stream_documents(exchange.body) if event["type"] in ENDS)
