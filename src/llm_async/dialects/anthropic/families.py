"""What Claude's families differ in, as far as a request must know it: data.

From https://platform.claude.com/docs/en/about-claude/models/overview, …/build-with-claude/effort and the migration
guides beside them, as of 2026-11.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


class Family(Struct, frozen=True, kw_only=True):
    """What one family of models takes."""

    max_tokens: int = 128_000
    """The most tokens of one reply."""

    thinking: Literal["adaptive", "budget", "none"] = "adaptive"
    """How thinking is asked for: the model decides how much, it is given a budget of tokens, or there is none."""

    efforts: tuple[str, ...] = _EFFORTS
    """The words that `output_config.effort` takes; none where it is not taken."""

    off: Literal["omit", "disabled", "between_tools", "never"] = "omit"
    """How thinking is turned off: by asking for none, by a word, or not at all."""

    hides_thinking: bool = True
    """Whether what it thinks comes only when it is asked for by `display`."""

    sampling: bool = False
    """Whether temperature, top_p and top_k are taken."""

    system_messages: bool = True
    """Whether system messages are taken within the conversation."""


_OLDEST = Family(
    max_tokens=4096,
    thinking="none",
    efforts=(),
    hides_thinking=False,
    sampling=True,
    system_messages=False,
)
_BUDGET = replace(_OLDEST, thinking="budget", max_tokens=64_000)
_FOUR_SIX = replace(_BUDGET, thinking="adaptive", efforts=("low", "medium", "high", "max"), max_tokens=128_000)
_THINKS = Family(off="disabled")

_FAMILIES = {
    "2": _OLDEST,
    "3": _OLDEST,
    "3-5": replace(_OLDEST, max_tokens=8192),
    "3-7": _BUDGET,
    "opus-4-0": replace(_BUDGET, max_tokens=32_000),
    "opus-4-2025": replace(_BUDGET, max_tokens=32_000),
    "opus-4-1": replace(_BUDGET, max_tokens=32_000),
    "opus-4-5": replace(_BUDGET, efforts=("low", "medium", "high")),
    "sonnet-4-0": _BUDGET,
    "sonnet-4-2025": _BUDGET,
    "sonnet-4-5": _BUDGET,
    "haiku-4-5": _BUDGET,
    "opus-4-6": _FOUR_SIX,
    "sonnet-4-6": _FOUR_SIX,
    "opus-4-7": Family(system_messages=False),
    "opus-4-8": Family(),
    "opus-5": _THINKS,
    "opus-5-5": Family(off="never"),
    "sonnet-5": _THINKS,
    "sonnet-5-5": Family(off="between_tools"),
    "haiku-5-5": _THINKS,
    "fable": Family(off="never"),
    "mythos": Family(off="never"),
}
"""By what follows `claude-` in the name of a model; the longest beginning counts."""

_NEWER = Family(max_tokens=8192)
"""A Claude that is not in the list: its limit is not known, the rest is as the newest have it."""

_IMITATION = replace(_BUDGET, max_tokens=8192, efforts=_EFFORTS)
"""Another model behind the same format: DeepSeek reads the effort, llama.cpp the budget."""


def family_of(model: str) -> Family:
    """Return what the model takes, whichever cloud's name it has.

    >>> family_of("us.anthropic.claude-sonnet-4-5-20250929-v1:0").max_tokens
    64000
    """
    _, claude, rest = model.lower().rpartition("claude-")
    if not claude:
        return _IMITATION
    rest = rest.replace(".", "-")
    known = max((name for name in _FAMILIES if rest.startswith(name)), key=len, default="")
    return _FAMILIES[known] if known else _NEWER
