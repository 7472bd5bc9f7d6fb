"""The only orchestration of this package: encode, send, decode, and try again where that is right.

Written once as `async def`; it awaits nothing but its transport, and so runs on both runtimes.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

import msgspec

from llm_async.answers import check_answer
from llm_async.dialects import Dialect, HttpCall, Profile
from llm_async.errors import (
    ConfigurationError,
    LLMTimeoutError,
    ModelRequestError,
    StatusError,
    StreamInterruptedError,
    TransportError,
    WireFormatError,
)
from llm_async.models.event import Closed, Failed, ModelEvent, Opened
from llm_async.models.request import ModelRequest
from llm_async.models.response import Assembler, Response, to_response
from llm_async.models.response_schema import ResponseSchema
from llm_async.reading import Batch, StreamReading, is_json
from llm_async.retry import RetryPolicy, next_delay, retry_after
from llm_async.timeouts import Limits
from llm_async.transport import MAX_BODY, HttpReply, HttpRequest, Transport

_BLANK = 64 * 1024
"""The most bytes of white space before an answer: OpenRouter fills the time with it."""

Batches = AsyncGenerator[Batch, None]
"""What comes, batch by batch: the hot path pays for a hand-over per read, not per event."""


class Endpoint(Protocol):
    """What a client must know of a provider."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def profile(self) -> Profile: ...

    def address(self, call: HttpCall, headers: Mapping[str, str], limits: Limits) -> HttpRequest:
        """Return the HTTP request that carries `call` to this provider."""
        ...

    def redact(self, text: str) -> str:
        """Return `text` without the provider's secrets."""
        ...


class Client:
    """Asks one provider over one transport. Holds no state between calls."""

    def __init__(self, endpoint: Endpoint, transport: Transport, retry: RetryPolicy) -> None:
        self.endpoint, self.transport, self.retry = endpoint, transport, retry

    def stream(self, request: ModelRequest, limits: Limits, *, stream: bool = True, is_checked: bool = True) -> Batches:
        """Yield what the model says, a batch a network read; `Closed` is the last of it.

        Args:
            stream: whether the server is asked to stream. A server that answers in the other way than it was asked
                is understood all the same.
            is_checked: whether the reply is held against `request.response_schema`; False for callers that take
                something out of it first, such as reasoning in tags.

        Raises:
            ConfigurationError: the request can never work; raised by the call itself, not by the first step.
            ModelRequestError: it failed, for good or after the last attempt; `.partial` holds what had arrived.
            LLMTimeoutError: one of `limits` ran out; the same.
            StructuredOutputError: the reply is whole, and is not what `request.response_schema` demands; the same.
        """
        call = self.endpoint.dialect.encode_request(request, self.endpoint.profile, stream=stream)
        if request.strict and call.warnings:
            raise ConfigurationError("; ".join(call.warnings))

        def read(reply: HttpReply) -> Batches:
            if _is_stream(reply, expected=stream):
                return self._read_stream(reply, limits, call.warnings)
            return self._read_whole(reply, call.warnings)

        wanted = request.response_schema if is_checked else None
        return self._answer(self._attempts(call, request.headers, limits, read), wanted)

    async def complete(self, request: ModelRequest, limits: Limits) -> Response:
        """Return the model's whole reply. Raises what `stream` raises."""
        async with aclosing(self.stream(request, limits, stream=False)) as batches:
            async for events, _ in batches:
                last = events[-1] if events else None
                if isinstance(last, Closed):
                    return last.response
        raise AssertionError("unreachable")  # pragma: no cover - a stream that does not raise ends with Closed

    async def fetch(self, call: HttpCall, headers: Mapping[str, str], limits: Limits) -> bytes:
        """Return the body of the answer to any call, with the same errors and retries."""

        async def read(reply: HttpReply) -> Batches:
            yield [], [(await reply.read(), 0)]

        body = b""
        async with aclosing(self._attempts(call, headers, limits, read)) as batches:
            async for _, sources in batches:
                body = sources[0][0]
        return body

    async def _answer(self, attempts: Batches, wanted: ResponseSchema | None) -> Batches:
        """Pass on what comes, and close with the whole of it."""
        assembler, body = Assembler(), b""
        try:
            async with aclosing(attempts) as batches:
                async for events, sources in batches:
                    assembler.feed(events)
                    if sources:
                        body = sources[-1][0]
                    yield events, sources
        except (ModelRequestError, LLMTimeoutError) as error:
            if error.partial is None or assembler.events:
                error.partial = self._rebuilt(assembler)
            raise
        response = self._response(assembler, body)
        if wanted is not None:
            check_answer(response, wanted)
        yield [Closed(response)], []

    def _response(self, assembler: Assembler, body: bytes) -> Response:
        """Return what has been read as users see it; `body` is the whole answer, unless it was streamed."""
        reply, dialect = assembler.reply(), self.endpoint.dialect
        if not reply.is_whole:
            return self._rebuilt(assembler)
        try:
            original = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return self._rebuilt(assembler)  # something the dialect passed over is no JSON
        if isinstance(original, list):  # a Gemini stream that came as one array
            return self._rebuilt(assembler)
        message = dialect.message_in(original, reply.tool_calls)
        if message is None:  # Azure leaves a filtered one out
            message = dialect.message_in(dialect.rebuild_body(reply, assembler.events))
        return to_response(reply, message=message, body=original, issuer=dialect.NAME)

    def _rebuilt(self, assembler: Assembler) -> Response:
        """Return the response that a streamed reply amounts to."""
        reply, dialect = assembler.reply(), self.endpoint.dialect
        body = dialect.rebuild_body(reply, assembler.events)
        return to_response(reply, message=dialect.message_in(body), body=body, issuer=dialect.NAME)

    async def _attempts(
        self, call: HttpCall, headers: Mapping[str, str], limits: Limits, read: Callable[[HttpReply], Batches]
    ) -> Batches:
        """Send the call until an answer comes; from the first batch that was handed on there is no way back."""
        attempt = 0
        while True:
            attempt += 1
            handed_on = False
            request_id = None
            try:
                request = self.endpoint.address(call, headers, limits)
                async with self.transport.open(request) as reply:
                    request_id = _request_id(reply)
                    if reply.status >= 300:
                        raise await self._status_error(reply, request)
                    async with aclosing(read(reply)) as batches:
                        async for batch in batches:
                            handed_on = True
                            yield batch
                return
            except (ModelRequestError, LLMTimeoutError) as error:
                error.attempts = attempt
                if isinstance(error, ModelRequestError):
                    error.request_id = error.request_id or request_id
                    self._redact(error)
                delay = next_delay(self.retry, attempt=attempt, error=error, jitter=random.random())
                if handed_on or delay is None or not _time_for(delay, limits):
                    raise
            await self.transport.sleep(delay)

    async def _read_whole(self, reply: HttpReply, warnings: tuple[str, ...]) -> Batches:
        yield self._whole(await reply.read(), reply, warnings)

    def _whole(self, body: bytes, reply: HttpReply, warnings: tuple[str, ...]) -> Batch:
        events = self.endpoint.dialect.decode_response(body)
        if type(events[-1]) is Failed:
            error = events[-1].error
            error.partial = self._rebuilt(_fed(events))
            raise error
        opened = Opened(_request_id(reply), warnings, is_whole=True)
        return [opened, *events], [(body, len(events) + 1)]

    async def _read_stream(self, reply: HttpReply, limits: Limits, warnings: tuple[str, ...]) -> Batches:
        reading = StreamReading(self.endpoint.dialect, _opened(reply, warnings), limits)
        try:
            async with aclosing(reply.chunks()) as chunks:
                opening = await _opening(chunks)
                if is_json(opening):  # whatever it was called: a whole answer, where a stream was asked for
                    yield self._whole(await _rest(chunks, opening), reply, warnings)
                    return
                at_end = False
                while not (at_end or reading.ended):
                    try:
                        chunk, opening = opening or await anext(chunks, b""), b""
                    except (StreamInterruptedError, LLMTimeoutError):
                        if reading.finished:  # the reply is whole: a connection that breaks now takes nothing from it
                            return
                        raise
                    at_end = not chunk
                    batch = reading.flush() if at_end else reading.feed(chunk)
                    if batch is not None:
                        yield batch
                    if reading.failure is not None:
                        raise reading.failure
        except (ModelRequestError, LLMTimeoutError) as error:
            if reading.held:  # it was never handed on, but says whose answer failed
                error.partial = self._rebuilt(_fed(reading.held))
            raise
        if reading.ended:
            await reply.drain()

    async def _status_error(self, reply: HttpReply, request: HttpRequest) -> StatusError:
        if reply.status < 400:
            where = reply.headers.get("location", "nowhere")
            return StatusError(
                f"the server redirects to {where!r} (HTTP {reply.status}), which is not followed; give it as base_url",
                status_code=reply.status,
            )
        try:
            body = await reply.read()
        except ModelRequestError:
            body = b""  # the status alone says enough
        # Here and not in _redact alone: errors show the beginning of a body, which may end within the key.
        body = self.endpoint.redact(body.decode("utf-8", "replace")).encode()
        error = self.endpoint.dialect.decode_error(reply.status, reply.headers, body)
        delay = retry_after(reply.headers, now=time.time())
        error.retry_after = error.retry_after if delay is None else delay  # Google says it in the body
        if reply.status in (404, 405):  # the model may be wrong, and so may the address
            error.args = (f"{error.args[0]}, asked at {request.url}",)
        return error

    def _redact(self, error: ModelRequestError) -> None:
        """Take the key out of an error: some servers echo it."""
        redact = self.endpoint.redact
        if isinstance(error, WireFormatError):
            excerpt = redact(error.excerpt.decode("latin-1")).encode("latin-1")
            error.args = (str(error).replace(repr(error.excerpt), repr(excerpt)),)
            error.excerpt = excerpt
        error.args = tuple(redact(text) if isinstance(text, str) else text for text in error.args)
        if isinstance(error, StatusError) and error.body is not None:
            error.body = redact(error.body)


def _fed(events: list[ModelEvent]) -> Assembler:
    assembler = Assembler()
    assembler.feed(events)
    return assembler


async def _opening(chunks: AsyncGenerator[bytes, None]) -> bytes:
    """Return what a body begins with: as much as it takes to see something."""
    opening = b""
    while not opening.strip() and len(opening) < _BLANK and (chunk := await anext(chunks, b"")):
        opening += chunk
    return opening


async def _rest(chunks: AsyncGenerator[bytes, None], opening: bytes) -> bytes:
    """Return the whole of a body of which the beginning has been read."""
    pieces, size = [opening], len(opening)
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise TransportError(f"the answer has over {MAX_BODY} bytes")
    return b"".join(pieces)


def _opened(reply: HttpReply, warnings: tuple[str, ...]) -> Opened:
    return Opened(_request_id(reply), warnings)


def _request_id(reply: HttpReply) -> str | None:
    return reply.headers.get("x-request-id") or reply.headers.get("request-id")


def _is_stream(reply: HttpReply, *, expected: bool) -> bool:
    """Return whether the body is a stream of events, whatever was asked for.

    Raises:
        TransportError: it is a web page, so that no model server answered.
    """
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html":
        raise TransportError("a web page came instead of an answer; is base_url the address of a model server?")
    if kind == "text/event-stream":
        return True
    return expected and kind != "application/json"


def _time_for(delay: float, limits: Limits) -> bool:
    at, _ = limits.deadline()
    return at is None or time.monotonic() + delay < at
