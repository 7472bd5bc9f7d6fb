"""One file of the model hub over HTTPS.

The hub's own environment variables hold: `HF_ENDPOINT` for its address, `HF_HUB_OFFLINE` to leave it alone. Proxies
and certificates are those of the environment, as `urllib.request` and OpenSSL read them.
"""

from __future__ import annotations

import http.client
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Protocol, cast
from urllib.parse import quote, urlsplit

from llm.local.models import HubFile
from llm_async.errors import ConfigurationError, TransportError

OFFICIAL = "https://huggingface.co"
IDLE_LIMIT = 30.0
"""Seconds without a byte after which a transfer is given up."""


class _Answer(Protocol):
    """What `urllib.request` answers with, as far as it is used here."""

    def read(self, size: int = -1, /) -> bytes: ...
    def close(self) -> None: ...


def address(file: HubFile) -> str:
    """Return the URL of a file of the hub; `ConfigurationError` if the environment forbids or garbles it."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise ConfigurationError("HF_HUB_OFFLINE switches the model hub off; unset it, or fetch the model beforehand")
    base = (os.environ.get("HF_ENDPOINT") or OFFICIAL).rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ConfigurationError("HF_ENDPOINT must be an address like 'https://hub.example', without user and password")
    return f"{base}/{file.repository}/resolve/main/{quote(file.path)}"


@contextmanager
def download(file: HubFile, patience: float) -> Generator[IO[bytes]]:
    """Open a file of the hub for reading; a read raises `TransportError` when the transfer breaks.

    Args:
        patience: seconds until the hub must have begun to answer, looking up its name included.
    """
    url = address(file)
    answer = _open(url, patience)
    try:
        yield cast(IO[bytes], _Translated(answer, _host(url)))  # only `read` is called on it
    finally:
        answer.close()


class _Translated:
    """An answer whose reads raise our errors."""

    def __init__(self, answer: _Answer, host: str) -> None:
        self._answer, self._host = answer, host

    def read(self, size: int = -1) -> bytes:
        try:
            return self._answer.read(size)
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise TransportError(
                f"the transfer from {self._host} broke off ({reason}); try again", retryable=True
            ) from error


def _open(url: str, patience: float) -> _Answer:
    """Open a URL within `patience` seconds.

    In a thread of its own: no socket timeout covers the look-up of the name, and where packets are swallowed each of
    a host's addresses would be waited for in turn.
    """
    outcome: queue.SimpleQueue[_Answer | Exception] = queue.SimpleQueue()
    given_up = threading.Event()

    def run() -> None:
        try:
            answer = _opener().open(url, timeout=IDLE_LIMIT)
        except Exception as error:  # noqa: BLE001 - handed to the waiting thread, which translates it
            outcome.put(error)
            return
        outcome.put(answer)
        if given_up.is_set():
            answer.close()

    threading.Thread(target=run, name="dragoman-hub", daemon=True).start()
    try:
        result = outcome.get(timeout=patience)
    except queue.Empty:
        given_up.set()
        raise TransportError(
            f"the model hub at {_host(url)} did not answer within {patience:g} s", retryable=True
        ) from None
    if isinstance(result, Exception):
        raise _translated(result, url) from result
    return result


def _translated(error: Exception, url: str) -> TransportError:
    host = _host(url)
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        path = urlsplit(url).path
        return TransportError(
            f"the model hub at {host} answered HTTP {error.code} for {path!r}", status_code=error.code
        )
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return TransportError(
        f"cannot reach the model hub at {host} ({reason}); check the connection and proxies", retryable=True
    )


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to the web only, and never out of HTTPS."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        allowed = {"https"} if urlsplit(req.full_url).scheme == "https" else {"http", "https"}
        if urlsplit(newurl).scheme not in allowed:
            raise urllib.error.URLError(
                f"redirected to {_host(newurl)}, which is not followed from {_host(req.full_url)}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.build_opener(_Redirects)
    opener.addheaders = [("User-Agent", "dragoman")]
    return opener
