"""One message of a conversation, and the dicts that users write instead.

The neutral shape is OpenAI Chat's: roles `system`, `developer`, `user`, `assistant` and `tool`; content as text or
as parts `text`, `image_url`, `input_audio` and `file`. Any dict with a role is accepted, for other shapes are some
provider's own and go back to it as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from llm_async.errors import ConfigurationError
from llm_async.models.tool_call import ToolCall, ToolResult


class Text(Struct, frozen=True, tag="text"):
    """A piece of text."""

    text: str

    cache_control: Mapping[str, Any] | None = None
    """Where a provider's prompt cache is to have a mark, in Anthropic's words."""


class Image(Struct, frozen=True, tag="image"):
    """A picture: an address, or its bytes as a `data:` URL."""

    url: str
    cache_control: Mapping[str, Any] | None = None

    detail: str | None = None
    """How closely the model looks, in OpenAI's words: `low`, `high`, `auto`."""


class Native(Struct, frozen=True, tag="native"):
    """Any other part as it was given, such as `input_audio` and `file` in OpenAI Chat's shape."""

    value: Any


Part = Text | Image | Native


class Message(Struct, frozen=True):
    """One message, from a user, a model or the application.

    `Message("user", "Hello")` is the same as `{"role": "user", "content": "Hello"}`.
    """

    role: str

    content: str | Sequence[Part | Mapping[str, Any]] = ""
    """The text, or parts. A model's is always text; "" if it said none."""

    reasoning: str = ""
    """What the model thought before it answered, as far as the server shows it."""

    tool_calls: Sequence[ToolCall] = ()
    """The calls the model asks for, in its order."""

    original: Any = None
    """The message in the shape of whoever made it: the provider's for a reply, the caller's dict for a dict."""

    issuer: str = ""
    """Whose own shape `original` has, by name of the dialect; "" for the neutral shape."""

    refusal: str = ""
    """Why the model would not answer."""


Item = Message | ToolResult
"""What a conversation consists of."""

MessageLike = Message | ToolResult | Mapping[str, Any]
"""What callers may write for a message."""


def as_items(messages: str | Iterable[MessageLike]) -> tuple[Item, ...]:
    """Return the conversation in one shape. Nothing that was passed in is changed.

    Args:
        messages: messages, dicts of the neutral or of some provider's own shape, or a plain text, which is one
            user message.

    Raises:
        ConfigurationError: something in it is no message; the text names it, for example `messages[3]`.
    """
    if isinstance(messages, str):
        return (Message("user", messages),)
    if isinstance(messages, (Mapping, bytes, Message, ToolResult)) or not isinstance(messages, Iterable):
        raise ConfigurationError(f"messages must be a list of messages or a string; it is a {type(messages).__name__}")
    items = tuple(_as_item(message, f"messages[{index}]") for index, message in enumerate(messages))
    if not items:
        raise ConfigurationError("messages is empty; a request needs at least one message")
    return items


_RESPONSES_PARTS = frozenset({"input_text", "output_text", "input_image", "input_file"})
_ANTHROPIC_PARTS = frozenset(
    {
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "document",
        "search_result",
        "server_tool_use",
        "mcp_tool_use",
        "container_upload",
        "compaction",
        "fallback",
        "tool_addition",
        "tool_removal",
    }
)


def shape_of(message: Mapping[Any, Any]) -> str:
    """Return whose own shape a message has, by name of the dialect; "" for the neutral one, which is OpenAI Chat's.

    >>> shape_of({"role": "model", "parts": [{"text": "Hi"}]})
    'gemini'
    >>> shape_of({"type": "function_call_output", "call_id": "1", "output": "sunny"})
    'openai_responses'
    >>> shape_of({"role": "user", "content": "Hi"})
    ''
    """
    if "parts" in message:
        return "gemini"
    # What our own Responses dialect gives for a reply holds its items under `output`.
    kind = message.get("type")
    if "output" in message or (isinstance(kind, str) and ("role" not in message or kind != "message")):
        return "openai_responses"
    content = message.get("content")
    kinds = {part.get("type") for part in content if isinstance(part, Mapping)} if isinstance(content, list) else set()
    if not kinds.isdisjoint(_RESPONSES_PARTS) or kind == "message" or "phase" in message:
        return "openai_responses"
    if isinstance(content, list) and any(_is_mistral(part) for part in content):
        return ""  # Mistral has a part `thinking` too, whose thinking is a list
    if not kinds.isdisjoint(_ANTHROPIC_PARTS) or any(str(kind).endswith("_tool_result") for kind in kinds):
        return "anthropic"
    is_block = isinstance(content, list) and any(
        isinstance(part, Mapping) and ("source" in part or part.get("citations")) for part in content
    )
    return "anthropic" if is_block else ""


def _is_mistral(part: object) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("thinking"), list)


def _as_item(message: object, where: str) -> Item:
    if isinstance(message, ToolResult):
        return message
    if isinstance(message, Message):
        return _checked(message, where)
    if not isinstance(message, Mapping):
        raise ConfigurationError(f"{where} must be a dict or a Message; it is a {type(message).__name__}")
    role = message.get("role")
    issuer = shape_of(message)
    if issuer:  # its own dialect knows it, and the others have it translated
        return Message(role if isinstance(role, str) else "", original=message, issuer=issuer)
    if not isinstance(role, str) or not role:
        raise ConfigurationError(f"{where} needs a role, such as 'user'; it has {role!r}")
    return Message(role, as_content(message.get("content"), where), original=message)


def _checked(message: Message, where: str) -> Message:
    """Return a message that the caller made, if it can be sent; parts that are dicts stay as they are."""
    if not isinstance(message.role, str) or not (message.role or message.original is not None):
        raise ConfigurationError(f"{where} needs a role, such as 'user'; it has {message.role!r}")
    calls = message.tool_calls
    if not isinstance(calls, Sequence) or not all(isinstance(call, ToolCall) for call in calls):
        raise ConfigurationError(f"{where}.tool_calls must be a list of ToolCall")
    content = as_content(message.content, where)
    return message if message.content is not None else replace(message, content=content)


def as_content(content: object, where: str) -> str | tuple[Part, ...]:
    """Return a message's content: text, or parts.

    Raises:
        ConfigurationError: it is neither; the text names it, beginning with `where`.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, (Mapping, bytes, bytearray)) or not isinstance(content, Sequence):
        raise ConfigurationError(f"{where}.content must be text or a list of parts; it is a {type(content).__name__}")
    return tuple(_as_part(part, f"{where}.content[{index}]") for index, part in enumerate(content))


def _as_part(part: object, where: str) -> Part:
    if isinstance(part, (Text, Native)):
        return part
    if isinstance(part, Image):
        _checked_address(part.url, where)
        return part
    if isinstance(part, str):
        return Text(part)
    if not isinstance(part, Mapping):
        raise ConfigurationError(f"{where} must be a dict; it is a {type(part).__name__}")
    kind = part.get("type")
    if kind == "text":
        text = part.get("text")
        if not isinstance(text, str):
            raise ConfigurationError(f"{where}.text must be a string; it is a {type(text).__name__}")
        return Text(text, part.get("cache_control"))
    if kind == "image_url":
        image = part.get("image_url")
        url, detail = (image.get("url"), image.get("detail")) if isinstance(image, Mapping) else (image, None)
        return Image(_checked_address(url, f"{where}.image_url"), part.get("cache_control"), detail)
    return Native(part)


def _checked_address(url: object, where: str) -> str:
    if not isinstance(url, str) or not url:
        raise ConfigurationError(f"{where} must be an address or {{'url': …}}; it is {_kind(url)}")
    if url[:5].lower() == "file:":
        raise ConfigurationError(f"{where} is a file: address; files of this machine are never read")
    return url


def _kind(value: object) -> str:
    return "missing" if value is None else repr(value) if value == "" else f"a {type(value).__name__}"
