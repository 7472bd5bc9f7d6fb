"""What one provider's messages mean to another: native messages, read into the neutral shape.

A conversation may move from one provider to another. What only its issuer can read (signatures, encrypted
reasoning, server tools' blocks) stays behind, and each such thing is told of in a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llm_async.models.message import Item, Message
from llm_async.models.shapes import anthropic, chat, gemini, responses

Read = tuple[list[Item], list[str]]
"""The messages and results that a native message amounts to, and what of it was left behind."""

_READERS: dict[str, Callable[[Mapping[str, Any]], Read]] = {
    "": chat.read,
    "openai_chat": chat.read,
    "openrouter": chat.read,
    "anthropic": anthropic.read,
    "gemini": gemini.read,
    "openai_responses": responses.read,
}

_NEUTRAL = ("openai_chat", "openrouter")
"""The dialects whose own shape the neutral one is: a caller's dicts go out there as they are."""


def translated(items: Iterable[Item], dialect: str) -> Read:
    """Return a conversation as one dialect can encode it, and warnings of what was left behind.

    Messages in the dialect's own shape stay as they are (`.issuer` is its name, `.original` goes out byte for byte);
    all others come out neutral: `Message` without `.original`, and `ToolResult`.
    """
    result: list[Item] = []
    left: list[str] = []
    before = ""
    for item in items:
        is_own = isinstance(item, Message) and item.issuer in (("", dialect) if dialect in _NEUTRAL else (dialect,))
        if not isinstance(item, Message) or item.original is None or is_own:
            result.append(item)
            before = ""
            continue
        read, lost = _READERS[item.issuer](item.original)
        if item.issuer == before == "openai_responses":  # calls made at once are an item each there
            read = responses.joined([result.pop(), *read]) if result else read
        before = item.issuer
        result += read
        left += lost
    # Once each: a long history loses the same thing many times.
    return gemini.with_ids_matched(result), list(dict.fromkeys(left))
