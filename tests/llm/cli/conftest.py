"""The command as users run it: in this process, as a process of its own, or on a terminal."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from commands import Process, Result, Run, Terminal, surroundings
from llm.cli.app import main
from server import Reply, Request, Server, chat, reply, sse


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test goes by what the machine it runs on happens to have set."""
    kept = surroundings()
    for name in os.environ:
        if name not in kept and not name.startswith(("COV", "PYTEST")):
            monkeypatch.delenv(name)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process."""

    def run(*words: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = main(words)
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start the command as a process of its own; it is gone after the test."""
    started: list[Process] = []

    def start(*words: str, **options: object) -> Process:
        started.append(Process(words, **options))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start the command on a terminal of its own; it is gone after the test."""
    started: list[Terminal] = []

    def terminal(*words: str, **environment: str) -> Terminal:
        started.append(Terminal(words, environment))
        return started[-1]

    yield terminal
    for process in started:
        process.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A model server that has two models and says `Hello, world.` to everything."""

    def answer(request: Request) -> Reply:
        if request.path == "/v1/models":
            names = [{"id": "text-embedding-nomic"}, {"id": "first-model"}, {"id": "second-model"}]
            return reply(headers={"Content-Type": "application/json"}, body=json.dumps({"data": names}))
        return reply(headers={"Content-Type": "text/event-stream"}, body=sse(*chat("Hello,", " world.")))

    with Server(answer) as server:
        yield server
