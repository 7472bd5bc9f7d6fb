"""A Python function as a tool: what the model is told, what is kept from it, and its arguments checked.

Shown to the model are the parameters whose type has a JSON Schema; one of any other type, or bound by `partial`, is
hidden, and nothing the model writes can ever set it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from llm.schema import convert, described_parameters, description_of, is_expressible, json_schema, shown, to_data
from llm_async import ConfigurationError, SchemaConversionError, Tool

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class FunctionTool(Struct, frozen=True):
    """A function that runs when the model calls it."""

    spec: Tool
    function: Callable[..., Any]

    types: Mapping[str, Any]
    """The types of the parameters that the model may set."""

    required: Sequence[str]

    @property
    def name(self) -> str:
        """What the model calls it by."""
        return self.spec.name

    def convert(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return a model's arguments as the function takes them.

        Raises:
            ValueError: they do not fit; the text lets the model mend its call.
        """
        problems = [f"{name!r} is missing" for name in self.required if name not in arguments]
        known = ", ".join(map(repr, self.types)) or "none"
        converted = {}
        for name, value in arguments.items():
            if name not in self.types:
                problems.append(f"there is no parameter {name!r} (there are: {known})")
                continue
            try:
                converted[name] = convert(value, self.types[name])
            except Exception as error:  # noqa: BLE001 - a type's own code may raise anything
                problems.append(f"{name!r}: {error}")
        if problems:
            raise ValueError("the arguments do not fit: " + "; ".join(problems))
        return converted


class Toolset(Struct, frozen=True):
    """The tools of one call: those that run here, and those that are the caller's or the provider's business."""

    specs: tuple[Tool | Mapping[str, Any], ...] = ()
    """All of them, in the order they were given."""

    functions: Mapping[str, FunctionTool] = msgspec.field(default_factory=dict)
    left_to_caller: frozenset[str] = frozenset()
    """Names that were given as bare schemas."""


def toolset(tools: object) -> Toolset:
    """Return the tools that a caller passed in.

    Raises:
        ConfigurationError: one of them can never work; the text names it, for example `tools[2]`.
        SchemaConversionError: a parameter that the function cannot do without has no JSON Schema.
    """
    if tools is None:
        return Toolset()
    if isinstance(tools, (str, bytes, Mapping)) or not isinstance(tools, Sequence):
        raise ConfigurationError(f"tools must be a list of functions and dicts; it is a {type(tools).__name__}")
    specs: list[Tool | Mapping[str, Any]] = []
    functions: dict[str, FunctionTool] = {}
    runs: dict[int, FunctionTool] = {}
    bare: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if isinstance(tool, Mapping):
            name = _name_of_schema(tool, where)
            specs.append(tool)
        elif isinstance(tool, Tool):
            name = tool.name
            specs.append(tool)
        elif callable(tool):
            made = function_tool(tool, where=where)
            name = made.name
            specs.append(made.spec)
            runs[index] = made
        else:
            raise ConfigurationError(f"{where} must be a function or a dict; it is a {type(tool).__name__}")
        if name is None:
            continue  # the provider's own kind of tool
        if name in functions or name in bare:
            raise ConfigurationError(f"{where}: there are two tools called {name!r}")
        if index in runs:
            functions[name] = runs[index]
        else:
            bare.add(name)
    return Toolset(tuple(specs), functions, frozenset(bare))


def function_tool(function: Callable[..., Any], *, where: str = "tools") -> FunctionTool:
    """Return what the model is told of a function, and how its arguments are checked.

    Raises:
        ConfigurationError: it has no name that providers take, or no signature.
        SchemaConversionError: a parameter that it cannot do without has no JSON Schema.
    """
    name = tool_name(function)
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where}: {name!r} is no name that providers take (letters, digits, '_' and '-', 64 at most); "
            "use a function with a name of its own"
        )
    bare, bound = _unwrapped(function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where}: {name!r} has no signature to show to a model ({error})") from error
    hints = _hints(bare, name)
    documented = _documented(bare)
    descriptions = described_parameters(documented)
    properties: dict[str, Any] = {}
    types: dict[str, Any] = {}
    required = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in bound:
            continue
        has_default = parameter.default is not parameter.empty
        if parameter.kind is parameter.POSITIONAL_ONLY:
            if has_default:
                continue
            raise ConfigurationError(f"tool {name!r}: parameter {parameter.name!r} cannot be given by name")
        kind = hints.get(parameter.name, Any)
        if not is_expressible(kind):
            if has_default:
                continue
            raise SchemaConversionError(
                f"tool {name!r}: parameter {parameter.name!r} is a {shown(kind)}, which JSON Schema cannot express; "
                "give it a default to keep it from the model"
            )
        types[parameter.name] = kind
        properties[parameter.name] = _property(kind, parameter, descriptions.get(parameter.name), name)
        if not has_default:
            required.append(parameter.name)
    schema = _with_root_definitions(
        {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    )
    return FunctionTool(Tool(name, description_of(documented), schema), function, types, tuple(required))


def tool_name(function: Any) -> str:
    """Return the name a function goes by: its own, or that of its class."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _unwrapped(function: Any) -> tuple[Any, set[str]]:
    """Return the function inside `partial`s, and the names of the parameters that they bind."""
    bound: set[str] = set()
    while isinstance(function, partial):
        bound |= set(function.keywords)
        function = function.func
    return function, bound


def _hints(function: Any, name: str) -> dict[str, Any]:
    has_own = inspect.isroutine(function) or inspect.isclass(function)
    target = function if has_own else type(function).__call__
    target = target.__init__ if inspect.isclass(target) else target
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise SchemaConversionError(f"tool {name!r}: its annotations cannot be read ({error})") from error


def _documented(function: Any) -> Any:
    if inspect.isroutine(function) or inspect.isclass(function) or function.__doc__:
        return function
    return type(function).__call__


def _property(kind: Any, parameter: inspect.Parameter, description: str | None, tool: str) -> dict[str, Any]:
    schema = json_schema(kind, where=f"tool {tool!r}: parameter {parameter.name!r}")
    own = schema.get("description")  # of an Annotated, or else of the class, which says less than the parameter's
    told = (own or description if get_origin(kind) is Annotated else description or own) or ""
    if parameter.default is not parameter.empty:
        try:
            default = to_data(parameter.default)
        except TypeError:
            default = None  # an object of the program's own; that there is a default, `required` says
        else:
            schema["default"] = default
        if default is not None:
            told = f"{told} (default: {default!r})".strip()
    return schema | {"description": told} if told else schema


def _with_root_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with the `$defs` of its properties where references look for them: at the root."""
    definitions: dict[str, Any] = {}
    for name, property in schema["properties"].items():
        definitions |= property.get("$defs", {})
        schema["properties"][name] = {key: value for key, value in property.items() if key != "$defs"}
    return schema | {"$defs": definitions} if definitions else schema


def _name_of_schema(tool: Mapping[str, Any], where: str) -> str | None:
    """Return the name of the function that a dict describes, or None if it is the provider's own kind of tool."""
    kind = tool.get("type")
    if not isinstance(kind, str):
        raise ConfigurationError(f"{where} needs a type, such as 'function'")
    if kind != "function":
        return None
    function = tool.get("function")
    name = function.get("name") if isinstance(function, Mapping) else tool.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{where} needs function.name, the name that the model calls it by")
    return name
