"""Compressed bodies."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async.errors import StreamInterruptedError, TransportError
from llm_async.transport import encoding
from llm_async.transport.encoding import PIECE, Decoder, decoder_for

KINDS = {"gzip": ("gzip", 31), "zlib": ("deflate", 15), "raw": ("deflate", -15)}
every_kind = pytest.mark.parametrize(("name", "bits"), KINDS.values(), ids=KINDS)


def compress(data: bytes, bits: int) -> bytes:
    stream = zlib.compressobj(wbits=bits)
    return stream.compress(data) + stream.flush()


def decode(name: str, pieces: list[bytes]) -> list[bytes]:
    decoder = decoder_for(name)
    assert decoder is not None
    got = [piece for data in pieces for piece in decoder.feed(data)]
    decoder.finish()
    return got


@every_kind
@given(text=st.binary(max_size=200), data=st.data())
def test_cutting_compressed_data_anywhere_changes_nothing(
    name: str, bits: int, text: bytes, data: st.DataObject
) -> None:
    compressed = compress(text, bits)
    at = data.draw(st.integers(0, len(compressed)))

    assert b"".join(decode(name, [compressed[:at], compressed[at:]])) == text


@every_kind
def test_pieces_are_bounded_and_nothing_is_lost_at_the_bound(name: str, bits: int) -> None:
    for size in (PIECE - 1, PIECE, PIECE + 1, 5 * PIECE):
        pieces = decode(name, [compress(bytes(size), bits)])

        assert sum(map(len, pieces)) == size
        assert max(map(len, pieces)) <= PIECE
        assert all(pieces)


@every_kind
@given(data=st.data())
def test_data_that_ends_too_early_is_noticed(name: str, bits: int, data: st.DataObject) -> None:
    compressed = compress(b"hello world", bits)
    end = data.draw(st.integers(1, len(compressed) - 1))

    with pytest.raises(StreamInterruptedError, match="ends too early"):
        decode(name, [compressed[:end]])


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_no_data_at_all_is_an_empty_body(name: str) -> None:
    assert decode(name, []) == []
    assert decode(name, [b""]) == []


@given(st.integers(0, 80))
def test_gzip_members_follow_each_other_and_zeros_may_fill_up(at: int) -> None:
    data = compress(b"one ", 31) + compress(b"two", 31) + bytes(10)

    assert b"".join(decode("gzip", [data[:at], data[at:]])) == b"one two"


def test_what_follows_deflated_data_is_ignored() -> None:
    assert decode("deflate", [compress(b"one", 15) + b"rest", b"more"]) == [b"one"]


def test_data_that_is_not_compressed_is_an_error_that_names_the_promise() -> None:
    with pytest.raises(TransportError, match="is not the gzip its header promises"):
        decode("gzip", [b"hello world"])


def test_too_much_decompressed_data_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MAX_BODY", 2 * PIECE)

    with pytest.raises(TransportError, match="larger than 131072 bytes"):
        decode("gzip", [compress(bytes(2 * PIECE + 1), 31)])


@pytest.mark.parametrize("name", ["", "identity", " Identity , identity"])
def test_nothing_is_decoded_where_nothing_is_encoded(name: str) -> None:
    assert decoder_for(name) is None


@pytest.mark.parametrize("name", ["GZIP", "x-gzip", "identity, gzip", "deflate"])
def test_the_known_encodings_are_understood(name: str) -> None:
    assert isinstance(decoder_for(name), Decoder)


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip", "x" * 500])
def test_an_unknown_encoding_is_an_error(name: str) -> None:
    with pytest.raises(TransportError, match="gzip and deflate are understood") as caught:
        decoder_for(name)
    assert len(str(caught.value)) < 200
