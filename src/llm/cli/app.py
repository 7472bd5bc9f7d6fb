"""The command `dragoman`: reads its arguments and hands over to what was asked for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from llm.cli.arguments import Arguments, parse
from llm.cli.outcome import end_well, note
from llm_async import ConfigurationError

HINT_AFTER = 5.0
"""Seconds without an end of standard input after which the user is told what is being waited for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, one of `llm.cli.outcome` or 0.

    Args:
        argv: the words behind `dragoman`; None takes the process's own.
    """
    return end_well(lambda: _run(parse(sys.argv[1:] if argv is None else argv)))


def _run(arguments: Arguments) -> int:
    # What they need is imported when it is asked for, so that the help need not wait for it.
    if arguments.version:
        return _show_version()
    if arguments.command == "models":
        from llm.cli.models import show_models

        return show_models(arguments.base_url)
    if arguments.command == "doctor":
        from llm.cli.doctor import show_report

        return show_report()
    if arguments.command == "chat":
        from llm.cli.chat import converse

        return converse(arguments)
    return _ask_once(arguments)


def _show_version() -> int:
    from importlib import metadata

    print(f"dragoman {metadata.version('dragoman')}")
    return 0


def _ask_once(arguments: Arguments) -> int:
    from llm.cli.ask import Asker

    prompt = _with_context(arguments.prompt)
    with Asker(arguments) as asker:
        asker.ask([{"role": "user", "content": prompt}])
    return 0


def _with_context(prompt: str | None) -> str:
    """Return the prompt behind what comes in on standard input, either of which may be missing."""
    context = _standard_input()
    parts = [part for part in (context, prompt) if part and part.strip()]
    if not parts:
        raise ConfigurationError("there is no prompt; give one in quotes, pipe one in, or try 'dragoman chat'")
    return "\n\n".join(parts)


def _standard_input() -> str:
    """Return what is piped in, "" from a terminal."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    # Programs that start us may leave it open for ever without meaning to.
    hint = threading.Timer(HINT_AFTER, note, ["still reading standard input; where none is meant, add </dev/null"])
    hint.daemon = True
    hint.start()
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").rstrip()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"standard input is not text in UTF-8 (byte {error.start} is wrong)") from error
    finally:
        hint.cancel()
