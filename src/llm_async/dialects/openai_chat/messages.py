"""A conversation in OpenAI Chat's shape, with what each server refuses left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_async.dialects import Profile
from llm_async.models.message import Image, Item, Message, Native, Text
from llm_async.models.shapes import translated
from llm_async.models.tool_call import ToolResult

_EVERYWHERE = ("role", "content", "name", "tool_calls")
_REASONING = ("reasoning_content", "reasoning", "reasoning_text")

_SIGNED = ("reasoning_details", "extra_content", "thought_signature")
"""What its issuer wants back unchanged, and nobody else can read."""

_MADE = ("images", "audio")


def encode_messages(items: Iterable[Item], profile: Profile, issuer: str, lost: list[str]) -> list[Any]:
    """Return the messages that say a conversation.

    Args:
        issuer: whose own messages go out as they are, by name of the dialect.
        lost: what had to be left out is added to it, a sentence each.
    """
    read, left = translated(items, issuer)
    lost += left
    messages: list[Any] = []
    shown: list[Any] = []  # what results show; it follows the last of them, for nothing may come between results
    for item in read:
        result = _result_in(item)
        if result is None and shown:
            messages.append({"role": "user", "content": shown})
            shown = []
        if result is None:
            messages.append(_encode_message(item, profile, lost))  # type: ignore[arg-type] # no ToolResult is left
        else:
            stays = profile.pictures_in_results or (profile.pictures_in_results is None and isinstance(item, Message))
            messages.append(result if stays else _without_pictures(result, shown))
    if shown:
        messages.append({"role": "user", "content": shown})
    return messages if profile.cache_control else [_without_marks(message, lost) for message in messages]


def encode_tool_result(result: ToolResult) -> dict[str, Any]:
    """Return the message that carries a tool's result."""
    parts = [_encode_part(part) for part in result.parts]
    has_more = any(_kind(part) != "text" for part in parts)
    return {"role": "tool", "tool_call_id": result.id, "content": parts if has_more else result.text}


def _result_in(item: Item) -> dict[str, Any] | None:
    """Return the message of a tool's result, if the item is one."""
    if isinstance(item, ToolResult):
        return encode_tool_result(item)
    original = item.original
    if not isinstance(original, Mapping) or original.get("role") not in ("tool", "function"):
        return None
    return {name: value for name, value in original.items() if name != "is_error"}  # the text says it to the model


def _without_pictures(result: dict[str, Any], shown: list[Any]) -> dict[str, Any]:
    """Return a result as text, for that is all that OpenAI takes there; what else it holds is added to `shown`."""
    content = result.get("content")
    if not isinstance(content, (list, tuple)):
        return result
    others = [part for part in content if _kind(part) != "text"]
    if not others:
        return result
    texts = [part for part in content if _kind(part) == "text"]
    shown += [{"type": "text", "text": f"From the result of call {result.get('tool_call_id')}:"}, *others]
    return result | {"content": texts or "It is in the next message of the user."}


def _encode_message(item: Message, profile: Profile, lost: list[str]) -> Any:
    role = "system" if item.role == "developer" and not profile.developer_role else item.role
    if item.original is not None:
        original = item.original
        if not isinstance(original, Mapping):
            return original
        if original.get("role") == "assistant":
            return _sent_back(original, profile, lost)
        return original if original.get("role") == role else {**original, "role": role}
    message: dict[str, Any] = {"role": role, "content": _encode_content(item)}
    if item.refusal:
        message["refusal"] = item.refusal
    if item.tool_calls:
        message["content"] = message["content"] or None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": call.function} for call in item.tool_calls
        ]
    return _sent_back(message, profile, lost) if role == "assistant" else message


def _encode_content(message: Message) -> Any:
    if isinstance(message.content, str):
        return message.content
    return [_encode_part(part) for part in message.content]


def _encode_part(part: Any) -> Any:
    match part:
        case Text(text, mark):
            written: dict[str, Any] = {"type": "text", "text": text}
        case Image(url, mark, detail):
            image = {"url": url} if detail is None else {"url": url, "detail": detail}
            written = {"type": "image_url", "image_url": image}
        case Native(value):
            return value
        case _:
            return part
    return written if mark is None else written | {"cache_control": mark}


def _kind(part: Any) -> Any:
    return part.get("type") if isinstance(part, Mapping) else None


# ------------------------------------------------------------------------------ a model's message, sent back


def _sent_back(message: Mapping[str, Any], profile: Profile, lost: list[str]) -> Any:
    """Return a model's message with what the server takes of it."""
    if profile.reasoning is not None:
        reasoning = next((text for name in _REASONING if isinstance(text := message.get(name), str) and text), None)
        message = {name: value for name, value in message.items() if name not in _REASONING}
        if reasoning and profile.reasoning:
            message = {**message, profile.reasoning: reasoning}
    if not profile.thinking_parts:
        message = _without_thinking(message, lost)
    return message if profile.assistant_fields is None else _known_fields(message, profile, lost)


def _known_fields(message: Mapping[str, Any], profile: Profile, lost: list[str]) -> dict[str, Any]:
    known = {*_EVERYWHERE, *(profile.assistant_fields or ()), profile.reasoning}
    # Several servers refuse null and empty lists where nothing is meant.
    kept = {name: value for name, value in message.items() if name in known and value not in (None, [])}
    _tell_of(kept, message, lost)
    calls = kept.get("tool_calls")
    if isinstance(calls, (list, tuple)) and "extra_content" not in known:
        if any(isinstance(call, Mapping) and call.get("extra_content") for call in calls):
            lost.append("signatures of another provider were left out (tool_calls[].extra_content)")
        kept["tool_calls"] = [_plain_call(call) for call in calls]
    if isinstance(audio := kept.get("audio"), Mapping):
        kept["audio"] = {"id": audio.get("id")}  # all that OpenAI takes of what it has said
    if not kept.get("content") and "refusal" not in kept and message.get("refusal"):
        kept["content"] = message["refusal"]
    elif "content" in message and "content" not in kept:  # null only where something else is said
        kept["content"] = None if kept.keys() & {"tool_calls", "function_call", "audio", "refusal"} else ""
    return {name: kept[name] for name in ("role", "content") if name in kept} | kept


def _tell_of(kept: Mapping[str, Any], message: Mapping[str, Any], lost: list[str]) -> None:
    for name in (*_SIGNED, *_MADE):
        if message.get(name) and name not in kept:
            what = "signed reasoning of another provider was" if name in _SIGNED else "what a model had made was"
            lost.append(f"{what} left out ({name})")


def _plain_call(call: Any) -> Any:
    return (
        {name: value for name, value in call.items() if name != "extra_content"} if isinstance(call, Mapping) else call
    )


def _without_thinking(message: Mapping[str, Any], lost: list[str]) -> Mapping[str, Any]:
    content = message.get("content")
    if not isinstance(content, (list, tuple)):
        return message
    parts = [part for part in content if _kind(part) not in ("thinking", "reasoning")]
    if len(parts) == len(content):
        return message
    if any(isinstance(part, Mapping) and part.get("signature") for part in content):
        lost.append("signed reasoning of another provider was left out (thinking)")
    return {**message, "content": parts or None}


def _without_marks(message: Any, lost: list[str]) -> Any:
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, (list, tuple)) or not any(has_mark(part) for part in content):
        return message
    tell_of_marks(lost)
    return {**message, "content": [without_mark(part) for part in content]}


def has_mark(value: Any) -> bool:
    """Return whether a part or a tool has a mark for the prompt cache."""
    return isinstance(value, Mapping) and value.get("cache_control") is not None


def without_mark(value: Any) -> Any:
    """Return a part or a tool without its mark for the prompt cache."""
    if not has_mark(value):
        return value
    return {name: inner for name, inner in value.items() if name != "cache_control"}


def tell_of_marks(lost: list[str]) -> None:
    """Add that marks were left out."""
    lost.append("marks for the prompt cache were left out (cache_control), which this server does not know")
