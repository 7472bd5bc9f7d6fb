"""A reply in the shape of OpenAI's Responses: the message to send back, and the body of a streamed reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_async.models.event import ModelEvent, Opaque, Refusal, TextDelta
from llm_async.models.response import Reply
from llm_async.models.tool_call import ToolCall


def message_in(body: Any, calls: Sequence[ToolCall] = ()) -> Any:
    """Return what is sent back of a whole answer: its items, under `output` in one message.

    Args:
        calls: the calls in it as users see them, by whose ids the results will name them.
    """
    items = body.get("output") if isinstance(body, dict) else None
    return {"role": "assistant", "output": _with_call_ids(items, calls)} if isinstance(items, list) else None


def rebuild_body(reply: Reply, events: Sequence[ModelEvent] = ()) -> dict[str, Any]:
    """Return the response: the one that ended the stream, else what had arrived of it."""
    response: dict[str, Any] = {"id": reply.id, "object": "response", "model": reply.model, "status": "incomplete"}
    items: list[Any] = []
    unfinished: list[ModelEvent] = []
    for event in events:
        if type(event) is Opaque:
            if event.field == "response":
                response = event.value
            elif event.field == "output":
                items += event.value
                if _kind(event.value[0]) == "message":
                    unfinished.clear()
        elif type(event) is TextDelta or type(event) is Refusal:
            unfinished.append(event)
    output = response.get("output")
    if not output:  # it broke off or failed; or an imitation that says nothing twice
        output = [*items, *_message_of(unfinished), *_calls_beside(items, reply.tool_calls)]
        response = response | {"output": output}
    complete = _with_call_ids(output, reply.tool_calls)
    return response if complete == output else response | {"output": complete}


def _with_call_ids(items: list[Any], calls: Sequence[ToolCall]) -> list[Any]:
    """Return the items with the ids that results will name, where the server has given none."""
    sent = [item for item in items if _kind(item) == "function_call"]
    if len(sent) != len(calls) or all(item.get("call_id") for item in sent):
        return items
    ids = iter(calls)
    completed = []
    for item in items:
        if _kind(item) == "function_call":
            item = item | {"call_id": next(ids).id}
        completed.append(item)
    return completed


def _message_of(said: list[ModelEvent]) -> list[Any]:
    """Return the message that was being written when the reply broke off."""
    text = "".join(event.text for event in said if type(event) is TextDelta)
    refusal = "".join(event.text for event in said if type(event) is Refusal)
    content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    content += [{"type": "refusal", "refusal": refusal}] if refusal else []
    message = {"type": "message", "role": "assistant", "status": "incomplete", "content": content}
    return [message] if content else []


def _calls_beside(items: list[Any], calls: Sequence[ToolCall]) -> list[Any]:
    """Return the calls that were not done when the reply broke off: the last ones."""
    done = sum(_kind(item) == "function_call" for item in items)
    return [
        {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments_text,
            "status": "incomplete",
        }
        for call in calls[done:]
    ]


def _kind(item: Any) -> Any:
    return item.get("type") if isinstance(item, dict) else None
