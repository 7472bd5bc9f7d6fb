"""The parent's side of the engine: one child process for each model file, started at first use.

The child ends when its standard input does, and only this process holds the other end: it goes with us, even when we
are killed. A forked worker lets go of its parent's engines and starts its own.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from llm.local.cores import confined_cores
from llm_async.errors import ConfigurationError

SLOTS = 4
"""Requests that are answered at the same time; more wait inside the engine."""

CONTEXT = 16_384
"""Tokens of context that the slots share."""

GRACE = 1.0
"""Seconds that a child has to end by itself when its standard input has."""

# Without these, waiting threads spin: measured 10 to 50 times slower on two busy cores. OpenMP reads them once, when
# it is loaded, so they must stand before the child starts.
PASSIVE = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive"}

INSTALL = "pip install 'dragoman[local]'"


class LocalServer(Struct, frozen=True):
    """Where a model answers, in the OpenAI Chat format."""

    base_url: str
    """Ends in /v1."""

    api_key: str
    model: str

    def __repr__(self) -> str:
        return f"LocalServer(base_url={self.base_url!r}, model={self.model!r})"  # the key stays out of logs


class _Engine:
    """A running child and its server."""

    def __init__(self, process: subprocess.Popen[bytes], server: LocalServer) -> None:
        self.process, self.server = process, server

    def is_running(self) -> bool:
        return self.process.poll() is None


_engines: dict[Path, _Engine] = {}
_children: list[subprocess.Popen[bytes]] = []  # those being started included
_lock = threading.Lock()


def run(file: Path, *, name: str, template: str = "") -> LocalServer:
    """Return the server of a model file, starting its engine unless it runs.

    Args:
        name: what answers call the model.
        template: replaces the model's own chat template if not empty.

    Raises:
        ConfigurationError: the engine is not installed, lacks a library, or cannot load the file.
    """
    engine = _engines.get(file)
    if engine and engine.is_running():
        return engine.server
    with _lock:
        engine = _engines.pop(file, None)
        if engine and not engine.is_running():
            _end(engine.process)
            engine = None
        _engines[file] = engine = engine or _start(file, name, template)
        return engine.server


def close() -> None:
    """End all engines of this process; the next `run` starts anew."""
    with _lock:
        _end_all()


def check_installed() -> None:
    """Raise `ConfigurationError` if the engine's package is not there; nothing is loaded."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            f"the embedded model needs the extra 'local': {INSTALL}; where there is no wheel of xllamacpp for the "
            "platform, run a model server of your own and give its base_url"
        )


def _start(file: Path, name: str, template: str) -> _Engine:
    check_installed()
    key = secrets.token_urlsafe(32)
    settings: dict[str, Any] = {  # Any: it becomes a line of JSON
        "path": sys.path,
        "model": str(file),
        "name": name,
        "key": key,
        "template": template,
        "slots": SLOTS,
        "context": CONTEXT,
        "threads": confined_cores(),
    }
    with tempfile.TemporaryFile() as complaints:
        process = _spawn(complaints)
        try:
            answer = _exchange(process, settings)
            if "address" not in answer:
                process.wait()
                raise ConfigurationError(_failure(name, answer.get("error", ""), process.returncode, complaints))
        except BaseException:
            _end(process)
            raise
    return _Engine(process, LocalServer(base_url=answer["address"] + "/v1", api_key=key, model=name))


def _spawn(complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    # As a script: its process loads the engine and nothing else. -P: not what lies beside the script either.
    command = [sys.executable, "-P", str(Path(__file__).with_name("child.py"))]
    # Ctrl-C in a terminal is meant for us; the engine lives on, for the next question.
    flags = 0
    if sys.platform == "win32":  # pragma: no cover - the tests run on POSIX
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    process = subprocess.Popen(
        command,
        env={**os.environ, **PASSIVE},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        bufsize=0,  # a raw pipe has no lock that a fork could leave locked
        creationflags=flags,
        start_new_session=sys.platform != "win32",
    )
    _children.append(process)
    return process


def _exchange(process: subprocess.Popen[bytes], settings: dict[str, Any]) -> dict[str, str]:
    """Tell the child what to serve and return what it answers, nothing if it died."""
    assert process.stdin is not None  # for the type checkers: both are pipes
    assert process.stdout is not None
    line = json.dumps(settings).encode() + b"\n"
    with contextlib.suppress(BrokenPipeError):
        while line:
            line = line[process.stdin.write(line) :]
    answer: dict[str, str] = json.loads(process.stdout.readline() or b"{}")
    return answer


def _failure(name: str, error: str, code: int, complaints: IO[bytes]) -> str:
    """Return what to tell the user whose engine did not start."""
    if "libgomp" in error:
        return f"the engine lacks the library libgomp ({error}); install it, for example 'apt-get install libgomp1'"
    if error.startswith("ImportError"):
        return f"the engine cannot be loaded ({error}); install it again: {INSTALL} --force-reinstall"
    complaints.seek(0)
    last = " / ".join(complaints.read().decode("utf-8", "replace").strip().splitlines()[-3:])
    return (
        f"the engine could not serve {name!r} (exit code {code}; {error or 'it died'}); if the file is damaged, delete "
        f"it and fetch it again; it said last: {last}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    _let_go(process)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process in _children:
        _children.remove(process)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Close our ends of the child's pipes; it ends when nobody holds them any more."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _end_all() -> None:
    _engines.clear()
    while _children:
        _end(_children[-1])


def _forget() -> None:
    """After a fork, in the new process: the engines are the parent's, and so are the pipes that keep them alive."""
    global _lock
    _lock = threading.Lock()
    _engines.clear()
    for process in _children:
        _let_go(process)
        process.returncode = 0  # not our child; unset, Popen would warn that it still runs
    _children.clear()


# Without the lock: a thread that is just starting an engine must not hold up the end of the program.
atexit.register(_end_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_forget)
