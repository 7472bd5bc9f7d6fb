"""Gemini's `generateContent`, as the Gemini API and Vertex AI speak it.

Described at https://ai.google.dev/api/generate-content; checked against the recorded exchanges of both up to 2026-11.

Addresses and keys are in `llm_async.providers.google`; putting deltas together is in `llm_async.models.response`.
"""

from llm_async.dialects.gemini.rebuild import message_in, rebuild_body
from llm_async.dialects.gemini.replies import decode_error, decode_response, decode_stream_event
from llm_async.dialects.gemini.requests import encode_request, encode_tool_result
from llm_async.dialects.gemini.words import NAME

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
