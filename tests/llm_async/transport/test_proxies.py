"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from llm_async.errors import ConfigurationError
from llm_async.transport.address import parse_url
from llm_async.transport.proxies import Proxy, proxy_for


def test_the_environment_is_read_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    address = parse_url("https://a.test/")
    monkeypatch.delenv("https_proxy", raising=False)
    assert proxy_for(address, None) is None

    monkeypatch.setenv("https_proxy", "http://one.test:3128")
    assert proxy_for(address, None) == Proxy("one.test", 3128)

    monkeypatch.setenv("https_proxy", "two.test:3129")
    assert proxy_for(address, None) == Proxy("two.test", 3129)

    monkeypatch.setenv("no_proxy", "b.test,.a.test")
    assert proxy_for(address, None) is None


def test_all_proxy_is_for_what_has_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "http://all.test:1")
    monkeypatch.setenv("https_proxy", "http://tls.test:2")

    assert proxy_for(parse_url("http://a.test/"), None) == Proxy("all.test", 1)
    assert proxy_for(parse_url("https://a.test/"), None) == Proxy("tls.test", 2)


def test_a_given_proxy_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://one.test:3128")
    address = parse_url("http://a.test/")

    assert proxy_for(address, "http://[::1]:8080") == Proxy("::1", 8080)
    assert proxy_for(address, "") is None
    assert Proxy("::1", 8080).authority == "[::1]:8080"


def test_a_hosts_own_port_and_an_ipv6_address_may_need_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://one.test:3128")
    monkeypatch.setenv("no_proxy", "a.test:81,::1")

    assert proxy_for(parse_url("http://a.test:81/"), None) is None
    assert proxy_for(parse_url("http://[::1]:82/"), None) is None
    assert proxy_for(parse_url("http://a.test/"), None) is not None


def test_credentials_are_decoded_and_never_shown() -> None:
    proxy = proxy_for(parse_url("http://a.test/"), "http://me:s%40crét@one.test")

    assert proxy is not None
    assert proxy.authorization == "Basic bWU6c0BjcsOpdA=="
    assert "Basic" not in repr(proxy)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("socks5://hunter2@one.test", "not with 'socks5'"),
        ("https://one.test", "spoken to over plain HTTP"),
        ("http://hunter2@:80", "names no host"),
        ("http://hunter2:[", "cannot be read"),
        ("http://hunter2@one.test:port", "cannot be read"),
    ],
)
def test_a_proxy_of_no_use_is_refused_without_its_credentials(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        proxy_for(parse_url("http://a.test/"), url)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
