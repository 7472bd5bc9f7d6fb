"""What a provider may be configured with, and what can never work. Nothing secret is ever shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from llm_async.errors import ConfigurationError

SECRET = re.compile("auth|key|token|secret|cookie|password|signature", re.IGNORECASE)
"""Names of what must not be seen."""


def check_base_url(base_url: object) -> str:
    """Return the address of a server, or refuse one that can never work.

    Raises:
        ConfigurationError: it is no http or https address, or holds a password or a line break.
    """
    if not isinstance(base_url, str):
        raise ConfigurationError(f"base_url must be a string; it is a {type(base_url).__name__}")
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        why = "" if "@" in base_url else f": {error}"
        raise ConfigurationError(f"base_url is no address{why}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url holds a user or password; pass api_key or default_headers instead")
    shown = "not shown, for it may hold a password" if "@" in base_url else f"{base_url!r}"
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise ConfigurationError(f"base_url must be an http or https address with a host; it is {shown}")
    if any(character <= " " or character == "\x7f" for character in base_url):
        raise ConfigurationError(f"base_url holds a space or a control character; it is {shown}")
    if parts.fragment:
        raise ConfigurationError(f"base_url holds a fragment, which no server is sent; it is {shown}")
    for name in re.findall(r"(?:^|&)([^=&]*)", parts.query):
        if SECRET.search(name):
            raise ConfigurationError(f"base_url holds {name!r}; pass api_key or default_headers instead")
    return base_url


def check_headers(where: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return a caller's headers, or refuse those that no HTTP request can carry. Values are never shown."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"{where} must be a dict; it is a {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not name or not all("!" <= letter <= "~" and letter != ":" for letter in name):
            raise ConfigurationError(f"{where}: {name!r} is no name of a header")
        if not isinstance(value, str) or any(letter in value for letter in "\r\n\0"):
            raise ConfigurationError(f"{where}[{name!r}] must be a string without line breaks")
    return dict(headers)


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with their names in lower case, so that a later one replaces an earlier one."""
    return {name.lower(): value for name, value in headers.items()}


def instance(name: str, value: object, kind: type[Any]) -> Any:
    """Return `value`, or a default of its kind for None; refuse anything of another kind."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise ConfigurationError(f"{name} must be a {kind.__name__}; it is a {type(value).__name__}")
    return value


def find_key(owner: str, api_key: object, variables: tuple[str, ...]) -> str:
    """Return the key to use: the one given, else the first that the environment has.

    Raises:
        ConfigurationError: there is none, or no HTTP header can carry it.
    """
    if api_key is None:
        api_key = next((key for name in variables if (key := os.environ.get(name))), None)
    if api_key is None:
        names = " or ".join(variables) or "(it has no environment variable)"
        raise ConfigurationError(
            f"{owner}: no key; set {names}, or pass api_key (api_key='' for a server that wants none)"
        )
    if not isinstance(api_key, str):
        raise ConfigurationError(f"api_key must be a string; it is a {type(api_key).__name__}")
    if any(character in api_key for character in "\r\n\0") or not api_key.isascii():
        raise ConfigurationError("api_key holds a line break or a character that no HTTP header can carry")
    return api_key.strip()


def with_path(base_url: str, default: str) -> str:
    """Return the address of a server with the path of `default`, if it has none of its own.

    >>> with_path("http://localhost:1234", "https://api.openai.com/v1")
    'http://localhost:1234/v1'
    >>> with_path("https://example.com/api", "https://api.openai.com/v1")
    'https://example.com/api'
    """
    if urlsplit(check_base_url(base_url)).path.strip("/"):
        return base_url
    address, mark, query = base_url.partition("?")
    return address.rstrip("/") + urlsplit(default).path + mark + query


_CLIENT_KEYWORDS = ("cert", "proxy", "verify")


def check_http2(http2: object) -> bool:
    """Return `http2`, or refuse it where what it needs is not installed."""
    if not isinstance(http2, bool):
        raise ConfigurationError(f"http2 must be True or False; it is a {type(http2).__name__}")
    if http2 and (missing := [name for name in ("httpx2", "h2") if find_spec(name) is None]):
        raise ConfigurationError(f"http2=True needs {missing[0]}: pip install 'dragoman[http2]'")
    return http2


def check_client_kwargs(client_kwargs: object, *, proxy: object, ssl_context: object) -> dict[str, Any]:
    """Return the further arguments for what sends requests, or refuse them."""
    if client_kwargs is None:
        return {}
    if not isinstance(client_kwargs, Mapping):
        raise ConfigurationError(f"client_kwargs must be a dict; it is a {type(client_kwargs).__name__}")
    for name in client_kwargs:
        if name not in _CLIENT_KEYWORDS:
            known = ", ".join(_CLIENT_KEYWORDS)
            raise ConfigurationError(f"client_kwargs: {name!r} is unknown; there are {known}")
    if "proxy" in client_kwargs and proxy is not None:
        raise ConfigurationError("client_kwargs: the proxy is given twice, there and as proxy")
    if ssl_context is not None and client_kwargs.keys() & {"verify", "cert"}:
        raise ConfigurationError("client_kwargs: 'verify' and 'cert' make an ssl_context, and one is given")
    return dict(client_kwargs)
