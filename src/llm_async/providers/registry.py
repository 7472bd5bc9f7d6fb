"""`provider:model`: which names are providers, and how each is made.

A prefix counts only if it is registered: model names hold colons and slashes themselves (`qwen3:8b`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from llm_async.errors import ConfigurationError
from llm_async.providers.base import BaseProvider

Factory = Callable[..., BaseProvider]


def _from(module: str, name: str, *arguments: str) -> Factory:
    """Return a factory whose module is imported at the first call: most programs use one provider."""
    return partial(_made, f"llm_async.providers.{module}", name, arguments)


def _made(module: str, name: str, arguments: tuple[str, ...], **options: Any) -> BaseProvider:
    made: BaseProvider = getattr(importlib.import_module(module), name)(*arguments, **options)
    return made


_COMPATIBLE = (
    "groq", "deepseek", "xai", "mistral", "together", "fireworks", "cerebras", "perplexity", "ollama", "lmstudio",
    "vllm", "llamacpp",
)  # fmt: skip # a word list, not a column of twelve lines

_factories: dict[str, Factory] = {
    "openai": _from("openai", "OpenAIProvider"),
    "openai-responses": _from("openai_responses", "OpenAIResponsesProvider"),
    "anthropic": _from("claude", "ClaudeProvider"),
    "google": _from("google", "GoogleProvider"),
    "vertex": _from("google", "vertex"),
    "openrouter": _from("openrouter", "OpenRouterProvider"),
    "azure": _from("azure", "AzureProvider"),
    **{name: _from("compatible", "CompatibleProvider", name) for name in _COMPATIBLE},
}


def register_provider(name: str, factory: Factory) -> None:
    """Make `name:model` mean a provider made by `factory`, which takes the keywords of `BaseProvider`."""
    if not isinstance(name, str) or not name or ":" in name:
        raise ConfigurationError(f"a provider's name must be text without a colon; it is {name!r}")
    if not callable(factory):
        raise ConfigurationError(f"factory must make a provider; it is a {type(factory).__name__}")
    _factories[name] = factory


def split_model(name: str) -> tuple[str | None, str]:
    """Return the registered provider that a model's name begins with, or None, and the rest of the name."""
    prefix, colon, model = name.partition(":")
    return (prefix, model) if colon and prefix in _factories else (None, name)


def provider_for(name: str, **options: Any) -> Any:
    """Return a provider for `name`, or the provider and the model's name for `name:model`.

    Any: which of the two it is depends on the text, and a union would have to be taken apart at every call.

    Args:
        options: passed on to the provider: `api_key`, `base_url`, `retry_config`, …

    Raises:
        ConfigurationError: there is no such provider; the text names those there are.
    """
    if not isinstance(name, str):
        raise ConfigurationError(f"name must be that of a provider; it is a {type(name).__name__}")
    prefix, model = split_model(name)
    if prefix is not None:
        return _factories[prefix](**options), model
    if name not in _factories:
        known = ", ".join(sorted(_factories))
        raise ConfigurationError(f"no provider is called {name!r}; there are {known}")
    return _factories[name](**options)
