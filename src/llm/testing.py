"""An `LLM` over scripted replies, for users' own tests: no network, no key, no model.

>>> from llm.testing import says, scripted_llm
>>> llm = scripted_llm(says("Hello", " you"), says("Bye"))
>>> llm.response("Hi")["answer"]
'Hello you'
>>> [event["content"] for event in llm.stream_response("See you")]
['Bye', None]
>>> llm.requests[1]["messages"]
[{'role': 'user', 'content': 'See you'}]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from llm.facade import LLM
from llm.tools.introspect import tool_name
from llm_async import LLMError, OpenAIProvider
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport


class ScriptedLLM(LLM):
    """An `LLM` that answers from a script. Made by `scripted_llm`."""

    _transport: ScriptedTransport

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of the requests so far, as a model server would have read them."""
        return [msgspec.json.decode(request.body) for request in self._transport.requests]


def scripted_llm(*replies: ScriptedReply | LLMError, **options: Any) -> ScriptedLLM:
    """Return an LLM that gives out `replies`, one a request, in their order.

    Args:
        replies: from `says` and `fails`; an error is raised as if the network had.
        options: those of `LLM`.
    """
    transport = ScriptedTransport(replies)
    provider = OpenAIProvider("scripted", "http://scripted.invalid/v1", transport=transport)
    llm = ScriptedLLM(options.pop("model", "scripted"), provider=provider, **options)
    llm._transport = transport
    return llm


def says(
    *pieces: str,
    reasoning: tuple[str, ...] = (),
    finish_reason: str | None = "stop",
    usage: dict[str, Any] | None = None,
    then: LLMError | None = None,
) -> ScriptedReply:
    """Return the reply of a model that says `pieces`, one a network read.

    Args:
        reasoning: what it thinks before, in a field of its own.
        finish_reason: why it stops; None never says so, and the stream breaks off.
        usage: the server's count, in OpenAI Chat's words.
        then: an error in place of the end.
    """
    deltas = [{"reasoning_content": text} for text in reasoning] + [{"content": text} for text in pieces]
    return _reply(deltas, finish_reason, usage, then)


def call(tool: str | Callable[..., Any], /, **arguments: Any) -> dict[str, Any]:
    """Return a tool call for `calls`: the tool, by name or as a function, and its arguments."""
    name = tool if isinstance(tool, str) else tool_name(tool)
    return {"type": "function", "function": {"name": name, "arguments": msgspec.json.encode(arguments).decode()}}


def calls(*wanted: dict[str, Any], text: str = "", usage: dict[str, Any] | None = None) -> ScriptedReply:
    """Return the reply of a model that calls tools, each described by `call`; the ids are `call_1`, `call_2` and so on.

    Args:
        text: what it says before.
        usage: the server's count, in OpenAI Chat's words.
    """
    deltas: list[dict[str, Any]] = [{"content": text}] if text else []
    deltas += [
        {"tool_calls": [{"index": index, "id": f"call_{index + 1}"} | each]} for index, each in enumerate(wanted)
    ]
    return _reply(deltas, "tool_calls", usage, None)


def fails(status: int, message: str = "it failed", *, headers: dict[str, str] | None = None) -> ScriptedReply:
    """Return the reply of a server that fails with an HTTP status."""
    body = msgspec.json.encode({"error": {"message": message}})
    return ScriptedReply(status=status, headers=headers or {}, pieces=[body])


def _reply(
    deltas: list[dict[str, Any]], finish_reason: str | None, usage: dict[str, Any] | None, then: LLMError | None
) -> ScriptedReply:
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    if finish_reason is not None and then is None:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    if usage is not None:
        chunks.append({"choices": [], "usage": usage})
    sent: list[bytes | LLMError] = [b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks]
    if then is not None:
        sent.append(then)
    elif finish_reason is not None:
        sent.append(b"data: [DONE]\n\n")
    return ScriptedReply(headers={"content-type": "text/event-stream"}, pieces=sent)
