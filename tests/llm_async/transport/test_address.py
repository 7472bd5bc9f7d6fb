"""URLs and headers."""

from __future__ import annotations

import pytest

from llm_async.errors import ConfigurationError
from llm_async.transport.address import check_headers, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "host_header", "sent"),
    [
        ("http://a.test", "a.test", 80, "/", "a.test", "http://a.test/"),
        ("HTTPS://A.test:443/v1", "a.test", 443, "/v1", "a.test", "https://a.test/v1"),
        ("http://a.test:443/", "a.test", 443, "/", "a.test:443", "http://a.test:443/"),
        ("http://[::1]:8080/a?b=c#d", "::1", 8080, "/a?b=c", "[::1]:8080", "http://[::1]:8080/a?b=c"),
        ("http://[::1]/", "::1", 80, "/", "[::1]", "http://[::1]/"),
        (
            "http://bücher.test/ü%2F?q=ä%20",
            "xn--bcher-kva.test",
            80,
            "/%C3%BC%2F?q=%C3%A4%20",
            "xn--bcher-kva.test",
            None,
        ),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, target: str, host_header: str, sent: str | None) -> None:
    address = parse_url(url)

    assert (address.host, address.port, address.target, address.host_header) == (host, port, target, host_header)
    assert address.url == sent or sent is None
    assert parse_url(address.url) == address


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a.test/", "not with 'ftp'"),
        ("localhost:8000/v1", "not with 'localhost'"),
        ("", "begins with http"),
        ("http://", "names no host"),
        ("http://a.test/a b", "a blank"),
        ("http://a.test/\r\nX: y", "a blank or a control character"),
        ("http://a.test:port/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://me:secret@a.test/", "send them as an Authorization header"),
        (f"http://{'ü' * 70}.test/", "is no host name"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_headers_are_sent_as_given_and_ask_for_no_compression() -> None:
    assert check_headers({"X-A": "é"}) == {"X-A": "é", "Accept-Encoding": "identity"}
    assert check_headers({"accept-encoding": "gzip"}) == {"accept-encoding": "gzip"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Authorization", "Bearer sk-1\n", "line break"),
        ("Authorization", "sk-1\r\nX: y", "line break"),
        ("Authorization", "sk-1…", "characters that HTTP cannot carry"),
        ("X Y", "sk-1", "no header name"),
        ("X:", "sk-1", "no header name"),
        ("X\n", "sk-1", "no header name"),
        ("", "sk-1", "no header name"),
        ("Ü", "sk-1", "no header name"),
    ],
)
def test_a_header_that_would_break_the_request_apart_is_refused_and_not_shown(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        check_headers({name: value})
    assert "sk-1" not in str(caught.value)
