"""The head of an HTTP/1.1 answer: where it ends, what it says, and how it says the body will end."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterable, Mapping
from email.errors import MessageError
from typing import IO

from msgspec import Struct

from llm_async.transport.framing import Body, ChunkedBody, SizedBody, UnsizedBody

LONGEST = 64 * 1024
"""The most bytes that a head may have."""


class Head(Struct, frozen=True):
    """What an answer says before its body."""

    status: int
    headers: Mapping[str, str]
    body: Body
    is_kept: bool
    """Whether the connection stays open behind the body."""


def find_end(data: bytes | bytearray) -> int:
    """Return where the head ends in what has arrived, 0 while it has not.

    Raises:
        ValueError: it never will: this is not HTTP, or longer than `LONGEST`.
    """
    if not data.startswith(b"HTTP/"[: len(data)]):
        raise ValueError(f"it begins with {bytes(data[:40])!r}")
    ends = [at + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := data.find(mark, 0, LONGEST)) >= 0]
    if not ends and len(data) >= LONGEST:
        raise ValueError(f"its headers are longer than {LONGEST} bytes")
    return min(ends, default=0)


def is_interim(head: bytes) -> bool:
    """Say whether this is a 1xx answer, which another one follows (101 is none)."""
    code = head[8:13].strip()
    return len(code) == 3 and code.startswith(b"1") and code != b"101"


def parse_head(head: bytes, *, method: str) -> Head:
    """Read a whole head.

    Raises:
        ValueError: it cannot be understood, or its body's end cannot be known.
    """
    response = http.client.HTTPResponse(_Source(head), method=method)  # type: ignore[arg-type] # it only calls makefile
    try:
        response.begin()
    except http.client.HTTPException as error:
        raise ValueError(f"its head cannot be read ({type(error).__name__}: {str(error)[:100]})") from error
    except MessageError as error:  # pragma: no cover # no input is known to cause it
        raise ValueError("its headers cannot be read") from error
    if response.status < 200 or response.status > 599:
        raise ValueError(f"its status is {response.status}")
    headers = joined(response.headers.items())
    body = _body(response.status, headers, method)
    return Head(response.status, headers, body, not (response.will_close or isinstance(body, UnsizedBody)))


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names in lower case, those of one name joined with ', '."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body(status: int, headers: Mapping[str, str], method: str) -> Body:
    if status in (204, 304) or method == "HEAD":
        return SizedBody(0)
    encoding = headers.get("transfer-encoding")
    if encoding is not None:
        if encoding.strip().lower() != "chunked":
            raise ValueError(f"its transfer encoding is {encoding[:50]!r}, not chunked")
        return ChunkedBody()
    length = headers.get("content-length")
    if length is None:
        return UnsizedBody()
    lengths = {part.strip() for part in length.split(",")}
    digits = lengths.pop()
    if lengths or not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        raise ValueError(f"its Content-Length is {length[:50]!r}")
    return SizedBody(int(digits))


class _Source:
    """What HTTPResponse takes for a socket."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def makefile(self, _mode: str) -> IO[bytes]:
        return io.BytesIO(self._head)
