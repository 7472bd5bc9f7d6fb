"""Where fetched models lie, and who may write there: one process at a time.

The folder is the platform's cache folder, or what `DRAGOMAN_CACHE_DIR` names. A file under its final name is whole:
it is moved there only after its hash was checked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from llm.local.models import LocalModel
from llm.local.progress import say
from llm_async.errors import ConfigurationError

if sys.platform == "win32":  # pragma: no cover - the tests run on POSIX
    import msvcrt
    import time
else:
    import fcntl


def cache_folder(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Return the folder that fetched models are kept in; it need not exist yet.

    Args:
        environment: the variables to go by, normally the process's own.
        platform: as `sys.platform` names it.
    """
    variables = os.environ if environment is None else environment
    if named := variables.get("DRAGOMAN_CACHE_DIR"):
        return Path(named).expanduser().absolute() / "models"
    return _platform_folder(variables, platform) / "dragoman" / "models"


def _platform_folder(variables: Mapping[str, str], platform: str) -> Path:
    if platform == "win32":
        return Path(variables.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    named = variables.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    return Path(named) if os.path.isabs(named) else Path.home() / ".cache"


def cached(model: LocalModel) -> Path | None:
    """Return where the model lies if it was fetched already."""
    path = cache_folder() / model.filename
    try:
        return path if path.stat().st_size == model.size else None
    except OSError:
        return None


@contextmanager
def writing(model: LocalModel) -> Generator[Path]:
    """Give the cache folder to one thread of one process, waiting for others that fetch the same model.

    The lock is the operating system's, so it goes when its holder does, however that ends.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{model.name}.lock").open("ab")
    except OSError as error:
        raise ConfigurationError(unwritable(folder, error)) from error
    with lock:
        try:
            if not _lock(lock, wait=False):
                say(f"waiting for another process that is fetching {model.name}")
                _lock(lock, wait=True)
        except OSError as error:
            raise ConfigurationError(unwritable(folder, error)) from error
        yield folder  # closing the file unlocks it


def unwritable(folder: Path, error: OSError) -> str:
    """Return what to tell a user whose cache folder cannot be used."""
    reason = error.strerror or type(error).__name__
    return (
        f"cannot write to the cache folder {str(folder)!r} ({reason}); "
        "set DRAGOMAN_CACHE_DIR to a folder that can be written"
    )


def _lock(file: BinaryIO, *, wait: bool) -> bool:
    """Lock an open file until it is closed; without waiting, return False if another has it."""
    if sys.platform == "win32":  # pragma: no cover - the tests run on POSIX
        while True:
            try:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                time.sleep(0.2)  # Windows has no lock that waits for longer than ten seconds
            else:
                return True
    else:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
