from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_async import WireFormatError, sse
from llm_async.sse import ServerSentEvent, SseParser

LINE_ENDS = (b"\n", b"\r\n", b"\r")

LINES = (b"data: ", b"data:", b"data", b"event: ", b"event:", b": ping", b":", b"id: 7", b"retry: 5", b"Data: no")
ENDS = (b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r")
TEXTS = (
    b" ",
    b"x",
    b'{"a":1}',
    b"[DONE]",
    b"\xef\xbb\xbf",
    b"\xef",
    b"\xbb",
    b"\xbf",
    "\u2028".encode(),
    b"\x85",
    b"\x0b",
)

fragments = st.sampled_from([*LINES, *ENDS, *TEXTS])
streams = st.lists(fragments, max_size=25).map(b"".join) | st.binary(max_size=60)


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = SseParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events + parser.flush()


def parse_slowly(stream: bytes) -> list[ServerSentEvent]:
    """The specification's algorithm, byte by byte, and an event that the end leaves open counts."""
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    lines, line, position = [], b"", 0
    while position < len(stream):
        byte = stream[position : position + 1]
        position += 1
        if byte not in b"\r\n":
            line += byte
            continue
        if byte == b"\r" and stream[position : position + 1] == b"\n":
            position += 1
        lines.append(line)
        line = b""
    lines += [line, b""]

    events: list[ServerSentEvent] = []
    data: list[bytes] = []
    name = ""
    for line in lines:
        if not line:
            if data:
                events.append(ServerSentEvent(b"\n".join(data), name))
            data, name = [], ""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        if field == b"event":
            name = value.decode("utf-8", "replace")
    return events


@given(streams)
@example(b"data\n\n")
@example(b"data\ndata: x\n\n")
@example(b"data: x\r")
@example(b"event: a\n\ndata: x\n\n")
def test_a_stream_is_read_as_the_specification_reads_it(stream: bytes) -> None:
    assert parse(stream) == parse_slowly(stream)


@given(streams, st.lists(st.integers(0, 80), max_size=12))
@example(b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\n\r\n", [1, 2, 11, 12, 13])
@example(b"data: a\r\n\r\n", [0, 0, 8, 8])
@example(b"data: a\r\ndata: b\n\n", [8])
def test_cutting_a_stream_anywhere_changes_nothing(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]

    assert parse(*chunks) == parse_slowly(stream)


@given(streams)
def test_a_stream_may_come_byte_by_byte(stream: bytes) -> None:
    assert parse(*(stream[place : place + 1] for place in range(len(stream)))) == parse_slowly(stream)


@pytest.mark.parametrize("end", LINE_ENDS, ids=["LF", "CRLF", "CR"])
def test_every_kind_of_line_end_ends_lines(end: bytes) -> None:
    stream = end.join([b"event: a", b"data: 1", b"data: 2", b"", b"data: 3", b"", b""])

    assert parse(stream) == [ServerSentEvent(b"1\n2", "a"), ServerSentEvent(b"3")]


def test_kinds_of_line_ends_may_be_mixed() -> None:
    assert parse(b"data: 1\r\n\ndata: 2\r\rdata: 3\n\r\n") == [ServerSentEvent(b"%d" % n) for n in (1, 2, 3)]


def test_an_event_is_given_out_with_the_read_that_completes_it() -> None:
    parser = SseParser()

    assert parser.feed(b"data: 1\n") == []
    assert parser.feed(b"\ndata: 2\r\n\r") == [ServerSentEvent(b"1"), ServerSentEvent(b"2")]
    assert parser.feed(b"\n") == []
    assert parser.flush() == []


def test_a_byte_order_mark_is_passed_over_at_the_beginning_alone() -> None:
    assert parse(b"\xef\xbb\xbfdata: 1\n\n") == [ServerSentEvent(b"1")]
    assert parse(b"\xef", b"\xbb", b"", b"\xbfda", b"ta: 1\n\n") == [ServerSentEvent(b"1")]
    assert parse(b"data: \xef\xbb\xbf\n\n") == [ServerSentEvent(b"\xef\xbb\xbf")]
    assert parse(b"\n\n\xef\xbb\xbfdata: 1\n\n") == []


def test_what_only_begins_like_a_byte_order_mark_is_kept() -> None:
    assert parse(b"\xef", b"\xbb") == []
    assert parse(b"\xef\xbb", b"x\n\ndata: 1\n\n") == [ServerSentEvent(b"1")]


def test_comments_and_fields_for_browsers_are_passed_over() -> None:
    assert parse(b": ping\n\nid: 7\nretry: 10\n: in between\ndata: 1\nunknown\n\n") == [ServerSentEvent(b"1")]


def test_only_the_first_blank_of_a_value_is_dropped() -> None:
    assert parse(b"data:  two\ndata:none\ndata:\ndata\n\n") == [ServerSentEvent(b" two\nnone\n\n")]


def test_a_name_belongs_to_its_own_event_alone() -> None:
    events = parse(b"event: first\ndata: 1\n\ndata: 2\n\nevent: lost\n\ndata: 3\n\n")

    assert [(event.event, event.data) for event in events] == [("first", b"1"), ("", b"2"), ("", b"3")]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_what_other_parsers_take_for_line_ends_stays_in_the_data(separator: str) -> None:
    text = f"a{separator}b".encode()

    assert parse(b"data: " + text + b"\n\n") == [ServerSentEvent(text)]


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r", b"\r\n"])
def test_an_event_without_its_blank_line_comes_at_the_end(tail: bytes) -> None:
    parser = SseParser()

    assert parser.feed(b"data: 1\n\ndata: 2" + tail) == [ServerSentEvent(b"1")]
    assert parser.flush() == [ServerSentEvent(b"2")]
    assert parser.flush() == []


def test_a_line_of_16_mb_comes_whole() -> None:
    line = b"x" * (16 << 20)
    stream = b"data: " + line + b"\n\n"

    assert parse(stream) == [ServerSentEvent(line)]
    assert parse(*(stream[place : place + 1024] for place in range(0, len(stream), 1024))) == [ServerSentEvent(line)]


def seconds_for(size: int, *, in_lines: bool) -> float:
    line = b"data: " + b"x" * 1017 + b"\n" if in_lines else b"x" * 1024
    parser = SseParser()
    started = time.process_time()
    parser.feed(b"data: ")
    for _ in range(size // 1024):
        parser.feed(line)
    assert len(parser.flush()) == 1
    return time.process_time() - started


@pytest.mark.parametrize("in_lines", [False, True], ids=["one line", "many lines"])
def test_an_event_in_many_pieces_costs_in_proportion_to_its_size(in_lines: bool) -> None:
    small = min(seconds_for(2 << 20, in_lines=in_lines) for _ in range(3))
    large = min(seconds_for(32 << 20, in_lines=in_lines) for _ in range(2))

    assert large < 80 * max(small, 0.001)  # 16 in proportion, 256 if each piece cost what came before it


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: ", b"x" * 60, b"x" * 60],
        [b"data: ", b"x" * 60, b"x" * 60 + b"\n\n"],
        [b"data: xxxxxxxxx\n"] * 12,
        [b"data: " + b"x" * 90 + b"\n", b"data: " + b"x" * 20 + b"\n\n"],
        [b": " + b"x" * 60, b"x" * 60],
    ],
    ids=["an open line", "a line closed by its last piece", "many lines", "two lines", "a comment"],
)
def test_an_event_beyond_all_measure_is_refused(chunks: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)

    with pytest.raises(WireFormatError, match="of over 100 bytes"):
        parse(*chunks)


def test_an_event_of_the_greatest_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)

    assert parse(b"data: ", b"x" * 94, b"\n\n") == [ServerSentEvent(b"x" * 94)]
    assert parse(*[b"data: 123456789\n"] * 10, b"\n") == [ServerSentEvent(b"\n".join([b"123456789"] * 10))]
    assert len(parse(*[b"data: 123456789\n\n"] * 50)) == 50
