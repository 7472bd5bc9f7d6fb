"""What stays open when a question is over: nothing."""

from __future__ import annotations

import threading

import pytest

from llm.cli.arguments import parse
from llm.cli.ask import Asker
from server import Server, chat, sse

QUESTION = [{"role": "user", "content": "Hi"}]


def asker_of(server: Server) -> Asker:
    return Asker(parse(["-m", "m", "--base-url", server.url]))


def test_an_answer_that_cannot_be_shown_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reply(headers={"Content-Type": "text/event-stream"}, body=sse(*chat("Hel")[:2], threading.Event()))
    asker = asker_of(server)
    monkeypatch.setattr(asker._view, "show", lambda event: 1 // 0)

    with pytest.raises(ZeroDivisionError) as caught:
        asker.ask(QUESTION)

    server.wait_closed(1)
    assert caught.tb is not None  # which keeps alive what the call left open


def test_no_connection_outlives_its_asker(server: Server) -> None:
    with asker_of(server) as asker:
        assert asker.ask(QUESTION)["answer"] == "Hello, world."
        assert server.open_connections == 1

    server.wait_idle()
    assert asker.said == "Hello, world."
