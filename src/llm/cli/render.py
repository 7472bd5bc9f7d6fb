"""Events as people and programs read them: text on a terminal or in a pipe, or JSON, one event a line.

Standard output carries the answer and nothing else; reasoning, figures and remarks go to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Protocol, TextIO

from llm.cli.outcome import is_control, note
from llm.events import FinalResponse, StreamEvent, VerboseInfo

DIM, PLAIN = "\x1b[2m", "\x1b[0m"

_CUT_SHORT = {
    "length": "the answer was cut off at the limit of tokens; --max-tokens raises it",
    "context_window": "the answer was cut off: the conversation fills the model's whole context",
    "content_filter": "the answer was cut off by the provider's content filter",
    "refusal": "the model refused to answer",
}


class View(Protocol):
    """Shows one answer after the other."""

    def show(self, event: StreamEvent) -> None:
        """Show one event, at once."""
        ...

    def end(self) -> None:
        """Leave the cursor at the beginning of a line, however the answer ended."""
        ...


class JsonView:
    """One event a line."""

    def show(self, event: StreamEvent) -> None:
        """Write the event."""
        # Escaped, not as it is: readers that split lines at U+2028 or expect another encoding are common.
        _write(sys.stdout, json.dumps(event) + "\n")

    def end(self) -> None:
        """Do nothing: every line is whole."""


class TextView:
    """The answer as text, as it comes."""

    def __init__(self) -> None:
        self._answer = _Column(sys.stdout)
        self._thoughts = _Column(sys.stderr)

    def show(self, event: StreamEvent) -> None:
        """Write what the event brings."""
        match event["type"]:
            case "answer":
                self._thoughts.end()
                self._answer.write(event["content"])
            case "reasoning":
                self._thoughts.write(event["content"], dim=True)
            case "verbose":
                self.end()
                note(figures(event["content"]))
            case "final":
                self.end()
                remark(event["content"])
            case _:
                pass  # `done` says nothing that the end does not

    def end(self) -> None:
        """End the lines that are not ended."""
        self._thoughts.end()
        self._answer.end()


def figures(said: VerboseInfo) -> str:
    """Return how fast an answer came, in words.

    >>> figures({"tokens": 20, "tokens_per_second": 41.26, "latency": 0.5})
    '20 tokens, 41.3 tokens per second, the first after 0.50 s'
    """
    tokens, rate, latency = said["tokens"], said["tokens_per_second"], said["latency"]
    return f"{tokens} tokens, {rate:.1f} tokens per second, the first after {latency:.2f} s"


def remark(response: FinalResponse) -> None:
    """Say on standard error what the answer itself does not show: that it is empty, or not all there is."""
    for warning in response.get("warnings", []):
        note(warning)
    if said := _CUT_SHORT.get(response["finish_reason"]):
        note(said)
    elif not response["answer"].strip():
        note("the answer is empty")


class _Column:
    """Text that goes to one stream, which need not be there."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._is_terminal = stream is not None and stream.isatty()
        self._has_colours = self._is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._at_line_start = True

    def write(self, text: str, *, dim: bool = False) -> None:
        if self._is_terminal:
            # A model may say escape sequences; a terminal would obey them.
            text = "".join(letter for letter in text if letter in "\n\t" or not is_control(letter))
        if text:
            self._at_line_start = text.endswith("\n")
            _write(self._stream, f"{DIM}{text}{PLAIN}" if dim and self._has_colours else text)

    def end(self) -> None:
        if not self._at_line_start:
            self._at_line_start = True
            _write(self._stream, "\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # programs without a console have none
        stream.write(text)
        stream.flush()
