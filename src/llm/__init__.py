"""The SDK people work with: `from llm import LLM`. Blocking and async, streamed and whole, one event format."""

from llm.events import (
    EventType,
    FinalResponse,
    StreamEvent,
    ToolCall,
    ToolResult,
    UsageInfo,
    VerboseInfo,
)
from llm.facade import LLM
from llm.options import LLMConfig
from llm.review import ToolInterceptor, tool_interceptor
from llm.stream import AsyncEventStream, EventStream
from llm.thinking import CustomThinkingToken
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
from llm_async.retry import RetryConfig, RetryPolicy
from llm_async.timeouts import Timeouts

__all__ = [
    "LLM",
    "AsyncEventStream",
    "AuthenticationError",
    "ConfigurationError",
    "ContextLengthError",
    "CustomThinkingToken",
    "EventStream",
    "EventType",
    "FinalResponse",
    "InvalidRequestError",
    "LLMConfig",
    "LLMError",
    "LLMTimeoutError",
    "ModelRequestError",
    "NotFoundError",
    "OutputTruncatedError",
    "OverloadedError",
    "RateLimitError",
    "RetryConfig",
    "RetryPolicy",
    "SchemaConversionError",
    "StatusError",
    "StreamEvent",
    "StreamInterruptedError",
    "StructuredOutputError",
    "Timeouts",
    "ToolCall",
    "ToolExecutionError",
    "ToolInterceptor",
    "ToolResult",
    "TransportError",
    "UsageInfo",
    "VerboseInfo",
    "WireFormatError",
    "tool_interceptor",
]
