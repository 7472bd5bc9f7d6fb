"""Reading a streamed answer: bytes become lists of decoded events, and what a client must notice is noticed.

That is: the first token, the end, an error in the middle, and an end that is none. No I/O here.
"""

from __future__ import annotations

from llm_async.dialects import Dialect
from llm_async.errors import ModelRequestError, StreamInterruptedError, WireFormatError
from llm_async.models.event import EndMark, Failed, Finished, ModelEvent, Opened, Started, TextDelta, UsageReport
from llm_async.sse import ServerSentEvent, SseParser
from llm_async.timeouts import Limits

Batch = tuple[list[ModelEvent], list[tuple[bytes, int]]]
"""What one network read brought: what the model says, and where that is from: for each server event its data, and how
many of the model's events it and those before it made."""

_NO_TOKENS = frozenset({Opened, Started, UsageReport, Failed})


def is_json(opening: bytes) -> bool:
    """Return whether a body that begins so is JSON rather than a stream of events, whose lines begin with words.

    >>> is_json(b' {"id"'), is_json(b"data: {}"), is_json(b": ping")
    (True, False, False)
    """
    return opening.lstrip().startswith((b"{", b"["))


class StreamReading:
    """One streamed answer in the reading. Events come out of `feed` and `flush` in the order they came in."""

    def __init__(self, dialect: Dialect, opened: Opened, limits: Limits) -> None:
        self._dialect, self._limits = dialect, limits
        self._parser = SseParser()
        # What came before the first token is held back with it: until then the request can be made again.
        self._batch: Batch = ([opened], [])
        self._waiting = True
        self._count = 0

        self.finished = False
        """Whether the model has said that it stopped: from then on nothing of its reply can be missing."""

        self.ended = False
        """Whether the server has said that nothing more will come."""

        self.failure: ModelRequestError | None = None
        """What to raise once everything before it has been handed on."""

    @property
    def held(self) -> list[ModelEvent]:
        """What has come and was not given out, because there is no token yet."""
        return self._batch[0]

    def feed(self, chunk: bytes) -> Batch | None:
        """Return what a network read completes, maybe nothing."""
        self._decode(self._parser.feed(chunk))
        return self._take()

    def flush(self) -> Batch | None:
        """Return what the end of the body leaves."""
        self._decode(self._parser.flush())
        if self.failure is None or isinstance(self.failure, WireFormatError):
            # An event that cannot be read is, at the very end, cut in two rather than wrong.
            self.failure = None if self.finished else self._cut()
        return self._take()

    def _take(self) -> Batch | None:
        if self._waiting:
            return None
        batch, self._batch = self._batch, ([], [])
        return batch if batch[0] or batch[1] else None

    def _decode(self, server_events: list[ServerSentEvent]) -> None:
        decode = self._dialect.decode_stream_event
        said, sources = self._batch
        for server_event in server_events:
            try:
                events = decode(server_event)
            except WireFormatError as error:
                self.failure = error
                return
            said += events
            sources.append((server_event.data, len(said)))
            if events and (self._waiting or type(events[-1]) is not TextDelta):
                self._notice(events)
                if self.ended or self.failure:
                    break
        self._count += len(server_events)

    def _notice(self, events: list[ModelEvent]) -> None:
        for event in events:
            kind = type(event)
            if kind is Finished:
                self.finished = True
            elif kind is EndMark:
                self.finished = self.ended = True
            elif kind is Failed:
                self.failure = event.error  # type: ignore[union-attr] # mypy does not narrow by `type(x) is`
            if self._waiting and kind not in _NO_TOKENS:
                self._waiting = False
                self._limits.first_token_came()

    def _cut(self) -> StreamInterruptedError:
        return StreamInterruptedError(
            f"{self._dialect.NAME}: the stream ended after {self._count} events, before its end mark; "
            "what arrived is in .partial",
            retryable=True,
        )
