"""One blocking connection: opened, written to and read from within the limits of the request it serves."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time

from llm_async.errors import LLMTimeoutError
from llm_async.timeouts import Limits
from llm_async.transport import failures, head
from llm_async.transport.address import Address
from llm_async.transport.proxies import Proxy

RECEIVE = 64 * 1024
"""The most bytes read at once."""


class Connection:
    """A socket and the limits that its user obeys; used by one thread at a time.

    Attributes:
        limits: those of the request that is being served.
        idle_since: when it was last put by, for its pool.
    """

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self.limits, self.idle_since = limits, 0.0
        self._socket = sock
        self._timeout: float | None = -1.0

    def send(self, data: bytes) -> None:
        """Send all of `data`; a limit counts from the last piece that the server took.

        Raises:
            OSError: the connection broke.
            LLMTimeoutError: a limit ran out.
        """
        for position in range(0, len(data), RECEIVE):
            name = self._prepare()
            try:
                self._socket.sendall(data[position : position + RECEIVE] if len(data) > RECEIVE else data)
            except TimeoutError as error:
                if not _is_ours(error):
                    raise
                raise self.limits.error(name) from error

    def receive(self) -> bytes:
        """Return what has arrived, waiting for it if need be; b"" where the server has closed the connection.

        Raises:
            OSError: the connection broke.
            LLMTimeoutError: a limit ran out.
        """
        name = self._prepare()
        try:
            return self._socket.recv(RECEIVE)
        except TimeoutError as error:
            if not _is_ours(error):
                raise
            raise self.limits.error(name) from error

    def receive_within(self, seconds: float) -> bytes:
        """The same, but a TimeoutError after so many seconds."""
        self._timeout = seconds
        self._socket.settimeout(seconds)
        return self._socket.recv(RECEIVE)

    def is_quiet(self) -> bool:
        """Say whether nothing has come since the last answer: neither bytes nobody asked for nor the end."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        if hasattr(select, "poll"):  # select() cannot take descriptors above 1023
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return not poll.poll(0)
        return not select.select([self._socket], [], [], 0)[0]  # pragma: no cover # Windows

    def close(self) -> None:
        """Close it at once."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _prepare(self) -> str:
        seconds, name = self.limits.for_read()
        if seconds != self._timeout:
            self._timeout = seconds
            self._socket.settimeout(seconds)
        return name


def connect(address: Address, proxy: Proxy | None, context: ssl.SSLContext | None, limits: Limits) -> Connection:
    """Open a connection: look the name up, connect, pass the proxy, agree on TLS.

    All of it together obeys the connect limit; only a name look-up cannot be broken off, so that the limit is
    noticed when the system gives it up.

    Args:
        context: whom to trust; None for plain HTTP.

    Raises:
        TransportError: the server, or the proxy, was not reached.
        LLMTimeoutError: a limit ran out.
    """
    time_left = _Countdown(limits)
    via = proxy or address
    try:
        sock = _connect_socket(via.host, via.port, time_left)
    except LLMTimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        if _is_ours(error):
            raise time_left.error() from error
        raise failures.not_reached(address, proxy, _as_os_error(error)) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            if proxy is not None:
                _open_tunnel(sock, address, proxy, time_left)
            sock.settimeout(time_left.seconds())
            sock = context.wrap_socket(sock, server_hostname=address.host)
        return Connection(sock, limits)
    except LLMTimeoutError:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        if _is_ours(error):
            raise time_left.error() from error
        raise failures.not_reached(address, None, error) from error
    except BaseException:
        sock.close()
        raise


class _Countdown:
    """The time that connecting may still take."""

    def __init__(self, limits: Limits) -> None:
        seconds, self._name = limits.for_connect()
        self._end = None if seconds is None else time.monotonic() + seconds
        self._limits = limits

    def seconds(self) -> float | None:
        """Return what is left.

        Raises:
            LLMTimeoutError: nothing is.
        """
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> LLMTimeoutError:
        return self._limits.error(self._name)


def _is_ours(error: BaseException) -> bool:
    """Say whether a limit of ours ran out, and not the system's patience (ETIMEDOUT)."""
    return isinstance(error, TimeoutError) and error.errno is None


def _as_os_error(error: OSError | UnicodeError) -> OSError:
    # A name with an empty or over-long part fails in the idna codec, before the look-up.
    return error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "not a host name")


def _connect_socket(host: str, port: int, time_left: _Countdown) -> socket.socket:
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
    for position, (family, kind, protocol, _, where) in enumerate(addresses):
        seconds = time_left.seconds()
        others = len(addresses) - position - 1
        sock = socket.socket(family, kind, protocol)
        try:
            # An address that swallows everything leaves time for the others.
            sock.settimeout(seconds if seconds is None else seconds / (1 + others))
            sock.connect(where)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _open_tunnel(sock: socket.socket, address: Address, proxy: Proxy, time_left: _Countdown) -> None:
    lines = [f"CONNECT {address.authority} HTTP/1.1", f"Host: {address.authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    sock.settimeout(time_left.seconds())
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    data = b""
    try:
        while not (end := head.find_end(data)) or head.is_interim(data):
            data = data[end:]
            sock.settimeout(time_left.seconds())
            received = sock.recv(1024)
            if not received:
                raise failures.not_reached(address, proxy, ConnectionResetError("it closed the connection"))
            data += received
        # The server speaks second in TLS, so that nothing can have come behind the head.
        status = head.parse_head(data[:end], method="HEAD").status
    except ValueError as error:
        raise failures.not_http(address, f"the proxy {proxy.authority} does not speak it, {error}") from error
    if status >= 300:
        raise failures.not_tunnelled(address, proxy, status)
