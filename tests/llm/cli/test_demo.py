"""`make demo`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Process
from llm.cli import demo
from llm.local import MODELS, LocalServer, fetch_model
from llm.local.choose import Choice
from llm.local.models import find
from server import Server, chat, sse

Start = Callable[..., Process]


@pytest.fixture
def played(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A loopback server in the place of the engine, which answers for a model file of the user's own."""
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF" + bytes(2_000_000))
    monkeypatch.setenv("DRAGOMAN_LOCAL_MODEL", str(file))
    place = LocalServer(base_url=f"{server.url}/v1", api_key="key", model="mine.gguf")
    monkeypatch.setattr("llm.local.run", lambda *_, **__: place)
    return server


def show(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["demo", *words])
    return demo.main()


def test_it_answers_and_shows_what_ran_and_how_to_go_on(
    played: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = show("Hi", monkeypatch=monkeypatch)

    out, err = capsys.readouterr()
    assert code == 0
    assert out.startswith(
        "Hello, world.\n\nWhat ran: mine.gguf (a file of your own), 2 MB, on this machine in llama.cpp"
    )
    assert "Speed: 2 tokens, " in out
    assert "dragoman -m openai:NAME" in out
    assert "LLM(" in out
    assert err == ""
    body = played.requests[0].json()
    assert (body["temperature"], body["messages"]) == (0, [{"role": "user", "content": "Hi"}])


def test_without_a_prompt_it_has_one(played: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    show("", monkeypatch=monkeypatch)

    assert played.requests[0].json()["messages"][0]["content"] == demo.PROMPT


def test_no_text_is_a_failure(
    played: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played.reply(headers={"Content-Type": "text/event-stream"}, body=sse(*chat(" \n")))

    assert show(monkeypatch=monkeypatch) == 1
    assert "the answer is empty" in capsys.readouterr().err


def test_on_a_terminal_the_prompt_is_shown(
    played: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    show("Hi", monkeypatch=monkeypatch)

    assert capsys.readouterr().out.startswith("> Hi\nHello, world.\n")


def test_a_model_of_the_table_is_shown_with_its_licence(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(bytes(3_000_000))

    said = demo.what_ran(Choice(file, MODELS[1].name))

    assert said.startswith("SmolLM2-135M-Instruct Q4_1 (Apache-2.0), 3 MB, on this machine in llama.cpp (xllamacpp ")


@pytest.fixture(scope="module")
def small_model() -> str:
    """The name of the real small model, fetched in the machine's own environment, which says where from."""
    if os.environ.get("DRAGOMAN_SKIP_LOCAL") == "1":
        pytest.skip("DRAGOMAN_SKIP_LOCAL=1 is set: no embedded model")
    model = find("smollm2-135m")
    fetch_model(model)
    return model.name


@pytest.mark.local_model
def test_the_embedded_model_answers(start: Start, small_model: str) -> None:
    result = start(demo.PROMPT, module="llm.cli.demo", DRAGOMAN_LOCAL_MODEL=small_model).result()

    answer, _, rest = result.out.partition("\n\nWhat ran: ")
    assert result.code == 0, result.err
    assert "sky" in answer
    assert rest.startswith("SmolLM2-135M-Instruct Q4_1 (Apache-2.0), 98 MB")
    assert re.search(r"Speed: \d+ tokens, \d+\.\d tokens per second", rest)
