"""Bodies that come compressed: `Content-Encoding` undone piece by piece, within bounds.

Requests ask for none (`Accept-Encoding: identity`), so that a stream is never held back by a compressor; this
is for servers and proxies that compress all the same. Both transports use it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from llm_async.errors import StreamInterruptedError, TransportError
from llm_async.transport import MAX_BODY

PIECE = 64 * 1024
"""The most bytes given out at once."""

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def decoder_for(content_encoding: str) -> Decoder | None:
    """Return what undoes this `Content-Encoding`, None where there is nothing to undo.

    Raises:
        TransportError: it is one that cannot be undone here.
    """
    names = [name for part in content_encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    match names:
        case []:
            return None
        case ["gzip" | "x-gzip"]:
            return Decoder("gzip")
        case ["deflate"]:
            return Decoder("deflate")
        case _:
            raise TransportError(
                f"the answer is compressed with {content_encoding[:50]!r}, which was not asked for; "
                "gzip and deflate are understood"
            )


class Decoder:
    """Decompress a body, however it is cut, in steps of at most `PIECE` bytes and to at most `MAX_BODY`.

    What `feed` gives out, joined, is the body; `finish` checks that it was whole.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._total = 0
        self._start = b""  # a deflate body's first byte, until its second tells the kind
        self._stream = zlib.decompressobj(_GZIP) if name == "gzip" else None
        self._is_whole = True  # a body without a byte is

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what these bytes decompress to, never an empty piece.

        Raises:
            TransportError: they are not what the header says, or too many once decompressed.
        """
        if self._stream is None:
            data, self._start = self._start + data, b""
            if len(data) < 2:
                self._start, self._is_whole = data, not data
                return
            # "deflate" means zlib's format; some servers send what is inside it instead.
            is_zlib = data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._stream = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
        more = bool(data)
        while more:
            if self._stream.eof:  # another gzip member, or the zeros that some fill up with
                data = data.lstrip(b"\0") if self._name == "gzip" else b""
                if not data:
                    return
                self._stream = zlib.decompressobj(_GZIP)
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error as error:
                raise TransportError(f"the answer is not the {self._name} its header promises ({error})") from error
            self._is_whole = self._stream.eof
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            more = bool(data) or (len(piece) == PIECE and not self._stream.eof)
            self._total += len(piece)
            if self._total > MAX_BODY:
                raise TransportError(f"the answer is larger than {MAX_BODY} bytes once decompressed")
            if piece:
                yield piece

    def finish(self) -> None:
        """Check that the body was whole.

        Raises:
            StreamInterruptedError: it ends too early.
        """
        if not self._is_whole:
            raise StreamInterruptedError(f"the answer's {self._name} data ends too early", retryable=True)
