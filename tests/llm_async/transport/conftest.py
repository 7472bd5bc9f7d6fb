"""What the tests of the transports share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from authority import Authority, make_authority
from server import Server
from transports import ASYNCIO, BLOCKING, HTTP2, Runtime


@pytest.fixture(params=[BLOCKING, ASYNCIO, *HTTP2], ids=str)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    found: Runtime = request.param
    return found


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command to make a certificate with")
    return make_authority(openssl, tmp_path_factory.mktemp("tls"))
