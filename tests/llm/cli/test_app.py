"""The command as a whole: what it prints where, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

from commands import DIM, Process, Run, Terminal, surroundings
from llm.cli import app
from server import Server, chat, sse

Start = Callable[..., Process]
OnTerminal = Callable[..., Terminal]

STREAM = {"Content-Type": "text/event-stream"}


def asked(server: Server) -> Any:
    """The body of the only request for an answer."""
    (request,) = [request for request in server.requests if request.method == "POST"]
    return request.json()


def test_the_answer_is_all_there_is_on_standard_output(run: Run, server: Server) -> None:
    result = run("Hi", "-m", "some-model", "--base-url", server.url)

    assert (result.code, result.out, result.err) == (0, "Hello, world.\n", "")
    assert asked(server)["model"] == "some-model"
    assert asked(server)["messages"] == [{"role": "user", "content": "Hi"}]


def test_which_model_answers_is_said_where_none_was_named(run: Run, server: Server) -> None:
    result = run("Hi", "--base-url", server.url)

    assert (result.code, result.out) == (0, "Hello, world.\n")
    assert result.err == f"dragoman: no model is named, so 'first-model' at {server.url}/v1 answers, one of 2\n"


def test_options_reach_the_request(run: Run, server: Server) -> None:
    run("-s", "Be brief", "--temperature", "0", "--max-tokens", "7", "-m", "m", "--base-url", server.url, "Hi")

    body = asked(server)
    assert body["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (body["temperature"], body["max_tokens"]) == (0, 7)


def test_standard_input_is_context_before_the_prompt(run: Run, server: Server) -> None:
    run("Summarise", "-m", "m", "--base-url", server.url, stdin="\ufeffDas Wetter: schön\n".encode())

    assert asked(server)["messages"][0]["content"] == "Das Wetter: schön\n\nSummarise"


def test_standard_input_is_the_prompt_where_none_is_given(run: Run, server: Server) -> None:
    run("-m", "m", "--base-url", server.url, stdin=b"Hi there\n")

    assert asked(server)["messages"][0]["content"] == "Hi there"


@pytest.mark.parametrize("stdin", [b"", b" \n"])
def test_without_any_prompt_it_says_so(run: Run, stdin: bytes) -> None:
    result = run("-m", "m", stdin=stdin)

    assert result.code == 2
    assert result.err.startswith("dragoman: there is no prompt; ")


def test_input_that_is_no_text_is_refused(run: Run) -> None:
    result = run("Describe it", stdin=b"\x89PNG\r\n")

    assert result.code == 2
    assert "standard input is not text in UTF-8 (byte 0 is wrong)" in result.err


def test_who_waits_for_standard_input_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(app, "HINT_AFTER", 0)
    monkeypatch.setattr(app, "note", lambda text: told.set() if "still reading standard input" in text else None)

    class Waiting:
        buffer: Waiting

        def isatty(self) -> bool:
            return False

        def read(self) -> bytes:
            assert told.wait(10)
            return b""

    stdin = Waiting()
    stdin.buffer = stdin
    monkeypatch.setattr(sys, "stdin", stdin)

    assert app.main(["Hi", "-m", "m", "--base-url", server.url]) == 0


def test_who_need_not_wait_is_told_nothing_later(run: Run, server: Server) -> None:
    result = run("Hi", "-m", "m", "--base-url", server.url)

    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert result.code == 0
    assert [timer for timer in timers if not timer.finished.is_set()] == []


def test_without_standard_input_the_prompt_is_enough(server: Server) -> None:
    command = f'exec "$0" -m llm Hi -m m --base-url {server.url} <&-'
    done = subprocess.run(["sh", "-c", command, sys.executable], env=surroundings(), capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (0, b"Hello, world.\n")


def test_events_are_lines_of_json(run: Run, server: Server) -> None:
    result = run("Hi", "--json", "--verbose", "-m", "m", "--base-url", server.url)

    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["type"] for event in events] == ["answer", "answer", "verbose", "final", "done"]
    assert events[3]["content"]["answer"] == "Hello, world."
    assert result.err == ""


def test_an_event_is_one_line_whatever_it_holds(run: Run, server: Server) -> None:
    server.reply(headers=STREAM, body=sse(*chat("a\nb\u2028c\x85ü")))

    result = run("Hi", "--json", "-m", "m", "--base-url", server.url)

    assert json.loads(result.out.splitlines()[0])["content"] == "a\nb\u2028c\x85ü"
    assert result.out.isascii()


def test_a_whole_answer_as_json_is_one_event(run: Run, server: Server) -> None:
    result = run("Hi", "--json", "--no-stream", "-m", "m", "--base-url", server.url)

    (line,) = result.out.splitlines()
    assert json.loads(line)["type"] == "final"
    assert json.loads(line)["content"]["answer"] == "Hello, world."


@pytest.mark.parametrize("how", [[], ["--no-stream"]])
def test_figures_go_to_standard_error(run: Run, server: Server, how: list[str]) -> None:
    result = run("Hi", "--verbose", "-m", "m", "--base-url", server.url, *how)

    assert result.out == "Hello, world.\n"
    assert result.err.startswith("dragoman: 2 tokens, ")


@pytest.mark.parametrize("how", [[], ["--no-stream"]])
def test_reasoning_is_shown_only_if_asked_for_and_apart_from_the_answer(
    run: Run, server: Server, how: list[str]
) -> None:
    for _ in range(2):
        server.reply(headers=STREAM, body=sse(*chat({"reasoning_content": "Hm."}, "Yes.")))

    hidden = run("Hi", "-m", "m", "--base-url", server.url, *how)
    shown = run("Hi", "--show-thinking", "-m", "m", "--base-url", server.url, *how)

    assert (hidden.out, hidden.err) == ("Yes.\n", "")
    assert (shown.out, shown.err) == ("Yes.\n", "Hm.\n")


@pytest.mark.parametrize("how", [[], ["--no-stream"]])
def test_an_answer_that_is_cut_off_says_so(run: Run, server: Server, how: list[str]) -> None:
    server.reply(headers=STREAM, body=sse(*chat("Hel", finish="length")))

    result = run("Hi", "-m", "m", "--base-url", server.url, *how)

    assert (result.code, result.out) == (0, "Hel\n")
    assert "cut off" in result.err
    assert "--max-tokens" in result.err


def test_a_failed_request_is_one_line_and_exit_code_1(run: Run, server: Server) -> None:
    server.reply(400, body=b'{"error": {"message": "no\\nsuch \\u001b[31mthing"}}')

    result = run("Hi", "-m", "m", "--base-url", server.url)

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("dragoman: ")
    assert result.err.count("\n") == 1
    assert "\x1b" not in result.err


def test_what_can_never_work_is_exit_code_2(run: Run, server: Server) -> None:
    result = run("Hi", "--timeout", "-1", "-m", "m", "--base-url", server.url)

    assert result.code == 2
    assert "timeout must be a positive number" in result.err
    assert server.requests == []


def test_an_answer_that_breaks_off_is_shown_as_far_as_it_came(run: Run, server: Server) -> None:
    server.reply(headers=STREAM, body=sse(*chat("Hel")[:2], done=False), close=True)

    result = run("Hi", "-m", "m", "--base-url", server.url)

    assert (result.code, result.out) == (1, "Hel\n")
    assert result.err.startswith("dragoman: ")


def test_a_prompt_with_bytes_that_are_no_text_is_refused(run: Run, server: Server) -> None:
    result = run("caf\udce9", "-m", "m", "--base-url", server.url)

    assert result.code == 2
    assert "the user message holds bytes that are no text" in result.err
    assert server.requests == []


def test_ctrl_c_ends_the_answer_without_a_traceback(start: Start, server: Server) -> None:
    never = threading.Event()
    server.reply(headers=STREAM, body=sse(*chat("Hel")[:2], never))
    process = start("Hi", "-m", "m", "--base-url", server.url)
    assert process.read(3) == "Hel"

    process.interrupt()

    result = process.result()
    assert (result.code, result.out, result.err) == (130, "\n", "")
    server.wait_closed(1)


def test_ctrl_c_while_the_server_is_silent_ends_it_too(start: Start, server: Server) -> None:
    server.raw(threading.Event())
    process = start("Hi", "-m", "m", "--base-url", server.url)
    server.wait_requests(1)

    process.interrupt()

    result = process.result()
    assert (result.code, result.out, result.err) == (130, "", "")


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_a_closed_pipe_is_quiet(start: Start, server: Server, how: list[str]) -> None:
    gate = threading.Event()
    server.reply(headers=STREAM, body=sse(*chat("Hel")[:2], gate, *chat(*["lo"] * 100)))
    process = start("Hi", "-m", "m", "--base-url", server.url, *how)
    process.read(3)

    process.stop_reading()
    gate.set()

    result = process.result()
    assert (result.code, result.err) == (141, "")


def test_a_help_that_nobody_reads_is_quiet() -> None:
    command = '{ "$0" -m llm --help; echo $? >&2; } | true'
    done = subprocess.run(["sh", "-c", command, sys.executable], env=surroundings(), capture_output=True, check=False)

    assert done.stderr in (b"0\n", b"141\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("words", [["Hi", "-m", "m"], ["models"]], ids=str)
def test_a_full_disk_is_said_in_one_line(server: Server, words: list[str]) -> None:
    command = [sys.executable, "-m", "llm", *words, *([] if words == ["models"] else ["--base-url", server.url])]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command,
            env=surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.decode() == "dragoman: cannot go on reading or writing (No space left on device)\n"


def test_letters_that_the_locale_lacks_become_question_marks(start: Start, server: Server) -> None:
    server.reply(headers=STREAM, body=sse(*chat("schön")))

    result = start("Hi", "-m", "m", "--base-url", server.url, PYTHONIOENCODING="ascii").result()

    assert (result.code, result.out) == (0, "sch?n\n")


def test_on_a_terminal_reasoning_is_dim_and_escapes_of_the_model_are_not_obeyed(
    terminal: OnTerminal, server: Server
) -> None:
    server.reply(headers=STREAM, body=sse(*chat({"reasoning_content": "Hm."}, "Y\x1b[2Jes.\r\n")))

    result = terminal("Hi", "--show-thinking", "-m", "m", "--base-url", server.url).result()

    assert result.code == 0
    assert result.out == f"{DIM}Hm.\x1b[0m\r\nY[2Jes.\r\n"


def test_no_color_means_no_colours(terminal: OnTerminal, server: Server) -> None:
    server.reply(headers=STREAM, body=sse(*chat({"reasoning_content": "Hm."}, "Yes.")))

    result = terminal("Hi", "--show-thinking", "-m", "m", "--base-url", server.url, NO_COLOR="1").result()

    assert result.out == "Hm.\r\nYes.\r\n"


def test_ctrl_c_on_a_terminal_leaves_the_shell_a_line_of_its_own(terminal: OnTerminal, server: Server) -> None:
    server.raw(threading.Event())
    process = terminal("Hi", "-m", "m", "--base-url", server.url)
    server.wait_requests(1)

    process.type("\x03")

    result = process.result()
    assert (result.code, result.out) == (130, "^C\r\n")


def test_help_waits_for_neither_an_event_loop_nor_an_http_library() -> None:
    code = "import sys; from llm.cli.app import main; code = main(['--help']); print(*sys.modules, file=sys.stderr)"
    environment = {name: value for name, value in surroundings().items() if not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout.startswith("usage: dragoman ")
    assert {"asyncio", "aiohttp", "http.client", "subprocess"} & set(done.stderr.split()) == set()


def test_the_version_is_the_installed_one(run: Run) -> None:
    assert run("--version").out == f"dragoman {version('dragoman')}\n"
