"""How the command ends: its exit codes, and the one line on standard error that says what went wrong."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unicodedata
from collections.abc import Callable

from llm_async import ConfigurationError, LLMError

FAILED = 1
"""The request failed, or what came of it could not be written."""

MISUSED = 2
"""It can never work as it was asked for."""

INTERRUPTED = 130
"""Ctrl-C, as shells count it: 128 and the signal's number."""

PIPE_CLOSED = 141
"""Nobody reads the answer any more (`dragoman … | head -1`); as shells count it, too."""


def end_well(work: Callable[[], int]) -> int:
    """Return the exit code of `work`, or of what ended it; what went wrong is said in one line.

    The process is meant to end then: its standard streams may lead nowhere afterwards.
    """
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # in a locale without the letter, a question mark is better than none
    try:
        code = work()
        _flush()
    except SystemExit as end:  # of argparse
        code = end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        code = INTERRUPTED
        _end_line()
    except BrokenPipeError:
        code = PIPE_CLOSED
    except ConfigurationError as error:
        code = _fail(MISUSED, str(error))
    except LLMError as error:
        code = _fail(FAILED, str(error))
    except OSError as error:  # the network's are LLMErrors: this one is of standard input or output
        code = _fail(FAILED, f"cannot go on reading or writing ({error.strerror or error})")
    _let_go_of_broken_output()
    return code


def note(text: str) -> None:
    """Say something in one line on standard error, where there is one."""
    if sys.stderr is not None:  # print() would take None for standard output
        print(f"dragoman: {one_line(text)}", file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    r"""Return text of anybody's as one line that does nothing to a terminal.

    >>> one_line("no such model\n\x1b[2Jtry\tagain")
    'no such model [2Jtry again'
    """
    return " ".join("".join(" " if is_control(letter) else letter for letter in text).split())


def is_control(letter: str) -> bool:
    """Return whether a terminal may take the character for a command."""
    return unicodedata.category(letter) == "Cc"


def _fail(code: int, text: str) -> int:
    with contextlib.suppress(OSError):  # nobody listens there either
        note(text)
    return code


def _end_line() -> None:
    """Put what comes next, the shell's prompt, below the `^C` that a terminal shows."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(file=sys.stderr)


def _flush() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()


def _let_go_of_broken_output() -> None:
    """Send what can't be written nowhere; else the interpreter complains of it when it flushes at its end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
