"""OpenAI's Chat Completions, and what the many servers that imitate it make of it.

Requests as in https://platform.openai.com/docs/api-reference/chat; replies as recorded from 24 servers up to
2026-11. What one server wants that another refuses is data: `llm_async.dialects.Profile`, filled in
`llm_async.providers.compatible`.

Addresses and keys are in `llm_async.providers`; putting deltas together is in `llm_async.models.response`.
"""

from llm_async.dialects.openai_chat.rebuild import message_in, rebuild_body
from llm_async.dialects.openai_chat.replies import decode_error, decode_response, decode_stream_event
from llm_async.dialects.openai_chat.requests import NAME, encode_request, encode_tool_result

__all__ = [
    "NAME",
    "decode_error",
    "decode_response",
    "decode_stream_event",
    "encode_request",
    "encode_tool_result",
    "message_in",
    "rebuild_body",
]
