"""What went wrong on the way to a server, in words: one text for each failure, whichever transport met it."""

from __future__ import annotations

import os
import socket
import ssl

from llm_async.errors import StreamInterruptedError, TransportError
from llm_async.transport.address import Address
from llm_async.transport.proxies import Proxy


def not_reached(address: Address, proxy: Proxy | None, error: OSError) -> TransportError:
    """Return the error for a connection that did not come about."""
    place = f"the proxy {proxy.authority}" if proxy else address.origin
    match error:
        case ssl.SSLError():
            return _no_tls(address, error)
        case socket.gaierror():
            host = proxy.host if proxy else address.host
            return TransportError(
                f"{place}: host {host!r} is unknown ({_words(error)}); check the address, or the network",
                retryable=True,
            )
        case ConnectionRefusedError():
            what = "proxy" if proxy else "server"
            return TransportError(f"{place} refused the connection; is the {what} running there?", retryable=True)
        case _:
            return TransportError(f"{place} was not reached ({_words(error)})", retryable=True)


def not_answered(address: Address, error: OSError | None = None) -> TransportError:
    """Return the error for a connection that ended or broke before an answer came."""
    how = f"broke ({_words(error)})" if error is not None else "was closed by the server"
    return TransportError(f"{address.origin}: the connection {how} before an answer came", retryable=True)


def not_http(address: Address, why: str) -> TransportError:
    """Return the error for an answer that is not HTTP/1.1, or not one we take."""
    return TransportError(f"{address.origin} answered with something else than HTTP/1.1: {why}")


def not_tunnelled(address: Address, proxy: Proxy, status: int) -> TransportError:
    """Return the error for a proxy that refuses to connect us."""
    hint = "; it wants a user name and password: http://user:password@host:port" if status == 407 else ""
    return TransportError(
        f"the proxy {proxy.authority} does not connect to {address.authority} (HTTP {status}){hint}",
        retryable=status >= 500,
    )


def cut_short(address: Address, why: str) -> StreamInterruptedError:
    """Return the error for a body that stopped before its end."""
    return StreamInterruptedError(f"{address.origin}: the answer {why}", retryable=True)


def broken(address: Address, error: OSError) -> StreamInterruptedError:
    """Return the error for a connection that broke inside the body."""
    return cut_short(address, f"was interrupted, the connection broke ({_words(error)})")


def _no_tls(address: Address, error: ssl.SSLError) -> TransportError:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(
            f"{address.origin}: no TLS connection ({_words(error)}); does this server speak https?", retryable=False
        )
    name = "SSL_CERT_FILE"
    path = os.environ.get(name)
    hint = f"if its authority is your own, name its certificate in {name}"
    if path:
        hint = f"{name} is {path!r}" + ("" if os.path.isfile(path) else ", where no file is")
    return TransportError(
        f"{address.origin}: its certificate is not trusted ({error.verify_message}); {hint}", retryable=False
    )


def _words(error: OSError) -> str:
    reason = getattr(error, "reason", None)  # ssl.SSLError's, shorter than its strerror
    return str(reason or error.strerror or str(error) or type(error).__name__)
