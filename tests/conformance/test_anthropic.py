"""All recorded Anthropic exchanges, replayed through `ClaudeProvider`, and the failures that its documents add."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import cache
from itertools import takewhile
from typing import Any

import pytest

from conformance.exchanges import WIRE, Exchange, exchange_ids, load
from conformance.expected_anthropic import expected, message_of, refusal_of, said_in
from conformance.expected_chat import Json, Tokens, stream_documents
from conformance.replay import PLAIN_REQUEST, Replay, check_chunks, check_reply, play_byte_by_byte, replaying, tokens_of
from llm_async import ClaudeProvider, Message

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

FOLDER = "anthropic-messages"
EXCHANGES = exchange_ids(FOLDER)


def those(chosen: Callable[[Exchange], object]) -> list[Any]:
    """Return the parameters of the exchanges that are chosen; without recordings the one that is skipped."""
    return [param for param in EXCHANGES if not param.values[0] or chosen(load(FOLDER, str(param.values[0])))]


COUNTS = those(lambda exchange: "count-tokens" in exchange.features)
ANSWERS = those(lambda exchange: "count-tokens" not in exchange.features)
MESSAGES = those(lambda exchange: exchange.status == 200 and "count-tokens" not in exchange.features)
STREAMS = those(lambda exchange: exchange.is_sse)
REQUESTS = those(lambda exchange: exchange.request and "count-tokens" not in exchange.features)

KNOWN_DIFFERENCES: dict[str, str] = {}
"""Exchanges whose reply is knowingly another than expected, and why; each is asserted to differ still."""

LONGEST_BYTE_BY_BYTE = 40_000
"""Bytes; longer streams show nothing more when each byte is read by itself, and take long."""

PLAIN_BLOCKS = {"text", "thinking", "redacted_thinking", "tool_use"}
"""The kinds of block that are so common that the recordings do not name them among what they show."""


@pytest.fixture(scope="module")
async def replay(anyio_backend: str) -> AsyncIterator[Replay]:
    """Replays recorded exchanges through `ClaudeProvider`."""
    async with replaying(ClaudeProvider) as replay:
        yield replay


def shortest_of_each_kind() -> list[Any]:
    """Return, for every feature, the shortest stream that shows it and has events after its first."""
    shortest: dict[str, Exchange] = {}
    for param in STREAMS:
        if not (id := str(param.values[0])):
            return STREAMS
        exchange = load(FOLDER, id)
        for kind in exchange.features if has_blocks_of_its_own(exchange) else ():
            if kind not in shortest or len(exchange.body) < len(shortest[kind].body):
                shortest[kind] = exchange
    ids = {exchange.id for exchange in shortest.values() if len(exchange.body) <= LONGEST_BYTE_BY_BYTE}
    return [pytest.param(id, id=id) for id in sorted(ids)]


def has_blocks_of_its_own(exchange: Exchange) -> bool:
    """Return whether a stream has its content in events; that of a call out of running code is in message_start."""
    return b"content_block_start" in exchange.body


@cache
def documented() -> dict[str, Exchange]:
    """Return the failures that Anthropic documents and no recording shows, by their ids."""
    path = WIRE / "documented-errors.json"
    cases = json.loads(path.read_bytes())["cases"] if path.exists() else []
    return {case["id"]: as_exchange(case) for case in cases if case["protocol"] == FOLDER}


def as_exchange(case: Json) -> Exchange:
    streamed = case["transport"] == "sse"
    kind = "text/event-stream" if streamed else "application/json"
    return Exchange(
        id=case["id"],
        protocol=FOLDER,
        provider="anthropic",
        features=frozenset(),
        request=None,
        status=case["status"],
        headers={**case.get("headers", {}), "content-type": kind},
        body=(case["body"] if streamed else json.dumps(case["body"])).encode(),
        chunk_sizes=(),
    )


@pytest.mark.parametrize("id", ANSWERS)
async def test_a_reply_is_what_was_recorded(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    played = await replay.play(exchange)

    if id in KNOWN_DIFFERENCES:
        with pytest.raises(AssertionError):
            check_reply(played, expected(exchange))
        return
    check_reply(played, expected(exchange))
    if played.response:
        assert played.response.main_response.refusal == refusal_of(message_of(exchange))
    if exchange.is_sse:
        check_chunks(played)
        events = [event for event in stream_documents(exchange.body) if event["type"] != "message_stop"]
        assert [chunk.original for chunk in played.chunks] == events
    elif played.response:
        assert played.response.original == json.loads(exchange.body)


@pytest.mark.parametrize("id", REQUESTS)
async def test_a_request_means_what_was_recorded(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    assert exchange.request is not None
    played = await replay.play(exchange)

    assert meaning_of(played.sent) == meaning_of(dict(exchange.request))
    if played.response:
        assert played.response.warnings == (), "it can all be said"


@pytest.mark.parametrize("id", COUNTS)
async def test_tokens_are_counted_as_was_recorded(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    assert exchange.request is not None
    asked = dict(exchange.request)
    instructions = [{"role": "system", "content": asked["system"]}] if "system" in asked else []
    replay.server.requests.clear()
    replay.server.reply(exchange.status, exchange.headers, exchange.body)

    count = await replay.provider.count_tokens(
        asked["model"], [*instructions, *asked["messages"]], tools=asked.get("tools")
    )

    assert {"input_tokens": count} == json.loads(exchange.body)
    [request] = replay.server.requests
    counted = ("model", "messages", "system", "tools")
    assert (request.method, request.path) == ("POST", "/v1/messages/count_tokens")
    assert meaning_of(request.json()) == meaning_of({name: asked[name] for name in counted if name in asked})


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_a_stream_cut_at_every_byte_says_the_same(id: str, crlf: bool) -> None:
    exchange = load(FOLDER, id)
    body = exchange.body.replace(b"\n", b"\r\n") if crlf else exchange.body
    played = await play_byte_by_byte(exchange, body, ClaudeProvider)

    check_reply(played, expected(exchange))
    check_chunks(played)
    assert played.response is not None
    assert played.response.original["content"] == message_of(exchange)["content"]


@pytest.mark.parametrize("without", [b"", b"event: message_stop"], ids=["without-blank-line", "without-end-mark"])
@pytest.mark.parametrize("id", STREAMS)
async def test_a_stream_that_ends_with_less_ceremony_says_the_same(replay: Replay, id: str, without: bytes) -> None:
    exchange = load(FOLDER, id)
    said = exchange.body.partition(without)[0] if without else exchange.body
    cut = replace(exchange, body=said.rstrip(b"\r\n"), chunk_sizes=())

    check_reply(await replay.play(cut), expected(exchange))


@pytest.mark.parametrize("share", [0, 1 / 3, 2 / 3, 1])
@pytest.mark.parametrize("id", those(lambda exchange: exchange.is_sse and has_blocks_of_its_own(exchange)))
async def test_a_stream_that_breaks_off_is_an_error_that_keeps_what_had_arrived(
    replay: Replay, id: str, share: float
) -> None:
    exchange = broken_off(load(FOLDER, id), share)
    want = expected(exchange)
    played = await replay.play(exchange)

    assert want.failure
    check_reply(played, want)
    if played.chunks:  # before the first of them the request could be made again
        partial = played.error.partial if played.error else None
        assert partial is not None
        assert (partial.id, partial.model, tokens_of(partial)) == (want.id, want.model, want.usage)


@pytest.mark.parametrize("id", STREAMS)
async def test_a_streams_original_is_the_message_that_its_events_amount_to(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    response = (await replay.play(exchange)).response
    assert response is not None
    message, original = message_of(exchange), response.original

    assert original["content"] == message["content"]
    assert original["usage"] == message["usage"]
    assert said_in(original) == said_in(message)


@pytest.mark.parametrize("id", STREAMS)
async def test_a_streamed_reply_equals_the_whole_one(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    headers = {**exchange.headers, "content-type": "application/json"}
    body = json.dumps(message_of(exchange)).encode()
    answered = replace(exchange, request=unstreamed(exchange), headers=headers, body=body, chunk_sizes=())
    whole = await replay.play(answered)
    streamed = await replay.play(exchange)
    assert whole.response is not None
    assert streamed.response is not None

    assert parts_of(whole.response.main_response) == parts_of(streamed.response.main_response)
    assert tokens_of(whole.response) == tokens_of(streamed.response)
    assert whole.response.finish_reason == streamed.response.finish_reason
    assert (whole.response.id, whole.response.model) == (streamed.response.id, streamed.response.model)


@pytest.mark.parametrize("id", MESSAGES)
async def test_what_the_model_said_goes_back_unchanged_and_results_follow_it(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    said = (await replay.play(exchange)).response
    assert said is not None
    asked = exchange.request or PLAIN_REQUEST
    calls = said.main_response.tool_calls
    results = [await replay.provider.execute_tool(call, {call.name: lambda **_: "done"}) for call in calls]
    conversation = [*asked["messages"], said.main_response.original, *results]

    sent = (await replay.play(replace(exchange, request={**asked, "messages": conversation}))).sent["messages"]

    # Anthropic refuses empty text, though it sends it.
    blocks = [block for block in message_of(exchange)["content"] if block != {"type": "text", "text": ""}]
    answers = [{"type": "tool_result", "tool_use_id": call.id, "content": "done"} for call in calls]
    said_now = [{"role": "assistant", "content": blocks}] if blocks else []
    answered = [{"role": "user", "content": answers}] if answers else []
    assert turns_of(sent) == turns_of([*asked["messages"], *said_now, *answered])
    if answered:
        assert sent[-1:] == answered, "results go together"


@pytest.mark.parametrize("id", [pytest.param(id, id=id) for id in sorted(documented())] or EXCHANGES)
async def test_a_documented_failure_is_the_error_that_it_means(replay: Replay, id: str) -> None:
    exchange = documented()[id]

    check_reply(await replay.play(exchange), expected(exchange))


@pytest.mark.parametrize("id", ANSWERS)
def test_the_expectation_agrees_with_what_the_recording_is_said_to_show(id: str) -> None:
    exchange = load(FOLDER, id)
    want, shows = expected(exchange), exchange.features

    assert exchange.is_sse == ("sse" in shows)
    assert bool(want.failure) == bool(shows & {"error", "error-body"})
    assert (want.usage != Tokens()) == ("usage" in shows)
    if want.failure:
        assert {f"http-{want.failure.status_code}", f"error:{want.failure.code}"} <= shows
        return
    message = message_of(exchange)
    blocks, usage = message["content"], message["usage"]
    kinds = {block["type"] for block in blocks}
    assert ("iterations" in usage) == ("usage-iterations" in shows)
    assert bool(want.usage.cached) == ("usage-cache-read" in shows)
    assert bool(want.usage.cache_write) == ("usage-cache-write" in shows)
    if exchange.is_sse and not has_blocks_of_its_own(exchange):
        return  # the recordings are described by their events
    assert bool(want.calls) == ("tool-calls" in shows)
    assert (len(want.calls) > 1) == ("parallel-tool-calls" in shows)
    if any(call.arguments == {} for call in want.calls):
        assert "tool-args-empty" in shows
    if "tool-args-empty" in shows:
        assert any(block.get("input") == {} for block in blocks)
    assert ("text" in kinds) == ("text" in shows)
    assert bool(kinds & {"thinking", "redacted_thinking"}) == ("reasoning" in shows)
    assert ("redacted_thinking" in kinds) == ("redacted-thinking" in shows)
    assert any(block.get("signature") for block in blocks) == ("reasoning-signature" in shows)
    assert any(block.get("thinking") == "" for block in blocks) == ("thinking-omitted" in shows)
    assert any(block["type"] == "text" and block.get("citations") for block in blocks) == ("citations" in shows)
    assert {f"block:{kind}" for kind in kinds - PLAIN_BLOCKS} == {name for name in shows if name.startswith("block:")}
    assert {f"stop:{message['stop_reason']}"} == {name for name in shows if name.startswith("stop:")}
    assert bool(message.get("container")) == ("container-returned" in shows)
    assert bool(message.get("context_management")) == ("context-management-returned" in shows)


def broken_off(exchange: Exchange, share: float) -> Exchange:
    """Return the exchange as if the stream had ended properly in HTTP, but before the event that finishes the reply.

    Args:
        share: how much of what comes between the first and the finishing event is kept.
    """
    first, *rest = exchange.body.replace(b"\r\n", b"\n").split(b"\n\n")
    unfinished = list(takewhile(lambda event: b"message_delta" not in event, rest))
    kept = [first, *unfinished[: round(share * len(unfinished))]]
    return replace(exchange, body=b"".join(event + b"\n\n" for event in kept), chunk_sizes=())


def parts_of(message: Message) -> tuple[object, ...]:
    """Return what must not depend on streaming; the JSON text of arguments has the model's own white space then."""
    calls = [(call.id, call.name, call.arguments) for call in message.tool_calls]
    return message.content, message.reasoning, message.refusal, calls, message.original


def unstreamed(exchange: Exchange) -> Json | None:
    asked = exchange.request
    return None if asked is None else {name: value for name, value in asked.items() if name != "stream"}


def meaning_of(body: Json) -> Json:
    """Return a request without what says nothing; a text is the same as one block of text."""
    meant = {name: value for name, value in body.items() if value is not None and (name, value) != ("stream", False)}
    if "system" in meant:
        meant["system"] = as_blocks(meant["system"])
    return meant | {"messages": [message | {"content": as_blocks(message["content"])} for message in meant["messages"]]}


def turns_of(messages: list[Json]) -> list[Json]:
    """Return the messages, several of one role in a row as one: the server takes them so."""
    turns: list[Json] = []
    for message in messages:
        blocks = as_blocks(message["content"])
        if turns and turns[-1]["role"] == message["role"]:
            blocks = [*turns.pop()["content"], *blocks]
        turns.append(message | {"content": blocks})
    return turns


def as_blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
