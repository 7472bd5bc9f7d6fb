"""A server that speaks HTTP/2 over TLS, scripted like `server.Server`, on threads.

with H2Server(authority.server_context) as server:
    server.reply(body=[b"hel", gate, b"lo"])      # waits for the Event in between
    ...
    assert server.requests[0].connection == 1
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions


@dataclass
class H2Request:
    """What came in one stream."""

    connection: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Answer:
    """What goes back: an int among the pieces resets the stream with that code, None ends the connection (GOAWAY)."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    pieces: Sequence[bytes | threading.Event | int | None] = ()


@dataclass
class _Line:
    """One connection: the socket, and the protocol's state, which one thread at a time may touch."""

    number: int
    sock: ssl.SSLSocket
    state: h2.connection.H2Connection
    lock: threading.RLock = field(default_factory=threading.RLock)
    moved: threading.Condition = field(default_factory=threading.Condition)
    requests: dict[int, H2Request] = field(default_factory=dict)


class H2Server:
    """The server: listening once made, gone when its `with` ends."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.requests: list[H2Request] = []
        self.closed: queue.Queue[int] = queue.Queue()
        """Numbers of the connections that the client closed."""

        self.connections = 0
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._lines: list[_Line] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}/v1"

    def reply(
        self,
        status: int = 200,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | Sequence[bytes | threading.Event | int | None] = b"",
    ) -> None:
        """Answer the next request so."""
        self._answers.put(Answer(status, headers, [body] if isinstance(body, bytes) else body))

    def close_connections(self) -> None:
        """Close them all without a word."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for line in self._lines:
            line.sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            sock = self._context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        self.connections += 1
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        line = _Line(self.connections, sock, h2.connection.H2Connection(config))
        self._lines.append(line)
        line.state.initiate_connection()
        self._flush(line)
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            while data := sock.recv(64 * 1024):
                with line.lock:
                    events = line.state.receive_data(data)
                self._flush(line)
                for event in events:
                    self._handle(line, event)
                with line.moved:
                    line.moved.notify_all()
        self.closed.put(line.number)
        sock.close()

    def _handle(self, line: _Line, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                line.requests[event.stream_id] = H2Request(line.number, dict(event.headers or ()))  # type: ignore[arg-type] # decoded, as configured
            case h2.events.DataReceived():
                line.requests[event.stream_id].body += event.data or b""
                with line.lock:
                    line.state.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                self._flush(line)
            case h2.events.StreamEnded():
                self.requests.append(line.requests[event.stream_id])
                threading.Thread(target=self._answer, args=(line, event.stream_id), daemon=True).start()

    def _answer(self, line: _Line, stream: int) -> None:
        answer = self._answers.get(timeout=20)
        head: list[Any] = [(":status", str(answer.status)), *answer.headers]
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            begun = False
            for piece in answer.pieces:
                if isinstance(piece, threading.Event):
                    piece.wait(20)
                elif isinstance(piece, bytes):
                    if not begun:
                        self._do(line, lambda: line.state.send_headers(stream, head))
                        begun = True
                    self._send(line, stream, piece)
                elif piece is None:
                    self._do(line, lambda: line.state.close_connection(last_stream_id=stream))
                    return
                else:
                    self._do(line, partial(line.state.reset_stream, stream, piece))
                    return
            self._do(line, lambda: line.state.end_stream(stream))

    def _send(self, line: _Line, stream: int, data: bytes) -> None:
        while data:
            with line.lock:
                size = min(line.state.local_flow_control_window(stream), line.state.max_outbound_frame_size)
                if size:
                    line.state.send_data(stream, data[:size])
                    data = data[size:]
            if size:
                self._flush(line)
            else:
                with line.moved:
                    line.moved.wait(0.05)  # more of the window, or a reset, may have come already

    def _do(self, line: _Line, step: Any) -> None:
        with line.lock:
            step()
        self._flush(line)

    def _flush(self, line: _Line) -> None:
        with line.lock:  # held while sending: frames must not be mixed up
            data = line.state.data_to_send()
            if data:
                line.sock.sendall(data)
