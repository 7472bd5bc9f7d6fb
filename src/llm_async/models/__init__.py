"""Values: what is asked of a model and what it says, the same for every provider."""

from llm_async.models.event import FinishReason, Usage
from llm_async.models.message import Message
from llm_async.models.request import ModelRequest, Sampling
from llm_async.models.response import Response, StreamChunk
from llm_async.models.response_schema import ResponseSchema
from llm_async.models.tool import Tool
from llm_async.models.tool_call import ToolCall, ToolResult

__all__ = [
    "FinishReason",
    "Message",
    "ModelRequest",
    "Response",
    "ResponseSchema",
    "Sampling",
    "StreamChunk",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Usage",
]
