"""What httpx2 is told of limits, asked about failures, and helped out with; the transports are in `http2`."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from llm_async.errors import ConfigurationError, LLMTimeoutError, TransportError
from llm_async.timeouts import Limits
from llm_async.transport import failures
from llm_async.transport.address import Address
from llm_async.transport.proxies import Proxy

try:
    # By name, as all extras are: type checks must not depend on what is installed.
    httpx2: Any = import_module("httpx2")
    ProtocolError: Any = import_module("h2.exceptions").ProtocolError
except ImportError as error:
    raise ConfigurationError(f"http2=True needs what the extra http2 installs: {error}") from error

for _name in ("httpcore2", "anyio._backends._asyncio"):
    # httpx2 would load them with the first request, and hold up an event loop for it.
    with contextlib.suppress(ImportError):
        import_module(_name)


class Phase:
    """The time until the head of an answer: first to connect, then to wait for it.

    Attributes:
        scope: the time-out that is in force.
        limit: the name of the limit that it stands for.
        is_fresh: whether a connection was opened for this request.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        seconds, self.limit = limits.for_connect()
        self.scope = asyncio.timeout(seconds)
        self.is_fresh = False
        self._opening: Any = None

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Be told by httpx2 what it does: with the request's first bytes the limits of reading take over."""
        if name == "connection.connect_tcp.started":
            self.is_fresh = True
        elif name == "connection.connect_tcp.complete":
            self._opening = info["return_value"]
        elif _begins_request(name, info):
            self._opening = None  # by now it is a connection's, which closes it
            try:
                seconds, self.limit = self._limits.for_read()
            except LLMTimeoutError as error:  # raised where the scope is left: we are inside httpx2 here
                seconds, self.limit = 0.0, error.limit
            self.scope.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async def abandon(self) -> None:
        """Close a connection that was not ready yet: httpx2 does not where a TLS handshake is cancelled."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await opening.aclose()


class Timeouts(dict[str, float | None]):
    """The same for blocking calls: httpx2 asks before each of them how long it may take, a body's included.

    Attributes:
        name: the limit that the last call stood under.
        end: the instant (of `time.monotonic`) after which nothing more is waited for, or None.
        is_fresh: whether a connection was opened for this request.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits, self.name = limits, "connect"
        self.end: float | None = None
        self.is_fresh = self._is_connected = False

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Be told by httpx2 what it does."""
        if name == "connection.connect_tcp.started":
            self.is_fresh = True
        elif _begins_request(name, info):
            self._is_connected = True

    def get(self, key: str, default: Any = None) -> Any:
        """Return how many seconds the call that is about to be made may take."""
        if self.end is not None:
            return max(self.end - time.monotonic(), 0.001)
        seconds, self.name = self.limits.for_read() if self._is_connected else self.limits.for_connect()
        return seconds


def _begins_request(name: str, info: Mapping[str, Any]) -> bool:
    """Return whether httpx2 now writes to the server itself, and not to a proxy that is to connect it."""
    return name.endswith(".send_request_headers.started") and info["request"].method != b"CONNECT"


def has_leftover(stream: object) -> bool:
    """Return whether something came behind an HTTP/1.1 answer, which httpx2 would take for the next one's.

    It shows nowhere but in private parts; a version that has others is believed.
    """
    inner = getattr(getattr(stream, "_httpcore_stream", None), "_stream", None)
    state = getattr(getattr(inner, "_connection", None), "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])


def was_closed(error: Exception) -> bool:
    """Return whether a connection ended without a word, as one does that was closed while it was idle."""
    if isinstance(error, httpx2.RemoteProtocolError):
        return str(error).startswith("Server disconnected")
    return isinstance(error, httpx2.NetworkError) and not isinstance(error, httpx2.ConnectError)


def translated(address: Address, proxy: Proxy | None, error: Exception) -> TransportError:
    """Return our error for what httpx2 raised before an answer came."""
    if isinstance(error, httpx2.ProxyError) and proxy is not None and str(error)[:3].isdecimal():
        return failures.not_tunnelled(address, proxy, int(str(error)[:3]))
    if isinstance(error, httpx2.ConnectError):
        return failures.not_reached(address, proxy, os_error(error) or OSError(words(error)))
    if isinstance(error, (httpx2.NetworkError, OSError)):
        return failures.not_answered(address, os_error(error))
    if isinstance(error, httpx2.RemoteProtocolError):
        if was_closed(error):
            return failures.not_answered(address)
        if _event(error) is not None:
            return failures.not_answered(address, OSError(words(error)))
    return failures.not_http(address, words(error))


def os_error(error: BaseException | None) -> OSError | None:
    """Return what the system said, which httpx2 wraps several times."""
    waiting: list[Any] = [error]
    found: OSError | None = None
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OSError):
            if each.errno is not None or isinstance(each, ssl.SSLError):
                return each
            found = found or each
        waiting += [each.__cause__, each.__context__, *each.args, *getattr(each, "exceptions", ())]
    return found


def _event(error: BaseException) -> Any:
    """Return the HTTP/2 event that an error stands for: a reset stream, or a connection the server ends."""
    arguments = getattr(error.__cause__, "args", None) or (None,)
    return arguments[0] if hasattr(arguments[0], "error_code") else None


def words(error: Exception) -> str:
    """Return what an error says, in a line; an HTTP/2 event is named."""
    event = _event(error)
    if event is not None:
        code = getattr(event.error_code, "name", event.error_code)
        what = "reset the stream" if hasattr(event, "stream_id") else "ended the connection"
        return f"the server {what}: {code}"
    return " ".join(str(error).split())[:200] or type(error).__name__
