"""Whom we trust: the system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import Any

from llm_async.errors import ConfigurationError


def default_context() -> ssl.SSLContext:
    """Return the context that the process shares; making one takes 10 ms and more."""
    return _context_for(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def http2_context() -> ssl.SSLContext:
    """Return the same for HTTP/2: another one, because a context says to every server which protocols it may choose."""
    return _context_for(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), ("h2", "http/1.1"))


Path = str | os.PathLike[str]


def make_context(
    verify: bool | Path | ssl.SSLContext = True, cert: Path | tuple[Any, ...] | None = None
) -> ssl.SSLContext:
    """Return a context of one's own.

    Args:
        verify: True trusts what the system trusts, False everybody, a path the authorities in that file or folder;
            a context is taken as it is.
        cert: the path of a client's certificate, or a tuple of that, its key's path and maybe the key's password.

    Raises:
        ConfigurationError: one of them cannot be read, or is something else.
    """
    try:
        if isinstance(verify, ssl.SSLContext):
            context = verify
        elif isinstance(verify, bool):
            context = ssl.create_default_context()
            if not verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif os.path.isdir(verify):
            context = ssl.create_default_context(capath=verify)
        else:
            context = ssl.create_default_context(cafile=verify)
        if isinstance(cert, tuple):
            context.load_cert_chain(*cert)
        elif cert is not None:
            context.load_cert_chain(cert)
    except (OSError, TypeError, ValueError) as error:  # an ssl.SSLError is an OSError
        raise ConfigurationError(f"client_kwargs: 'verify' or 'cert' cannot be used: {error}") from error
    return context


@lru_cache(maxsize=8)
def _context_for(
    _file: str | None, _folder: str | None, protocols: tuple[str, ...] = ("http/1.1",)
) -> ssl.SSLContext:  # file and folder are read by OpenSSL itself
    context = ssl.create_default_context()
    context.set_alpn_protocols(list(protocols))
    return context
