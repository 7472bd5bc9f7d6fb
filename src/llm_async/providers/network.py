"""What sends a provider's requests, chosen by its configuration and made when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_async.transport import Transport

if TYPE_CHECKING:
    from ssl import SSLContext


def make_network(
    *,
    blocking: bool,
    http2: bool,
    proxy: str | None,
    ssl_context: SSLContext | None,
    client_kwargs: Mapping[str, Any],
) -> Transport:
    """Return a transport to the network.

    Args:
        client_kwargs: `verify` and `cert`, of which an `ssl_context` is made.

    Raises:
        ConfigurationError: a certificate cannot be read.
    """
    # Imported here because the HTTP libraries take longer to import than all the rest.
    if client_kwargs:
        from llm_async.transport.tls import make_context

        ssl_context = make_context(**client_kwargs)
    if http2:
        from llm_async.transport.http2 import Http2AsyncTransport, Http2BlockingTransport

        http2_kind = Http2BlockingTransport if blocking else Http2AsyncTransport
        return http2_kind(proxy=proxy, ssl_context=ssl_context)
    if blocking:
        from llm_async.transport.blocking import BlockingTransport

        return BlockingTransport(proxy=proxy, ssl_context=ssl_context)
    from llm_async.transport.asynchronous import AsyncTransport

    return AsyncTransport(proxy=proxy, ssl_context=ssl_context)
