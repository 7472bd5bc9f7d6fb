r"""A loopback HTTP/1.1 server whose every byte the test decides, and a proxy made of it.

    with Server() as server:
        server.reply(body=b"hello")                              # a whole answer, by its Content-Length
        server.reply(body=sse({"n": 1}, gate, {"n": 2}))         # a list is chunked; it goes on when `gate` is set
        server.reply(body=b"hello", cut=3, reset=True)           # breaks off inside the body
        server.raw(b"SMTP?\r\n")                                 # anything at all
        ...
        assert server.requests[0].json() == {...}
        server.wait_closed(1)                                    # the client has closed one connection

Queued replies go first, in order; then `server.handler` answers, for good. Written on bare sockets, so that any
fault can be sent. Nothing here sleeps: what has to wait waits for an event, at most `PATIENCE`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import select
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

PATIENCE = 10.0
"""The seconds after which whoever waits for an event gives up with an AssertionError."""

Step = bytes | threading.Event | Callable[["Connection"], None]
"""What an answer is made of: bytes to send, an event to wait for first, or anything done to the connection."""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    target: str  # as sent: a path, or a whole URL to a proxy
    headers: Mapping[str, str]  # names in lower case; a repeated one joined with ', '
    body: bytes
    connection: int  # which connection it came on, counted from 1

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One answer: its steps, and what becomes of the connection afterwards."""

    steps: Sequence[Step]
    close: bool = False
    reset: bool = False
    """Close with RST, not with FIN."""
    every_byte: bool = False
    """Send each byte by itself."""
    cut: int | None = None
    """Break off after so many bytes of the body (0: right after the head); without steps that are not bytes."""


def reply(
    status: int = 200,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | str | Sequence[Step] = b"",
    *,
    chunked: bool | None = None,
    content_length: int | bool | None = None,
    trailers: bytes = b"",
    interim: bytes = b"",
    close: bool = False,
    reset: bool = False,
    every_byte: bool = False,
    cut: int | None = None,
) -> Reply:
    """Make an answer.

    Args:
        body: bytes or text, or a list of steps that is sent piece by piece.
        chunked: whether pieces are HTTP chunks; None means a list is, bytes are not.
        content_length: the length to claim; None: the true one unless chunked, False: none, so that closing ends it.
        trailers: bytes between the last chunk and the empty line.
        interim: bytes before the status line, for example a whole 103 answer.
        close: close the connection afterwards, without a header that says so.
        reset: close it with RST.
        every_byte: send each byte by itself.
        cut: break off after so many bytes of the body as it is on the wire, then close.
    """
    if isinstance(body, str):
        body = body.encode()
    pieces: list[Step] = [body] if isinstance(body, bytes) else list(body)
    if chunked is None:
        chunked = not isinstance(body, bytes) and content_length is None
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if chunked:
        pairs.append(("Transfer-Encoding", "chunked"))
        pieces = [_chunk(piece) if isinstance(piece, bytes) and piece else piece for piece in pieces]
        pieces.append(b"0\r\n" + trailers + b"\r\n")
    elif content_length is None:
        content_length = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    if content_length is not None and content_length is not False:
        pairs.append(("Content-Length", str(content_length)))
    reason = http.client.responses.get(status, "Whatever")
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in pairs), "", ""]
    head = interim + "\r\n".join(lines).encode("latin-1")
    if cut is not None:
        pieces = [b"".join(piece for piece in pieces if isinstance(piece, bytes))[:cut]]
        close = True
    return Reply(
        [head, *pieces], close=close or reset or content_length is False, reset=reset, every_byte=every_byte, cut=cut
    )


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def raw(*steps: Step, close: bool = True, reset: bool = False, every_byte: bool = False) -> Reply:
    """Make an answer of exactly these bytes; without any, the connection closes unanswered."""
    return Reply(steps, close=close or reset, reset=reset, every_byte=every_byte)


def sse(*events: object, done: bool = True) -> list[Step]:
    """Make a streamed body: each event that is not a step becomes a `data:` line, one piece each."""
    pieces: list[Step] = []
    for event in events:
        if isinstance(event, (bytes, threading.Event)) or callable(event):
            pieces.append(event)
        else:
            text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
            pieces.append(f"data: {text}\n\n".encode())
    if done:
        pieces.append(b"data: [DONE]\n\n")
    return pieces


def chat(*deltas: str | Mapping[str, Any], finish: str = "stop", **fields: Any) -> list[dict[str, Any]]:
    """Make the events of a streamed chat completion: text, or whole deltas, then the finish reason."""
    base: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "test",
        **fields,
    }
    parts = [{"content": delta} if isinstance(delta, str) else dict(delta) for delta in deltas]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": part, "finish_reason": None} for part in [{"role": "assistant"}, *parts]
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    return [{**base, "choices": [choice]} for choice in choices]


def completion(text: str | None = None, finish: str = "stop", message: Mapping[str, Any] | None = None) -> bytes:
    """Make the body of a whole chat completion."""
    said = {"role": "assistant", "content": text, **(message or {})}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    base: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test"}
    return json.dumps({**base, "choices": [choice], "usage": usage}).encode()


class Server:
    """The server: listening once made, serving in threads, gone when its `with` ends.

    Attributes:
        requests: what came, in order.
        connections: how many were accepted.
        open_connections: how many of them the client and the server both still hold.
        problems: what went wrong in the server's own threads; leaving the `with` raises it.
        handler: what answers when nothing is queued.
    """

    def __init__(
        self,
        handler: Callable[[Request], Reply] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.handler, self.tls = handler, tls
        self.requests: list[Request] = []
        self.problems: list[BaseException] = []
        self.connections = self.open_connections = self.closed_by_client = 0
        self._queue: deque[Reply] = deque()
        self._changed = threading.Condition()
        self._gates: set[threading.Event] = set()
        self._live: set[Connection] = set()
        self._stopping = False
        self._listener = socket.create_server((host, 0), backlog=256)
        self.host, self.port = host, self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def reply(self, *args: Any, **kwargs: Any) -> None:
        """Queue an answer; see the function `reply`."""
        self.add(reply(*args, **kwargs))

    def raw(self, *steps: Step, **kwargs: Any) -> None:
        """Queue an answer of exactly these bytes; see the function `raw`."""
        self.add(raw(*steps, **kwargs))

    def add(self, *replies: Reply) -> None:
        """Queue answers."""
        self._queue.extend(replies)

    def wait(self, happened: Callable[[], bool], what: str = "it") -> None:
        """Wait until something about this server is so; it is asked whenever anything happens here."""
        with self._changed:
            assert self._changed.wait_for(happened, PATIENCE), f"waited {PATIENCE:g} s in vain for {what}; {self!r}"

    def wait_closed(self, count: int = 1) -> None:
        """Wait until the client has closed or reset so many connections."""
        self.wait(lambda: self.closed_by_client >= count, f"{count} connections closed by the client")

    def wait_requests(self, count: int = 1) -> None:
        """Wait until so many whole requests have come."""
        self.wait(lambda: len(self.requests) >= count, f"{count} requests")

    def wait_idle(self) -> None:
        """Wait until no connection is open."""
        self.wait(lambda: self.open_connections == 0, "all connections to be closed")

    def drop_connections(self) -> None:
        """Close every connection that is open, as a server does with idle ones."""
        for connection in list(self._live):
            connection.end()
        self.wait_idle()

    def close(self) -> None:
        """Stop at once, whatever is going on."""
        if self._stopping:
            return
        with self._changed:
            self._stopping = True
            gates = list(self._gates)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(PATIENCE)
        self._listener.close()
        for gate in gates:
            gate.set()
        for connection in list(self._live):
            connection.end()
            connection.serving.join(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()
        if kind is None and self.problems:
            raise self.problems[0]

    def __repr__(self) -> str:
        seen = f"{len(self.requests)} requests on {self.connections} connections"
        return (
            f"<Server {self.url}: {seen}, {self.open_connections} open, {self.closed_by_client} closed by the client>"
        )

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                self.open_connections += 1
                connection = Connection(self, accepted, self.connections)
                self._live.add(connection)
                self._changed.notify_all()
            connection.serving.start()

    def _next_reply(self, request: Request) -> Reply:
        with self._changed:
            self.requests.append(request)
            queued = self._queue.popleft() if self._queue else None
            self._changed.notify_all()
        if queued is not None:
            return queued
        if self.handler is None:
            self.problems.append(AssertionError(f"no reply is queued for {request.method} {request.target}"))
            return reply(500, body=b"the test queued no reply for this")
        return self.handler(request)

    def _pass(self, gate: threading.Event) -> None:
        with self._changed:
            if self._stopping:
                return
            self._gates.add(gate)
        gate.wait()

    def _note_end(self, connection: Connection, by_client: bool) -> None:
        with self._changed:
            if connection in self._live:
                self._live.discard(connection)
                self.open_connections -= 1
                self.closed_by_client += by_client
                self._changed.notify_all()

    def _note_problem(self, error: BaseException) -> None:
        with self._changed:
            if not self._stopping:
                self.problems.append(error)


class Connection:
    """One accepted connection: a thread that receives, so that its end is seen at once, and one that answers."""

    def __init__(self, server: Server, accepted: socket.socket, number: int) -> None:
        self.server, self.socket, self.number = server, accepted, number
        self.incoming: queue.SimpleQueue[bytes] = queue.SimpleQueue()  # b"": nothing more will come
        self.serving = threading.Thread(target=self._serve, daemon=True)
        self._receiving = threading.Thread(target=self._receive, daemon=True)
        self._buffer = b""
        self._ended = False
        self._lock = threading.Lock()
        self._tls = threading.Lock()  # one TLS connection must not be read and written at the same moment

    def send(self, data: bytes) -> None:
        """Send; what the client no longer wants to hear is dropped."""
        with contextlib.suppress(OSError):
            if self.server.tls:
                with self._tls:
                    self.socket.sendall(data)
            else:
                self.socket.sendall(data)

    def receive(self) -> bytes:
        """Return what the client sent next, b"" at the end."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self.incoming.get()

    def end(self, *, reset: bool = False) -> None:
        """Close from this side, with FIN or RST. May be called from any thread, and again."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self.server._note_end(self, by_client=False)
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with contextlib.suppress(OSError):  # SHUT_RD tells the peer nothing, and wakes the thread that receives
            socket.socket.shutdown(self.socket, socket.SHUT_RD if reset else socket.SHUT_RDWR)
        if self._receiving.is_alive():
            self._receiving.join(PATIENCE)
        with contextlib.suppress(OSError):
            self.socket.close()

    def _receive(self) -> None:
        try:
            while data := self._received():
                self.incoming.put(data)
        except OSError:
            pass
        self.incoming.put(b"")
        self.server._note_end(self, by_client=not self._ended)

    def _received(self) -> bytes:
        if not self.server.tls:
            return self.socket.recv(65536)
        assert isinstance(self.socket, ssl.SSLSocket)
        if not self.socket.pending():
            select.select([self.socket], [], [])
        with self._tls:
            return self.socket.recv(65536)

    def _serve(self) -> None:
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.server.tls:
                self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)
            self._receiving.start()
            while (request := self._read_request()) is not None:
                answer = self.server._next_reply(request)
                self._answer(answer)
                if answer.close:
                    self.end(reset=answer.reset)
                    return
        except OSError:
            pass  # the client went away, or refused our certificate: its tests see that on its side
        except BaseException as error:  # noqa: BLE001 # handed to the test's own thread, which raises it
            self.server._note_problem(error)
        finally:
            self.server._note_end(self, by_client=not self._ended)
            self.end()

    def _answer(self, answer: Reply) -> None:
        for step in answer.steps:
            if isinstance(step, threading.Event):
                self.server._pass(step)
            elif not isinstance(step, bytes):
                step(self)
            elif answer.every_byte:
                for position in range(len(step)):
                    self.send(step[position : position + 1])
            else:
                self.send(step)

    def _read_request(self) -> Request | None:
        head = self._read_until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if "chunked" in headers.get("transfer-encoding", ""):
            body = self._read_chunks()
        else:
            body = self._read_exactly(int(headers.get("content-length", "0")))
        return None if body is None else Request(method, target, headers, body, self.number)

    def _read_chunks(self) -> bytes | None:
        body = b""
        while (line := self._read_until(b"\r\n")) is not None:
            size = int(line, 16)
            piece = self._read_exactly(size + 2)
            if piece is None:
                return None
            if not size:
                return body
            body += piece[:-2]
        return None

    def _read_until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            data = self.incoming.get()
            if not data:
                return None
            self._buffer += data
        end = self._buffer.index(mark) + len(mark)
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        return data

    def _read_exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            data = self.incoming.get()
            if not data:
                return None
            self._buffer += data
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


@dataclass
class _Tunnel:
    """What joins a client of the proxy with the server it asked for."""

    upstream: socket.socket

    def __call__(self, connection: Connection) -> None:
        down = threading.Thread(target=self._down, args=(connection,), daemon=True)
        down.start()
        while data := connection.receive():
            self.upstream.sendall(data)
        with contextlib.suppress(OSError):
            self.upstream.shutdown(socket.SHUT_RDWR)
        down.join(PATIENCE)
        self.upstream.close()

    def _down(self, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            while data := self.upstream.recv(65536):
                connection.send(data)
        connection.end()


class Proxy(Server):
    """A forwarding proxy: CONNECT makes a tunnel, a whole URL is fetched; `requests` shows what it was asked.

    Args:
        credentials: what `Proxy-Authorization` must say, for example `Basic dTpw`; else it answers 407.
        names: servers by the host names that only this proxy knows.
    """

    def __init__(self, *, credentials: str | None = None, names: Mapping[str, Server] | None = None) -> None:
        super().__init__(self._forward)
        self.credentials, self.names = credentials, dict(names or {})

    def _forward(self, request: Request) -> Reply:
        if self.credentials is not None and request.headers.get("proxy-authorization") != self.credentials:
            return reply(407, {"Proxy-Authenticate": "Basic"}, b"who are you?", close=True)
        if request.method == "CONNECT":
            host, _, port = request.target.rpartition(":")
            try:
                upstream = socket.create_connection(self._find(host.strip("[]"), int(port)), PATIENCE)
            except OSError:
                return reply(502, body=b"no such server", close=True)
            upstream.settimeout(None)
            return raw(b"HTTP/1.1 200 Connection established\r\n\r\n", _Tunnel(upstream))
        url = urlsplit(request.target)
        assert url.hostname, f"a proxy is asked for whole URLs, not for {request.target!r}"
        host, found_port = self._find(url.hostname, url.port or 80)
        upstream_connection = http.client.HTTPConnection(host, found_port, timeout=PATIENCE)
        try:
            skipped = ("proxy-authorization", "proxy-connection", "connection")
            headers = {name: value for name, value in request.headers.items() if name not in skipped}
            path = url.path + (f"?{url.query}" if url.query else "")
            upstream_connection.request(request.method, path or "/", request.body, headers)
            answer = upstream_connection.getresponse()
            body = answer.read()
            kept = [
                pair for pair in answer.getheaders() if pair[0].lower() not in ("transfer-encoding", "content-length")
            ]
            return reply(answer.status, kept, body)
        finally:
            upstream_connection.close()

    def _find(self, host: str, port: int) -> tuple[str, int]:
        known = self.names.get(host)
        return (known.host, known.port) if known else (host, port)
