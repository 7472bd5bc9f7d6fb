"""The chat exchanges recorded from a llama.cpp server, the one that the embedded model runs in."""

from __future__ import annotations

import json

import pytest

from conformance.exchanges import WIRE, exchange_ids, load_text
from conformance.expected_chat import expected
from conformance.replay import Replay, check_chunks, check_reply

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

FOLDER = "llama.cpp"

UNSENDABLE = ("-err-bad-json", "-err-no-messages")
"""Requests that no caller can make with this library."""


def is_chat(id: str) -> bool:
    """Return whether an exchange is one with the chat endpoint; without recordings there is one that is skipped."""
    if not id:
        return True
    _, request_line, _ = (WIRE / FOLDER / f"{id}.txt").read_bytes().split(b"\n", 2)
    return request_line.startswith(b"POST /v1/chat/completions HTTP") and not id.endswith(UNSENDABLE)


EXCHANGES = [param for param in exchange_ids(FOLDER, "*.txt") if is_chat(str(param.values[0]))]


@pytest.mark.parametrize("id", EXCHANGES)
async def test_a_reply_is_what_was_recorded(replay: Replay, id: str) -> None:
    exchange = load_text(FOLDER, id)
    assert exchange.request is not None
    played = await replay.play(exchange)

    check_reply(played, expected(exchange))
    assert played.sent["messages"] == exchange.request["messages"]
    if exchange.is_sse:
        check_chunks(played)
    elif played.response:
        assert played.response.original == json.loads(exchange.body)
