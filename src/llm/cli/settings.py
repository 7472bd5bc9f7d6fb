"""Which model answers where the user leaves it open, and how that is said.

What the command line names goes before the environment (`DRAGOMAN_MODEL`, `OPENAI_BASE_URL`, `OPENAI_API_KEY`), and
without any of these the embedded model answers. `OPENAI_API_KEY` goes to OpenAI and to `OPENAI_BASE_URL`; to another
address it goes only for a model that is named `openai:…`.
"""

from __future__ import annotations

import os
from typing import Any

from msgspec import Struct

from llm import LLM
from llm.cli.servers import model_names
from llm.options import DEFAULT_BASE_URL
from llm_async import BaseProvider, ConfigurationError, OpenAIProvider, provider_for
from llm_async.providers.configuration import with_path
from llm_async.providers.registry import split_model

OPENAI_MODEL = "gpt-5-mini"
"""What is asked at OpenAI where nothing is named."""

LOCAL = "local"


class Choice(Struct, frozen=True, kw_only=True):
    """The model that answers."""

    model: str
    """Its name, as the `LLM` is to have it."""

    provider: BaseProvider | None = None
    """The server it is asked at; None where its name says that."""

    reason: str = ""
    """What to tell the user, who has left something open; "" if nothing."""

    def llm(self, **options: Any) -> LLM:
        """Return the `LLM` to ask; `options` are its own."""
        return LLM(self.model, provider=self.provider, **options)


def choose(model: str | None, base_url: str | None) -> Choice:
    """Return the model that answers, asking a server for the names of its models if that is the only way to know.

    Args:
        model: what `-m` says.
        base_url: what `--base-url` says.

    Raises:
        ConfigurationError: the two don't go together, or the server has no model.
        ModelRequestError, LLMTimeoutError: the server could not be asked.
    """
    if model:
        return _named(model, base_url)
    if model := os.environ.get("DRAGOMAN_MODEL"):
        choice = _named(model, base_url)
        reasons = [f"DRAGOMAN_MODEL names {model!r}", choice.reason]
        return Choice(model=choice.model, provider=choice.provider, reason="; ".join(filter(None, reasons)))
    provider = server(base_url)
    if provider is not None:
        return _first_of(provider)
    if os.environ.get("OPENAI_API_KEY"):
        reason = f"OPENAI_API_KEY is set and no model is named, so {OPENAI_MODEL!r} at OpenAI answers"
        return Choice(model=OPENAI_MODEL, provider=OpenAIProvider(), reason=reason)
    return Choice(model=LOCAL, reason="no model, server or key is named, so the embedded model answers")


def server(base_url: str | None) -> BaseProvider | None:
    """Return the server that is named by `--base-url` or `OPENAI_BASE_URL`, None if none is."""
    if base_url:
        return OpenAIProvider("", with_path(base_url, DEFAULT_BASE_URL))
    if named := os.environ.get("OPENAI_BASE_URL"):
        return OpenAIProvider(os.environ.get("OPENAI_API_KEY", ""), with_path(named, DEFAULT_BASE_URL))
    return None


def _named(model: str, base_url: str | None) -> Choice:
    if model.partition(":")[0] == LOCAL:
        if base_url:
            raise ConfigurationError(f"the embedded model {model!r} is not at --base-url; leave one of the two out")
        return Choice(model=model)
    registered, _ = split_model(model)
    if registered is None:
        provider = server(base_url)
        return Choice(model=model, provider=provider, reason="" if provider else _default_server(model))
    if base_url:
        provider, name = provider_for(model, base_url=with_path(base_url, DEFAULT_BASE_URL))
        return Choice(model=name, provider=provider)
    return Choice(model=model)


def _default_server(model: str) -> str:
    reason = f"no server is named, so {DEFAULT_BASE_URL} (LM Studio) is asked for {model!r}"
    return f"{reason}; OpenAI's are named openai:NAME" if os.environ.get("OPENAI_API_KEY") else reason


def _first_of(provider: BaseProvider) -> Choice:
    names = model_names(provider)
    # Local servers list what they have for embeddings among the rest.
    names = [name for name in names if "embed" not in name.lower()]
    if not names:
        raise ConfigurationError(f"the server at {provider.base_url!r} lists no model; name one with -m")
    model = OPENAI_MODEL if OPENAI_MODEL in names else names[0]
    others = f", one of {len(names)}" if len(names) > 1 else ""
    reason = f"no model is named, so {model!r} at {provider.base_url} answers{others}"
    return Choice(model=model, provider=provider, reason=reason)
