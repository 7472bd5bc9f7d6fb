"""Whom we trust: the system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache


def default_context() -> ssl.SSLContext:
    """Return the context that the process shares; making one takes 10 ms and more."""
    return _context_for(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def http2_context() -> ssl.SSLContext:
    """Return the same for HTTP/2: another one, because a context says to every server which protocols it may choose."""
    return _context_for(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), ("h2", "http/1.1"))


@lru_cache(maxsize=8)
def _context_for(
    _file: str | None, _folder: str | None, protocols: tuple[str, ...] = ("http/1.1",)
) -> ssl.SSLContext:  # file and folder are read by OpenSSL itself
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    return context
