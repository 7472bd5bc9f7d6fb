"""Google's own descriptions of what `generateContent` takes, as one judge: JSON Schema that knows every field's name.

Three of them: the types of Google's Python package, the discovery document of Vertex AI, and the older descriptors of
the Gemini API, which lack what is listed here. They are no part of the project, but of `../shared/specs`.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.exchanges import WIRE

SPECS = WIRE.parent / "specs"

ABSENT = f"no documents of the vendors at {SPECS}; set DRAGOMAN_SHARED to the folder that holds `specs`"

Schema = dict[str, Any]

NEWER_THAN_DESCRIPTORS = {"ThinkingConfig": {"thinkingLevel": {"enum": ["MINIMAL", "LOW", "MEDIUM", "HIGH"]}}}
"""Fields that the Gemini API has and its descriptors lack; the recordings and the other two documents have them."""

_WHOLE_NUMBER = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}
_SCALARS: dict[str, Schema] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "pattern": "^[A-Za-z0-9+/_-]*={0,2}$"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "int32": {"type": "integer"},
    "int64": _WHOLE_NUMBER,
    "google.protobuf.Struct": {"type": "object"},
}


def complaints(body: Any) -> list[str]:
    """Return what any of the documents has against a request, each with the place."""
    return [
        f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for name, judge in judges().items()
        for error in judge.iter_errors(body)
    ]


@cache
def judges() -> dict[str, Draft202012Validator]:
    """Return the judges by name; without the documents, skip the test."""
    if not SPECS.exists():
        pytest.skip(ABSENT)
    schemas = {"google-genai": _of_package(), "vertex": _of_vertex(), "descriptors": _of_descriptors()}
    return {name: Draft202012Validator(schema) for name, schema in schemas.items()}


def _of_package() -> Schema:
    """Return the schema by the types of the package, which has none of the whole request."""
    types = json.loads((SPECS / "google-genai.types.schema.json").read_bytes())["schemas"]
    fields = {
        "contents": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Content"}},
        "systemInstruction": {"$ref": "#/$defs/Content"},
        "tools": {"type": "array", "items": {"$ref": "#/$defs/Tool"}},
        "toolConfig": {"$ref": "#/$defs/ToolConfig"},
        "generationConfig": {"$ref": "#/$defs/GenerationConfig"},
        "safetySettings": {"type": "array", "items": {"$ref": "#/$defs/SafetySetting"}},
        "cachedContent": {"type": "string"},
    }
    inner = {name: schema for whole in types.values() for name, schema in whole.get("$defs", {}).items()}
    outer = {
        name: {key: value for key, value in whole.items() if key != "$defs"}
        for name, whole in types.items()
        if name != "GenerateContentResponse"
    }
    return {"type": "object", "properties": fields, "additionalProperties": False, "$defs": inner | outer}


def _of_vertex() -> Schema:
    """Return the schema by Vertex AI's discovery document."""
    schemas = json.loads((SPECS / "google-vertex.discovery-excerpt.json").read_bytes())["schemas"]
    return {
        "$ref": "#/$defs/GoogleCloudAiplatformV1GenerateContentRequest",
        "$defs": {name: _from_discovery(schema) for name, schema in schemas.items()},
    }


def _from_discovery(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kind = schema.get("type")
    if kind == "any":
        return {}
    if kind == "array":
        return {"type": "array", "items": _from_discovery(schema["items"])}
    if kind == "object":
        others = schema.get("additionalProperties")
        return {
            "type": "object",
            "properties": {name: _from_discovery(field) for name, field in schema.get("properties", {}).items()},
            "additionalProperties": _from_discovery(others) if others is not None else False,
        }
    if schema.get("format") == "int64":
        return _WHOLE_NUMBER
    return {key: schema[key] for key in ("type", "enum") if key in schema}


def _of_descriptors() -> Schema:
    """Return the schema by the Gemini API's descriptors."""
    messages = json.loads((SPECS / "google-generativelanguage.v1beta.descriptors.json").read_bytes())["messages"]
    definitions: dict[str, Schema] = {}
    del messages["GenerativeService"]  # the methods
    for name, message in messages.items():
        _define(name, message, definitions, ())
    request = definitions["GenerateContentRequest"]
    request["properties"]["model"] = {}  # stands in the address
    request["required"] = ["contents"]
    return {"$ref": "#/$defs/GenerateContentRequest", "$defs": definitions}


def _define(name: str, message: Schema, definitions: dict[str, Schema], around: tuple[str, ...]) -> None:
    """Add a message or an enumeration, and those within it, by their full names."""
    path = (*around, name)
    if "values" in message:
        definitions[".".join(path)] = {"enum": list(message["values"])}
        return
    for inner, nested in message.get("nested", {}).items():
        _define(inner, nested, definitions, path)
    fields = {field: _from_descriptor(about, path, definitions) for field, about in message["fields"].items()}
    required = [
        field
        for field, about in message["fields"].items()
        if about.get("options", {}).get("(google.api.field_behavior)") == "REQUIRED"
    ]
    definitions[".".join(path)] = {
        "type": "object",
        "properties": fields | NEWER_THAN_DESCRIPTORS.get(name, {}),
        "additionalProperties": False,
        "required": required,
    }


def _from_descriptor(field: Schema, path: tuple[str, ...], definitions: dict[str, Schema]) -> Schema:
    kind = field["type"]
    if kind in _SCALARS:
        schema = _SCALARS[kind]
    elif "." in kind:
        schema = {}  # google.protobuf.Value and the like, which this document does not describe
    else:
        within = [".".join((*path[: len(path) - up], kind)) for up in range(len(path))]
        schema = {"$ref": f"#/$defs/{next((name for name in within if name in definitions), kind)}"}
    if "keyType" in field:
        return {"type": "object", "additionalProperties": schema}
    return {"type": "array", "items": schema} if field.get("rule") == "repeated" else schema
