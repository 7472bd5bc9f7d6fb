"""One answer, from the request to the last event: model turn, tool jobs, model turn, and so on.

The core that both runtimes drive. It awaits nothing but the model stream and the runtime it is given, and yields
lists of events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from msgspec.structs import replace

from llm.answer import Answer
from llm.events import Decision, Events, StreamEvent
from llm.images import has_pictures, with_pictures
from llm.layers import ModelStream
from llm.options import CallOptions
from llm.review import ask, is_approved, reason_of
from llm.runtime import Runtime
from llm.runtime.relay import relay
from llm.tools.job import ToolJob
from llm.turn import Turn
from llm_async import (
    LLMTimeoutError,
    Message,
    ModelRequestError,
    OutputTruncatedError,
    Response,
    StructuredOutputError,
)
from llm_async.models import ModelRequest


async def converse(
    request: ModelRequest, options: CallOptions, *, stream: ModelStream, runtime: Runtime, answer: Answer
) -> Events:
    """Stream one answer, running the tools the model asks for; once it is whole, `answer.final` holds it.

    Raises:
        ModelRequestError, LLMTimeoutError: the request failed; `.partial` holds what had arrived.
        StructuredOutputError: the answer does not fit what was asked for, after the last retry.
    """
    answer.start()
    if has_pictures(request):
        request = await runtime.call(partial(with_pictures, request))
    rounds_left, retries_left = options.max_tool_rounds, options.output_retries
    while True:
        turn = Turn(options.thinking_token, hide_thinking=options.hide_thinking, hide_answer=bool(options.output))
        try:
            async with aclosing(_one_turn(turn, request, stream, answer)) as shown:
                async for batch in shown:
                    yield batch
            if options.output is not None:
                answer.read_output(options.output, turn)
        except StructuredOutputError as error:
            if not retries_left or isinstance(error, OutputTruncatedError):
                raise
            retries_left -= 1
            request = _asked_again(request, error)
            continue
        reply = turn.whole()
        jobs = _jobs(reply, options, answer)
        answer.add_turn(turn)
        async with aclosing(relay(_run_jobs(jobs, options, runtime))) as running:
            decision: Decision | None = None
            while True:
                try:
                    batch = await running.asend(decision)
                except StopAsyncIteration:
                    break
                decision = yield batch
        answer.add_jobs(jobs)
        results = [job.result for job in jobs if job.result is not None]
        rounds_left -= 1
        if not jobs or len(results) < len(jobs) or not rounds_left:
            break  # nothing to tell the model, or something that only the caller can
        request = replace(request, messages=(*request.messages, reply.main_response, *results))
    yield answer.end(options)


async def _one_turn(
    turn: Turn, request: ModelRequest, stream: ModelStream, answer: Answer
) -> AsyncGenerator[list[StreamEvent], None]:
    """Yield what one reply shows, down to what was held back in case a thinking tag would come."""
    try:
        async with aclosing(stream(request)) as model_events:
            async for events in model_events:
                shown = turn.show(events)
                if turn.pieces:
                    answer.note_first()
                if shown:
                    yield shown
    except (ModelRequestError, LLMTimeoutError):
        if held_back := turn.flush():
            yield held_back
        raise
    if held_back := turn.flush():
        yield held_back


def _asked_again(request: ModelRequest, error: StructuredOutputError) -> ModelRequest:
    """Return the request with the answer that does not fit, and what is wrong with it."""
    problem = f"This answer does not fit the schema: {'; '.join(error.problems) or error}. Answer again, in JSON only."
    again = (Message("assistant", error.text or "(nothing)"), Message("user", problem))
    return replace(request, messages=(*request.messages, *again))


def _jobs(reply: Response, options: CallOptions, answer: Answer) -> list[ToolJob]:
    known = ", ".join(options.tools.functions) or "none"
    return [
        ToolJob(number, call, options.tools.functions.get(call.name), known=known, limit=options.tool_limit)
        for number, call in enumerate(reply.main_response.tool_calls, answer.next_job)
    ]


async def _run_jobs(jobs: Sequence[ToolJob], options: CallOptions, runtime: Runtime) -> Events:
    """Announce the calls, have those reviewed that need it, and run what may run."""
    approved = []
    for job in jobs:
        yield [job.announcement()]
        if not options.tool_exec or job.call.name in options.tools.left_to_caller:
            continue
        job.on_review = options.on_review
        if await _needs_review(job, options, runtime):
            decision = yield [job.review_request()]
            if options.on_review is not None:
                decision = await ask(options.on_review, (job.described,), runtime)
            if not is_approved(decision):
                yield [job.reject(reason_of(decision))]
                continue
        approved.append(job)
    running = runtime.merge([job.run(runtime) for job in approved], limit=options.max_parallel_tools)
    decision = None
    try:
        while True:
            decision = yield await running.asend(decision)
    except StopAsyncIteration:
        return
    finally:
        await running.aclose()


async def _needs_review(job: ToolJob, options: CallOptions, runtime: Runtime) -> Any:
    if options.interceptor is None:
        return False
    return await ask(options.interceptor, (job.call.name, job.described["arguments"]), runtime)
