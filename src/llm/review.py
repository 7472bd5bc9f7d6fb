"""Who decides whether a tool may run, and what a decision means.

`"approve"` (in any case) or True approves; anything else rejects, with the text as reason; no answer is a rejection.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from llm.events import Decision, Rejection
from llm.runtime import Runtime
from llm.tools.introspect import tool_name
from llm_async import ConfigurationError

ToolInterceptor = Callable[[str, dict[str, Any]], bool | Awaitable[bool]]
"""Says of a tool's name and arguments whether somebody must look at the call first."""

OnReview = Callable[[dict[str, Any]], Any]
"""Decides on a call `{"id", "name", "arguments"}`; plain or async."""


def tool_interceptor(*tools: str | Callable[..., Any]) -> ToolInterceptor:
    """Return an interceptor that asks for a review of these tools, given by name or as functions.

    Raises:
        ConfigurationError: there is none, or one is neither.
    """
    if not tools:
        raise ConfigurationError("tool_interceptor() needs the tools that are to be reviewed, by name or as functions")
    for tool in tools:
        if not isinstance(tool, str) and not callable(tool):
            raise ConfigurationError(f"tool_interceptor() takes names and functions, not a {type(tool).__name__}")
    names = frozenset(tool if isinstance(tool, str) else tool_name(tool) for tool in tools)

    def needs_review(name: str, arguments: dict[str, Any]) -> bool:
        return name in names

    return needs_review


def is_approved(decision: Decision | None) -> bool:
    """Return whether a decision lets the tool run.

    >>> is_approved("Approve"), is_approved(True), is_approved("no"), is_approved(None)
    (True, True, False, False)
    """
    if isinstance(decision, Rejection):
        return False
    return decision is True or (isinstance(decision, str) and decision.strip().lower() == "approve")


def reason_of(decision: Decision | None) -> str:
    """Return why a tool was rejected, for the model to read.

    >>> reason_of("too dangerous"), reason_of(None), reason_of(False)
    ('too dangerous', 'no decision was given', 'not approved')
    """
    if decision is None:
        return "no decision was given"
    return decision.strip() or "not approved" if isinstance(decision, str) else "not approved"


async def ask(function: Callable[..., Any], arguments: tuple[Any, ...], runtime: Runtime) -> Any:
    """Return what a user's function answers, plain or async."""
    if inspect.iscoroutinefunction(function):
        return await runtime.wait(function(*arguments))
    answer = await runtime.call(lambda: function(*arguments))
    return await runtime.wait(answer) if inspect.isawaitable(answer) else answer
