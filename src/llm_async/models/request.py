"""Everything a model is to see, before any provider's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from llm_async.errors import ConfigurationError
from llm_async.models.message import Item, MessageLike, as_items
from llm_async.models.response_schema import ResponseSchema
from llm_async.models.tool import Tool

ToolLike = Tool | Mapping[str, Any]


class Sampling(Struct, frozen=True, kw_only=True):
    """The parameters that every provider has, under OpenAI Chat's names; None where the caller says nothing."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None

    def given(self) -> dict[str, Any]:
        """Return what the caller set, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class ModelRequest(Struct, frozen=True, kw_only=True):
    """One request to a model."""

    model: str
    messages: tuple[Item, ...]

    tools: tuple[ToolLike, ...] = ()
    """Functions the model may call; a dict is passed on in the provider's own shape."""

    tool_choice: str | Mapping[str, Any] | None = None
    """`auto`, `none`, `required`, or `{"type": "function", "function": {"name": …}}`."""

    response_schema: ResponseSchema | None = None
    sampling: Sampling = Sampling()

    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters, which go to the wire under the provider's own names."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of this request alone."""

    strict: bool = False
    """Whether what the provider cannot take is an error; otherwise it is left out with a warning."""

    @classmethod
    def build(
        cls,
        model: str,
        messages: str | Sequence[MessageLike],
        *,
        tools: object = None,
        tool_choice: object = None,
        response_schema: object = None,
        headers: Mapping[str, str] | None = None,
        strict: bool = False,
        parameters: Mapping[str, Any] | None = None,
    ) -> ModelRequest:
        """Return the request that a caller's arguments describe.

        Args:
            parameters: sampling and any further ones, mixed.

        Raises:
            ConfigurationError: an argument can never work; the text names it.
        """
        if not isinstance(model, str) or not model:
            raise ConfigurationError(f"model must be the name of a model; it is {model!r}")
        if response_schema is not None and not isinstance(response_schema, ResponseSchema):
            kind = type(response_schema).__name__
            raise ConfigurationError(f"response_schema must be a ResponseSchema; it is a {kind}")
        if tool_choice is not None and not isinstance(tool_choice, (str, Mapping)):
            raise ConfigurationError(f"tool_choice must be a string or a dict; it is a {type(tool_choice).__name__}")
        parameters = dict(parameters or {})
        check_sampling(parameters)
        known = {name: parameters.pop(name) for name in Sampling.__struct_fields__ if name in parameters}
        return cls(
            model=model,
            messages=as_items(messages),
            tools=_as_tools(tools),
            tool_choice=tool_choice,
            response_schema=response_schema,
            sampling=Sampling(**known),
            extra=parameters,
            headers=dict(headers or {}),
            strict=strict,
        )


def _as_tools(tools: object) -> tuple[ToolLike, ...]:
    if tools is None:
        return ()
    if isinstance(tools, (str, bytes)) or not isinstance(tools, Sequence):
        raise ConfigurationError(f"tools must be a list; it is a {type(tools).__name__}")
    for index, tool in enumerate(tools):
        if not isinstance(tool, (Tool, Mapping)):
            raise ConfigurationError(f"tools[{index}] must be a Tool or a dict; it is a {type(tool).__name__}")
    return tuple(tools)


def check_sampling(parameters: Mapping[str, Any]) -> None:
    """Refuse the common parameters where they have a type that no server takes."""
    for name, kinds, words in _KINDS:
        value = parameters.get(name)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise ConfigurationError(f"{name} must be {words}; it is a {type(value).__name__}")
    stop = parameters.get("stop")
    if isinstance(stop, (list, tuple)):
        for index, text in enumerate(stop):
            if not isinstance(text, str):
                raise ConfigurationError(f"stop[{index}] must be a string; it is a {type(text).__name__}")


_KINDS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("temperature", (int, float), "a number"),
    ("top_p", (int, float), "a number"),
    ("max_tokens", (int,), "a whole number"),
    ("stop", (str, list, tuple), "a string or a list of strings"),
    ("seed", (int,), "a whole number"),
    ("reasoning_effort", (str,), "a string such as 'low'"),
)
