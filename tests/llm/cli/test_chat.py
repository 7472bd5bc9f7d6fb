"""`dragoman chat`."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

from commands import Process, Run, Terminal
from server import Server, chat, sse

Start = Callable[..., Process]
OnTerminal = Callable[..., Terminal]

STREAM = {"Content-Type": "text/event-stream"}


def test_every_message_goes_with_the_conversation_before_it(run: Run, server: Server) -> None:
    result = run("chat", "-s", "Be brief", "-m", "m", "--base-url", server.url, stdin=b"Hi\n\nAnd?")

    assert (result.code, result.out) == (0, "Hello, world.\n" * 2)
    assert server.requests[1].json()["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello, world."},
        {"role": "user", "content": "And?"},
    ]


def test_quit_ends_it(run: Run, server: Server) -> None:
    result = run("chat", "-m", "m", "--base-url", server.url, stdin=b"/quit\nHi\n")

    assert (result.code, server.requests) == (0, [])


def test_a_conversation_that_is_piped_in_ends_with_the_first_failure(run: Run, server: Server) -> None:
    server.reply(400, body=b'{"error": {"message": "no"}}')

    result = run("chat", "-m", "m", "--base-url", server.url, stdin=b"Hi\nAnd?\n")

    assert result.code == 1
    assert len(server.requests) == 1


def test_ctrl_c_ends_a_conversation_that_is_piped_in(start: Start, server: Server) -> None:
    server.raw(threading.Event())
    process = start("chat", "-m", "m", "--base-url", server.url, stdin=subprocess.PIPE)
    process.write(b"Hi\n")
    server.wait_requests(1)

    process.interrupt()

    result = process.result()
    assert (result.code, result.err) == (130, "")


def test_on_a_terminal_one_converses_until_the_end_of_input(terminal: OnTerminal, server: Server) -> None:
    talk = terminal("chat", "-m", "m", "--base-url", server.url)
    assert "/quit or Ctrl-D ends the chat" in talk.until("> ")
    talk.type("Hi\n")
    assert "Hello, world.\r\n" in talk.until("> ")
    talk.type("\x04")

    assert talk.result().code == 0
    assert server.requests[0].json()["messages"] == [{"role": "user", "content": "Hi"}]


def test_ctrl_c_ends_the_answer_and_not_the_chat(terminal: OnTerminal, server: Server) -> None:
    server.reply(headers=STREAM, body=sse(*chat("Once upon")[:2], threading.Event()))
    talk = terminal("chat", "-m", "m", "--base-url", server.url)
    talk.until("> ")
    talk.type("Tell a story\n")
    talk.until("Once upon")

    talk.type("\x03")
    talk.until("> ")
    server.wait_closed(1)
    talk.type("Go on\n")
    talk.until("Hello, world.")
    talk.until("> ")
    talk.type("/quit\n")

    assert talk.result().code == 0
    assert server.requests[1].json()["messages"] == [
        {"role": "user", "content": "Tell a story"},
        {"role": "assistant", "content": "Once upon"},
        {"role": "user", "content": "Go on"},
    ]


def test_a_question_whose_answer_never_began_is_taken_back(terminal: OnTerminal, server: Server) -> None:
    server.raw(threading.Event())
    talk = terminal("chat", "-m", "m", "--base-url", server.url)
    talk.until("> ")
    talk.type("Hi\n")
    server.wait_requests(1)

    talk.type("\x03")
    talk.until("> ")
    talk.type("Hello?\n")
    talk.until("world.")
    talk.type("/quit\n")

    assert talk.result().code == 0
    assert server.requests[1].json()["messages"] == [{"role": "user", "content": "Hello?"}]


def test_ctrl_c_at_the_prompt_drops_the_line(terminal: OnTerminal, server: Server) -> None:
    talk = terminal("chat", "-m", "m", "--base-url", server.url)
    talk.until("> ")
    talk.type("Never m")
    talk.until("Never m")
    talk.type("\x03\n")  # readline may notice the signal only with the next key
    talk.until("> ")
    talk.type("Hi\n")
    talk.until("world.")
    talk.type("/quit\n")

    assert talk.result().code == 0
    assert server.requests[0].json()["messages"] == [{"role": "user", "content": "Hi"}]


def test_a_failure_is_said_and_the_next_message_is_tried(terminal: OnTerminal, server: Server) -> None:
    server.reply(400, body=b'{"error": {"message": "too long"}}')
    talk = terminal("chat", "-m", "m", "--base-url", server.url)
    talk.until("> ")
    talk.type("Hi\n")
    assert "dragoman: " in talk.until("too long")
    talk.until("> ")
    talk.type("Hi again\n")
    talk.until("world.")
    talk.type("/quit\n")

    assert talk.result().code == 0
    assert server.requests[1].json()["messages"] == [{"role": "user", "content": "Hi again"}]


def test_what_can_never_work_ends_the_chat(terminal: OnTerminal, server: Server) -> None:
    talk = terminal("chat", "--max-tokens", "0", "-m", "m", "--base-url", server.url)
    talk.until("> ")
    talk.type("Hi\n")

    result = talk.result()
    assert result.code == 2
    assert "max_tokens must be" in result.out
