"""Which proxy a request goes through: the environment's (`HTTPS_PROXY`, `NO_PROXY`, …), a given one, or none.

The rules are those of `urllib.request`, which also knows the system settings of macOS and Windows.
"""

from __future__ import annotations

import base64
import os
import urllib.request
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from llm_async.errors import ConfigurationError
from llm_async.transport.address import Address

_LOWER = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_VARIABLES = (*_LOWER, *map(str.upper, _LOWER), "REQUEST_METHOD")


class Proxy(Struct, frozen=True):
    """A forwarding proxy."""

    host: str
    port: int
    authorization: str | None = None
    """What `Proxy-Authorization` says; never shown."""

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({self.authority})"


def proxy_for(address: Address, given: str | None) -> Proxy | None:
    """Return the proxy on the way to `address`, None for the direct way.

    Args:
        given: a proxy's URL, "" for none, None for what the environment says.

    Raises:
        ConfigurationError: the proxy's URL is of no use.
    """
    if given is not None:
        return parse_proxy(given) if given else None
    # Read again only when it has changed: reading takes 50 µs and more.
    return _from_environment(address.scheme, address.host, address.port, tuple(map(os.environ.get, _VARIABLES)))


@lru_cache(maxsize=256)
def _from_environment(scheme: str, host: str, port: int, _: tuple[str | None, ...]) -> Proxy | None:
    proxies = urllib.request.getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or urllib.request.proxy_bypass(host) or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    return parse_proxy(url)


@lru_cache(maxsize=64)
def parse_proxy(url: str) -> Proxy:
    """Read a proxy's URL; `proxy:3128` means `http://proxy:3128`.

    Raises:
        ConfigurationError: it is not an HTTP proxy's. Its credentials are not shown.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("the proxy's address cannot be read; it looks like http://host:port") from None
    if parts.scheme != "http":
        raise ConfigurationError(
            f"a proxy is spoken to over plain HTTP, also for https servers: its address begins with http://, "
            f"not with {parts.scheme[:20]!r}"
        )
    if not host:
        raise ConfigurationError("the proxy's address names no host; it looks like http://host:port")
    authorization = None
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
    return Proxy(host, port or 80, authorization)
