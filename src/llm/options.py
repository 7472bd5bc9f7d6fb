"""How an LLM is set up, and how one call overrides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from llm.review import OnReview, ToolInterceptor
from llm.structured import OutputFormat
from llm.thinking import CustomThinkingToken
from llm.tools.introspect import Toolset
from llm_async import ConfigurationError, RetryPolicy, Timeouts
from llm_async.timeouts import check_limit


class _Default(str):
    """A value that nobody gave: told by identity from the same text in somebody's call."""

    __slots__ = ()


DEFAULT_API_KEY = _Default("lm-studio")
DEFAULT_BASE_URL = _Default("http://localhost:1234/v1")

_OWN_FIELDS = frozenset({"model", "messages", "stream", "tools"})


class LLMConfig(Struct, frozen=True, kw_only=True):
    """Everything an `LLM` was given. Holds the key: treat it, and pickles of it, as a secret."""

    model: str
    api_key: str = DEFAULT_API_KEY
    base_url: str = DEFAULT_BASE_URL
    custom_thinking_token: CustomThinkingToken | None = None
    default_stop_sequences: tuple[str, ...] = ()
    timeout: float | None = 300.0
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    tool_exec: bool = True
    max_tool_rounds: int = 1
    max_parallel_tools: int | None = None

    def __post_init__(self) -> None:
        _check("model", self.model, str)
        if not self.model:
            raise ConfigurationError("model is empty; give the name of a model, or 'local' for the embedded one")
        _check("api_key", self.api_key, str)
        _check("base_url", self.base_url, str)
        if self.custom_thinking_token is not None:
            _check("custom_thinking_token", self.custom_thinking_token, CustomThinkingToken)
        for index, stop in enumerate(self.default_stop_sequences):
            _check(f"default_stop_sequences[{index}]", stop, str)
        check_limit("timeout", self.timeout)
        _check("timeouts", self.timeouts, Timeouts)
        _check("retry", self.retry, RetryPolicy)
        check_extra_body(self.extra_body)
        _check("tool_exec", self.tool_exec, bool)
        check_count("max_tool_rounds", self.max_tool_rounds)
        if self.max_parallel_tools is not None:
            check_count("max_parallel_tools", self.max_parallel_tools)

    def __repr__(self) -> str:
        return f"LLMConfig(model={self.model!r}, base_url={self.base_url!r})"


class CallOptions(Struct, frozen=True, kw_only=True):
    """What one call asks for beside its messages."""

    final: bool = False
    """Whether the stream ends with a `final` event."""

    verbose: bool = False
    hide_thinking: bool = True
    thinking_token: CustomThinkingToken | None = None
    tools: Toolset = Toolset()
    tool_exec: bool = True
    interceptor: ToolInterceptor | None = None
    on_review: OnReview | None = None

    max_tool_rounds: int = 1
    """How often tools run; from the second round on their results have gone back to the model."""

    max_parallel_tools: int | None = None
    output: OutputFormat | None = None
    output_retries: int = 0
    """How often the model is asked again when its answer does not fit."""

    tool_limit: float | None = None
    """Seconds that one tool call may take."""


def check_count(name: str, value: object) -> None:
    """Refuse what is no whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number from 1; it is {value!r}")


def stop_sequences(given: object) -> tuple[str, ...]:
    """Return stop sequences as a tuple.

    Raises:
        ConfigurationError: they are not a list.
    """
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise ConfigurationError(f"default_stop_sequences must be a list of strings; it is {given!r}")
    return tuple(given)


def check_extra_body(extra_body: object) -> dict[str, Any]:
    """Return a caller's `extra_body`, or refuse one that can never work.

    Raises:
        ConfigurationError: it is not a dict of names to values, or says what the call itself says.
    """
    if extra_body is None:
        return {}
    if not isinstance(extra_body, Mapping):
        raise ConfigurationError(f"extra_body must be a dict; it is a {type(extra_body).__name__}")
    for name in extra_body:
        if not isinstance(name, str):
            raise ConfigurationError(f"extra_body must have names for keys; {name!r} is a {type(name).__name__}")
        if name in _OWN_FIELDS:
            raise ConfigurationError(f"extra_body must not set {name!r}: the call itself says it")
    return dict(extra_body)


def merged_parameters(
    config: LLMConfig, *, extra_body: object, max_tokens: object, reasoning_effort: object
) -> dict[str, Any]:
    """Return the parameters of one call: the instance's, the call's over them, key by key.

    Raises:
        ConfigurationError: one of the call's can never work.
    """
    parameters: dict[str, Any] = {}
    if config.default_stop_sequences:
        parameters["stop"] = list(config.default_stop_sequences)
    parameters |= dict(config.extra_body) | check_extra_body(extra_body)
    if max_tokens is not None:
        if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
            raise ConfigurationError(f"max_tokens must be a whole number from 1; it is {max_tokens!r}")
        parameters["max_tokens"] = max_tokens
    if reasoning_effort is not None:
        _check("reasoning_effort", reasoning_effort, str)
        parameters["reasoning_effort"] = reasoning_effort
    return parameters


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise ConfigurationError(f"{name} must be a {kind.__name__}; it is a {type(value).__name__}")
