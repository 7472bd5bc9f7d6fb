"""A model's reply: the whole of it, a piece of it, and how the pieces become the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llm_async.models.arguments_by_path import arguments_by_path
from llm_async.models.event import (
    Closed,
    EndMark,
    Failed,
    Finished,
    FinishReason,
    ModelEvent,
    Opaque,
    Opened,
    ReasoningDelta,
    Refusal,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from llm_async.models.message import Message
from llm_async.models.tool_call import ToolCall


class Response(Struct, frozen=True, kw_only=True):
    """A model's reply, whole."""

    main_response: Message
    """The message: `.content`, `.reasoning`, `.tool_calls`, `.original`."""

    original: Any = None
    """The body as the server sent it, decoded; for a stream, rebuilt in the same shape."""

    id: str = ""
    model: str = ""
    """The model that answered, as the server names it."""

    finish_reason: FinishReason = "other"
    usage: Usage = Usage()

    warnings: tuple[str, ...] = ()
    """What could not be sent or done as it was asked for, a sentence each."""

    request_id: str | None = None
    """What the server calls the HTTP request, for its support."""


class StreamChunk(Struct, frozen=True, gc=False):
    """One event of a streamed reply."""

    delta: str = ""
    """The piece of the answer's text; "" if the event has none."""

    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    """The calls that became complete with this event."""

    data: bytes = b""
    """The provider's event as it came."""

    @property
    def content(self) -> str:
        """The same as `delta`."""
        return self.delta

    @property
    def original(self) -> Any:
        """The provider's event, decoded; None where it is not JSON, such as an end mark."""
        try:
            return msgspec.json.decode(self.data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None


class Reply(Struct, frozen=True, kw_only=True):
    """What a model said, before it takes a provider's shape: the result of folding its events."""

    id: str = ""
    model: str = ""
    text: str = ""
    reasoning: str = ""
    signature: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    opaque: dict[str, Any] = msgspec.field(default_factory=dict)
    finish_reason: FinishReason = "other"
    word: str = ""
    """The server's own word for why it stopped."""

    usage: Usage = Usage()
    usage_original: Any = None
    request_id: str | None = None
    warnings: tuple[str, ...] = ()
    is_whole: bool = False
    """Whether it came in one piece."""


class _Call:
    """A tool call in the making."""

    __slots__ = ("arguments", "id", "key", "name", "pieces")

    def __init__(self, delta: ToolCallDelta) -> None:
        self.key, self.id, self.name, self.arguments = delta.key, delta.id, delta.name, [delta.arguments]
        self.pieces = list(delta.pieces)

    def text(self) -> str:
        return arguments_by_path(self.pieces) if self.pieces else "".join(self.arguments)


class Assembler:
    """Gathers a model's events, however its reply was cut; what they amount to is worked out when it is asked for."""

    def __init__(self) -> None:
        self.events: list[ModelEvent] = []
        """All of them, for dialects whose messages are made of blocks."""

        self._shown_calls = 0

    def feed(self, events: Iterable[ModelEvent]) -> None:
        """Take in events, in their order."""
        self.events += events  # all that is done for each token; a list of them is cheaper than any folding

    def complete_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls that have become complete since this was last asked; ask when the model has finished."""
        new = assemble(self.events).tool_calls[self._shown_calls :]
        self._shown_calls += len(new)
        return new

    def reply(self) -> Reply:
        """Return what the model has said so far."""
        return assemble(self.events)


def assemble(events: Iterable[ModelEvent]) -> Reply:
    """Fold a reply's events into what they amount to."""
    fold = _Fold()
    fold.add(events)
    return fold.reply()


class _Fold:
    """What a reply's events amount to, as far as they have been added."""

    def __init__(self) -> None:
        self._opened = Opened()
        self._started = Started()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._signature: list[str] = []
        self._refusal: list[str] = []
        self._opaque: dict[str, Any] = {}
        self._calls: list[_Call] = []
        self._call_at: dict[int | str, _Call] = {}
        self._finished: Finished | None = None
        self._usage = UsageReport(Usage())

    def add(self, events: Iterable[ModelEvent]) -> None:
        """Take in events, in their order."""
        for event in events:
            kind = type(event)
            if kind is TextDelta:
                self._text.append(event.text)  # type: ignore[union-attr] # mypy does not narrow by `type(x) is`
            elif kind is ReasoningDelta:
                self._reasoning.append(event.text)  # type: ignore[union-attr] # as above
                self._signature.append(event.signature)  # type: ignore[union-attr] # as above
            elif kind is ToolCallDelta:
                self._feed_call(event)  # type: ignore[arg-type] # as above
            else:
                self._feed_rare(event)

    def reply(self) -> Reply:
        """Return the reply."""
        return Reply(
            id=self._started.id,
            model=self._started.model,
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            signature="".join(self._signature),
            refusal="".join(self._refusal),
            tool_calls=self._tool_calls(),
            opaque=self._opaque,
            finish_reason=self._reason(),
            word=self._finished.word if self._finished else "",
            usage=self._usage.usage,
            usage_original=self._usage.original,
            request_id=self._opened.request_id,
            warnings=(*self._opened.warnings, *self._opaque.get("warnings", ())),
            is_whole=self._opened.is_whole,
        )

    def _reason(self) -> FinishReason:
        if self._begun_calls():
            return "tool_calls"  # servers say `stop` here as well, OpenAI itself with a forced tool_choice
        if any(self._refusal):
            return "refusal"
        return self._finished.reason if self._finished else "other"

    def _feed_call(self, delta: ToolCallDelta) -> None:
        call = self._call_for(delta)
        if call is None:
            call = _Call(delta)
            self._calls.append(call)
        else:
            call.id = call.id or delta.id
            call.name = call.name or delta.name
            if delta.whole:
                call.arguments.clear()
            call.arguments.append(delta.arguments)
            call.pieces += delta.pieces
        if delta.key is not None:
            self._call_at[delta.key] = call

    def _call_for(self, delta: ToolCallDelta) -> _Call | None:
        """Return the call that a delta goes on with, or None if it begins one."""
        if delta.key is None:
            if not delta.name and not delta.id:
                return self._calls[-1] if self._calls else None
            # Servers that leave out the index send whole calls; the same id again can only go on with it.
            return next((call for call in self._calls if delta.id and call.id == delta.id), None)
        call = self._call_at.get(delta.key)
        if call is None or delta.whole or not delta.name or not call.name or delta.id == call.id != "":
            return call
        if (delta.id and call.id) or delta.name != call.name:
            return None  # several servers give every call the index 0
        # Only what ends like an object may be whole; to join and parse at every piece would be quadratic.
        last = next((piece for piece in reversed(call.arguments) if piece.strip()), "")
        may_be_whole = bool(call.pieces) or last.rstrip().endswith("}")
        begun_anew = (delta.id or delta.arguments) and may_be_whole and is_whole_json(call.text())
        return None if begun_anew else call

    def _feed_rare(self, event: ModelEvent) -> None:
        match event:
            case Started(id, model):
                self._started = Started(self._started.id or id, self._started.model or model)
            case Opened():
                self._opened = event
            case Finished(word=word):
                # Some servers send it twice, the second time without a word.
                if self._finished is None or word:
                    self._finished = event
            case UsageReport(corrects=corrects):
                self._usage = _corrected(self._usage, event) if corrects else event
            case Refusal(text):
                self._refusal.append(text)
            case Opaque(field, value):
                known = self._opaque.get(field)
                self._opaque[field] = [*known, *value] if isinstance(known, list) and isinstance(value, list) else value
            case Closed() | EndMark() | Failed() | TextDelta() | ReasoningDelta() | ToolCallDelta():
                pass

    def _begun_calls(self) -> list[_Call]:
        """Return the calls; arguments alone are none, for Anthropic streams its own tools' input in the same way."""
        return [call for call in self._calls if call.id or call.name or call.key is None]

    def _tool_calls(self) -> tuple[ToolCall, ...]:
        calls = []
        for number, call in enumerate(self._begun_calls()):
            text = call.text()
            id = call.id or made_up_id(f"{self._started.id}/{number}/{call.name}/{text}")
            calls.append(ToolCall.parse(id, call.name, text))
        return tuple(calls)


def _corrected(known: UsageReport, report: UsageReport) -> UsageReport:
    """Return a count with its correction: Anthropic reports the input at a stream's start and the output at its end."""
    said = {name: value for name in Usage.__struct_fields__ if (value := getattr(report.usage, name)) is not None}
    original = report.original
    if isinstance(known.original, dict) and isinstance(original, dict):
        original = known.original | {name: value for name, value in original.items() if value is not None}
    return UsageReport(replace(known.usage, **said), original)


def made_up_id(seed: str) -> str:
    """Return an id for a call that came without one: the same for the same seed.

    Nine letters and digits, because Mistral refuses any other id when the conversation moves there.
    """
    return hashlib.blake2s(seed.encode("utf-8", "replace")).hexdigest()[:9]


def is_whole_json(text: str) -> bool:
    """Return whether `text` is a whole JSON value."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def to_response(reply: Reply, *, message: Any, body: Any, issuer: str) -> Response:
    """Return a reply in the shape that users see.

    Args:
        message: the reply in its issuer's shape, as it is to be sent back.
        body: the whole answer in that shape.
        issuer: name of the dialect.
    """
    return Response(
        main_response=Message(
            "assistant", reply.text, reply.reasoning, reply.tool_calls, message, issuer, reply.refusal
        ),
        original=body,
        id=reply.id,
        model=reply.model,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        warnings=reply.warnings,
        request_id=reply.request_id,
    )
