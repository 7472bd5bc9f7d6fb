"""Where bodies end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async.transport.framing import Body, ChunkedBody, SizedBody, UnsizedBody

chunk_lists = st.lists(st.binary(min_size=1, max_size=20), max_size=5)
cut_points = st.lists(st.integers(0, 300), max_size=8)


def encode(chunks: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    parts = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


def cut(data: bytes, points: list[int]) -> list[bytes]:
    ends = sorted({min(point, len(data)) for point in points} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


def feed_all(body: Body, pieces: list[bytes]) -> bytes:
    return b"".join([body.feed(piece) for piece in pieces])


@given(
    chunk_lists,
    st.sampled_from([b"", b";name=value", b" ;a", b" "]),
    st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n"]),
    cut_points,
)
def test_chunks_are_joined_however_they_are_cut(
    chunks: list[bytes], extension: bytes, trailers: bytes, points: list[int]
) -> None:
    body = ChunkedBody()

    assert feed_all(body, cut(encode(chunks, extension, trailers), points)) == b"".join(chunks)
    assert body.is_done
    assert not body.has_leftover
    assert body.missing() == ""


@given(chunk_lists, cut_points, st.integers(1, 300))
def test_a_chunked_body_that_is_not_whole_says_so(chunks: list[bytes], points: list[int], lost: int) -> None:
    data = encode(chunks, trailers=b"A: b\r\n")
    data = data[: max(0, len(data) - lost)]
    body = ChunkedBody()

    assert b"".join(chunks).startswith(feed_all(body, cut(data, points)))
    assert not body.is_done
    assert body.missing() == "its last chunk"


@given(st.sampled_from([b"hello", b""]), st.binary(min_size=1, max_size=9), cut_points)
def test_what_follows_a_body_is_left_over(data: bytes, more: bytes, points: list[int]) -> None:
    for body, wire in (ChunkedBody(), encode([data] if data else [])), (SizedBody(len(data)), data):
        assert feed_all(body, cut(wire + more, points)) == data
        assert body.has_leftover


BROKEN = {
    **{repr(size): size + b"\r\n" for size in (b"-5", b"+5", b"0x5", b"0X5", b"5_0", b" 5", b"g", b"", b";", b"\xb25")},
    "a size without CR": b"5\n",
    "a last size without CR": b"0\n",
    "a size of 17 digits": b"1" * 17 + b"\r\n",
    "an endless extension": b"5;" + b"x" * 3000 + b"\r\n",
    "an endless line": b"x" * 3000,
    "more than the size": b"2\r\nhello",
    "no CR behind the data": b"2\r\nhe\n",
    "no LF behind the data": b"2\r\nhe\r\r\n",
    "a trailer without CR": b"0\r\nA: b\n",
    "an end without CR": b"0\r\n\n",
    "endless trailers": b"0\r\n" + (b"A: " + b"b" * 1000 + b"\r\n") * 70,
    "an endless trailer": b"0\r\n" + b"A" * 70_000,
}


@given(st.sampled_from(list(BROKEN)), chunk_lists, cut_points)
def test_broken_chunks_are_an_error_however_they_are_cut(name: str, chunks: list[bytes], points: list[int]) -> None:
    good = encode(chunks)[:-5]
    body = ChunkedBody()

    with pytest.raises(ValueError, match=r"^has "):
        feed_all(body, cut(good + BROKEN[name], points))

    assert not body.is_done


@given(st.binary(max_size=30), cut_points)
def test_a_sized_body_ends_at_its_length(data: bytes, points: list[int]) -> None:
    body, longer = SizedBody(len(data)), SizedBody(len(data) + 1)

    assert feed_all(body, cut(data, points)) == feed_all(longer, cut(data, points)) == data
    assert body.is_done
    assert not longer.is_done
    assert longer.missing() == f"1 of its {len(data) + 1} bytes"


def test_a_body_without_a_length_has_no_end_of_its_own() -> None:
    body = UnsizedBody()

    assert body.feed(b"hello") == b"hello"
    assert not body.is_done
    assert body.missing() == ""
