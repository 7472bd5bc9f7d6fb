"""OpenAI's Responses, and the servers that imitate it.

Requests and events as in https://platform.openai.com/docs/api-reference/responses; replies as recorded from OpenAI,
Azure, xAI, DeepSeek, Bedrock, OpenRouter and LM Studio up to 2026-11. A reply is a list of *items*: messages,
reasoning, calls, and what the server's own tools did. They go back as they came, in their order, and those that only
the server can read too: encrypted reasoning must stand right before its call.

The text of a reply is all `output_text` of its messages. Some models say in a message of the phase `commentary` what
they are about to do; that is said to the user like the rest, and is text. The phases are in `.original`.

Addresses and keys are in `llm_async.providers`; putting deltas together is in `llm_async.models.response`.
"""

from llm_async.dialects.openai_responses.rebuild import message_in, rebuild_body
from llm_async.dialects.openai_responses.replies import decode_error, decode_response, decode_stream_event
from llm_async.dialects.openai_responses.requests import NAME, encode_request, encode_tool_result

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
