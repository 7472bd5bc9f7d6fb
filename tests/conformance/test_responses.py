"""All recorded OpenAI Responses exchanges, of every server that imitates it, replayed by `OpenAIResponsesProvider`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from conformance.exchanges import WIRE, Exchange, exchange_ids, load
from conformance.expected_chat import Expected, Json, Tokens
from conformance.expected_responses import (
    ENDS,
    expected,
    in_paragraphs,
    pieces_of,
    stream_documents,
    whole_response,
)
from conformance.replay import Played, Replay, check_chunks, check_reply, play_byte_by_byte, replaying
from llm_async import OpenAIResponsesProvider, Response
from server import reply

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

FOLDER = "openai-responses"
EXCHANGES = exchange_ids(FOLDER)

KNOWN_DIFFERENCES: dict[str, str] = {
    "vercel-ai.openai-phase-1.02c9938a.00": "shortened by hand: most pieces of the text are missing",
    "vercel-ai.openai-shell-container-1.6c31e9e3.00": "shortened by hand: most pieces of the text are missing",
}
"""Exchanges whose reply is knowingly another than expected, and why; each is asserted to differ still."""

KNOWN_REQUEST_DIFFERENCES: dict[str, str] = {}
"""Exchanges whose request is knowingly another than recorded, and why; each is asserted to differ still."""

LONGEST_BYTE_BY_BYTE = 40_000
"""Bytes; longer streams show nothing more when each byte is read by itself, and take long."""


@pytest.fixture(scope="module")
async def replay(anyio_backend: str) -> AsyncIterator[Replay]:
    async with replaying(OpenAIResponsesProvider) as replay:
        yield replay


@cache
def recorded(id: str) -> Exchange:
    """Return an exchange; what the format calls `input` is the messages of a request through `acomplete`."""
    exchange = load(FOLDER, id)
    if not exchange.request:
        return exchange
    request = dict(exchange.request)
    return replace(exchange, request={"messages": request.pop("input"), **request})


def those(chosen: Callable[[Exchange], object]) -> list[Any]:
    """Return the parameters of the exchanges that are chosen; without recordings the one that is skipped."""
    return [param for param in EXCHANGES if not param.values[0] or chosen(recorded(str(param.values[0])))]


def endpoint(exchange: Exchange) -> str:
    """Return what was asked: `responses`, or what stands after it."""
    before, _, after = exchange.path.partition("/responses/")
    return after or before.rpartition("/")[2]


def is_reply(exchange: Exchange) -> bool:
    """Return whether the answer is a model's reply; other endpoints answer otherwise."""
    return endpoint(exchange) not in ("compact", "input_tokens")


REPLIES = those(is_reply)  # one of them a stream that was fetched by its id, which no provider's method does
STREAMS = those(lambda exchange: exchange.is_sse)
REQUESTS = those(lambda exchange: exchange.request and endpoint(exchange) == "responses")
ANSWERED = those(lambda exchange: is_reply(exchange) and exchange.status < 400)
FETCHED = those(lambda exchange: endpoint(exchange).startswith("resp_") and not exchange.is_sse)
COMPACTED = those(lambda exchange: endpoint(exchange) == "compact")
COUNTED = those(lambda exchange: endpoint(exchange) == "input_tokens")


def shortest_of_each_kind() -> list[Any]:
    """Return, for every feature and every provider, the shortest stream that shows it."""
    shortest: dict[str, Exchange] = {}
    for param in STREAMS:
        if not (id := str(param.values[0])):
            return STREAMS
        exchange = recorded(id)
        for kind in (*exchange.features, exchange.provider):
            if kind not in shortest or len(exchange.body) < len(shortest[kind].body):
                shortest[kind] = exchange
    ids = {exchange.id for exchange in shortest.values() if len(exchange.body) <= LONGEST_BYTE_BY_BYTE}
    return [pytest.param(id, id=id) for id in sorted(ids - set(KNOWN_DIFFERENCES))]


def check(played: Played, want: Expected) -> None:
    """Assert that the reply, or the error and what had arrived before it, is the expected one."""
    arrived = played.response or (played.error and played.error.partial)
    check_reply(played, in_paragraphs(want, arrived.main_response.reasoning if arrived else ""))
    # What names a reply is not handed on before what it says, so that until then the request can be made again.
    if arrived and (not want.failure or want.text or want.reasoning or want.calls):
        assert (arrived.id, arrived.model) == (want.id, want.model)


# -------------------------------------------------------------------------------------------------------- replies


@pytest.mark.parametrize("id", REPLIES)
async def test_a_reply_is_what_was_recorded(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    played = await replay.play(exchange)

    if id in KNOWN_DIFFERENCES:
        with pytest.raises(AssertionError):
            check(played, expected(exchange))
        return
    check(played, expected(exchange))
    if exchange.is_sse:
        check_chunks(played)
        assert [chunk.original for chunk in played.chunks if chunk.original] == list(stream_documents(exchange.body))


@pytest.mark.parametrize("id", ANSWERED)
async def test_a_replys_original_is_the_response_object(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    response = (await replay.play(exchange)).response

    assert response is not None
    assert response.original == whole_response(exchange)


@pytest.mark.parametrize("id", STREAMS)
async def test_a_streamed_reply_equals_the_whole_one(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    streamed = (await replay.play(exchange)).response
    body = json.dumps(whole_response(exchange)).encode()
    asked = {name: value for name, value in (exchange.request or {}).items() if name != "stream"}
    headers = {**exchange.headers, "content-type": "application/json"}
    whole = (
        await replay.play(replace(exchange, request=asked or None, headers=headers, body=body, chunk_sizes=()))
    ).response

    assert streamed is not None
    assert whole is not None
    if id in KNOWN_DIFFERENCES:
        assert streamed.main_response.content != whole.main_response.content
        return
    assert shown(streamed) == shown(whole)


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_a_stream_cut_at_every_byte_says_the_same(id: str, crlf: bool) -> None:
    exchange = recorded(id)
    body = exchange.body.replace(b"\n", b"\r\n") if crlf else exchange.body
    played = await play_byte_by_byte(exchange, body, OpenAIResponsesProvider)

    check(played, expected(exchange))
    check_chunks(played)


@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_a_stream_without_end_mark_and_last_blank_line_says_the_same(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    said, _, _ = exchange.body.partition(b"data: [DONE]")
    unmarked = replace(exchange, body=said.rstrip(b"\r\n"), chunk_sizes=())

    check(await replay.play(unmarked), expected(unmarked))


@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_neither_ids_of_items_nor_numbers_or_names_of_events_are_needed(replay: Replay, id: str) -> None:
    exchange = recorded(id)

    check(await replay.play(unnamed(exchange)), expected(exchange))


@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_events_that_nobody_has_heard_of_are_passed_over(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    unheard = as_event({"type": "response.unheard_of.delta", "output_index": 0, "delta": "?", "item": {"type": "?"}})
    body = exchange.body.replace(b"\r\n", b"\n").replace(b"\n\n", b"\n\n" + unheard.encode())

    check(await replay.play(replace(exchange, body=body, chunk_sizes=())), expected(exchange))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1], ids=["before-its-end", "half-way", "soon"])
@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_a_stream_that_breaks_off_is_an_error_that_keeps_what_had_arrived(
    replay: Replay, id: str, share: float
) -> None:
    exchange = broken_off(recorded(id), share)
    want = expected(exchange)

    assert want.failure
    assert want.failure.kind == "StreamInterruptedError"
    check(await replay.play(exchange), want)


# ------------------------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize("id", REQUESTS)
async def test_a_request_means_what_was_recorded(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    asked = exchange.request
    assert asked is not None
    sent = (await replay.play(exchange)).sent

    said, wanted = (said_in(sent["input"]), parameters_in(sent)), (said_in(asked["messages"]), parameters_in(asked))
    if id in KNOWN_REQUEST_DIFFERENCES:
        assert said != wanted
        return
    assert said[0] == wanted[0]
    assert said[1] == wanted[1]
    assert bool(sent.get("stream")) == exchange.streamed


@pytest.mark.parametrize("id", ANSWERED)
async def test_what_the_model_said_is_sent_back_as_it_was_and_in_order(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    response = (await replay.play(exchange)).response
    assert response is not None
    asked = (exchange.request or {}).get("messages", "Hello")
    before: list[Any] = [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)
    called = [call for call in response.main_response.tool_calls if call.arguments is not None]
    results = [await replay.provider.execute_tool(call, {call.name: lambda **_: "sunny"}) for call in called]
    answers = [{"type": "function_call_output", "call_id": call.id, "output": "sunny"} for call in called]

    for said in (response.main_response.original, response.main_response):
        sent = await sent_by(replay, [*before, said, *results, {"role": "user", "content": "Go on"}])
        assert said_in(sent[: len(before)]) == said_in(before)
        assert sent[len(before) : len(sent) - len(called) - 1] == response.original["output"]
        assert sent[len(sent) - len(called) - 1 : -1] == answers
        assert said_in(sent[-1:]) == said_in("Go on")


# ------------------------------------------------------------------------------------------------ other endpoints


@pytest.mark.parametrize("id", FETCHED)
async def test_a_response_is_fetched_by_its_id(replay: Replay, id: str) -> None:
    exchange = recorded(id)
    answered(replay, exchange)

    assert await replay.provider.request("GET", "responses/" + endpoint(exchange)) == json.loads(exchange.body)
    assert replay.server.requests[0].method == "GET"
    assert replay.server.requests[0].target == exchange.path


@pytest.mark.parametrize("id", COMPACTED)
async def test_a_conversation_is_compacted_by_a_plain_request(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    answered(replay, exchange)

    assert await replay.provider.request("POST", "responses/compact", exchange.request) == json.loads(exchange.body)
    assert replay.server.requests[0].target == exchange.path
    assert replay.server.requests[0].json() == exchange.request


@pytest.mark.parametrize("id", COMPACTED)
async def test_a_compacted_conversation_goes_on(replay: Replay, id: str) -> None:
    compacted = json.loads(load(FOLDER, id).body)["output"]
    sent = await sent_by(replay, [*compacted, {"role": "user", "content": "Go on"}])

    assert sent[:-1] == compacted


@pytest.mark.parametrize("id", COUNTED)
async def test_the_tokens_of_a_request_are_counted(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    assert exchange.request is not None
    asked = exchange.request
    answered(replay, exchange)
    counted = await replay.provider.count_tokens(asked["model"], asked["input"], tools=asked.get("tools"))
    sent = replay.server.requests[0]

    assert counted == json.loads(exchange.body)["input_tokens"]
    assert sent.target == exchange.path
    assert said_in(sent.json()["input"]) == said_in(asked["input"])
    assert sent.json().get("tools") == asked.get("tools")
    assert sent.json()["model"] == asked["model"]


# ------------------------------------------------------------------------------ what servers do, but never on record


def message_item(*parts: Json) -> Json:
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": list(parts)}


def response_object(*output: Json, status: str = "completed", **fields: Any) -> Json:
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "output": list(output), **fields}


SAID: Json = {"type": "output_text", "text": "par", "annotations": []}
REFUSED: Json = {"type": "refusal", "refusal": "I cannot help with that."}
ADDED: Json = {"type": "response.output_item.added", "output_index": 0, "item": message_item()}
SAYING: Json = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "par"}
REFUSING: Json = {"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": REFUSED["refusal"]}
CREATED: Json = {"type": "response.created", "response": response_object(status="in_progress")}

ENDINGS: dict[str, tuple[Json, list[Json]]] = {
    "content-filter": (
        response_object(message_item(SAID), status="incomplete", incomplete_details={"reason": "content_filter"}),
        [ADDED, SAYING],
    ),
    "out-of-tokens": (
        response_object(message_item(SAID), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        [ADDED, SAYING],
    ),
    "steered": (
        response_object(message_item(SAID), status="incomplete", incomplete_details={"reason": "steered"}),
        [ADDED, SAYING],
    ),
    "refusal": (response_object(message_item(REFUSED)), [ADDED, REFUSING]),
    "refusal-after-text": (response_object(message_item(SAID, REFUSED)), [ADDED, SAYING, REFUSING]),
    "nothing": (response_object(usage=None), []),
}

ERRORS: dict[str, Json] = {
    "flat": {"type": "error", "code": "server_error", "message": "It broke", "param": None, "sequence_number": 3},
    "nested": {"type": "error", "error": {"type": "server_error", "code": "server_error", "message": "It broke"}},
    "nested-without-code": {"type": "error", "error": {"type": "server_error", "code": None, "message": "It broke"}},
    "too-fast": {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None},
    "too-long": {"type": "error", "error": {"code": "context_length_exceeded", "message": "It is too long"}},
    "unheard-of": {"type": "error", "code": "invalid_prompt", "message": "No", "param": None},
    "failed": {
        "type": "response.failed",
        "response": response_object(status="failed", error={"code": "server_error", "message": "It broke"}),
    },
    "failed-too-fast": {
        "type": "response.failed",
        "response": response_object(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down"}),
    },
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ENDINGS)
async def test_a_reply_ends_for_many_reasons(replay: Replay, name: str, streamed: bool) -> None:
    body, pieces = ENDINGS[name]
    end = {"type": f"response.{body['status']}", "response": body}
    exchange = made([CREATED, *pieces, end]) if streamed else made(body)
    played = await replay.play(exchange)

    check(played, expected(exchange))
    assert played.response is not None
    assert played.response.original == body
    assert played.response.main_response.refusal == (REFUSED["refusal"] if "refusal" in name else "")


@pytest.mark.parametrize("before", [[], [CREATED, ADDED, SAYING]], ids=["first", "after-text"])
@pytest.mark.parametrize("after", [[], [ERRORS["failed"]]], ids=["last", "then-failed"])
@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_in_a_stream_is_raised_and_keeps_what_had_arrived(
    replay: Replay, name: str, before: list[Json], after: list[Json]
) -> None:
    exchange = made([*before, ERRORS[name], *after])

    check(await replay.play(exchange), expected(exchange))


async def test_an_error_in_a_whole_answer_is_raised(replay: Replay) -> None:
    exchange = made(ERRORS["failed"]["response"])

    check(await replay.play(exchange), expected(exchange))


async def test_the_documented_failures_are_raised(replay: Replay) -> None:
    document = WIRE / "documented-errors.json"
    cases = json.loads(document.read_bytes())["cases"] if document.exists() else []
    if not cases:
        pytest.skip(f"no {document}")
    for case in cases:
        if case["protocol"] == FOLDER:
            assert case["transport"] == "sse"
            exchange = made(list(stream_documents(case["body"].encode())))
            check(await replay.play(exchange), expected(exchange))


# --------------------------------------------------------------------------------------------- the expectation itself


@pytest.mark.parametrize("id", REPLIES)
def test_the_expectation_agrees_with_what_the_recording_is_said_to_show(id: str) -> None:
    exchange = recorded(id)
    want, shows = expected(exchange), exchange.features
    items = whole_response(exchange)["output"] if exchange.status < 400 else []

    assert exchange.is_sse == ("sse" in shows)
    assert bool(want.text) == ("text" in shows)
    assert bool(want.calls) == ("tool-calls" in shows) or "custom-tool-call" in shows
    assert (len(want.calls) > 1) == ("parallel-tool-calls" in shows)
    assert any(call.arguments == {} for call in want.calls) >= ("tool-args-empty" in shows)
    assert (want.usage != Tokens()) == ("usage" in shows)
    assert bool(want.usage.cached) == ("usage-cache-read" in shows)
    assert bool(want.usage.cache_write) == ("usage-cache-write" in shows)
    assert bool(want.usage.reasoning) == ("usage-reasoning" in shows)
    assert (want.usage.reasoning or 0) <= (want.usage.output or 0)
    assert (want.finish == "length") == ("incomplete:max_output_tokens" in shows)
    assert (want.finish in ("stop", "tool_calls")) == ("status:completed" in shows)
    assert bool(want.failure) == ("error" in shows)
    assert any(item["type"] == "reasoning" for item in items) == ("reasoning" in shows)
    assert bool(want.reasoning) <= ("reasoning" in shows)


@pytest.mark.parametrize("id", STREAMS)
def test_the_pieces_of_a_stream_say_the_same_as_its_last_event(id: str) -> None:
    exchange = recorded(id)
    want, pieces = expected(exchange), pieces_of(list(stream_documents(exchange.body)))

    assert (pieces.text == want.text) == (id not in KNOWN_DIFFERENCES)
    assert pieces.reasoning == want.reasoning
    assert pieces.calls == want.calls


# ------------------------------------------------------------------------------------------------------------ helpers


def made(answer: Json | list[Json]) -> Exchange:
    """Return an exchange that nobody recorded: a whole answer, or the events of a stream."""
    body = json.dumps(answer) if isinstance(answer, dict) else "".join(map(as_event, answer))
    kind = "application/json" if isinstance(answer, dict) else "text/event-stream"
    return Exchange("made", FOLDER, "openai", frozenset(), None, 200, {"content-type": kind}, body.encode(), ())


def as_event(document: Json) -> str:
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n"


def broken_off(exchange: Exchange, share: float) -> Exchange:
    """Return the exchange as if the stream had ended properly in HTTP, after a share of the events before its last."""
    events = exchange.body.replace(b"\r\n", b"\n").split(b"\n\n")
    number = next(number for number, event in enumerate(events) if is_end(event))
    kept = events[: max(1, round(number * share))]
    return replace(exchange, body=b"".join(event + b"\n\n" for event in kept), chunk_sizes=())


def unnamed(exchange: Exchange) -> Exchange:
    """Return the exchange as servers give it whose items have another id in every event, or none (GitHub Copilot)."""
    documents = list(stream_documents(exchange.body))
    for number, document in enumerate(documents):
        document.pop("sequence_number", None)
        if "item_id" in document:
            document["item_id"] = f"id_{number}"
        if "item" in document:
            document["item"].pop("id", None)
    body = "".join(f"data: {json.dumps(document)}\n\n" for document in documents)
    return replace(exchange, body=body.encode(), chunk_sizes=())


def is_end(event: bytes) -> bool:
    return any(document["type"] in ENDS for document in stream_documents(event))


def answered(replay: Replay, exchange: Exchange) -> None:
    """Let the server answer the next request as recorded."""
    replay.server.handler = lambda _: reply(exchange.status, exchange.headers, exchange.pieces)
    replay.server.requests.clear()


async def sent_by(replay: Replay, messages: list[Any]) -> list[Json]:
    """Return the input of the request that a conversation makes."""
    answered(replay, made(response_object(message_item(SAID))))
    await replay.provider.acomplete("m", messages)
    sent: list[Json] = replay.server.requests[0].json()["input"]
    return sent


def shown(response: Response) -> Json:
    """Return all of a response that users see."""
    said = response.main_response
    return {
        "said": (said.role, said.content, said.reasoning, said.refusal, list(said.tool_calls), said.original),
        "named": (response.id, response.model, response.request_id),
        "ended": (response.finish_reason, response.usage, response.warnings),
        "original": response.original,
    }


def said_in(given: str | list[Json]) -> list[Json]:
    """Return an input in its longest form: text is a part, a text alone a user's message; null and "" say nothing."""
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    said = []
    for item in items:
        said.append({name: value for name, value in item.items() if value is not None})
        if "role" in item and item.get("type", "message") == "message":
            kind = "output_text" if item["role"] == "assistant" else "input_text"
            content = item["content"]
            parts = [{"type": kind, "text": content}] if isinstance(content, str) else content
            said[-1] |= {"type": "message", "content": [part for part in parts if part.get("text") != ""]}
    return said


def parameters_in(body: Mapping[str, Any]) -> Json:
    """Return the parameters without what says nothing; tools in the other format's shape are what they mean in this."""
    kept = {name: value for name, value in body.items() if value is not None and value != []}
    if "tools" in kept:
        kept["tools"] = [as_flat(tool, {"strict": False}) for tool in kept["tools"]]
    if isinstance(kept.get("tool_choice"), dict):
        kept["tool_choice"] = as_flat(kept["tool_choice"])
    return {name: value for name, value in kept.items() if name not in ("messages", "input", "stream")}


def as_flat(tool: Json, defaults: Mapping[str, Any] = {}) -> Json:
    """Return a tool, or the choice of one, in the Responses format's own shape.

    Args:
        defaults: what is said of a tool in Chat's shape by saying nothing; a function is not `strict` there.
    """
    if "function" not in tool:
        return tool
    rest = {name: value for name, value in tool.items() if name != "function"}
    return {**defaults, **rest, **tool["function"]}
