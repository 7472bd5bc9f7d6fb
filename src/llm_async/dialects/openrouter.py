"""OpenRouter's own Chat Completions: OpenAI's, and reasoning that goes back to where it came from.

As described at https://openrouter.ai/docs/api-reference and recorded up to 2026-11. `reasoning_details`, signed or
encrypted, go back unchanged, to OpenRouter alone; how much a model reasons is said in an object of its own. What
routes a request (`provider`, `models`, `plugins`, …) is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_async.dialects import HttpCall, Profile, openai_chat
from llm_async.dialects.openai_chat import (
    decode_error,
    decode_response,
    decode_stream_event,
    encode_tool_result,
    message_in,
)
from llm_async.dialects.openai_chat.requests import encode_body, to_call
from llm_async.models.event import ModelEvent
from llm_async.models.request import ModelRequest
from llm_async.models.response import Reply

NAME = "openrouter"

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


def encode_request(request: ModelRequest, profile: Profile, *, stream: bool) -> HttpCall:
    """Return the call that says `request`.

    Raises:
        ConfigurationError: a value in it has no JSON.
    """
    lost: list[str] = []
    body = encode_body(request, profile, NAME, lost, stream=stream)
    effort, reasoning = body.pop("reasoning_effort", None), body.get("reasoning")
    if effort is not None:
        body["reasoning"] = {"effort": effort} | (dict(reasoning) if isinstance(reasoning, Mapping) else {})
    return to_call(body, lost)


def rebuild_body(reply: Reply, events: Sequence[ModelEvent] = ()) -> dict[str, Any]:
    """Return the reply as the whole answer would have been, had it not been streamed."""
    return openai_chat.rebuild_body(reply, events, reasoning="reasoning")
