"""A conversation as the format wants it: instructions before it, then turns of user and assistant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_async.dialects.anthropic.content import Block, call_block, content_of, result_block
from llm_async.dialects.anthropic.families import Family
from llm_async.dialects.anthropic.replies import NAME
from llm_async.errors import ConfigurationError
from llm_async.models.message import Item, Message
from llm_async.models.shapes import translated
from llm_async.models.tool_call import ToolResult

_INSTRUCTIONS = ("system", "developer")

Content = str | Sequence[Any]


def encode_conversation(
    items: Iterable[Item], family: Family, *, is_strict: bool, warnings: list[str]
) -> tuple[list[Block], list[Any]]:
    """Return the instructions and the messages.

    Args:
        is_strict: whether the version of the interface refuses what earlier ones pass over.
        warnings: told of what cannot be said.
    """
    known, left = translated(items, NAME)
    warnings += left
    turns = _Turns(family, is_strict=is_strict, warnings=warnings)
    for item in known:
        turns.add(item)
    return turns.finish()


class _Turns:
    """Puts messages together: those of one role that follow each other are one turn, as the format wants it."""

    def __init__(self, family: Family, *, is_strict: bool, warnings: list[str]) -> None:
        self._family, self._is_strict, self._warnings = family, is_strict, warnings
        self._system: list[Block] = []
        self._waiting: list[Block] = []
        self._turns: list[Any] = []

    def add(self, item: Item) -> None:
        """Take in the next message or result."""
        if isinstance(item, ToolResult):
            self._say("user", [result_block(item, self._warnings)])
        elif item.original is not None:
            self._add_native(item.original)
        elif item.role in _INSTRUCTIONS:
            self._instruct(content_of(item, self._warnings))
        elif item.role == "assistant":
            self._say("assistant", self._reply(item))
        else:
            is_text = isinstance(item.content, str)
            self._say("user", str(item.content) if is_text else content_of(item, self._warnings))

    def finish(self) -> tuple[list[Block], list[Any]]:
        """Return the instructions and the messages."""
        self._place_waiting()
        return self._system, self._turns

    def _add_native(self, message: Mapping[str, Any]) -> None:
        role, content = message.get("role"), message.get("content")
        if not isinstance(content, str | Sequence):
            raise ConfigurationError(f"content must be text or a list of blocks; it is a {type(content).__name__}")
        if role in _INSTRUCTIONS:
            self._instruct(_as_blocks(content))
        elif role == "assistant":
            self._say("assistant", _without_empty(self._without_documents(content)), message)
        else:
            self._say("user", _without_empty(self._without_citations(content)), message)

    def _reply(self, message: Message) -> Content:
        if message.reasoning:
            self._warnings.append("reasoning without Anthropic's signature was left out")
        if isinstance(message.content, str) and message.content and not message.tool_calls:
            return message.content
        blocks = self._without_documents(content_of(message, self._warnings))
        if not blocks and message.refusal:
            return message.refusal
        return [*blocks, *map(call_block, message.tool_calls)]

    def _say(self, role: str, content: Content, message: Any = None) -> None:
        """Add to the last turn, or begin a new one.

        Args:
            message: what `content` is from, which goes out as it is where nothing had to be changed.
        """
        if not content and not isinstance(content, str):  # a refusal has no blocks, and would be refused itself
            return
        if role == "assistant":
            self._place_waiting()
        if self._last_role() == role:
            blocks = [*_as_blocks(self._turns[-1]["content"]), *_as_blocks(content)]
            if role == "user":  # what answers calls must come first
                blocks.sort(key=lambda block: not _is_a("tool_result", block))
            self._turns[-1] = {"role": role, "content": blocks}
        elif message is not None and content is message["content"]:
            self._turns.append(message)
        else:
            self._turns.append({"role": role, "content": content})

    def _instruct(self, blocks: list[Block]) -> None:
        if self._turns:
            self._waiting += blocks
        else:
            self._system += blocks

    def _last_role(self) -> str | None:
        return self._turns[-1]["role"] if self._turns else None

    def _place_waiting(self) -> None:
        """Put instructions that came within the conversation where they are allowed: behind what the user said."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._family.system_messages and self._last_role() == "user":
            self._turns.append({"role": "system", "content": waiting})
        else:
            self._system += waiting
            self._warnings.append("a system message was moved to the beginning: the model takes none where it stood")

    def _without_documents(self, content: Content) -> Content:
        if not self._is_strict or isinstance(content, str) or not any(_is_a("document", block) for block in content):
            return content
        self._warnings.append("documents in an assistant's message were left out: this version takes none there")
        return [block for block in content if not _is_a("document", block)]

    def _without_citations(self, content: Content) -> Content:
        if not self._is_strict or isinstance(content, str) or not any(map(_is_cited, content)):
            return content
        self._warnings.append("citations in a user's text were left out: this version takes none there")
        return [_uncited(block) for block in content]


def _as_blocks(content: Content) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def _without_empty(content: Content) -> Content:
    """Return content without empty text, which is refused, though a model may send it."""
    if isinstance(content, str) or not any(map(_is_empty, content)):
        return content
    return [block for block in content if not _is_empty(block)]


def _is_a(kind: str, block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == kind


def _is_empty(block: Any) -> bool:
    return _is_a("text", block) and not block.get("text")


def _is_cited(block: Any) -> bool:
    return _is_a("text", block) and bool(block.get("citations"))


def _uncited(block: Any) -> Any:
    return {name: value for name, value in block.items() if name != "citations"} if _is_cited(block) else block
