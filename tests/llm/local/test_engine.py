"""The child process that serves: how it is told, how it fails, and that it never outlives its parent.

With a stand-in for the engine's package, which the child finds where this process would. test_live.py has the real one.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm.local import LocalServer, close, engine, serve
from llm_async.errors import ConfigurationError
from server import PATIENCE

STAND_IN = """
import json, os, sys

class Anything:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = Anything()
        self.__dict__[name] = value
        return value

CommonParams = Anything

class Server:
    listening_address = f"http://127.0.0.1:{os.getpid()}"

    def __init__(self, params):
        os.write(1, b"engines talk\\n")
        seen = {name: repr(value) for name, value in vars(params).items()}
        facts = {"params": seen, "environment": dict(os.environ), "command": sys.orig_argv, "model": params.model.path}
        with open(os.environ["FACTS"], "w") as file:
            json.dump(facts, file)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in's file; a test may write another one."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "xllamacpp.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("FACTS", str(tmp_path / "facts.json"))
    return folder / "xllamacpp.py"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "some model.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.fixture(autouse=True)
def _fresh() -> None:
    close()


def facts(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "facts.json").read_text())


def pid_of(server: LocalServer) -> int:
    """The stand-in gives its process number for a port."""
    return int(server.base_url.removesuffix("/v1").rpartition(":")[2])


def assert_ends(pid: int) -> None:
    """Wait until a process that need not be our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with open(descriptor, "rb") as ended:
        assert select.select([ended], [], [], PATIENCE)[0], f"process {pid} still runs"


@pytest.mark.usefixtures("package")
class TestRunning:
    def test_it_is_told_everything_by_pipe_and_nothing_on_the_command_line(self, model: Path, tmp_path: Path) -> None:
        server = serve(str(model))

        told = facts(tmp_path)
        assert told["model"] == str(model)
        assert told["params"]["api_keys"] == repr([server.api_key])
        assert told["params"]["port"] == "0"
        assert told["params"]["hostnames"] == "['127.0.0.1']"
        assert told["params"]["cors_origins"] == "''"
        assert told["params"]["model_alias"] == "{'some model.gguf'}"
        assert len(server.api_key) >= 32
        assert server.api_key not in json.dumps([told["command"], told["environment"]])

    def test_its_threads_do_not_spin(self, model: Path, tmp_path: Path) -> None:
        serve(str(model))

        environment = facts(tmp_path)["environment"]
        assert (environment["GOMP_SPINCOUNT"], environment["OMP_WAIT_POLICY"]) == ("0", "passive")

    def test_confined_cores_are_all_it_uses(self, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "confined_cores", lambda: 3)
        (tmp_path / "packages" / "xllamacpp.py").write_text(
            STAND_IN.replace('"model": params', '"threads": params.cpuparams.n_threads, "model": params')
        )

        serve(str(model))

        assert facts(tmp_path)["threads"] == 3

    def test_it_is_shared(self, model: Path) -> None:
        assert serve(str(model)) is serve(str(model))

    def test_the_key_stays_out_of_logs(self, model: Path) -> None:
        server = serve(str(model))

        assert repr(server) == f"LocalServer(base_url={server.base_url!r}, model='some model.gguf')"

    def test_another_model_gets_an_engine_of_its_own(self, model: Path, tmp_path: Path) -> None:
        (tmp_path / "other.gguf").write_bytes(b"GGUF")

        assert pid_of(serve(str(model))) != pid_of(serve(str(tmp_path / "other.gguf")))

    def test_one_that_died_is_started_again(self, model: Path) -> None:
        first = serve(str(model))
        os.kill(pid_of(first), signal.SIGKILL)
        assert_ends(pid_of(first))

        second = serve(str(model))

        assert pid_of(second) != pid_of(first)
        assert second.api_key != first.api_key

    def test_ctrl_c_in_the_terminal_does_not_reach_it(self, model: Path) -> None:
        assert os.getpgid(pid_of(serve(str(model)))) != os.getpgid(0)

    def test_one_that_hangs_is_killed(self, package: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package.write_text(STAND_IN + "\nos._exit = lambda code: None\n")
        monkeypatch.setattr(engine, "GRACE", 0.1)
        server = serve(str(model))

        close()

        assert_ends(pid_of(server))

    def test_closing_ends_it(self, model: Path) -> None:
        server = serve(str(model))

        close()

        assert_ends(pid_of(server))


class TestNotStarting:
    def test_a_missing_package_is_told_with_the_command_that_installs_it(
        self, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

        with pytest.raises(ConfigurationError, match=r"extra 'local': pip install 'dragoman\[local\]'.*no wheel"):
            serve(str(model))

    def test_a_missing_libgomp_is_told_with_the_package_that_has_it(self, package: Path, model: Path) -> None:
        package.write_text("raise ImportError('libgomp.so.1: cannot open shared object file')")

        with pytest.raises(ConfigurationError, match=r"lacks the library libgomp .*apt-get install libgomp1"):
            serve(str(model))

    def test_a_package_that_cannot_be_loaded_is_to_be_installed_again(self, package: Path, model: Path) -> None:
        package.write_text("raise ImportError('undefined symbol: ggml_what')")

        with pytest.raises(ConfigurationError, match=r"undefined symbol: ggml_what.*--force-reinstall"):
            serve(str(model))

    def test_what_the_engine_said_last_is_in_the_error(self, package: Path, model: Path) -> None:
        package.write_text(
            STAND_IN.replace(
                "os.write(1, b", "print('bad magic', file=sys.stderr); raise RuntimeError('no server'); (b"
            )
        )

        with pytest.raises(
            ConfigurationError,
            match=r"could not serve .*\(exit code 1; RuntimeError: no server.*said last: bad magic",
        ):
            serve(str(model))

    def test_an_engine_that_crashes_is_told_with_its_exit_code(self, package: Path, model: Path) -> None:
        package.write_text("import os; os.abort()")

        with pytest.raises(ConfigurationError, match=r"exit code -6; it died"):
            serve(str(model))
        assert engine._children == []

    def test_a_child_that_dies_before_it_is_told_anything_is_an_error_too(
        self, package: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "python"
        broken.write_text("#!/bin/sh\nexec 0<&-\necho no such interpreter >&2\nexit 1\n")
        broken.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(broken))
        monkeypatch.setattr(sys, "path", [*sys.path, *["/somewhere/" + "x" * 1000] * 200])  # more than a pipe holds

        with pytest.raises(ConfigurationError, match=r"exit code 1.*no such interpreter"):
            serve(str(model))


PARENT = """
import os, signal, sys
from llm.local import serve

def pid(server):
    return int(server.base_url.removesuffix("/v1").rpartition(":")[2])

own = pid(serve(sys.argv[1]))
print(own, flush=True)
"""

FORKING = """
worker = os.fork()
if not worker:
    print(pid(serve(sys.argv[1])), flush=True)
    signal.pause()
signal.pause()
"""


@pytest.mark.usefixtures("package")
class TestEnding:
    def start(self, script: str, model: Path) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PARENT + script, str(model)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip # the channels belong together

    @pytest.mark.parametrize("end", ["", "os._exit(0)", "os.abort()", "os.kill(os.getpid(), signal.SIGKILL)"])
    def test_it_ends_with_its_parent_however_that_ends(self, model: Path, end: str) -> None:
        with self.start(end, model) as parent:
            out, complaints = parent.communicate(timeout=30)

        assert_ends(int(out))
        assert "Warning" not in complaints

    def test_a_fork_starts_its_own_and_does_not_keep_its_parents_alive(self, model: Path) -> None:
        with self.start(FORKING, model) as parent:
            assert parent.stdout is not None
            parents, workers = int(parent.stdout.readline()), int(parent.stdout.readline())
            assert parents != workers

            parent.kill()

            assert_ends(parents)
            worker = int(Path(f"/proc/{workers}/status").read_text().partition("PPid:")[2].split()[0])
            os.kill(worker, signal.SIGKILL)
            assert_ends(workers)

    def test_a_fork_that_uses_no_model_does_not_keep_its_parents_alive_either(self, model: Path) -> None:
        script = """
worker = os.fork()
if worker:
    print(worker, flush=True)
signal.pause()
"""
        with self.start(script, model) as parent:
            assert parent.stdout is not None
            parents, worker = int(parent.stdout.readline()), int(parent.stdout.readline())

            parent.kill()

            try:
                assert_ends(parents)
            finally:
                os.kill(worker, signal.SIGKILL)

    def test_the_end_of_a_fork_leaves_the_parents_engine_alone(self, model: Path) -> None:
        script = """
if not os.fork():
    sys.exit()
os.wait()
assert pid(serve(sys.argv[1])) == own
os.kill(own, 0)
"""
        with self.start(script, model) as parent:
            _, complaints = parent.communicate(timeout=30)

        assert (parent.returncode, complaints) == (0, "")
