"""Which model `LLM("local")` means.

A model that is there already is taken. Otherwise the better one is fetched, and the small one where that fails.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from llm.local import models
from llm.local.cache import cached
from llm.local.engine import check_installed
from llm.local.fetch import fetch_model
from llm.local.models import LocalModel, chat_template
from llm.local.progress import say
from llm_async.errors import ConfigurationError, LLMError

PATIENCE = 5.0
"""Seconds that the model hub has for its first answer while another model could do."""


class Choice(Struct, frozen=True):
    """A model file that is ready to be served."""

    file: Path
    name: str
    template: str = ""


def choose_model(name: str) -> Choice:
    """Return the model that is meant, fetching it if it is not there.

    Args:
        name: a name of the table, the path of a GGUF file, or "" for `DRAGOMAN_LOCAL_MODEL` or the best at hand.

    Raises:
        ConfigurationError: there is no such model or file; or see `fetch_model`.
        TransportError: see `fetch_model`.
    """
    name = name or os.environ.get("DRAGOMAN_LOCAL_MODEL", "")
    if not name:
        return _best_at_hand()
    if name.endswith(".gguf") or "/" in name or os.sep in name:
        return _own_file(name)
    model = models.find(name)
    return _ready(model, _fetch(model))


def _best_at_hand() -> Choice:
    for model in models.MODELS:
        if path := cached(model):
            _announce(model, "it is in the cache")
            return _ready(model, path)
    failures: list[str] = []
    *better, last = models.MODELS
    for model in better:
        try:
            path = _fetch(model, PATIENCE)
        except LLMError as error:
            failures.append(f"{model.name} could not be fetched: {error}")
        else:
            _announce(model, "it was fetched just now")
            return _ready(model, path)
    say("; ".join(failures))
    path = _fetch(last)
    _announce(last, "; ".join(failures))
    return _ready(last, path)


_announced: set[str] = set()


def _announce(model: LocalModel, reason: str) -> None:
    """Say on standard error which model answers and why, once in a process."""
    if model.name not in _announced:
        _announced.add(model.name)
        say(f"the embedded model {model.name} answers ({reason})")


def _fetch(model: LocalModel, patience: float = 30.0) -> Path:
    if path := cached(model):
        return path
    check_installed()  # before hundreds of megabytes come for nothing
    return fetch_model(model, patience=patience)


def _ready(model: LocalModel, file: Path) -> Choice:
    return Choice(file, model.name, chat_template(model))


def _own_file(name: str) -> Choice:
    file = Path(name).expanduser().absolute()
    try:
        with file.open("rb") as content:
            magic = content.read(4)
    except OSError as error:
        raise ConfigurationError(f"cannot read the model file {str(file)!r} ({error.strerror})") from error
    if magic != b"GGUF":
        raise ConfigurationError(
            f"the model file {str(file)!r} is not in the format GGUF, the one that the engine reads"
        )
    return Choice(file, file.name)
