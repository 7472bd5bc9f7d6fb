"""Where the body of an HTTP/1.1 answer ends: by chunks, by its length, or with the connection (RFC 9112, 6 and 7).

The three are incremental and pure: they are fed what the connection brings and give out the body. However the
bytes are cut, the body is the same, and what is not allowed raises a ValueError that says so.
"""

from __future__ import annotations

from typing import Protocol

_LONGEST_LINE = 1024  # of a chunk's size with its extensions
_LONGEST_TRAILERS = 64 * 1024
_SIZES_KNOWN = 256

_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class Body(Protocol):
    """What knows where a body ends."""

    is_done: bool
    """Whether the body has come to its end; what is fed afterwards is left over."""

    has_leftover: bool
    """Whether more was fed than the body: the connection cannot be used again."""

    def feed(self, data: bytes) -> bytes:
        """Return the part of `data` that is body.

        Raises:
            ValueError: the framing is broken; the message continues "the answer …".
        """
        ...

    def missing(self) -> str:
        """Return what is missing if the connection ends now, "" if nothing is."""
        ...


class ChunkedBody:
    """A body in chunks: each behind its size, the last one empty, then trailers, which are skipped."""

    def __init__(self) -> None:
        self.is_done = self.has_leftover = False
        self._state = _SIZE
        self._left = 0  # of the data of the chunk we are in
        self._pending = b""  # a line that has not ended
        self._trailers = 0
        self._sizes: dict[bytes, int] = {}

    def feed(self, data: bytes) -> bytes:
        if self._pending:
            data, self._pending = self._pending + data, b""
        pieces = []
        position, end, sizes = 0, len(data), self._sizes
        while position < end:
            if self._state is _SIZE:
                line_end = data.find(b"\r\n", position)
                if line_end < 0 or line_end - position > _LONGEST_LINE:
                    self._hold(data[position:])
                    break
                line = data[position:line_end]
                size = sizes.get(line, 0)  # the same few sizes come again and again
                position = line_end + 2
                if not size:
                    size = _chunk_size(line)
                    if not size:
                        self._state = _TRAILERS
                        continue
                    if len(sizes) < _SIZES_KNOWN:
                        sizes[line] = size
                stop = position + size
                if stop + 2 <= end:  # the whole chunk is here, as nearly always
                    if data[stop : stop + 2] != b"\r\n":
                        raise ValueError("has a chunk that is longer than its size")
                    pieces.append(data[position:stop])
                    position = stop + 2
                    continue
                self._state, self._left = _DATA, size
            elif self._state is _DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            elif self._state is _DATA_END:
                ending = data[position : position + 2]
                if not b"\r\n".startswith(ending):
                    raise ValueError("has a chunk that is longer than its size")
                if len(ending) < 2:
                    self._pending = ending
                    break
                position += 2
                self._state = _SIZE
            elif self._state is _TRAILERS:
                line_end = data.find(b"\n", position)
                length = (line_end if line_end >= 0 else end) - position
                if self._trailers + length > _LONGEST_TRAILERS:
                    raise ValueError("has trailers without end")
                if line_end < 0:
                    self._pending = data[position:]
                    break
                if data[line_end - 1 : line_end] != b"\r" or not length:
                    raise ValueError("has a trailer whose line does not end in CRLF")
                self._trailers += length
                if length == 1:
                    self._state, self.is_done = _DONE, True
                position = line_end + 1
            else:
                self.has_leftover = True
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def missing(self) -> str:
        return "" if self.is_done else "its last chunk"

    def _hold(self, line: bytes) -> None:
        if b"\n" in line[:_LONGEST_LINE]:
            raise ValueError(f"has a chunk size whose line does not end in CRLF: {line[:20]!r}")
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"has a chunk size that never ends: {line[:20]!r}…")
        self._pending = line


class SizedBody:
    """A body of as many bytes as its Content-Length says."""

    def __init__(self, length: int) -> None:
        self.length = self._left = length
        self.is_done, self.has_leftover = not length, False

    def feed(self, data: bytes) -> bytes:
        if len(data) > self._left:
            data, self.has_leftover = data[: self._left], True
        self._left -= len(data)
        self.is_done = not self._left
        return data

    def missing(self) -> str:
        return "" if self.is_done else f"{self._left} of its {self.length} bytes"


class UnsizedBody:
    """A body that ends when the server closes the connection; whether it is whole nobody can tell."""

    is_done = has_leftover = False

    def feed(self, data: bytes) -> bytes:
        return data

    def missing(self) -> str:
        return ""


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    # int() would take '-5', '+5', ' 5', '1_0' and '0x10' as well.
    if not digits or len(digits) > 16 or digits.strip(b"0123456789abcdefABCDEF") or b"\n" in line:
        raise ValueError(f"has a chunk size that is no hexadecimal number: {line[:20]!r}")
    return int(digits, 16)
