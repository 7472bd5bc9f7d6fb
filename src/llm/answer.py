"""What one call has come to: the stopwatch while it runs, the whole of it at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from llm.events import FinalResponse, StreamEvent, UsageInfo, VerboseInfo, done, final, verbose
from llm.options import CallOptions
from llm.structured import OutputFormat
from llm.tools.job import ToolJob
from llm.turn import Turn
from llm_async import OutputTruncatedError, Response, StructuredOutputError
from llm_async.models import Usage


class Answer:
    """An answer in the making.

    Attributes:
        final: the whole of it, once the stream has come to its end.
        next_job: the number of the next tool call, counted from 1 through all rounds.
    """

    def __init__(self) -> None:
        self.final: FinalResponse | None = None
        self.next_job = 1
        self._start = 0.0
        self._first: float | None = None
        self._turns: list[Turn] = []
        self._jobs: list[ToolJob] = []
        self._messages: list[dict[str, Any]] = []
        self._has_value = False
        self._value: Any = None
        self._parsed: Any = None

    def start(self) -> None:
        """Start the stopwatch."""
        self._start = time.monotonic()

    def note_first(self) -> None:
        """Note that the first piece has come."""
        if self._first is None:
            self._first = time.monotonic()

    def read_output(self, output: OutputFormat, turn: Turn) -> None:
        """Read a reply that must have a certain shape.

        Raises:
            OutputTruncatedError: it was cut off.
            StructuredOutputError: it does not fit.
        """
        reply = turn.whole()
        if reply.main_response.tool_calls:
            return  # not the answer yet
        if reply.finish_reason == "length":
            raise OutputTruncatedError("the answer was cut off; a larger max_tokens may help", text=turn.answer)
        if reply.finish_reason in ("refusal", "content_filter"):
            told = reply.main_response.refusal or reply.finish_reason
            raise StructuredOutputError(f"the model did not answer: {told}", text=turn.answer, problems=(told,))
        self._value, self._parsed = output.read(turn.answer)
        self._has_value = True

    def add_turn(self, turn: Turn) -> None:
        """Take in a reply of the model."""
        self._turns.append(turn)
        self._messages.append(_message(turn, turn.whole()))

    def add_jobs(self, jobs: Sequence[ToolJob]) -> None:
        """Take in the calls of the last reply, with the results of those that ran."""
        self._jobs += jobs
        self.next_job += len(jobs)
        for job in jobs:
            if job.result is not None:
                result = {"role": "tool", "tool_call_id": job.result.id, "content": job.result.text}
                self._messages.append(result | ({"is_error": True} if job.result.is_error else {}))

    def end(self, options: CallOptions) -> list[StreamEvent]:
        """Put the whole together and return the events that end the stream."""
        self.final = response = self._response(options)
        ending: list[StreamEvent] = []
        if self._has_value:
            ending.append({"type": "answer", "content": self._value, "depth": 0})
        if "verbose" in response:
            ending.append(verbose(response["verbose"]))
        return [*ending, *([final(response)] if options.final else []), done()]

    def _response(self, options: CallOptions) -> FinalResponse:
        last = self._turns[-1]
        replies = [turn.whole() for turn in self._turns]
        usage: UsageInfo = msgspec.to_builtins(_sum([reply.usage for reply in replies]))
        response: FinalResponse = {
            "answer": self._value if self._has_value else last.answer,
            "messages": self._messages,
            "finish_reason": replies[-1].finish_reason,
            "usage": usage,
        }
        thoughts = "".join(turn.reasoning for turn in self._turns)
        if thoughts and not options.hide_thinking:
            response["reasoning"] = thoughts
        if self._parsed is not None:
            response["parsed"] = self._parsed
        if self._jobs:
            response["tool_calls"] = [job.described for job in self._jobs]
        if results := [job.outcome for job in self._jobs if job.outcome is not None]:
            response["tool_results"] = results
        if options.verbose:
            pieces = sum(turn.pieces for turn in self._turns)
            counted = response["usage"]["output_tokens"]
            response["verbose"] = self._figures(pieces if counted is None else counted)
        if warnings := list(dict.fromkeys(warning for reply in replies for warning in reply.warnings)):
            response["warnings"] = warnings
        return response

    def _figures(self, tokens: int) -> VerboseInfo:
        end = time.monotonic()
        first = end if self._first is None else self._first
        rate = tokens / (end - first) if end > first else 0.0
        return {"tokens": tokens, "tokens_per_second": rate, "latency": first - self._start}


def _message(turn: Turn, reply: Response) -> dict[str, Any]:
    """Return the reply as the message that goes back: without reasoning that was written into the text.

    Chat templates leave such reasoning out of earlier turns, and other providers would take it for answer.
    """
    message: dict[str, Any] = reply.main_response.original
    has_tags = turn.answer != reply.main_response.content
    return message | {"content": turn.answer} if has_tags and isinstance(message.get("content"), str) else message


def _sum(usages: Sequence[Usage]) -> Usage:
    """Return the tokens of all turns; None where a turn does not say, for a part is no sum."""
    if len(usages) == 1:
        return usages[0]
    counts = {name: [getattr(usage, name) for usage in usages] for name in Usage.__struct_fields__}
    return Usage(**{name: None if None in each else sum(each) for name, each in counts.items()})
