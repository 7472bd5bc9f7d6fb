from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async import StatusError, StreamInterruptedError, Timeouts, WireFormatError
from llm_async.dialects import openai_chat
from llm_async.models.event import EndMark, Finished, Opened, Started, TextDelta
from llm_async.reading import Batch, StreamReading
from llm_async.timeouts import Limits
from server import chat


def event(value: object) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def chunk(delta: Any, finish: str | None = None) -> bytes:
    return event({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


ROLE, STOP, END = chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), event(b"[DONE]")
USAGE = event({"choices": [], "usage": {"prompt_tokens": 3}})


def reading(timeouts: Timeouts | None = None) -> StreamReading:
    return StreamReading(openai_chat, Opened("req_1"), Limits(timeouts or Timeouts()))


def said(batch: Batch | None) -> list[Any]:
    return batch[0] if batch else []


def decoded(batches: list[Batch | None]) -> list[tuple[bytes, list[Any]]]:
    """Return each server event with what it says, whichever read brought it."""
    each = []
    for events, sources in filter(None, batches):
        starts = [0, *(end for _, end in sources)]
        each += [(data, events[start:end]) for start, (data, end) in zip(starts, sources, strict=False)]
    return each


def test_what_comes_before_the_first_token_is_handed_on_with_it() -> None:
    stream = reading()

    assert stream.feed(b": ping\n\n") is None
    assert stream.feed(ROLE) is None
    assert stream.feed(USAGE) is None
    batch = stream.feed(chunk({"content": "Hi"}))

    assert [type(event) for event in said(batch)][:2] == [Opened, Started]
    assert said(batch)[-1] == TextDelta("Hi")
    assert batch is not None
    assert [(data[:1], end) for data, end in batch[1]] == [(b"{", 2), (b"{", 3), (b"{", 4)]
    assert said(stream.feed(chunk({"content": "!"}))) == [TextDelta("!")]


@pytest.mark.parametrize(
    "token",
    [
        chunk({"content": "Hi"}),
        chunk({"reasoning": "hm"}),
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}),
        chunk({"refusal": "no"}),
        STOP,
        END,
    ],
    ids=["text", "reasoning", "call", "refusal", "finish", "end"],
)
def test_the_first_token_lifts_its_limit(token: bytes) -> None:
    limits = Limits(Timeouts(first_token=5))
    stream = StreamReading(openai_chat, Opened(), limits)

    stream.feed(b": ping\n\n" + ROLE + USAGE)
    assert limits.deadline()[1] == "first token"
    assert stream.feed(token) != []
    assert limits.deadline() == (None, "total")


def test_the_end_mark_ends_the_stream_and_what_follows_is_not_read() -> None:
    stream = reading()

    batch = stream.feed(chunk({"content": "Hi"}) + END + chunk({"content": "no"}))

    assert said(batch)[-1] == EndMark()
    assert stream.ended
    assert stream.finished
    assert stream.failure is None


def test_a_finish_reason_finishes_but_does_not_end() -> None:
    stream = reading()

    stream.feed(STOP)
    assert (stream.finished, stream.ended) == (True, False)
    assert len(said(stream.feed(USAGE))) == 1
    assert stream.flush() is None
    assert stream.failure is None


def test_a_stream_without_end_is_interrupted() -> None:
    stream = reading()
    stream.feed(chunk({"content": "a"}) + chunk({"content": "b"}))

    assert stream.flush() is None
    assert isinstance(stream.failure, StreamInterruptedError)
    assert str(stream.failure) == (
        "openai_chat: the stream ended after 2 events, before its end mark; what arrived is in .partial"
    )
    assert stream.failure.retryable


def test_nothing_of_a_stream_without_a_token_is_handed_on_so_that_it_can_be_tried_again() -> None:
    for body in (b"", ROLE, b"Hello"):
        stream = reading()
        stream.feed(body)
        assert stream.flush() is None
        assert isinstance(stream.failure, StreamInterruptedError)


def test_an_event_without_its_blank_line_counts() -> None:
    stream = reading()
    stream.feed(chunk({"content": "Hi"}))

    stream.feed(STOP.rstrip())
    assert Finished("stop", "stop") in said(stream.flush())
    assert stream.failure is None


def test_an_event_cut_in_two_by_the_end_is_an_interruption() -> None:
    stream = reading()
    stream.feed(chunk({"content": "Hi"}) + b'data: {"choi')

    assert stream.flush() is None
    assert isinstance(stream.failure, StreamInterruptedError)


def test_an_event_cut_in_two_behind_the_finish_takes_nothing_from_the_reply() -> None:
    stream = reading()
    stream.feed(chunk({"content": "Hi"}) + STOP + b'data: {"usa')

    assert stream.flush() is None
    assert stream.failure is None


def test_a_reply_that_only_finishes_comes_at_the_end() -> None:
    stream = reading()
    stream.feed(STOP.rstrip())

    assert said(stream.flush()) == [Opened("req_1"), Started("c1", "m"), Finished("stop", "stop")]


def test_an_event_that_cannot_be_read_fails_behind_what_came_before() -> None:
    stream = reading()

    batch = stream.feed(chunk({"content": "Hi"}) + event(b"Hello") + chunk({"content": "no"}))

    assert said(batch)[-1] == TextDelta("Hi")
    assert isinstance(stream.failure, WireFormatError)


def test_an_error_fails_behind_what_came_before() -> None:
    stream = reading()

    batch = stream.feed(chunk({"content": "Hi"}) + event({"error": {"message": "hot"}}) + chunk({"content": "no"}))

    assert [event for event in said(batch) if isinstance(event, TextDelta)] == [TextDelta("Hi")]
    assert isinstance(stream.failure, StatusError)


def test_an_error_before_the_first_token_hands_nothing_on() -> None:
    stream = reading()

    assert stream.feed(ROLE + event({"error": {"message": "hot"}})) is None
    assert isinstance(stream.failure, StatusError)


def test_an_error_at_the_very_end_is_not_taken_for_a_cut() -> None:
    stream = reading()
    stream.feed(event({"error": {"message": "hot"}}).rstrip())

    assert stream.flush() is None
    assert str(stream.failure) == "hot"


@given(st.lists(st.text(max_size=5), max_size=4), st.booleans(), st.lists(st.integers(0, 2000), max_size=8))
def test_cutting_the_bytes_anywhere_changes_nothing(texts: list[str], has_mark: bool, cuts: list[int]) -> None:
    body = b"".join(map(event, chat(*texts))) + (END if has_mark else b"")
    whole, pieces = reading(), reading()
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]

    expected = decoded([whole.feed(body), whole.flush()])
    batches = [pieces.feed(body[start:end]) for start, end in itertools.pairwise(places)]

    assert decoded([*batches, pieces.flush()]) == expected
    events = [event for _, events in expected for event in events]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "".join(texts)
    assert (pieces.finished, pieces.ended, pieces.failure) == (True, has_mark, None)
