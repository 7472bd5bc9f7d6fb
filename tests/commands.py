"""Running the command `dragoman` as a process of its own, and on a terminal of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import PATIENCE

if sys.platform != "win32":
    import fcntl
    import pty
    import termios

SRC = Path(__file__).parent.parent / "src"

KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CACHE_HOME",
    "DRAGOMAN_CACHE_DIR",
)

DIM = "\x1b[2m"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


def surroundings(**more: str) -> dict[str, str]:
    """Return the environment to start the command in, without what the machine happens to have set."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**measured, **kept, "PYTHONPATH": str(SRC), **more}


def obey_ctrl_c() -> None:
    """Undo what a shell does that runs the tests in the background: it has them ignore Ctrl-C, and all they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Process:
    """The command, its standard streams being pipes."""

    def __init__(self, words: Sequence[str], *, module: str = "llm", stdin: Any = subprocess.DEVNULL, **more: str):
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env=surroundings(**more),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=obey_ctrl_c,
        )

    def read(self, size: int) -> str:
        """Return the next bytes of standard output."""
        assert self._process.stdout is not None
        return self._process.stdout.read(size).decode()

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def stop_reading(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.stdout = None

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def result(self, stdin: bytes | None = None) -> Result:
        out, err = self._process.communicate(stdin, timeout=60)
        return Result(self._process.returncode, (out or b"").decode(), err.decode())

    def close(self) -> None:
        self._process.kill()
        with contextlib.suppress(ValueError):  # its output was read already
            self._process.communicate()


class Terminal:
    r"""The command on a terminal; `\x03` typed there is Ctrl-C, `\x04` Ctrl-D."""

    def __init__(self, words: Sequence[str], environment: dict[str, str]) -> None:
        self._screen, its_side = pty.openpty()
        self._seen = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "llm", *words],
            env=surroundings(TERM="xterm", **environment),
            stdin=its_side,
            stdout=its_side,
            stderr=its_side,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(its_side)

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def until(self, text: str) -> str:
        """Return what is shown up to `text` and with it."""
        deadline = time.monotonic() + 6 * PATIENCE
        while text not in self._seen:
            ready, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"waited in vain for {text!r} after {self._seen!r}"
            data = self._receive()
            assert data, f"it ended before {text!r}, after {self._seen!r}"
            self._seen += data
        end = self._seen.index(text) + len(text)
        shown, self._seen = self._seen[:end], self._seen[end:]
        return shown

    def result(self) -> Result:
        """Wait for its end; return the exit code and what was shown last."""
        while data := self._receive():
            self._seen += data
        return Result(self._process.wait(60), self._seen, "")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def _receive(self) -> str:
        try:
            return os.read(self._screen, 65536).decode()
        except OSError:  # how Linux says that nobody has the other side any more
            return ""


def _take_terminal() -> None:
    obey_ctrl_c()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
