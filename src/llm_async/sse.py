"""Server-sent events: bytes, however they were cut, become events.

The format is https://html.spec.whatwg.org/multipage/server-sent-events.html, read generously where recorded servers
leave its path: an event that the end of the stream cuts off before its blank line still counts. `id` and `retry`
are for reconnecting browsers and are passed over.
"""

from __future__ import annotations

from msgspec import Struct

from llm_async.errors import WireFormatError

MAX_EVENT = 64 * 1024 * 1024
"""The most bytes that one line, or the data of one event, may have."""

_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(Struct, frozen=True, gc=False):
    """One event: its data, lines joined by line feeds, and its name, "" if it has none."""

    data: bytes
    event: str = ""


class SseParser:
    """Splits a byte stream into events; the same events for the same bytes, wherever they are cut."""

    def __init__(self) -> None:
        self._cut_line: list[bytes] = []  # pieces, joined once: joining at each read would be quadratic
        self._cut_size = 0
        self._data: bytes | None = None
        self._more_data: list[bytes] = []
        self._more_size = 0
        self._event = ""
        self._opening: bytes | None = b""  # the first bytes, until they can no longer be a byte order mark
        self._ended_with_cr = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that `chunk` completes."""
        if self._opening is not None:
            chunk = self._open(chunk)
        if b"\r" in chunk or self._ended_with_cr:
            chunk = self._to_line_feeds(chunk)
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._cut_line:
            self._keep(lines[0])
            lines[0] = b"".join(self._cut_line)
            self._cut_line, self._cut_size = [], 0
        if rest:
            self._keep(rest)

        events = []
        data = self._data
        for line in lines:
            if line[:6] == b"data: " and data is None:
                data = line[6:]
            elif line:
                data = self._read_field(line, data)
            elif data is not None:
                if self._more_data:
                    data = self._join(data)
                events.append(ServerSentEvent(data, self._event) if self._event else ServerSentEvent(data))
                data, self._event = None, ""
            else:
                self._event = ""
        self._data = data
        return events

    def flush(self) -> list[ServerSentEvent]:
        """Return the event that the end of the stream left without its blank line, if there is one."""
        opening, self._opening = self._opening, None
        return self.feed((opening or b"") + b"\n\n")

    def _keep(self, piece: bytes) -> None:
        """Keep a piece of a line that was cut."""
        self._cut_line.append(piece)
        self._cut_size += len(piece)
        if self._cut_size > MAX_EVENT:
            raise WireFormatError("server-sent events", f"a line of over {MAX_EVENT} bytes", self._cut_line[0])

    def _read_field(self, line: bytes, data: bytes | None) -> bytes | None:
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"data":
            if data is None:
                return value
            self._more_data.append(value)
            self._more_size += len(value) + 1
            if len(data) + self._more_size > MAX_EVENT:
                raise WireFormatError("server-sent events", f"an event of over {MAX_EVENT} bytes", data)
        return data  # a comment, or a field that is of no use here

    def _join(self, data: bytes) -> bytes:
        joined = b"\n".join((data, *self._more_data))
        self._more_data, self._more_size = [], 0
        return joined

    def _open(self, chunk: bytes) -> bytes:
        """Return `chunk` without the byte order mark that may open the stream, itself cut anywhere."""
        opening = (self._opening or b"") + chunk
        if len(opening) < len(_BOM) and _BOM.startswith(opening):
            self._opening = opening
            return b""
        self._opening = None
        return opening.removeprefix(_BOM)

    def _to_line_feeds(self, chunk: bytes) -> bytes:
        """Return `chunk` with line feeds alone, taking a CR LF that was cut in two for one line end."""
        if self._ended_with_cr and chunk:
            self._ended_with_cr = False
            chunk = chunk.removeprefix(b"\n")
        if chunk.endswith(b"\r"):
            self._ended_with_cr = True
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
