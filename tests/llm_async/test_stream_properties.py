"""However a stream is cut and its calls' pieces are mixed, it says the same, and a long one costs no more a piece."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.exchanges import Exchange, exchange_ids, load
from conformance.replay import ONCE, Played
from llm_async import (
    BaseProvider,
    ClaudeProvider,
    GoogleProvider,
    ModelRequestError,
    OpenAIProvider,
    OpenAIResponsesProvider,
    ToolCall,
)
from llm_async.dialects import Dialect, anthropic, gemini, openai_chat, openai_responses
from llm_async.models.response import Assembler
from llm_async.sse import ServerSentEvent
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import run

Json = dict[str, Any]
Begin = Callable[[int, str, str], Json]
Continue = Callable[[int, str], Json]


# ------------------------------------------------------------------------------- pieces of calls, in each format


def begin_chat(index: int, id: str, name: str) -> Json:
    call = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


def continue_chat(index: int, text: str) -> Json:
    return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": index, "function": {"arguments": text}}]}}]}


def begin_anthropic(index: int, id: str, name: str) -> Json:
    block = {"type": "tool_use", "id": id, "name": name, "input": {}}
    return {"type": "content_block_start", "index": index, "content_block": block}


def continue_anthropic(index: int, text: str) -> Json:
    return {
        "type": "content_block_delta",
        "index": index,
        "delta": {"type": "input_json_delta", "partial_json": text},
    }


def begin_responses(index: int, id: str, name: str) -> Json:
    item = {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": name, "arguments": ""}
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def continue_responses(index: int, text: str) -> Json:
    return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": text}


def begin_gemini(index: int, id: str, name: str) -> Json:
    return gemini_event({"functionCall": {"id": id, "name": name, "willContinue": True}})


def continue_gemini(index: int, text: str) -> Json:
    piece = {"jsonPath": "$.text", "stringValue": text, "willContinue": True}
    return gemini_event({"functionCall": {"partialArgs": [piece], "willContinue": True}})


def gemini_event(part: Json) -> Json:
    return {"candidates": [{"content": {"role": "model", "parts": [part]}}]}


CHAT = (openai_chat, begin_chat, continue_chat)
ANTHROPIC = (anthropic, begin_anthropic, continue_anthropic)
RESPONSES = (openai_responses, begin_responses, continue_responses)
GEMINI = (gemini, begin_gemini, continue_gemini)
"""It names no call in the pieces that follow it, so that they cannot be mixed."""

INDEXED = pytest.mark.parametrize(
    ("dialect", "begin", "go_on"), [CHAT, ANTHROPIC, RESPONSES], ids=["chat", "anthropic", "responses"]
)
ALL = pytest.mark.parametrize(
    ("dialect", "begin", "go_on"),
    [CHAT, ANTHROPIC, RESPONSES, GEMINI],
    ids=["chat", "anthropic", "responses", "gemini"],
)


def wire(events: Iterable[Json]) -> list[ServerSentEvent]:
    return [ServerSentEvent(json.dumps(event).encode(), str(event.get("type", ""))) for event in events]


def calls_in(dialect: Dialect, events: Iterable[ServerSentEvent]) -> tuple[ToolCall, ...]:
    assembler = Assembler()
    for event in events:
        assembler.feed(dialect.decode_stream_event(event))
    return assembler.reply().tool_calls


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=4)
NAMES = st.sampled_from(["get_weather", "search", "f"])  # few: calls made at once are often of one function


def pieces_of(text: str, cuts: Iterable[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


@INDEXED
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_pieces_of_parallel_calls_are_put_together_however_they_are_mixed(
    dialect: Dialect, begin: Begin, go_on: Continue, data: st.DataObject
) -> None:
    asked = data.draw(st.lists(st.tuples(NAMES, ARGUMENTS), min_size=2, max_size=6))
    waiting: list[list[Json]] = []
    for index, (name, arguments) in enumerate(asked):
        text = json.dumps(arguments, ensure_ascii=data.draw(st.booleans()))
        pieces = pieces_of(text, data.draw(st.lists(st.integers(0, 500), max_size=8)))
        waiting.append([begin(index, f"call_{index}", name), *(go_on(index, piece) for piece in pieces)])
    random = data.draw(st.randoms(use_true_random=False))
    mixed: list[Json] = []
    begun = 0
    while any(waiting):
        # A call begins after those before it; all that has begun comes in any order.
        ready = [place for place, events in enumerate(waiting) if events and place <= begun]
        place = random.choice(ready)
        begun = max(begun, place + 1)
        mixed.append(waiting[place].pop(0))

    calls = calls_in(dialect, wire(mixed))

    assert [(call.id, call.name, call.arguments) for call in calls] == [
        (f"call_{index}", name, arguments) for index, (name, arguments) in enumerate(asked)
    ]


# ------------------------------------------------------------------------------------------------- linear cost

PIECE = "0123456789" * 10
"""Long enough that copying all that came before, for every piece, shows."""


@ALL
def test_a_piece_of_a_long_call_costs_no_more_than_one_of_a_short_call(
    dialect: Dialect, begin: Begin, go_on: Continue
) -> None:
    def stream(count: int) -> list[ServerSentEvent]:
        is_text = dialect.NAME == "gemini"  # whose pieces are text with a place, not JSON
        pieces = [PIECE] * count if is_text else ['{"text": "', *[PIECE] * (count - 2), '"}']
        return wire([begin(0, "call_0", "write"), *(go_on(0, piece) for piece in pieces)])

    def cost(events: Sequence[ServerSentEvent]) -> float:
        """Return the CPU time of an event."""
        start = time.process_time()
        [call] = calls_in(dialect, events)
        taken = time.process_time() - start
        assert call.arguments is not None
        assert len(call.arguments["text"]) >= len(PIECE) * (len(events) - 3)
        return taken / len(events)

    short, long = stream(500), stream(8000)
    tries = [(min(cost(short) for _ in range(4)), cost(long)) for _ in range(4)]

    assert min(of_long for _, of_long in tries) < 3 * min(of_short for of_short, _ in tries)


# ------------------------------------------------------------------------------------ recorded streams, cut anew

FOLDERS: dict[str, type[BaseProvider]] = {
    "openai-chat": OpenAIProvider,
    "openai-responses": OpenAIResponsesProvider,
    "anthropic-messages": ClaudeProvider,
    "gemini": GoogleProvider,
}
STREAMS_PER_FORMAT = 10
LONGEST = 100_000
"""Bytes; longer streams show nothing more, and take long."""


def some_streams() -> list[Any]:
    """Return parameters of some recorded streams of every format, the same in every run."""
    chosen: list[Any] = []
    for folder in FOLDERS:
        params = exchange_ids(folder)
        ids = [str(param.values[0]) for param in params]
        if ids == [""]:
            return [pytest.param("", "", id=str(params[0].id), marks=params[0].marks)]
        Random(folder).shuffle(ids)
        streams = [id for id in ids if load(folder, id).is_sse and len(load(folder, id).body) <= LONGEST]
        chosen += [pytest.param(folder, id, id=f"{folder}/{id}") for id in sorted(streams[:STREAMS_PER_FORMAT])]
    return chosen


def play(kind: type[BaseProvider], exchange: Exchange, pieces: Sequence[bytes]) -> Played:
    recorded = ScriptedReply(status=exchange.status, headers=exchange.headers, pieces=[*pieces])
    transport = ScriptedTransport([recorded])
    provider = kind("k", "http://test/v1", transport=transport, retry_config=ONCE)
    played = Played()

    async def talk() -> None:
        try:
            stream = await provider.acomplete("m", "Hi", stream=True)
            async for chunk in stream:
                played.chunks.append(chunk)
            played.response = stream.response
        except ModelRequestError as error:
            played.error = error

    run(talk())
    return played


def said_by(played: Played) -> Any:
    error = played.error
    partial = error.partial if error else None
    return (
        played.response,
        (type(error), str(error), partial) if error else None,
        [(chunk.delta, chunk.reasoning, chunk.tool_calls, chunk.original) for chunk in played.chunks],
    )


@pytest.mark.shared
@pytest.mark.parametrize(("folder", "id"), some_streams())
def test_a_recorded_stream_says_the_same_however_it_is_cut(folder: str, id: str) -> None:
    exchange, random = load(folder, id), Random(id)
    body = exchange.body
    as_recorded = said_by(play(FOLDERS[folder], exchange, exchange.pieces))
    assert as_recorded[0] or as_recorded[1]

    for cuts in (1, 20, len(body) // 3):
        places = sorted({0, len(body), *(random.randrange(len(body) + 1) for _ in range(cuts))})
        pieces = [body[start:end] for start, end in pairwise(places)]

        assert b"".join(pieces) == body
        assert said_by(play(FOLDERS[folder], exchange, pieces)) == as_recorded
