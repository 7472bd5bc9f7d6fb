"""What a client must make of a recorded Gemini answer, read from its bytes without any code of the project.

The second opinion that the decoder is held against, as `expected_chat` is for OpenAI Chat. Every answer is a list of
documents of one shape, GenerateContentResponse: one for a whole answer, several for a stream, as events or as one JSON
array. What they amount to is put together by `whole`, and read by everything else.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from conformance.exchanges import Exchange
from conformance.expected_chat import Call, Expected, Failure, Json, Tokens

FINISH = {
    1: "stop",  # Vertex AI, asked for `enum-encoding=int`
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
}

STATUS_ERRORS = {
    401: "AuthenticationError",
    403: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
}

PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]")
"""One step of the JSON path of a streamed argument, for example `.items` and `[0]` in `$.items[0]`."""


def expected(exchange: Exchange) -> Expected:
    """Return what the exchange's answer means."""
    documents = documents_in(exchange)
    if exchange.status >= 400:
        return Expected(failure=failure_of(documents[0], exchange.status))
    answer = whole(documents)
    parts = parts_in(answer)
    calls = tuple(call_of(part["functionCall"]) for part in parts if "functionCall" in part)
    broken_off = exchange.is_sse and finish_word(answer) is None
    return Expected(
        text="".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        reasoning="".join(part["text"] for part in parts if "text" in part and part.get("thought")),
        calls=calls,
        finish="tool_calls" if calls else FINISH.get(finish_word(answer) or "", "other"),
        usage=usage_of(answer),
        id=answer.get("responseId", ""),
        model=answer.get("modelVersion", ""),
        failure=Failure("StreamInterruptedError", None, None, "") if broken_off else None,
    )


def documents_in(exchange: Exchange) -> list[Json]:
    """Return the answer's documents in their order, however they were carried."""
    if not exchange.is_sse:
        body = json.loads(exchange.body)
        return body if isinstance(body, list) else [body]
    events = exchange.body.decode().replace("\r\n", "\n").split("\n\n")
    return [json.loads(event.removeprefix("data:")) for event in events if event.strip()]


def whole(documents: list[Json]) -> Json:
    """Return the one document that a stream's documents amount to.

    What is counted or concluded is sent again with each document, as it stands by then: the last word counts. Only
    the parts of the content add up.
    """
    answer: Json = {}
    candidate: Json = {}
    content: Json = {}
    parts: list[Json] = []
    for document in documents:
        answer |= document
        for said in document.get("candidates", []):
            if said.get("index", 0) == 0:
                candidate |= said
                content |= said.get("content") or {}
                parts += (said.get("content") or {}).get("parts", [])
    if candidate:
        if len(documents) > 1 or parts:
            content["parts"] = with_whole_calls(parts)
        answer["candidates"] = [candidate | {"content": content}]
    return answer


def parts_in(answer: Json) -> list[Json]:
    """Return the parts that the model said, in their order."""
    candidates = answer.get("candidates") or [{}]
    return list((candidates[0].get("content") or {}).get("parts", []))


def joined(parts: list[Json]) -> list[Json]:
    """Return the parts in the one form that all ways of cutting text share.

    Text goes on in the part before it, unless either has anything beside it, such as a signature: what is signed is a
    part of its own and stays as it is, also where it is empty.
    """
    known: list[Json] = []
    for part in parts:
        is_plain = part.keys() <= {"text", "thought"}
        if is_plain and not part["text"]:
            continue
        last = known[-1] if known else {}
        if is_plain and "text" in last and last.keys() == part.keys():
            known[-1] = last | {"text": last["text"] + part["text"]}
        else:
            known.append(part)
    return known


def with_whole_calls(parts: list[Json]) -> list[Json]:
    """Return the parts with each streamed call put together, at the place where it began."""
    known: list[Json] = []
    call: Json | None = None  # the one that goes on
    for part in parts:
        said = part.get("functionCall")
        if said is None or (call is None and not said.get("willContinue") and "partialArgs" not in said):
            known.append(part)
            continue
        if call is None:
            call = {"name": said["name"], "args": said.get("args", {})} | {
                key: said[key] for key in ("id",) if key in said
            }
            known.append(part | {"functionCall": call})
        for piece in said.get("partialArgs", []):
            put(call["args"], piece)
        if not said.get("willContinue"):
            call = None
    return known


def put(args: Json, piece: Json) -> None:
    """Put a piece of an argument where its path says; text goes on where it was left.

    >>> args = {"name": "An"}
    >>> put(args, {"jsonPath": "$.name", "stringValue": "na"})
    >>> put(args, {"jsonPath": "$.sizes[0]", "numberValue": 1})
    >>> args
    {'name': 'Anna', 'sizes': [1]}
    """
    steps = [int(index) if index else name or quoted for name, index, quoted in PATH_STEP.findall(piece["jsonPath"])]
    place: Any = args
    for step, following in pairwise(steps):
        place = at(place, step, [] if isinstance(following, int) else {})
    value = next(piece[kind] for kind in ("stringValue", "numberValue", "boolValue", "nullValue") if kind in piece)
    if "stringValue" in piece:
        value = at(place, steps[-1], "") + value
    at(place, steps[-1], None)
    place[steps[-1]] = None if "nullValue" in piece else value


def at(place: Any, step: int | str, default: object) -> Any:
    """Return what is at this step of an object or a list, which has it from now on."""
    if isinstance(step, str):
        return place.setdefault(step, default)
    if step == len(place):
        place.append(default)
    return place[step]


def call_of(said: Json) -> Call:
    return Call(said.get("id"), said["name"], said.get("args") or {})


def finish_word(answer: Json) -> str | int | None:
    """Return why the model stopped, in Gemini's words; a blocked prompt has no candidate that could say it."""
    candidate = (answer.get("candidates") or [{}])[0]
    word: str | int | None = candidate.get("finishReason")
    if word is None and answer.get("promptFeedback", {}).get("blockReason"):
        return "SAFETY"
    return word


def usage_of(answer: Json) -> Tokens:
    """Return the count; Gemini's candidates exclude thoughts, and a count of zero is left out.

    What the provider's own tools read (a page, search results) is counted beside the prompt: the total is the sum of
    all four counts in every recording. It is input as with the other providers, who count it into theirs.
    """
    said = answer.get("usageMetadata", {})
    candidates, thoughts = said.get("candidatesTokenCount"), said.get("thoughtsTokenCount")
    generated = [count for count in (candidates, thoughts) if count is not None]
    read = [said[name] for name in ("promptTokenCount", "toolUsePromptTokenCount") if name in said]
    assert said.get("totalTokenCount", sum(read + generated)) == sum(read + generated)
    return Tokens(
        input=sum(read) if read else None,
        cached=said.get("cachedContentTokenCount"),
        output=sum(generated) if generated else None,
        reasoning=thoughts,
    )


def failure_of(document: Json, status: int) -> Failure:
    """Return the error that an answer with a status of 400 or above reports."""
    error = document["error"]
    return Failure(kind_of(error, status), status, error["status"], error["message"])


def kind_of(error: Json, status: int) -> str:
    """Return the class; a wrong key and a conversation that is too long have the status of any bad request."""
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in error.get("details", [])):
        return "AuthenticationError"
    if error["message"].startswith("The input token count"):
        return "ContextLengthError"
    return STATUS_ERRORS.get(status) or ("OverloadedError" if status >= 500 else "InvalidRequestError")
