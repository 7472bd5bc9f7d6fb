"""How a provider reaches its server: HTTP/2, certificates, proxies."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import pickle
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authority import Authority, make_authority
from h2_server import H2Server
from llm_async import ConfigurationError, OpenAIProvider, Stream, TransportError
from llm_async.transport.asynchronous import AsyncTransport
from llm_async.transport.blocking import BlockingTransport
from llm_async.transport.http2 import Http2AsyncTransport, Http2BlockingTransport
from scripts import chunks_of
from server import Server, chat, completion, reply, sse
from transports import finish


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command to make a certificate with")
    return make_authority(openssl, tmp_path_factory.mktemp("tls"))


@pytest.fixture
def h2_server(authority: Authority) -> Iterator[H2Server]:
    context = authority.server_context
    context.set_alpn_protocols(["h2"])
    try:
        with H2Server(context) as server:
            yield server
    finally:
        context.set_alpn_protocols([])


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[Server]:
    with Server(lambda request: reply(body=completion("Hello")), tls=authority.server_context) as server:
        yield server


async def ask(provider: OpenAIProvider) -> str:
    try:
        return str((await provider.acomplete("m", "Hi")).main_response.content)
    finally:
        await provider.aclose()


def events(*texts: str) -> bytes:
    return b"".join(piece for piece in sse(*chat(*texts)) if isinstance(piece, bytes))


def test_a_provider_speaks_http2_where_it_is_asked_to(h2_server: H2Server, authority: Authority) -> None:
    h2_server.reply(headers=[("content-type", "application/json")], body=completion("Hello"))
    h2_server.reply(headers=[("content-type", "text/event-stream")], body=events("Hel", "lo"))
    provider = OpenAIProvider("k", h2_server.url, http2=True, client_kwargs={"verify": str(authority.certificate)})

    async def work() -> tuple[str, str]:
        whole = await provider.acomplete("m", "Hi")
        streamed = await provider.acomplete("m", "Hi", stream=True)
        assert isinstance(streamed, Stream)
        deltas = [chunk.delta for chunk in await chunks_of(streamed)]
        await provider.aclose()
        return str(whole.main_response.content), "".join(deltas)

    assert asyncio.run(work()) == ("Hello", "Hello")
    assert [request.headers[":path"] for request in h2_server.requests] == ["/v1/chat/completions"] * 2
    assert h2_server.connections == 1


def test_http2_has_two_faces_and_nothing_else_changes() -> None:
    plain, http2 = OpenAIProvider("k"), OpenAIProvider("k", http2=True)

    assert type(plain.transport(blocking=False)) is AsyncTransport
    assert type(plain.transport(blocking=True)) is BlockingTransport
    assert type(http2.transport(blocking=False)) is Http2AsyncTransport
    assert type(http2.transport(blocking=True)) is Http2BlockingTransport
    assert type(pickle.loads(pickle.dumps(http2)).transport(blocking=True)) is Http2BlockingTransport


@pytest.mark.parametrize("missing", ["httpx2", "h2"])
def test_http2_without_what_it_needs_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "llm_async.providers.configuration.find_spec", lambda name: None if name == missing else real(name)
    )

    with pytest.raises(ConfigurationError, match=rf"needs {missing}: pip install 'dragoman\[http2\]'"):
        OpenAIProvider("k", http2=True)
    assert OpenAIProvider("k").http2 is False


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_certificates_are_trusted_as_client_kwargs_say(
    tls_server: Server, authority: Authority, http2: bool, tmp_path: Path
) -> None:
    def provider(**client_kwargs: Any) -> OpenAIProvider:
        return OpenAIProvider("k", tls_server.url, http2=http2, client_kwargs=client_kwargs)

    assert asyncio.run(ask(provider(verify=str(authority.certificate)))) == "Hello"
    assert asyncio.run(ask(provider(verify=authority.certificate))) == "Hello"
    assert asyncio.run(ask(provider(verify=authority.client_context()))) == "Hello"
    assert asyncio.run(ask(provider(verify=False))) == "Hello"
    with pytest.raises(TransportError, match="certificate is not trusted"):
        asyncio.run(ask(copy.copy(provider(verify=str(tmp_path)))))


def test_a_clients_certificate_is_shown_to_a_server_that_asks(authority: Authority) -> None:
    folder = authority.certificate.parent
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.certificate)
    cert = (str(folder / "server.pem"), str(folder / "server.key"))

    with Server(lambda request: reply(body=completion("Hello")), tls=context) as server:
        provider = OpenAIProvider("k", server.url, client_kwargs={"verify": str(authority.certificate), "cert": cert})
        assert asyncio.run(ask(provider)) == "Hello"


def test_a_proxy_may_be_named_among_client_kwargs() -> None:
    with Server(lambda request: reply(body=completion("Hello"))) as proxy:
        provider = OpenAIProvider("k", "http://model.test/v1", client_kwargs={"proxy": f"127.0.0.1:{proxy.port}"})

        assert asyncio.run(ask(provider)) == "Hello"
        assert finish(provider.transport(blocking=True).aclose()) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"http2": "yes"}, "http2 must be True or False; it is a str"),
        ({"client_kwargs": ["verify"]}, "client_kwargs must be a dict; it is a list"),
        ({"client_kwargs": {"timeout": 3}}, "client_kwargs: 'timeout' is unknown; there are cert, proxy, verify"),
        ({"client_kwargs": {"proxy": "http://a"}, "proxy": "http://b"}, "the proxy is given twice"),
        ({"client_kwargs": {"verify": False}, "ssl_context": ssl.create_default_context()}, "make an ssl_context"),
        ({"client_kwargs": {"proxy": 3}}, "proxy must be an address; it is a int"),
    ],
)
def test_what_can_never_work_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenAIProvider("k", **options)

    assert message in str(caught.value)


@pytest.mark.parametrize("kwargs", [{"verify": "/nowhere/ca.pem"}, {"cert": "/nowhere/c.pem"}, {"verify": 3.5}])
def test_certificates_that_cannot_be_read_are_refused_before_any_request(kwargs: dict[str, Any]) -> None:
    provider = OpenAIProvider("k", client_kwargs=kwargs)

    with pytest.raises(ConfigurationError, match="'verify' or 'cert' cannot be used"):
        asyncio.run(ask(provider))
