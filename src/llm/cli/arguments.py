"""What can be written behind `dragoman`, and what it means."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import NoReturn

from llm.cli.outcome import MISUSED, note

COMMANDS = ("chat", "models", "doctor")

EPILOG = """\
commands:
  dragoman chat         converse
  dragoman models       list the embedded models, and those of a server
  dragoman doctor       see what is installed, set and running
  dragoman -- models    a prompt that is called like a command

models:
  local, local:NAME, local:/path/model.gguf    the embedded model
  openai:NAME                                  OpenAI; needs OPENAI_API_KEY
  NAME --base-url http://localhost:1234        LM Studio, llama.cpp, Ollama, vLLM, ...
Without -m: DRAGOMAN_MODEL; else the first model of --base-url or OPENAI_BASE_URL;
else OpenAI's, where OPENAI_API_KEY is set; else the embedded one.
OPENAI_API_KEY goes to --base-url only for a model named openai:NAME.
"""


class Arguments(argparse.Namespace):
    """What was written, checked as far as it can be without a client."""

    command: str = ""
    """One of `COMMANDS`; "" asks once."""

    prompt: str | None = None
    model: str | None = None
    system: str | None = None
    base_url: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float | None = None
    json: bool = False
    stream: bool = True
    verbose: bool = False
    show_thinking: bool = False
    version: bool = False


def parse(written: Sequence[str]) -> Arguments:
    """Return what `written` means; says in one line what is wrong with it and exits, if it means nothing.

    A word behind `--` is a prompt whatever it looks like.
    """
    options, literal = list(written), None
    if "--" in options:
        end = options.index("--")
        options, behind = options[:end], options[end + 1 :]
        if len(behind) != 1:
            _parser("").error("behind -- stands the prompt, in quotes, and nothing else")
        literal = behind[0]
    command = options[0] if options and options[0] in COMMANDS and literal is None else ""
    arguments = _read(options, command)
    if not command and literal is None and arguments.prompt in COMMANDS:
        return _read(options, arguments.prompt)  # its options stood before it
    if literal is not None:
        if arguments.prompt is not None:
            _parser("").error("there are two prompts, one before and one behind --")
        arguments.prompt = literal
    return arguments


def _read(options: list[str], command: str) -> Arguments:
    parser = _parser(command)
    arguments, rest = parser.parse_known_intermixed_args(options, Arguments())
    for word in rest:
        if word.startswith("-"):
            parser.error(f"there is no option {word!r}")
        parser.error(f"{word!r} is one word too many; a prompt of several stands in quotes")
    arguments.command = command
    return arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say it as all failures are said: in one line."""
        note(f"{message}; see '{self.prog} --help'")
        self.exit(MISUSED)


def _parser(command: str) -> _Parser:
    description = {
        "": "Ask a language model. What comes in on standard input is put before the prompt.",
        "chat": "Converse with a language model. /quit or Ctrl-D ends; Ctrl-C ends an answer.",
        "models": "List the embedded models, and those of the server at --base-url or OPENAI_BASE_URL.",
        "doctor": "Show what is installed, which keys are set, and which servers of this machine answer.",
    }[command]
    parser = _Parser(
        prog=f"dragoman {command}".strip(),
        description=description,
        epilog="" if command else EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an abbreviation would change its meaning when options are added
    )
    if command:
        parser.add_argument("command", choices=[command], help=argparse.SUPPRESS)
        parser.usage = f"{parser.prog} {'' if command == 'doctor' else '[options]'}".strip()
    else:
        parser.add_argument("prompt", nargs="?", help="what to ask, in quotes")
        parser.add_argument("--version", action="store_true", help="show which version this is")
    if command != "doctor":
        parser.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server")
    if command in ("", "chat"):
        _add_call_options(parser)
    return parser


def _add_call_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-m", "--model", metavar="MODEL", help="which model answers")
    add("-s", "--system", metavar="TEXT", help="how it is to behave")
    add("--temperature", type=_number, metavar="X", help="0 for the likeliest answer, more for variety")
    add("--max-tokens", type=int, metavar="N", help="the longest answer")
    add("--timeout", type=_number, metavar="SECONDS", help="for the whole answer (default: 300)")
    add("--json", action="store_true", help="events instead of text, one per line")
    add("--no-stream", dest="stream", action="store_false", help="show the answer when it is whole")
    add("--show-thinking", action="store_true", help="show the model's reasoning, on standard error")
    add("--verbose", action="store_true", help="say how fast it was, on standard error")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


_number.__name__ = "number"  # what argparse calls it in "invalid number value"
