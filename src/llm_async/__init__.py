"""Fast, async, wire-level clients for model servers: one message, tool, schema and stream model for all.

>>> from llm_async import OpenAIProvider
>>> OpenAIProvider(api_key="key", base_url="http://localhost:1234/v1")
OpenAIProvider(base_url='http://localhost:1234/v1')
"""

from llm_async.errors import (
    AuthenticationError,
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelRequestError,
    NotFoundError,
    OutputTruncatedError,
    OverloadedError,
    RateLimitError,
    SchemaConversionError,
    StatusError,
    StreamInterruptedError,
    StructuredOutputError,
    ToolExecutionError,
    TransportError,
    WireFormatError,
)
from llm_async.models import Message, Response, ResponseSchema, StreamChunk, Tool, ToolCall, Usage
from llm_async.providers import (
    BaseProvider,
    ClaudeProvider,
    GoogleProvider,
    OpenAIProvider,
    OpenAIResponsesProvider,
    OpenRouterProvider,
    provider_for,
    register_provider,
)
from llm_async.retry import RetryConfig, RetryPolicy
from llm_async.stream import Stream
from llm_async.timeouts import Timeouts

__all__ = [
    "AuthenticationError",
    "BaseProvider",
    "ClaudeProvider",
    "ConfigurationError",
    "ContextLengthError",
    "GoogleProvider",
    "InvalidRequestError",
    "LLMError",
    "LLMTimeoutError",
    "Message",
    "ModelRequestError",
    "NotFoundError",
    "OpenAIProvider",
    "OpenAIResponsesProvider",
    "OpenRouterProvider",
    "OutputTruncatedError",
    "OverloadedError",
    "RateLimitError",
    "Response",
    "ResponseSchema",
    "RetryConfig",
    "RetryPolicy",
    "SchemaConversionError",
    "StatusError",
    "Stream",
    "StreamChunk",
    "StreamInterruptedError",
    "StructuredOutputError",
    "Timeouts",
    "Tool",
    "ToolCall",
    "ToolExecutionError",
    "TransportError",
    "Usage",
    "WireFormatError",
    "provider_for",
    "register_provider",
]
