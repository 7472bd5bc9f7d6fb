"""The real small model in its child process, asked over plain HTTP."""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from llm.local import LocalServer, close, serve
from llm.local.engine import SLOTS
from local_models import Chat, text_of

pytestmark = pytest.mark.local_model

SKY = "In one sentence, why is the sky blue?"

ENDLESS = {"stream": True, "ignore_eos": True, "max_tokens": 7000}
"""An answer of minutes, unless somebody ends it."""


def first_text(chat: Chat) -> str:
    for event in chat.events():
        if text := event["choices"][0]["delta"].get("content"):
            return str(text)
    raise AssertionError("the stream ended without text")


def test_it_answers_a_question_and_names_no_file(engine: LocalServer) -> None:
    with Chat(engine, SKY, max_tokens=60) as chat:
        answer = chat.json()

    assert "blue" in text_of(answer)
    assert answer["model"] == "smollm2-135m"


def test_a_streamed_answer_is_the_whole_answer_in_pieces(engine: LocalServer) -> None:
    with Chat(engine, SKY, max_tokens=40) as chat:
        whole = text_of(chat.json())
    with Chat(engine, SKY, max_tokens=40, stream=True) as chat:
        deltas = [event["choices"][0]["delta"].get("content") or "" for event in chat.events() if event["choices"]]

    assert "".join(deltas) == whole
    assert len([delta for delta in deltas if delta]) > 5


def test_a_stop_sequence_ends_the_answer_before_it(engine: LocalServer) -> None:
    with Chat(engine, SKY, max_tokens=60, stop=["blue"]) as chat:
        choice = chat.json()["choices"][0]

    assert choice["finish_reason"] == "stop"
    assert "The sky" in choice["message"]["content"]
    assert "blue" not in choice["message"]["content"]


def test_max_tokens_cut_the_answer(engine: LocalServer) -> None:
    with Chat(engine, SKY, max_tokens=4) as chat:
        answer = chat.json()

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 4


def test_two_are_answered_at_once(engine: LocalServer) -> None:
    with Chat(engine, "Tell me a story.", **ENDLESS) as long:
        assert first_text(long)
        with Chat(engine, SKY, max_tokens=8) as short:
            assert text_of(short.json())
        assert first_text(long), "the long answer went on"


def test_leaving_a_stream_frees_its_slot(engine: LocalServer) -> None:
    for _ in range(2 * SLOTS):
        with Chat(engine, "Tell me a story.", **ENDLESS) as chat:
            assert first_text(chat)

    with Chat(engine, SKY, max_tokens=4) as chat:
        assert text_of(chat.json())


def test_each_request_may_use_the_models_whole_window(engine: LocalServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(engine.base_url).netloc, timeout=60)
    connection.request("GET", "/props", headers={"Authorization": f"Bearer {engine.api_key}"})
    properties = json.loads(connection.getresponse().read())
    connection.close()

    assert properties["total_slots"] == SLOTS
    assert properties["default_generation_settings"]["n_ctx"] == 8192


@pytest.mark.parametrize("key", ["", "wrong"])
def test_another_key_is_refused(engine: LocalServer, key: str) -> None:
    with Chat(msgspec.structs.replace(engine, api_key=key), SKY) as chat:
        assert chat.reply.status == 401
        assert "content" not in chat.json()


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_no_origin_of_the_web_is_let_in(engine: LocalServer, method: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(engine.base_url).netloc, timeout=60)
    headers = {
        "Authorization": f"Bearer {engine.api_key}",
        "Origin": "http://elsewhere.example",
        "Access-Control-Request-Method": "POST",
    }
    body = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1})
    connection.request(method, "/v1/chat/completions", body, headers)
    reply = connection.getresponse()
    reply.read()
    connection.close()

    assert reply.headers["Access-Control-Allow-Origin"] in (None, "")


def test_nothing_is_printed(small_model: Path, tmp_path: Path) -> None:
    script = "from llm.local import serve; import sys; serve(sys.argv[1])"
    shown = run(script, str(small_model))

    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "", "")


def test_a_broken_file_is_told_in_the_engines_words(tmp_path: Path, small_model: Path) -> None:
    broken = tmp_path / "broken.gguf"
    with small_model.open("rb") as file:
        broken.write_bytes(file.read(5_000_000))

    shown = run("from llm.local import serve; import sys; serve(sys.argv[1])", str(broken))

    assert "ConfigurationError: the engine could not serve 'broken.gguf'" in shown.stderr
    assert "if the file is damaged" in shown.stderr


def test_the_engine_is_gone_after_its_parent_was_killed_while_it_answered(small_model: Path) -> None:
    script = """
import sys
from llm.local import engine, serve
from local_models import Chat

with Chat(serve(sys.argv[1]), "Tell me a story.", stream=True, ignore_eos=True, max_tokens=7000) as chat:
    next(chat.events())
    print(engine._children[0].pid, flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(small_model)]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        with open(descriptor, "rb") as ended:
            assert select.select([ended], [], [], 30)[0], "the engine outlives its parent"


def test_threads_that_ask_first_at_the_same_moment_share_one_engine(small_model: Path) -> None:
    close()
    servers: list[Any] = []
    threads = [threading.Thread(target=lambda: servers.append(serve("smollm2-135m"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(servers) == 4
    assert len({server.base_url for server in servers}) == 1


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
