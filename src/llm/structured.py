"""Structured output: a class or a schema becomes what the model is asked for, and its text becomes a value again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_origin

import msgspec
from msgspec import Struct

from llm.schema import convert, json_schema, to_data
from llm_async import ConfigurationError, ResponseSchema, StructuredOutputError
from llm_async.schema_check import problems, restored

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


class OutputFormat(Struct, frozen=True):
    """The shape that an answer must have, and how its text becomes a value."""

    wire: ResponseSchema
    kind: Any = None
    """The type that was given; None for a bare schema."""

    is_wrapped: bool = False
    """Whether the value comes as `{"value": …}`: providers want an object at the root."""

    def read(self, text: str) -> tuple[Any, Any]:
        """Return an answer as plain data, and as an instance of the type, None where it makes none.

        Raises:
            StructuredOutputError: it does not fit; the text lets the model mend it.
        """
        try:
            data = msgspec.json.decode(_unfenced(text))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise StructuredOutputError(
                f"the answer is not JSON: {error}", text=text, problems=(f"it is not JSON: {error}",)
            ) from error
        try:
            return self._converted(restored(self.wire.schema, data))
        except Exception as error:  # a type's own code may raise anything
            raise StructuredOutputError(
                f"the answer does not fit: {error}", text=text, problems=(str(error),)
            ) from error

    def _converted(self, data: Any) -> tuple[Any, Any]:
        if self.is_wrapped:
            if not (isinstance(data, dict) and "value" in data):
                raise ValueError("it has no field 'value' at the root")
            data = data["value"]
        if self.kind is None:
            if found := problems(self.wire.schema, data):
                raise ValueError("; ".join(found))
            return data, None
        value = convert(data, self.kind)
        return to_data(value), None if _is_plain_data(value) else value


def output_format(given: object) -> OutputFormat | None:
    """Return what a caller gave as `output_format`.

    Raises:
        ConfigurationError: it is neither a type nor a schema.
        SchemaConversionError: an annotation in it has no JSON Schema.
    """
    if given is None:
        return None
    if isinstance(given, ResponseSchema):
        return OutputFormat(given)
    if isinstance(given, Mapping):
        return OutputFormat(_given_schema(given))
    if not isinstance(given, type) and get_origin(given) is None:
        raise ConfigurationError(f"output_format must be a class, a type or a schema; it is a {type(given).__name__}")
    schema = json_schema(given, where="output_format")
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", getattr(given, "__name__", "response"))[:64]
    if schema.get("type") == "object" and "anyOf" not in schema:
        return OutputFormat(ResponseSchema(schema, name), given)
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped = {"type": "object", "properties": {"value": inner}, "required": ["value"], "additionalProperties": False}
    if "$defs" in schema:
        wrapped["$defs"] = schema["$defs"]
    return OutputFormat(ResponseSchema(wrapped, name), given, is_wrapped=True)


def _given_schema(given: Mapping[str, Any]) -> ResponseSchema:
    if given.get("type") == "json_schema":
        described = given.get("json_schema")
        if not isinstance(described, Mapping) or not isinstance(described.get("schema"), Mapping):
            raise ConfigurationError("output_format needs json_schema.schema, a JSON Schema")
        return ResponseSchema(
            described["schema"],
            str(described.get("name") or "response"),
            described.get("strict"),
            described.get("description"),
        )
    if not given.keys() & {"type", "properties", "anyOf", "$ref", "enum", "allOf", "oneOf"}:
        raise ConfigurationError("output_format is a dict and no JSON Schema; it needs a type, such as 'object'")
    return ResponseSchema(given, strict=None)


def _is_plain_data(value: Any) -> bool:
    if type(value) is dict:
        return all(type(name) is str and _is_plain_data(each) for name, each in value.items())
    if type(value) is list:
        return all(map(_is_plain_data, value))
    return value is None or type(value) in (str, int, float, bool)


def _unfenced(text: str) -> str:
    """Return the text without the Markdown fence that models without a grammar put around it."""
    fenced = _FENCED.match(text)
    return fenced[1] if fenced else text
