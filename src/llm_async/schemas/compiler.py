"""Rewriting a schema by the rules of one vendor.

What is valid under the user's schema stays valid under the rewritten one, once optional properties that are missing
have been filled with null (where `Rules.fill` says so). The other way round it is not: what was left out is listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_async.errors import ConfigurationError
from llm_async.schemas.merging import Conflict, merged
from llm_async.schemas.pieces import (
    Schema,
    Size,
    a_dict,
    a_list,
    all_differ,
    as_json,
    described,
    escaped,
    only,
    only_values,
    plain,
    quoted,
    split,
)
from llm_async.schemas.references import reachable, references, resolve
from llm_async.schemas.rules import BY_TYPE, CONDITIONALS, KEYWORDS, Rules

_FORM = frozenset(("type", "properties", "$ref", "enum", "const", "anyOf", "oneOf", "allOf", "items", "prefixItems"))
"""Keywords that say what a value looks like; others only narrow that down."""

_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
_LOOKAROUND = re.compile(r"\(\?[=!<]|\\[1-9]")


class Unsayable(Exception):
    """The schema needs what the dialect cannot say at all."""

    def __init__(self, at: str, what: str) -> None:
        super().__init__(f"the schema has, at {at}, {what}")


class Compiler:
    """Rewrites one schema; `relaxed` then lists what was left out."""

    def __init__(self, schema: Mapping[str, Any], rules: Rules) -> None:
        self._whole: Schema = plain(schema)
        self._rules = rules
        self._definitions: dict[str, Schema] = {}
        self._names: dict[str, str] = {}
        self._inlining: list[str] = []
        self._within = "#"
        self.relaxed: list[str] = []

    def root(self) -> Schema:
        """Return the whole schema, rewritten.

        Raises:
            Unsayable: it needs what the dialect cannot say.
            ConfigurationError: it is no JSON Schema.
        """
        schema: Any = {key: value for key, value in self._whole.items() if key not in ("$defs", "definitions")}
        is_object = schema.get("type") == "object"
        if self._rules.object_root:
            seen: set[str] = set()
            while isinstance(reference := schema.get("$ref"), str) and reference not in seen:
                seen.add(reference)
                siblings = {key: value for key, value in schema.items() if key != "$ref"}
                schema = self._merged(siblings, a_dict(resolve(self._whole, reference), reference), "#")
        result = self._node(schema, "#")
        if self._rules.object_root and result.get("type") != "object":
            if is_object:
                raise Unsayable("#", "an object of several forms")
            result = self._wrapped(result)
        if self._definitions:
            result["$defs"] = self._definitions
        self._check_size(result)
        return result

    def as_it_is(self) -> Schema:
        """Return the user's schema for a server that cannot enforce it; only a root that it would refuse is changed."""
        self.relaxed.clear()
        schema = self._whole
        if not self._rules.object_root or schema.get("type", "object") == "object":
            return schema
        definitions = {key: value for key, value in schema.items() if key in ("$defs", "definitions")}
        return self._wrapped({key: value for key, value in schema.items() if key not in definitions}) | definitions

    def _wrapped(self, schema: Schema) -> Schema:
        self._note("#", "the root is no object; the answer is asked for as 'value', the only property of one")
        return {
            "type": "object",
            "properties": {"value": schema},
            "required": ["value"],
            "additionalProperties": False,
        }

    # ---------------------------------------------------------------------------------------------- one schema

    def _node(self, schema: Any, at: str) -> Schema:
        if schema is True:
            return self._anything(at, {})
        if schema is False:
            raise Unsayable(at, "nothing fits there")
        schema = a_dict(schema, at)
        if "$ref" in schema:
            return self._reference(schema, at)
        if "allOf" in schema:
            return self._all_of(schema, at)
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                return self._one_of(schema, keyword, at)
        kinds = self._kinds(schema, at)
        if "enum" in schema or "const" in schema:
            return self._values(schema, kinds, at)
        if not kinds:
            return self._anything(at, schema)
        if len([kind for kind in kinds if kind != "null"]) > 1:
            words, rest = split(schema)
            forms = [{"type": kind} | only(rest, BY_TYPE[kind]) for kind in kinds]
            hint = self._leave_out(only(rest, CONDITIONALS | {"default"}), frozenset(), at)
            return described({**words, "anyOf": [self._node(form, at) for form in forms]}, hint)
        return self._typed(schema, kinds, at)

    def _anything(self, at: str, schema: Schema) -> Schema:
        """Return the schema of any value."""
        if self._rules.closed:
            raise Unsayable(at, "a value of any type")
        hint = self._leave_out(schema, frozenset(), at) if schema else ""
        return described(split(schema)[0], hint)

    def _reference(self, schema: Schema, at: str) -> Schema:
        pointer = schema["$ref"]
        target = resolve(self._whole, pointer)
        words, rest = split({key: value for key, value in schema.items() if key != "$ref"})
        if any(key in KEYWORDS for key in rest):
            if pointer not in self._inlining:
                return self._inlined(pointer, target, {**words, **rest}, at)
            self._note(at, f"{quoted(rest)} beside a recursive $ref is left out")
        if not self._rules.recursive and pointer in reachable(self._whole, pointer):
            raise Unsayable(at, "a recursive schema")
        name = self._define(pointer, target)
        reference: Schema = {"$ref": f"#/$defs/{name}"}
        return {**words, "anyOf": [reference]} if "description" in words else reference

    def _define(self, pointer: str, target: Any) -> str:
        if pointer not in self._names:
            wanted = re.sub(r"\W+", "_", pointer.rsplit("/", 1)[-1]).strip("_") or "root"
            name, number = wanted, 1
            while name in self._definitions:
                number += 1
                name = f"{wanted}_{number}"
            self._names[pointer] = name
            self._definitions[name] = {}
            within, self._within = self._within, pointer
            self._definitions[name] = self._node(target, pointer)
            self._within = within
        return self._names[pointer]

    def _inlined(self, pointer: str, target: Any, siblings: Schema, at: str) -> Schema:
        self._inlining.append(pointer)
        try:
            return self._node(self._merged(siblings, a_dict(target, pointer), at), at)
        finally:
            self._inlining.pop()

    def _merged(self, first: Schema, second: Schema, at: str) -> Schema:
        try:
            result, lost = merged(first, second)
        except Conflict as error:
            raise Unsayable(at, f"{error}") from None
        if lost:
            self._note(at, f"a second {quoted(lost)} is left out")
        return result

    def _all_of(self, schema: Schema, at: str) -> Schema:
        branches = a_list(schema["allOf"], f"{at}/allOf")
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        if len(branches) == 1 and isinstance(branches[0], Mapping) and not any(key in KEYWORDS for key in rest):
            return self._node({**branches[0], **rest}, at)
        inlined: list[str] = []
        for index, branch in enumerate(branches):
            if branch is True:
                continue
            branch = a_dict(branch, f"{at}/allOf/{index}")
            while "$ref" in branch:
                pointer = branch["$ref"]
                if pointer in self._inlining or pointer in inlined:
                    raise Unsayable(at, "an allOf that contains itself")
                inlined.append(pointer)
                target = a_dict(resolve(self._whole, pointer), pointer)
                branch = self._merged({key: value for key, value in branch.items() if key != "$ref"}, target, at)
            rest = self._merged(rest, branch, at)
        self._inlining += inlined
        try:
            return self._node(rest, at)
        finally:
            del self._inlining[len(self._inlining) - len(inlined) :]

    def _one_of(self, schema: Schema, keyword: str, at: str) -> Schema:
        """Return alternatives: `oneOf` becomes `anyOf`, what stands beside them moves into each."""
        branches = [branch for branch in a_list(schema[keyword], f"{at}/{keyword}") if branch is not False]
        words, beside = split({key: value for key, value in schema.items() if key != keyword})
        beside = {key: value for key, value in beside.items() if key in KEYWORDS}
        if not branches:
            raise Unsayable(at, "nothing fits there")
        only_conditions = all(isinstance(branch, Mapping) and not _FORM.intersection(branch) for branch in branches)
        if True in branches or {} in branches or (only_conditions and beside):
            self._note(at, f"'{keyword}' is left out")
            return self._node({**words, **beside}, at)
        if keyword == "oneOf" and not self._are_exclusive(branches):
            self._note(at, "'oneOf' is sent as anyOf: one at least has to fit")
        if beside:
            branches = [self._merged(beside, a_dict(branch, at), at) for branch in branches]
        results: list[Schema] = []
        for index, branch in enumerate(branches):
            result = self._node(branch, f"{at}/{keyword}/{index}")
            if result not in results:
                results.append(result)
        return {**words, "anyOf": results}

    def _are_exclusive(self, branches: list[Any]) -> bool:
        """Return whether no value can fit two of `branches`: types or a discriminating property tell them apart."""
        forms = []
        for branch in branches:
            while isinstance(branch, Mapping) and set(branch) <= {"$ref", "description", "title"} and "$ref" in branch:
                branch = resolve(self._whole, branch["$ref"])
            if not isinstance(branch, Mapping):
                return False
            forms.append(branch)
        kinds = [form.get("type") for form in forms]
        if None not in kinds and all_differ([_disjoint(kind) for kind in kinds]):
            return True
        tables = [form.get("properties") for form in forms]
        if not all(isinstance(table, Mapping) for table in tables):
            return False
        shared = [name for name in tables[0] or () if all(name in form.get("required", ()) for form in forms)]
        return any(all_differ([only_values((table or {}).get(name)) for table in tables]) for name in shared)

    # ---------------------------------------------------------------------------------------------- by type

    def _kinds(self, schema: Schema, at: str) -> list[str]:
        """Return the types a value may have; none if any. Where `properties` or `items` stand alone, they tell."""
        given = schema.get("type")
        if given is None:
            if "properties" in schema:
                return ["object"]
            return ["array"] if "items" in schema or "prefixItems" in schema else []
        kinds = [given] if isinstance(given, str) else a_list(given, f"{at}/type")
        for kind in kinds:
            if kind not in BY_TYPE:
                raise ConfigurationError(f"the schema at {at} has the type {kind!r}, which JSON Schema does not know")
        return list(dict.fromkeys(kinds))

    def _values(self, schema: Schema, kinds: list[str], at: str) -> Schema:
        """Return a schema that lists its values, by type."""
        words, rest = split(schema)
        values = [schema["const"]] if "const" in schema else a_list(schema["enum"], f"{at}/enum")
        by_kind: dict[str, list[Any]] = {}
        for value in values:
            kind = _KINDS.get(type(value), "")
            if kinds and kind not in kinds:
                if isinstance(value, (int, float)) and not isinstance(value, bool) and "number" in kinds:
                    kind = "number"
                elif isinstance(value, float) and value.is_integer() and "integer" in kinds:
                    kind, value = "integer", int(value)
                elif kind:
                    continue  # the type rules it out
            if not kind:
                if self._rules.closed:
                    raise Unsayable(at, "a list or a dict among the values of an enum")
                self._note(at, "'enum' is left out, a list or dict being among its values")
                return self._node({key: value for key, value in schema.items() if key not in ("enum", "const")}, at)
            listed = by_kind.setdefault(kind, [])
            if value not in listed:
                listed.append(value)
        if not by_kind:
            raise Unsayable(at, "nothing fits there")
        with_effect = CONDITIONALS.union({"default"}, *(BY_TYPE[kind] for kind in by_kind))
        hint = self._leave_out(only(rest, with_effect), frozenset(), at)
        branches = [self._listed(kind, listed, "const" in schema, at) for kind, listed in by_kind.items()]
        if len(branches) == 1:
            return described({**words, **branches[0]}, hint)
        if self._rules.fill and len(branches) == 2 and "null" in by_kind:
            kind, listed = next((kind, listed) for kind, listed in by_kind.items() if kind != "null")
            return described({**words, "type": [kind, "null"], "enum": [*listed, None]}, hint)
        return described({**words, "anyOf": branches}, hint)

    def _listed(self, kind: str, values: list[Any], is_const: bool, at: str) -> Schema:
        if kind == "null":
            return {"type": "null"}
        if kind not in self._rules.enum_of:
            if len(values) == 1:
                self._note(at, f"that it must be {str(values[0]).lower()} is left out")
            return {"type": kind}
        if is_const and self._rules.const:
            return {"type": kind, "const": values[0]}
        return {"type": kind, "enum": list(values)}

    def _typed(self, schema: Schema, kinds: list[str], at: str) -> Schema:
        words, rest = split(schema)
        kind = next((kind for kind in kinds if kind != "null"), "null")
        result: Schema = {**words, "type": kind if len(kinds) == 1 else kinds}
        kept: set[str] = set()
        for keyword, value in rest.items():
            if keyword in BY_TYPE[kind] and self._may_stay(keyword, value):
                result[keyword] = value
                kept.add(keyword)
        if kind == "object":
            kept |= self._object(schema, result, at)
        elif kind == "array":
            kept |= self._array(schema, result, at)
        with_effect = only(rest, BY_TYPE[kind] | CONDITIONALS | {"default"})
        return described(result, self._leave_out(with_effect, frozenset(kept), at))

    def _may_stay(self, keyword: str, value: Any) -> bool:
        rules = self._rules
        if keyword not in rules.keywords:
            return False
        if keyword == "format":
            return value in rules.formats
        if keyword == "pattern":
            return rules.lookaround or not (isinstance(value, str) and _LOOKAROUND.search(value))
        if keyword == "minItems" and rules.largest_min_items is not None:
            return isinstance(value, int) and value <= rules.largest_min_items
        return True

    def _object(self, schema: Schema, result: Schema, at: str) -> set[str]:
        """Write what an object's properties are into `result`; return the keywords that are thereby said."""
        rules = self._rules
        properties = a_dict(schema.get("properties", {}), f"{at}/properties")
        required = a_list(schema.get("required", []), f"{at}/required")
        more = schema.get("additionalProperties", False if "properties" in schema else None)
        if rules.closed:
            if schema.get("patternProperties") or more is not False or schema.get("unevaluatedProperties"):
                raise Unsayable(at, "an object whose keys are free")
            if unknown := [name for name in required if name not in properties]:
                raise Unsayable(at, f"the required property {unknown[0]!r} is not described")
        written: Schema = {}
        optional_after_all = []
        for name, part in properties.items():
            if part is False:
                if rules.closed:
                    continue
                self._note(at, f"that there is no property {name!r} is left out")
            where = f"{at}/properties/{escaped(name)}"
            written[name] = {} if part is False else self._node(part, where)
            if rules.fill and name not in required:
                written[name] = self._nullable(written[name])
            elif not rules.recursive_required and name in required and self._leads_back(part):
                optional_after_all.append(name)
                self._note(where, "the property leads back to where it is, and is therefore not required")
        if written or "properties" in schema or rules.closed:
            result["properties"] = written
        wanted = list(written) if rules.fill else [name for name in required if name not in optional_after_all]
        if wanted or "required" in schema or (rules.fill and "properties" in result):
            result["required"] = wanted
        if rules.closed:
            result["additionalProperties"] = False
        elif "additionalProperties" in schema:
            where = f"{at}/additionalProperties"
            result["additionalProperties"] = more if isinstance(more, bool) else self._node(more, where)
        said = {"properties", "required", "additionalProperties"}
        return said | {"patternProperties", "unevaluatedProperties"} if rules.closed else said

    def _array(self, schema: Schema, result: Schema, at: str) -> set[str]:
        """Write what an array's items are into `result`; return the keywords that are thereby said."""
        rules, given = self._rules, schema.get("items")
        first, further = schema.get("prefixItems"), given
        if isinstance(given, (list, tuple)):  # until 2019-09 this is how the first items were described
            first, further = given, schema.get("additionalItems")
        firsts = a_list(first or [], f"{at}/prefixItems")
        if further is False:
            result["maxItems"] = min(result.get("maxItems", len(firsts)), len(firsts))
            if not self._may_stay("maxItems", result["maxItems"]):
                del result["maxItems"]
                self._note(at, f"that there are {len(firsts)} items at most is left out")
        most = schema.get("maxItems")
        may_be_more = further is not False and not (isinstance(most, int) and most <= len(firsts))
        nodes = [self._node(part, f"{at}/prefixItems/{index}") for index, part in enumerate(firsts)]
        said = {"items", "prefixItems", "additionalItems"}
        if firsts and rules.prefix_items:
            result["prefixItems"] = nodes
        if may_be_more or (not firsts and rules.closed):
            if further is None or further is True or further is False:
                if rules.closed:
                    raise Unsayable(at, "an array of items of any type")
                return said
            node = self._node(further, f"{at}/items")
            if firsts and rules.prefix_items:
                result["items"] = node
                return said
            nodes.append(node)
        if (nodes and not rules.prefix_items) or (nodes and not firsts):
            different = [node for index, node in enumerate(nodes) if node not in nodes[:index]]
            result["items"] = different[0] if len(different) == 1 else {"anyOf": different}
            if len(different) > 1:
                self._note(at, "the order of the types in 'prefixItems' is left out")
        return said

    def _nullable(self, schema: Schema) -> Schema:
        if self._accepts_null(schema):
            return schema
        kind = schema.get("type")
        if isinstance(kind, str) and "enum" in schema:
            return {**schema, "type": [kind, "null"], "enum": [*schema["enum"], None]}
        if isinstance(kind, str) and "const" not in schema:
            return {**schema, "type": [kind, "null"]}
        if "anyOf" in schema:
            return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
        words, rest = split(schema)
        return {**words, "anyOf": [rest, {"type": "null"}]}

    def _accepts_null(self, schema: Schema) -> bool:
        kind = schema.get("type")
        if kind is not None:
            return kind == "null" or (isinstance(kind, list) and "null" in kind)
        return any(self._accepts_null(branch) for branch in schema.get("anyOf", ()))

    def _leads_back(self, part: Any) -> bool:
        """Return whether a property refers to something that leads back to the schema it is in."""
        return any(
            self._within == reference or self._within in reachable(self._whole, reference)
            for reference in references(part)
        )

    # ---------------------------------------------------------------------------------------------- reports

    def _note(self, at: str, what: str) -> None:
        note = f"the schema at {at}: {what}"
        if note not in self.relaxed:
            self.relaxed.append(note)

    def _leave_out(self, rest: Schema, kept: frozenset[str], at: str) -> str:
        """List what is not kept, and return the words that tell the model of it."""
        out = {key: value for key, value in rest.items() if key in KEYWORDS and key not in kept and key != "type"}
        if out:
            verb = "is" if len(out) == 1 else "are"
            self._note(at, f"{quoted(out)} {verb} left out, which {self._rules.name} does not take")
        told = dict(out, **{"default": rest["default"]} if "default" in rest else {})
        return ", ".join(f"{key}: {as_json(value)}" for key, value in told.items())

    def _check_size(self, result: Schema) -> None:
        rules = self._rules
        if rules.most_properties is None or rules.deepest is None or rules.most_enum_values is None:
            return
        size = Size()
        size.add(result, 0)
        for what, number, most in (
            ("properties", size.properties, rules.most_properties),
            ("levels of nesting", size.depth, rules.deepest),
            ("values in enums", size.enum_values, rules.most_enum_values),
        ):
            if number > most:
                raise Unsayable("#", f"{number} {what} ({most} at most are taken)")


def _disjoint(kinds: Any) -> set[str]:
    """Return types such that no value is of two of them: an integer is a number."""
    return {"number" if kind == "integer" else str(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)}
