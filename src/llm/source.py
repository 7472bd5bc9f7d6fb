"""Where an LLM asks: at a provider it was given, or at the embedded model, which has to be started first."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from llm.options import DEFAULT_API_KEY, DEFAULT_BASE_URL, LLMConfig
from llm.runtime import Runtime
from llm_async import BaseProvider, ConfigurationError, OpenAIProvider
from llm_async.client import Client
from llm_async.dialects import Profile
from llm_async.providers.configuration import with_path
from llm_async.providers.registry import provider_for, split_model
from llm_async.retry import RetryPolicy


class Source(Protocol):
    """Finds the provider of a call."""

    @property
    def model(self) -> str:
        """The model's name at the provider."""
        ...

    async def connect(self, runtime: Runtime) -> Client:
        """Return the client to ask, which may mean that a model is fetched and started."""
        ...

    def providers(self) -> list[BaseProvider]:
        """Return the providers whose connections may be open."""
        ...


def source_for(config: LLMConfig, provider: BaseProvider | None) -> Source:
    """Return where an LLM of this configuration asks.

    Raises:
        ConfigurationError: there is no such place, or no key for it.
    """
    prefix, _, name = config.model.partition(":")
    if provider is not None:
        if not isinstance(provider, BaseProvider):
            raise ConfigurationError(f"provider must be a provider of llm_async; it is a {type(provider).__name__}")
        return GivenSource(config.model, provider, config.retry)
    if prefix == "local":
        return LocalSource(name, config.retry)
    registered, name = split_model(config.model)
    if registered is not None:
        # `is`: whoever gives the same address or key means it.
        key = None if config.api_key is DEFAULT_API_KEY else config.api_key
        address = None if config.base_url is DEFAULT_BASE_URL else config.base_url
        found: BaseProvider = provider_for(registered, api_key=key, base_url=address)
        found.base_url = with_path(found.base_url, found.default_base_url)
        return GivenSource(name, found, config.retry)
    address = with_path(config.base_url, DEFAULT_BASE_URL)
    return GivenSource(config.model, OpenAIProvider(config.api_key, address), config.retry)


class GivenSource:
    """A provider that is known from the start."""

    def __init__(self, model: str, provider: BaseProvider, retry: RetryPolicy) -> None:
        self.model, self._provider, self._retry = model, provider, retry

    async def connect(self, runtime: Runtime) -> Client:
        """Return the client of the provider."""
        return Client(self._provider, runtime.transport(self._provider), self._retry)

    def providers(self) -> list[BaseProvider]:
        """Return the provider."""
        return [self._provider]


class LocalSource:
    """The embedded model, started at the first call and shared by the process."""

    def __init__(self, name: str, retry: RetryPolicy) -> None:
        self._name, self._retry = name, retry
        self._provider: BaseProvider | None = None
        self.model = name or "local"

    async def connect(self, runtime: Runtime) -> Client:
        """Return the client of the engine, which is fetched and started as needed."""
        from llm.local import serve  # a leaf that nobody who asks a server needs

        server = await runtime.call(partial(serve, self._name))
        provider = self._provider
        if provider is None or provider.base_url != server.base_url:
            provider = self._provider = OpenAIProvider(server.api_key, server.base_url, proxy="")
            provider.profile = Profile(tool_choice="words")
        return Client(provider, runtime.transport(provider), self._retry)

    def providers(self) -> list[BaseProvider]:
        """Return the engine's provider, if it was asked yet."""
        return [] if self._provider is None else [self._provider]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_provider": None}  # another process has an engine of its own
