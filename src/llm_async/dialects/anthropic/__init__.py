"""The Anthropic Messages wire format.

As described at https://platform.claude.com/docs/en/api/messages for the versions 2023-06-01 and 2026-10-21, checked
against 250 recorded exchanges up to 2026-11. What a request says is in `requests` and `content`, what the models
differ in is in `families`, what a reply says is in `replies`, and how a streamed one is put together in `rebuild`.

Addresses and keys are in `llm_async.providers.claude`.
"""

from llm_async.dialects.anthropic.content import encode_tool_result
from llm_async.dialects.anthropic.rebuild import message_in, rebuild_body
from llm_async.dialects.anthropic.replies import NAME, decode_error, decode_response, decode_stream_event
from llm_async.dialects.anthropic.requests import encode_count, encode_request

__all__ = [
    "NAME",
    "decode_error",
    "decode_response",
    "decode_stream_event",
    "encode_count",
    "encode_request",
    "encode_tool_result",
    "message_in",
    "rebuild_body",
]
