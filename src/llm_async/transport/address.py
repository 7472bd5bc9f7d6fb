"""Where a request goes: its URL taken apart, checked, and named in errors without what may be secret in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlsplit

from msgspec import Struct

from llm_async.errors import ConfigurationError

_SENT_AS_THEY_ARE = "!#$%&'()*+,/:;=?@[]~"


class Address(Struct, frozen=True):
    """A URL's parts as they are sent."""

    scheme: str
    host: str  # in ASCII, without brackets
    port: int
    target: str  # path and query

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        """The authority, without a port that goes without saying."""
        return self.authority.rpartition(":")[0] if self.port == (443 if self.is_tls else 80) else self.authority

    @property
    def origin(self) -> str:
        """Scheme, host and port: what errors may show."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The whole URL, percent-encoded."""
        return f"{self.scheme}://{self.host_header}{self.target}"


@lru_cache(maxsize=256)
def parse_url(url: str) -> Address:
    """Take a URL apart.

    Raises:
        ConfigurationError: it is not one that a request can go to.
    """
    if any(character <= " " or character == "\x7f" for character in url):
        raise ConfigurationError("the address has a blank or a control character in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"the address cannot be read ({error})") from error
    if parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"an address begins with http:// or https://, not with {url.partition(':')[0][:20]!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("the address holds a user name or password; send them as an Authorization header")
    host = parts.hostname
    if not host:
        raise ConfigurationError("the address names no host")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ConfigurationError(f"the address's host {host!r} is no host name ({error})") from error
    target = quote(parts.path or "/", safe=_SENT_AS_THEY_ARE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_SENT_AS_THEY_ARE)
    return Address(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), target)


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers as they are sent: those given, and that the answer shall not be compressed.

    Raises:
        ConfigurationError: one would break the request apart, or cannot be sent. Its value is not shown.
    """
    checked = {}
    has_encoding = False
    for name, value in headers.items():
        if not name or not name.isascii() or any(character in _SEPARATORS or character <= " " for character in name):
            raise ConfigurationError(f"{name!r} is no header name")
        if "\n" in value or "\r" in value or "\0" in value:
            raise ConfigurationError(f"the value of header {name!r} has a line break in it; a key read from a file?")
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            raise ConfigurationError(f"the value of header {name!r} has characters that HTTP cannot carry") from None
        checked[name] = value
        has_encoding = has_encoding or name.lower() == "accept-encoding"
    if not has_encoding:
        checked["Accept-Encoding"] = "identity"
    return checked


_SEPARATORS = frozenset('()<>@,;:\\"/[]?={}\x7f')
