"""`dragoman chat`: a conversation in the terminal, or one that is piped in, a message a line."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

from llm.cli.arguments import Arguments
from llm.cli.ask import Asker
from llm.cli.outcome import note
from llm_async import ConfigurationError, LLMError

GOODBYE = "/quit"


def converse(arguments: Arguments) -> int:
    """Answer message after message until the user has enough; return the exit code.

    Raises:
        LLMError: a request failed; on a terminal only if no further one can do better.
    """
    is_interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stdout is not None and sys.stdout.isatty()
    history: list[dict[str, Any]] = []
    with Asker(arguments) as asker:
        if is_interactive:
            with contextlib.suppress(ImportError):  # not everywhere; it makes input() edit and remember lines
                importlib.import_module("readline")  # which is all it takes
            note(f"{GOODBYE} or Ctrl-D ends the chat, Ctrl-C an answer")
        while (said := _next_message(is_interactive)) is not None:
            if said.strip():
                history += _turn(asker, history, said, is_interactive)
    return 0


def _next_message(is_interactive: bool) -> str | None:
    """Return what the user says, None for goodbye."""
    if not is_interactive:
        line = sys.stdin.readline() if sys.stdin is not None else ""
        return line.rstrip("\n") if line and line.strip() != GOODBYE else None
    try:
        line = input("> ")
    except EOFError:
        print()
        return None
    except KeyboardInterrupt:  # the line that was begun is dropped, as shells do
        print()
        return ""
    return None if line.strip() == GOODBYE else line


def _turn(asker: Asker, history: list[dict[str, Any]], said: str, is_interactive: bool) -> list[dict[str, Any]]:
    """Answer one message; return what it adds to the conversation, nothing if it failed."""
    question = {"role": "user", "content": said}
    try:
        return [question, *asker.ask([*history, question])["messages"]]
    except KeyboardInterrupt:
        if not is_interactive:
            raise
        # What was shown was said: the user may well refer to it.
        return [question, {"role": "assistant", "content": asker.said}] if asker.said else []
    except ConfigurationError:
        raise  # the next message would fare no better
    except LLMError as error:
        if not is_interactive:
            raise
        note(str(error))
        return []
