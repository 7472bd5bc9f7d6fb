"""Reasoning that a model writes into its text, between tags: found however the text is cut.

Built in are `<think>`, `<thinking>` and `[THINK]`, in any case; a model with others is described by a
`CustomThinkingToken`. Reasoning that servers send in fields of its own never comes through here.
"""

from __future__ import annotations

import re

from msgspec import Struct

from llm_async import ConfigurationError

_BUILT_IN: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("[think]", "[/think]"),
)


class CustomThinkingToken(Struct, frozen=True):
    """How a model marks its reasoning.

    `CustomThinkingToken(from_beginning=True)` alone is for models whose first token is already reasoning and whose
    end of it is one of the built-in tags.
    """

    from_beginning: bool = False
    """Whether the text begins inside the reasoning, without a start token. One that comes all the same is dropped."""

    start_token: str | None = None
    end_token: str | None = None

    def __post_init__(self) -> None:
        if (self.start_token is None) != (self.end_token is None):
            missing = "end_token" if self.end_token is None else "start_token"
            raise ConfigurationError(f"start_token and end_token belong together; {missing} is missing")
        for name in ("start_token", "end_token"):
            token = getattr(self, name)
            if token is not None and (not isinstance(token, str) or not token.strip()):
                raise ConfigurationError(f"{name} must be text that is more than white space; it is {token!r}")


class ThinkingParser:
    """Separates reasoning from answer, however the text is cut.

    What `feed` and `flush` give out, joined, is the text fed in without the tags and without the white space between
    a closing tag and the answer. A tag that never closes makes the rest reasoning.
    """

    def __init__(self, token: CustomThinkingToken | None = None) -> None:
        token = token or CustomThinkingToken()
        pairs, flags = _BUILT_IN, re.IGNORECASE | re.ASCII
        if token.start_token is not None and token.end_token is not None:
            pairs, flags = ((token.start_token, token.end_token),), re.NOFLAG
        self._fold = bool(flags)
        self._ends_of = dict(pairs)
        self._starts = tuple(start for start, _ in pairs)
        self._all_ends = tuple(end for _, end in pairs)
        self._patterns = {
            tags: re.compile("|".join(map(re.escape, tags)), flags)
            for tags in (self._starts, self._all_ends, *((end,) for end in self._all_ends))
        }
        self._first_letters = tuple({start[0] for start in self._starts})
        self._ends = self._all_ends
        self._held = ""
        self._at_beginning = token.from_beginning
        self._thinking = token.from_beginning
        self._after_thinking = False

        self.plain = not token.from_beginning
        """Whether the text so far ends in answer, so that a piece without the letters of a tag is all answer."""

    def is_answer(self, text: str) -> bool:
        """Return whether `text` comes out of `feed` as it is, as answer; much cheaper to ask than `feed`."""
        if not self.plain:
            return False
        for letter in self._first_letters:  # noqa: SIM110 - any() over a generator costs ten times as much here
            if letter in text:
                return False
        return True

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """Return what is certain by now: pieces of text, and of each whether it is reasoning."""
        return self._split(text, is_last=False)

    def flush(self) -> list[tuple[bool, str]]:
        """Return what was held back in case a tag would come."""
        return self._split("", is_last=True)

    def _split(self, text: str, *, is_last: bool) -> list[tuple[bool, str]]:
        text, self._held = self._held + text, ""
        if self._at_beginning:
            text = self._drop_start(text, is_last=is_last)
        pieces = []
        while text:
            if self._after_thinking:
                text = text.lstrip()
                self._after_thinking = not text
                continue
            tags = self._ends if self._thinking else self._starts
            tag = self._patterns[tags].search(text)
            if tag is None:
                certain = len(text) if is_last else len(text) - held_back(self._folded(text), tags)
                if certain:
                    pieces.append((self._thinking, text[:certain]))
                self._held = text[certain:]
                break
            if tag.start():
                pieces.append((self._thinking, text[: tag.start()]))
            self._pass(tag.group())
            text = text[tag.end() :]
        self.plain = not (self._thinking or self._after_thinking or self._held)
        return pieces

    def _pass(self, tag: str) -> None:
        """Go on behind a tag: an opening one is closed by its own kind only."""
        self._after_thinking = self._thinking
        self._thinking = not self._thinking
        if self._thinking:
            self._ends = (self._ends_of[self._folded(tag)],)

    def _drop_start(self, text: str, *, is_last: bool) -> str:
        """Return a text that begins inside the reasoning without the start tag that some models write all the same."""
        stripped = text.lstrip()
        folded = self._folded(stripped)
        for start in self._starts:
            if folded.startswith(start):
                self._at_beginning = False
                self._ends = (self._ends_of[start],)
                return stripped[len(start) :]
            if start.startswith(folded) and not is_last:
                self._held = text
                return ""
        self._at_beginning = False
        return text

    def _folded(self, text: str) -> str:
        return text.translate(_LOWER) if self._fold else text


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}  # ASCII only: lengths must not change


def held_back(text: str, tags: tuple[str, ...]) -> int:
    """Return how many trailing characters of `text` may be the beginning of one of `tags`.

    >>> held_back("so <thi", ("<think>",))
    4
    >>> held_back("a < b", ("<think>",))
    0
    """
    for size in range(min(len(text), max(map(len, tags)) - 1), 0, -1):
        end = text[-size:]
        if any(tag.startswith(end) for tag in tags):
            return size
    return 0
