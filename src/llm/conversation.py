"""One answer, from the request to the last event: the core that both runtimes drive.

It awaits nothing but the model stream it is given, and yields lists of events.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import Any

import msgspec

from llm.events import Events, FinalResponse, StreamEvent, UsageInfo, VerboseInfo, done, final, verbose
from llm.layers import ModelStream
from llm.options import CallOptions
from llm.turn import Turn
from llm_async import LLMTimeoutError, ModelRequestError, Response
from llm_async.models import ModelRequest


class Answer:
    """What one call has come to: the stopwatch while it runs, the whole of it at the end."""

    def __init__(self) -> None:
        self.final: FinalResponse | None = None
        self._start = 0.0
        self._first: float | None = None

    def start(self) -> None:
        """Start the stopwatch."""
        self._start = time.monotonic()

    def note_first(self) -> None:
        """Note that the first piece has come."""
        if self._first is None:
            self._first = time.monotonic()

    def figures(self, tokens: int) -> VerboseInfo:
        """Return how fast the answer came, if it ends now."""
        end = time.monotonic()
        first = end if self._first is None else self._first
        rate = tokens / (end - first) if end > first else 0.0
        return {"tokens": tokens, "tokens_per_second": rate, "latency": first - self._start}


async def converse(request: ModelRequest, options: CallOptions, *, stream: ModelStream, answer: Answer) -> Events:
    """Stream one answer; once it is whole, `answer.final` holds it.

    Raises:
        ModelRequestError, LLMTimeoutError: the request failed; `.partial` holds what had arrived.
    """
    answer.start()
    turn = Turn(options.thinking_token, hide_thinking=options.hide_thinking)
    try:
        async with aclosing(stream(request)) as model_events:
            async for events in model_events:
                shown = turn.show(events)
                if turn.pieces:
                    answer.note_first()
                if shown:
                    yield shown
    except (ModelRequestError, LLMTimeoutError):
        held_back = turn.flush()
        if held_back:
            yield held_back
        raise
    last = turn.flush()
    answer.final = _final(turn, answer, options)
    yield [*last, *_ending(answer.final, options)]


def _ending(response: FinalResponse, options: CallOptions) -> list[StreamEvent]:
    ending: list[StreamEvent] = []
    if "verbose" in response:
        ending.append(verbose(response["verbose"]))
    if options.final:
        ending.append(final(response))
    ending.append(done())
    return ending


def _final(turn: Turn, answer: Answer, options: CallOptions) -> FinalResponse:
    reply = turn.response
    if reply is None:
        raise AssertionError("a model stream that raises nothing ends with Closed")
    usage: UsageInfo = msgspec.to_builtins(reply.usage)
    response: FinalResponse = {
        "answer": turn.answer,
        "messages": [_message(turn, reply)],
        "finish_reason": reply.finish_reason,
        "usage": usage,
    }
    if turn.reasoning and not options.hide_thinking:
        response["reasoning"] = turn.reasoning
    if options.verbose:
        counted = reply.usage.output_tokens
        response["verbose"] = answer.figures(turn.pieces if counted is None else counted)
    if reply.warnings:
        response["warnings"] = list(reply.warnings)
    return response


def _message(turn: Turn, reply: Response) -> dict[str, Any]:
    """Return the reply as the message that goes back: without reasoning that was written into the text.

    Chat templates leave such reasoning out of earlier turns, and other providers would take it for answer.
    """
    message: dict[str, Any] = reply.main_response.original
    has_tags = turn.answer != reply.main_response.content
    return message | {"content": turn.answer} if has_tags and isinstance(message.get("content"), str) else message
