"""All recorded OpenAI Chat exchanges, of every server that imitates it, replayed through `OpenAIProvider`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any

import pytest

from conformance.exchanges import Exchange, exchange_ids, load
from conformance.expected_chat import Json, Tokens, expected, stream_documents
from conformance.replay import Replay, check_chunks, check_reply, play_byte_by_byte

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

FOLDER = "openai-chat"
EXCHANGES = exchange_ids(FOLDER)


def those(chosen: Callable[[Exchange], object]) -> list[Any]:
    """Return the parameters of the exchanges that are chosen; without recordings the one that is skipped."""
    return [param for param in EXCHANGES if not param.values[0] or chosen(load(FOLDER, str(param.values[0])))]


STREAMS = those(lambda exchange: exchange.is_sse)
REQUESTS = those(lambda exchange: exchange.request)

KNOWN_DIFFERENCES: dict[str, str] = {}
"""Exchanges whose reply is knowingly another than expected, and why; each is asserted to differ still."""

LONGEST_BYTE_BY_BYTE = 40_000
"""Bytes; longer streams show nothing more when each byte is read by itself, and take long."""


def shortest_of_each_kind() -> list[Any]:
    """Return, for every feature and every provider, the shortest stream that shows it."""
    shortest: dict[str, Exchange] = {}
    for param in STREAMS:
        if not (id := str(param.values[0])):
            return STREAMS
        exchange = load(FOLDER, id)
        for kind in (*exchange.features, exchange.provider):
            if kind not in shortest or len(exchange.body) < len(shortest[kind].body):
                shortest[kind] = exchange
    ids = {exchange.id for exchange in shortest.values() if len(exchange.body) <= LONGEST_BYTE_BY_BYTE}
    return [pytest.param(id, id=id) for id in sorted(ids)]


@pytest.mark.parametrize("id", EXCHANGES)
async def test_a_reply_is_what_was_recorded(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    played = await replay.play(exchange)

    if id in KNOWN_DIFFERENCES:
        with pytest.raises(AssertionError):
            check_reply(played, expected(exchange))
        return
    check_reply(played, expected(exchange))
    if exchange.is_sse and not played.error:
        check_chunks(played)
        assert [chunk.original for chunk in played.chunks if chunk.original] == list(stream_documents(exchange.body))
    elif played.response:
        assert played.response.original == json.loads(exchange.body)


@pytest.mark.parametrize("id", REQUESTS)
async def test_a_request_means_what_was_recorded(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    assert exchange.request is not None
    sent = (await replay.play(exchange)).sent

    assert said_in(sent["messages"]) == said_in(exchange.request["messages"])
    assert bool(sent.get("stream")) == exchange.streamed
    assert parameters_in(sent) == parameters_in(exchange.request)


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_a_stream_cut_at_every_byte_says_the_same(id: str, crlf: bool) -> None:
    exchange = load(FOLDER, id)
    body = exchange.body.replace(b"\n", b"\r\n") if crlf else exchange.body
    played = await play_byte_by_byte(exchange, body)

    check_reply(played, expected(exchange))
    if not played.error:
        check_chunks(played)


@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_a_stream_without_end_mark_and_last_blank_line_says_the_same(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    said, _, _ = exchange.body.partition(b"data: [DONE]")
    unmarked = replace(exchange, body=said.rstrip(b"\r\n"), chunk_sizes=())

    check_reply(await replay.play(unmarked), expected(unmarked))


@pytest.mark.parametrize("id", shortest_of_each_kind())
async def test_a_stream_that_breaks_off_is_an_error_that_keeps_what_had_arrived(replay: Replay, id: str) -> None:
    exchange = broken_off(load(FOLDER, id))
    want = expected(exchange)

    assert want.failure
    check_reply(await replay.play(exchange), want)


@pytest.mark.parametrize("id", STREAMS)
async def test_a_streams_original_has_the_shape_of_a_whole_answer(replay: Replay, id: str) -> None:
    exchange = load(FOLDER, id)
    want = expected(exchange)
    response = (await replay.play(exchange)).response
    if want.failure:
        assert response is None
        return
    assert response is not None
    original = response.original
    message = original["choices"][0]["message"]

    assert (original["id"], original["model"], original["object"]) == (want.id, want.model, "chat.completion")
    assert (message["role"], text_in(message)) == ("assistant", want.text)
    assert [call["function"]["name"] for call in message.get("tool_calls") or []] == [call.name for call in want.calls]
    assert original.get("usage") == last_usage(exchange)


@pytest.mark.parametrize("id", EXCHANGES)
def test_the_expectation_agrees_with_what_the_recording_is_said_to_show(id: str) -> None:
    exchange = load(FOLDER, id)
    want, shows = expected(exchange), exchange.features

    assert exchange.is_sse == ("sse" in shows)
    assert bool(want.text) == ("text" in shows)
    assert bool(want.calls) == bool(shows & {"tool-calls", "legacy-function-call"})
    assert (len(want.calls) > 1) == ("parallel-tool-calls" in shows)
    assert any(call.arguments == {} for call in want.calls) == ("tool-args-empty" in shows)
    assert (want.usage != Tokens()) == ("usage" in shows)
    assert (want.finish == "refusal") == ("refusal" in shows)
    assert bool(want.failure) == bool(shows & {"error", "error-body", "mid-stream-error"})
    assert bool(want.reasoning) == bool(shows & {"reasoning"}) or "reasoning-encrypted" in shows


def broken_off(exchange: Exchange) -> Exchange:
    """Return the exchange as if the stream had ended properly in HTTP, but before the event that finishes the reply."""
    events = takewhile(lambda event: not finishes(event), exchange.body.replace(b"\r\n", b"\n").split(b"\n\n"))
    return replace(exchange, body=b"".join(event + b"\n\n" for event in events), chunk_sizes=())


def finishes(event: bytes) -> bool:
    choices = [choice for document in stream_documents(event) for choice in document.get("choices") or []]
    return b"[DONE]" in event or any(choice.get("finish_reason") for choice in choices)


def said_in(messages: list[Json]) -> list[Json]:
    """Return the messages without what says nothing: null is the same as left out."""
    return [{name: value for name, value in message.items() if value is not None} for message in messages]


def parameters_in(body: Mapping[str, Any]) -> Json:
    """Return the parameters without what says nothing, and without what the library adds to every stream."""
    kept = {name: value for name, value in body.items() if value is not None and value != []}
    return {name: value for name, value in kept.items() if name not in ("messages", "stream", "stream_options")}


def text_in(message: Json) -> str:
    content: Any = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def last_usage(exchange: Exchange) -> Any:
    counts = [
        document.get("usage") or (document.get("x_groq") or {}).get("usage")
        for document in stream_documents(exchange.body)
    ]
    return next((count for count in reversed(counts) if count), None)
