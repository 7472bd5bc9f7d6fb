"""An LLM named `local` starts the embedded model at its first call, and no other one does."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import llm.local
import plays
from llm import LLM, ConfigurationError
from llm.local import LocalServer
from plays import Play
from server import Server, chat, reply, sse

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Stand in for the engine; which model was asked for is in its `started`."""
    with Server() as server:
        server.handler = lambda request: reply(body=sse(*chat("Hello")))
        server.started = []  # type: ignore[attr-defined] # the fixture's own note

        def serve(name: str) -> LocalServer:
            server.started.append(name)  # type: ignore[attr-defined] # as above
            return LocalServer(server.url + "/v1", "engine-key", "smollm2-135m")

        monkeypatch.setattr(llm.local, "serve", serve)
        yield server


def started(engine: Server) -> Any:
    return engine.started  # type: ignore[attr-defined] # as above


@every_face
@pytest.mark.parametrize(
    ("model", "name"), [("local", ""), ("local:smollm2-135m", "smollm2-135m"), ("local:/m.gguf", "/m.gguf")]
)
def test_the_embedded_model_is_started_at_the_first_call(engine: Server, play: Play, model: str, name: str) -> None:
    embedded = LLM(model)
    assert started(engine) == []

    assert play(embedded).answer == "Hello"

    assert started(engine) == [name]
    assert engine.requests[0].headers["authorization"] == "Bearer engine-key"
    assert engine.requests[0].json()["stream"] is True


def test_connections_to_the_engine_are_kept_until_it_moves(engine: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = LLM("local")
    embedded.response("Hello")
    embedded.response("Hello")
    assert engine.connections == 1

    with Server() as restarted:
        restarted.handler = engine.handler
        moved = LocalServer(restarted.url + "/v1", "another-key", "smollm2-135m")
        monkeypatch.setattr(llm.local, "serve", lambda name: moved)
        embedded.response("Hello")
        assert restarted.requests[0].headers["authorization"] == "Bearer another-key"
        embedded.close()


def test_closing_before_the_first_call_starts_nothing(engine: Server) -> None:
    with LLM("local") as embedded:
        pass
    copy.deepcopy(embedded)

    assert started(engine) == []


def test_a_copy_elsewhere_finds_an_engine_of_its_own(engine: Server) -> None:
    embedded = LLM("local")
    embedded.response("Hello")

    same = pickle.loads(pickle.dumps(embedded))

    assert same.response("Hello")["answer"] == "Hello"
    assert len(started(engine)) == 2


def test_an_unknown_embedded_model_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="smollm2-135m"):
        LLM("local:gpt-9").response("Hello")
