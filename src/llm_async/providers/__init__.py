"""Model servers: addresses, keys and headers. Nothing here opens a connection by being imported."""

from llm_async.providers.base import BaseProvider
from llm_async.providers.claude import ClaudeProvider
from llm_async.providers.google import GoogleProvider
from llm_async.providers.openai import OpenAIProvider
from llm_async.providers.openai_responses import OpenAIResponsesProvider
from llm_async.providers.openrouter import OpenRouterProvider
from llm_async.providers.registry import provider_for, register_provider

__all__ = [
    "BaseProvider",
    "ClaudeProvider",
    "GoogleProvider",
    "OpenAIProvider",
    "OpenAIResponsesProvider",
    "OpenRouterProvider",
    "provider_for",
    "register_provider",
]
