"""Python annotations as JSON Schema, and values checked and converted against them.

On msgspec, which knows the standard types, dataclasses, TypedDicts, NamedTuples, enums and Structs. What it does not
know is added through its hooks: classes with plain annotations, Pydantic models, and unions of several classes.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from llm_async import SchemaConversionError

_UNION = (Union, types.UnionType)


class _AnyInstance(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return True  # msgspec asks whether the hook's result is what it was asked for


class _Either(metaclass=_AnyInstance):
    """Base of the types that stand for a union of classes, which msgspec would not tell apart."""

    alternatives: tuple[Any, ...] = ()


def json_schema(annotation: Any, *, where: str) -> dict[str, Any]:
    """Return the JSON Schema of a type, self-contained: what it refers to is in its `$defs`.

    Args:
        where: what to call the place of the annotation in an error, such as `output_format`.

    Raises:
        SchemaConversionError: it has none.
    """
    try:
        schemas, components = _components([lowered(annotation)])
    except KeyError as error:  # msgspec's, who has one place for both
        raise SchemaConversionError(f"{where}: {shown(annotation)} has two classes of the same name") from error
    except (TypeError, NameError, ValueError) as error:
        problem = f"{shown(annotation)} has no JSON Schema ({_first_line(error)})"
        raise SchemaConversionError(f"{where}: {problem}") from error
    schema = dict(schemas[0])
    name = _referred(schema)
    if name is not None and len(schema) == 1:
        schema = dict(components[name])
    used = _reachable(schema, components)
    return schema | {"$defs": used} if used else schema


def is_expressible(annotation: Any) -> bool:
    """Return whether a type has a JSON Schema."""
    try:
        json_schema(annotation, where="")
    except SchemaConversionError:
        return False
    return True


def convert(value: Any, annotation: Any) -> Any:
    """Return JSON data as an instance of a type.

    JSON types must match: 3.0 is an integer, text is never a number.

    Raises:
        msgspec.ValidationError: it does not fit; the text says what and where.
    """
    return _completed(msgspec.convert(_whole_numbers(value), lowered(annotation), dec_hook=_build, str_keys=True))


def to_data(value: Any) -> Any:
    """Return a value as plain data: dicts, lists, texts, numbers, True, False, None.

    Raises:
        TypeError: it holds something that JSON cannot say.
    """
    return _with_lists(msgspec.to_builtins(value, enc_hook=_take_apart, str_keys=True))


def lowered(annotation: Any) -> Any:
    """Return a type as msgspec can take it."""
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        inner, *notes = get_args(annotation)
        known = [msgspec.Meta(description=note) if isinstance(note, str) else note for note in notes]
        metas = tuple(note for note in known if isinstance(note, msgspec.Meta))
        return typing.Annotated[(lowered(inner), *metas)] if metas else lowered(inner)
    if origin in _UNION:
        alternatives = [lowered(alternative) for alternative in get_args(annotation)]
        if not _can_tell_apart(alternatives):
            rest = [alternative for alternative in alternatives if alternative is not type(None)]
            either = _AnyInstance("Either", (_Either,), {"alternatives": tuple(rest)})
            return Union[either, None] if len(rest) < len(alternatives) else either  # noqa: UP007 - as below
        return Union[tuple(alternatives)]  # noqa: UP007 - it is put together at run time
    if origin is not None and origin is not Literal and get_args(annotation):
        arguments = tuple(lowered(each) if each is not ... else each for each in get_args(annotation))
        return origin[arguments] if not isinstance(origin, types.GenericAlias) else annotation
    return annotation


def shown(annotation: Any) -> str:
    """Return a type as errors call it."""
    return getattr(annotation, "__name__", None) or str(annotation)


def fields_of(cls: type) -> dict[str, tuple[Any, bool, Any]]:
    """Return the fields of a class with plain annotations: type, whether it is required, default.

    `Optional[T]` without a default may be left out, and is None then.
    """
    fields = {}
    for name, annotation in get_type_hints(cls, include_extras=True).items():
        if name.startswith("_") or get_origin(annotation) is typing.ClassVar:
            continue
        has_default = hasattr(cls, name) and not inspect.isdatadescriptor(getattr(cls, name))  # one of __slots__
        is_optional = get_origin(annotation) in _UNION and type(None) in get_args(annotation)
        fields[name] = (annotation, not (has_default or is_optional), getattr(cls, name) if has_default else None)
    return fields


# ------------------------------------------------------------------------------------------------- msgspec's hooks


def _components(kinds: list[Any]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    extra: dict[str, Any] = {}
    owners: dict[str, type] = {}

    def hook(cls: type) -> dict[str, Any]:
        if issubclass(cls, _Either):
            return {"anyOf": list(within([*cls.alternatives]))}
        name = cls.__name__
        if owners.setdefault(name, cls) is not cls:
            raise TypeError(f"two of its classes are called {name}")
        if name not in extra:
            extra[name] = {}  # stands here already when a field of the class refers to it
            extra[name] = _pydantic_schema(cls, extra) if _is_pydantic(cls) else _class_schema(cls, within)
        return {"$ref": f"#/$defs/{name}"}

    def within(inner: list[Any]) -> tuple[dict[str, Any], ...]:
        schemas, components = msgspec.json.schema_components(inner, schema_hook=hook, ref_template="#/$defs/{name}")
        extra.update({name: _documented(each) for name, each in components.items() if name not in extra})
        return schemas

    return within(kinds), extra


def _class_schema(cls: type, within: Callable[[list[Any]], tuple[dict[str, Any], ...]]) -> dict[str, Any]:
    if not _is_plain(cls):
        raise TypeError(f"{cls.__name__} has no annotated fields")
    descriptions = described_parameters(cls)
    fields = fields_of(cls)
    properties = {}
    for name, kind in zip(fields, within([lowered(kind) for kind, _, _ in fields.values()]), strict=True):
        _, is_required, default = fields[name]
        told = {"description": descriptions[name]} if name in descriptions else {}
        properties[name] = told | kind | ({} if is_required else {"default": to_data(default)})
    schema: dict[str, Any] = {"title": cls.__name__, "type": "object", "properties": properties}
    if summary := description_of(cls):
        schema["description"] = summary
    schema["required"] = [name for name, (_, is_required, _) in fields.items() if is_required]
    return schema


def _documented(component: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a class that msgspec knows with its docstring taken apart, as for other classes."""
    properties = component.get("properties")
    if properties is None or "description" not in component:
        return component
    text = component["description"]
    told = _described_in(text)
    described = {
        name: ({"description": told[name]} if name in told else {}) | schema for name, schema in properties.items()
    }
    return component | {"description": _summary_of(text), "properties": described}


def _pydantic_schema(cls: Any, extra: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = cls.model_json_schema(ref_template="#/$defs/{model}")
    extra.update(schema.pop("$defs", {}))
    return schema


def _build(cls: type, value: Any) -> Any:
    """Return JSON data as an instance of a class that msgspec does not know."""
    if issubclass(cls, _Either):
        return _first_fitting(cls.alternatives, value)
    if _is_pydantic(cls):
        return cls.model_validate(value)  # type: ignore[attr-defined] # Pydantic's; its error is a ValueError
    if not isinstance(value, Mapping):
        raise ValueError(f"expected an object for {cls.__name__}, got {type(value).__name__}")
    fields = fields_of(cls)
    if unknown := [name for name in value if name not in fields]:
        raise ValueError(f"{cls.__name__} has no field {unknown[0]!r}")
    instance = object.__new__(cls)
    for name, (kind, is_required, default) in fields.items():
        if name in value:
            try:
                setattr(instance, name, convert(value[name], kind))
            except msgspec.ValidationError as error:
                raise ValueError(f"{name}: {error}") from error
        elif is_required:
            raise ValueError(f"{cls.__name__} needs the field {name!r}")
        else:
            setattr(instance, name, copy.deepcopy(default))
    return instance


def _first_fitting(alternatives: tuple[Any, ...], value: Any) -> Any:
    problems = []
    fitting = []
    for alternative in alternatives:
        try:
            found = convert(value, alternative)
        except msgspec.ValidationError as error:
            problems.append(f"{shown(alternative)}: {error}")
            continue
        if not isinstance(value, Mapping) or value.keys() <= to_data(found).keys():
            return found
        fitting.append(found)  # but msgspec passes over fields that a dataclass does not have
    if fitting:
        return fitting[0]
    raise ValueError("fits none of them; " + "; ".join(problems))


def _take_apart(value: Any) -> Any:
    if _is_pydantic(type(value)):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if _is_plain(type(value)):
        return {name: getattr(value, name) for name in fields_of(type(value)) if hasattr(value, name)}
    raise TypeError(f"a {type(value).__name__} has no JSON")


# --------------------------------------------------------------------------------------------------------- helpers


def description_of(documented: Any) -> str:
    """Return what a docstring says of the whole: everything but its sections."""
    return _summary_of(documented.__doc__) if documented.__doc__ else ""


def described_parameters(documented: Any) -> dict[str, str]:
    """Return what a docstring (Google, NumPy or reST style) says of each parameter or attribute."""
    return _described_in(documented.__doc__) if documented.__doc__ else {}


def _summary_of(text: str) -> str:
    from docstring_parser import parse  # takes longer to import than all of this module

    parsed = parse(inspect.cleandoc(text))
    return "\n\n".join(part.strip() for part in (parsed.short_description, parsed.long_description) if part)


def _described_in(text: str) -> dict[str, str]:
    from docstring_parser import parse  # as above

    return {param.arg_name: param.description for param in parse(inspect.cleandoc(text)).params if param.description}


def _is_plain(cls: Any) -> bool:
    if not isinstance(cls, type) or cls.__module__ == "builtins":
        return False
    return any(getattr(base, "__annotations__", None) for base in cls.__mro__)


def _is_pydantic(cls: Any) -> bool:
    return isinstance(cls, type) and hasattr(cls, "model_json_schema") and hasattr(cls, "model_validate")


def _can_tell_apart(alternatives: list[Any]) -> bool:
    """Return whether msgspec knows from JSON data which of the types it is."""
    try:
        union: Any = Union[tuple(alternatives)]  # noqa: UP007 - as above
        msgspec.json.schema_components([union], schema_hook=lambda cls: {"type": "object"})
    except TypeError:
        return False
    return True


def _whole_numbers(value: Any) -> Any:
    """Return JSON data in which 3.0 is 3: to JSON they are one number, to msgspec the one is no integer."""
    if type(value) is float and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole_numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(each) for each in value]
    return value


def _with_lists(data: Any) -> Any:
    """Return plain data with lists for tuples, as JSON has them."""
    if isinstance(data, (list, tuple)):
        return [_with_lists(each) for each in data]
    return {name: _with_lists(each) for name, each in data.items()} if isinstance(data, dict) else data


def _completed(value: Any) -> Any:
    """Return the value with every field set: msgspec leaves defaults to a dataclass, and then out of its data."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                object.__setattr__(value, field.name, _completed(getattr(value, field.name)))
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _completed(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            _completed(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            _completed(each)
    return value


def _referred(schema: Mapping[str, Any]) -> str | None:
    reference = schema.get("$ref")
    return reference.removeprefix("#/$defs/") if isinstance(reference, str) else None


def _reachable(schema: Any, components: Mapping[str, Any]) -> dict[str, Any]:
    """Return the components that a schema refers to, directly or through others."""
    found: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Mapping):
            name = _referred(here)
            if name is not None and name not in found:
                found[name] = components[name]
                waiting.append(components[name])
            waiting += here.values()
        elif isinstance(here, list):
            waiting += here
    return {name: found[name] for name in components if name in found}


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
