"""Types become JSON Schema, and JSON becomes their values; whatever one says, the other holds to."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import importlib.util
import json
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, NotRequired, Optional, TypedDict, Union

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import plays
from llm import ConfigurationError, OutputTruncatedError, SchemaConversionError, StructuredOutputError
from llm.schema import convert, json_schema, to_data
from llm.structured import output_format
from llm.testing import ScriptedLLM, call, calls, says, scripted_llm
from llm.tools.introspect import function_tool
from llm_async import ResponseSchema
from plays import Play

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Pet:
    """An animal at home.

    Attributes:
        name: what it is called
    """

    name: str
    legs: int = 4


class Person:
    """Information about a person."""

    name: str = "Unknown"
    age: int
    hobbies: list[str]
    email: Optional[str]  # noqa: UP045 - as in the contract
    status: Literal["active", "inactive"]
    kind: ClassVar[str] = "human"
    _hidden: int = 0


class Household(Pet):
    owner: Person
    pets: list[Pet] = []
    by_name: dict[str, Pet] = {}


class Heir(Pet): ...


class Node:
    """A tree."""

    value: int
    children: list[Node] = []
    next: Node | None


@dataclasses.dataclass
class Point:
    """A place.

    Args:
        x: to the right
        y: upwards
    """

    x: float
    y: float = 0.0


@dataclasses.dataclass
class Branch:
    value: int
    left: Branch | None = None
    right: Branch | None = None


class Movie(TypedDict):
    """A film.

    Parameters
    ----------
    title : str
        on the poster
    """

    title: str
    year: NotRequired[int]


class Pair(NamedTuple):
    first: int
    second: str


class Track(msgspec.Struct):
    """A song.

    :param title: on the cover
    """

    title: str
    seconds: int = 0


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    tricks: list[str]


class Plain1:
    name: str


class Plain2:
    name: str
    bark: bool


@dataclasses.dataclass
class Small:
    name: str


@dataclasses.dataclass
class Big:
    name: str
    size: int


class Slotted:
    __slots__ = ("a",)
    a: int


TYPES: list[tuple[Any, Any, Any]] = [
    # type, an answer, one that does not fit
    (str, "a", 1),
    (int, 3, "3"),
    (float, 2.5, "2.5"),
    (bool, True, 1),
    (list[int], [1, 2], [1, "2"]),
    (dict[str, int], {"a": 1}, {"a": "1"}),
    (dict[str, Any], {"a": [None]}, [1]),
    (dict[int, str], {"1": "a"}, {"x": "a"}),
    (Optional[int], None, "x"),  # noqa: UP045 - both spellings
    (int | None, 4, "x"),
    (int | str, "x", [1]),
    (Union[int, list[str]], ["a"], [1]),  # noqa: UP007 - both spellings
    (list[int] | list[str], ["a"], [True]),
    (str | datetime.date, "2026-01-02", 3),
    (Literal["a", "b"], "a", "c"),
    (Literal[1, 2], 2, 3),
    (Color, "red", "green"),
    (Level, 2, 3),
    (datetime.datetime, "2026-01-02T03:04:05Z", "yesterday"),
    (datetime.date, "2026-01-02", "01/02/2026"),
    (uuid.UUID, "12345678-1234-5678-1234-567812345678", "12"),
    (decimal.Decimal, "1.10", "a"),
    (bytes, "aGk=", 3),
    (tuple[int, str], [1, "a"], [1]),
    (tuple[int, ...], [1, 2, 3], ["a"]),
    (set[int], [1, 2], ["a"]),
    (Annotated[int, "how many"], 3, "3"),
    (Annotated[int, msgspec.Meta(ge=0)], 3, -3),
    (Pet, {"name": "Rex", "legs": 3}, {"legs": 3}),
    (Heir, {"name": "Rex", "legs": 3}, {"name": None}),
    (list[Heir], [{"name": "Rex", "legs": 3}], [3]),
    (list[Heir], [{"name": "Rex", "legs": 3}], [{"tail": 3}]),
    (Slotted, {"a": 1}, {"a": "1"}),
    (Person, {"name": "A", "age": 1, "hobbies": [], "email": None, "status": "active"}, {"age": 1}),
    (Household,
     {"name": "h", "legs": 0, "owner": {"name": "A", "age": 1, "hobbies": ["x"], "email": "e", "status": "inactive"},
      "pets": [{"name": "Rex", "legs": 4}], "by_name": {"Rex": {"name": "Rex", "legs": 4}}},
     {"name": "h", "owner": {}}),
    (Node, {"value": 1, "children": [{"value": 2, "children": [], "next": None}], "next": None}, {"value": "1"}),
    (Point, {"x": 1.5, "y": 0.0}, {"y": 1.0}),
    (Branch, {"value": 1, "left": {"value": 2, "left": None, "right": None}, "right": None}, {"value": None}),
    (Movie, {"title": "M", "year": 1931}, {"year": 1931}),
    (Pair, [1, "a"], ["a", 1]),
    (Track, {"title": "T", "seconds": 3}, {"title": 3}),
    (Cat | Dog, {"type": "dog", "tricks": ["sit"]}, {"type": "cow"}),
    (Plain1 | Plain2, {"name": "Rex", "bark": True}, {"bark": True}),
    (Plain1 | int, 3, "3"),
    (Plain1 | int | None, {"name": "a"}, "a"),
    (Small | Big, {"name": "a", "size": 3}, {"size": 3}),
    (Small | Movie, {"title": "a"}, {"size": 3}),
    (list[Pet], [{"name": "Rex", "legs": 4}], [{"legs": 4}]),
    (dict[str, Point], {"a": {"x": 1.0, "y": 2.0}}, {"a": {}}),
    (Any, [1, {"a": None}], ...),
]  # fmt: skip
every_type = pytest.mark.parametrize(("kind", "answer", "wrong"), TYPES, ids=[str(kind) for kind, _, _ in TYPES])


def reading(kind: Any) -> Any:
    found = output_format(kind)
    assert found is not None
    return found


def written(found: Any, value: Any) -> str:
    return json.dumps({"value": value} if found.is_wrapped else value)


@every_type
def test_an_answer_of_every_type_comes_back_as_it_went(kind: Any, answer: Any, wrong: Any) -> None:
    found = reading(kind)

    data, parsed = found.read(written(found, answer))

    assert data == answer
    assert json.loads(json.dumps(data)) == answer
    assert to_data(parsed) == (None if parsed is None else answer)
    jsonschema.Draft202012Validator.check_schema(found.wire.schema)
    jsonschema.validate({"value": answer} if found.is_wrapped else answer, found.wire.schema)
    assert found.wire.schema["type"] == "object"


@every_type
def test_what_does_not_fit_is_refused_by_the_schema_and_by_the_check(kind: Any, answer: Any, wrong: Any) -> None:
    if wrong is ...:
        assert kind is Any
        return
    found = reading(kind)

    with pytest.raises(StructuredOutputError) as refused:
        found.read(written(found, wrong))
    assert refused.value.text == written(found, wrong)
    assert refused.value.problems


@pytest.mark.parametrize(
    ("kind", "answer", "parsed"),
    [
        (Point, {"x": 1}, Point(1.0)),
        (list[Point], [{"x": 1}], [Point(1.0)]),
        (dict[str, Point], {"a": {"x": 1}}, {"a": Point(1.0)}),
        (Small | Big, {"name": "a", "size": 1}, Big("a", 1)),
        (Color, "red", Color.RED),
        (Pair, [1, "a"], Pair(1, "a")),
        (Cat, {"type": "cat", "lives": 9}, Cat(9)),
        (datetime.date, "2026-01-02", datetime.date(2026, 1, 2)),
        (set[int], [1], {1}),
        (dict[int, int], {"1": 2}, {1: 2}),
        (str, "a", None),
        (list[int], [1], None),
        (Movie, {"title": "a"}, None),
        (dict[str, Any], {"a": None}, None),
    ],
)
def test_parsed_is_the_instance_where_the_type_makes_one(kind: Any, answer: Any, parsed: Any) -> None:
    found = reading(kind)

    assert found.read(written(found, answer))[1] == parsed


def test_a_plain_class_comes_back_as_its_instance_with_its_defaults() -> None:
    _, person = reading(Person).read('{"age": 28.0, "hobbies": ["code"], "status": "active"}')

    assert type(person) is Person
    assert (person.name, person.age, person.email, person.kind) == ("Unknown", 28, None, "human")
    assert type(person.age) is int


def test_instances_do_not_share_their_defaults() -> None:
    found = reading(Household)
    text = json.dumps({"name": "h", "owner": {"age": 1, "hobbies": [], "status": "active"}})
    first, second = found.read(text)[1], found.read(text)[1]

    first.pets.append(1)

    assert (second.pets, Household.pets) == ([], [])


def test_the_contracts_class_has_its_schema() -> None:
    schema = reading(Person).wire.schema

    assert schema["description"] == "Information about a person."
    assert schema["required"] == ["age", "hobbies", "status"]
    assert schema["properties"]["name"] == {"type": "string", "default": "Unknown"}
    assert schema["properties"]["hobbies"] == {"type": "array", "items": {"type": "string"}}
    assert set(schema["properties"]["status"]["enum"]) == {"active", "inactive"}
    assert schema["properties"].keys() == {"name", "age", "hobbies", "email", "status"}


@pytest.mark.parametrize(
    ("kind", "summary", "field", "told"),
    [
        (Pet, "An animal at home.", "name", "what it is called"),
        (Point, "A place.", "x", "to the right"),
        (Movie, "A film.", "title", "on the poster"),
        (Track, "A song.", "title", "on the cover"),
    ],
)
def test_docstrings_of_classes_describe_them_and_their_fields(kind: Any, summary: str, field: str, told: str) -> None:
    schema = json_schema(kind, where="here")

    assert schema["description"] == summary
    assert schema["properties"][field]["description"] == told


def test_recursive_types_refer_to_themselves() -> None:
    for kind, field in ((Node, "next"), (Branch, "left")):
        schema = json_schema(kind, where="here")
        assert f"#/$defs/{kind.__name__}" in json.dumps(schema["properties"][field])
        assert kind.__name__ in schema["$defs"]
    nested = {"value": 1, "next": {"value": 2, "next": {"value": 3}}}
    assert reading(Node).read(json.dumps(nested))[1].next.next.value == 3


@pytest.mark.parametrize(
    ("kind", "named"),
    [(object, "object"), (type("Empty", (), {}), "Empty"), (list[object], "object"), (complex, "complex"),
     (Pet | object, "object")],
)  # fmt: skip
def test_a_type_without_a_schema_says_where_it_stands(kind: Any, named: str) -> None:
    with pytest.raises(SchemaConversionError, match=f"output_format: .*{named}"):
        output_format(kind)


class Forward:
    other: Missing  # type: ignore[name-defined]  # noqa: F821 - a name that there is not


def test_a_name_that_there_is_not_is_named() -> None:
    with pytest.raises(SchemaConversionError, match="Missing"):
        output_format(Forward)


class Frozen:
    a: int

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")


def test_an_error_of_the_types_own_code_is_one_of_the_answer() -> None:
    with pytest.raises(StructuredOutputError, match="frozen"):
        reading(Frozen).read('{"a": 1}')


class Unsayable:
    a: Any = object()


def test_a_default_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(SchemaConversionError, match="object"):
        output_format(Unsayable)
    with pytest.raises(TypeError):
        to_data(object())


# ------------------------------------------------------------------------------------------------------ properties

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
whole = st.integers(-(2**53), 2**53)
floats = st.floats(allow_nan=False, allow_infinity=False)
LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, whole), (str, texts), (bool, st.booleans()), (float, floats), (type(None), st.none()),
    (Color, st.sampled_from(Color)), (Level, st.sampled_from(Level)), (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (datetime.date, st.dates()), (uuid.UUID, st.uuids()), (Point, st.builds(Point, x=floats, y=floats)),
    (Pair, st.builds(Pair, whole, texts)), (Track, st.builds(Track, texts, whole)),
]  # fmt: skip


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda pair: (list[pair[0]], st.lists(pair[1], max_size=3))),
        inner.map(lambda pair: (dict[str, pair[0]], st.dictionaries(texts, pair[1], max_size=3))),
        inner.map(lambda pair: (Union[pair[0], None], st.none() | pair[1])),  # noqa: UP007 - made at run time
        st.lists(inner, max_size=3).map(made_dataclass),
        st.lists(inner, max_size=3).map(made_class),
    )


def made_dataclass(pairs: list[Any]) -> tuple[Any, st.SearchStrategy[Any]]:
    names = [f"f{index}" for index in range(len(pairs))]
    kind: Any = dataclasses.make_dataclass("Made", list(zip(names, [kind for kind, _ in pairs], strict=True)))
    return kind, st.builds(kind, **dict(zip(names, [values for _, values in pairs], strict=True)))


def made_class(pairs: list[Any]) -> tuple[Any, st.SearchStrategy[Any]]:
    names = ["always", *(f"f{index}" for index in range(len(pairs)))]
    kinds = [int, *(kind for kind, _ in pairs)]
    kind: Any = type("Plain", (), {"__annotations__": dict(zip(names, kinds, strict=True)), "__eq__": same})
    strategies = dict(zip(names, [whole, *(values for _, values in pairs)], strict=True))

    def build(values: dict[str, Any]) -> Any:
        instance = kind()
        instance.__dict__.update(values)
        return instance

    return kind, st.fixed_dictionaries(strategies).map(build)


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and vars(one) == vars(other)


@given(st.recursive(st.sampled_from(LEAVES), grown, max_leaves=6), st.data())
def test_a_value_written_and_read_again_is_the_same(pair: Any, data: st.DataObject) -> None:
    kind, values = pair
    value = data.draw(values)
    try:
        found = reading(kind)
    except SchemaConversionError:
        # Two classes of one name cannot stand side by side in one schema.
        return
    plain = json.loads(msgspec.json.encode(to_data(value)))

    assert convert(plain, kind) == value
    answer, parsed = found.read(written(found, plain))
    assert answer == to_data(value)
    assert parsed is None or parsed == value


json_values = st.recursive(
    st.none() | st.booleans() | whole | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([int, str, bool, float, list[int], dict[str, int], int | None, Literal["a"]]), json_values)
def test_schema_and_check_agree(kind: Any, value: Any) -> None:
    schema = json_schema(kind, where="here")
    try:
        jsonschema.validate(value, schema)
        fits = True
    except jsonschema.ValidationError:
        fits = False

    if fits:
        assert convert(value, kind) == value
    else:
        with pytest.raises(msgspec.ValidationError):
            convert(value, kind)


@given(json_values)
def test_text_is_never_a_number_and_a_number_never_text(value: Any) -> None:
    def take(a: int, b: str) -> None: ...

    tool = function_tool(take)
    is_int = isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)

    if is_int:
        assert tool.convert({"a": value, "b": "x"}) == {"a": value, "b": "x"}
    else:
        with pytest.raises(ValueError, match="'a'"):
            tool.convert({"a": value, "b": "x"})
    if not isinstance(value, str):
        with pytest.raises(ValueError, match="'b'"):
            tool.convert({"a": 1, "b": value})


# ----------------------------------------------------------------------------------------------------- the answer


@every_face
def test_an_answer_in_shape_comes_as_data_and_as_an_instance(play: Play) -> None:
    llm = scripted_llm(says('{"x": 1,', ' "y": 2}'))

    scene = play(llm, output_format=Point)

    assert scene.final is not None
    assert (scene.final["answer"], scene.final["parsed"]) == ({"x": 1.0, "y": 2.0}, Point(1, 2))
    sent = llm.requests[0]["response_format"]
    assert (sent["type"], sent["json_schema"]["name"]) == ("json_schema", "Point")
    assert sent["json_schema"]["schema"]["required"] == ["x"]
    if scene.events:
        assert scene.types() == ["answer", "done"]
        assert scene.events[0]["content"] == {"x": 1.0, "y": 2.0}


def ask(text: str, output: Any, **options: Any) -> Any:
    return scripted_llm(says(text, **options)).response("x", output_format=output)["answer"]


@pytest.mark.parametrize(
    "text", ['```json\n{"x": 1}\n```', '```\n{"x": 1}\n```', ' \n```json\n{"x": 1}```\n', '{"x": 1} ']
)
def test_a_fence_around_an_answer_is_taken_off(text: str) -> None:
    assert ask(text, Point) == {"x": 1.0, "y": 0.0}


def test_reasoning_is_no_part_of_an_answer_in_shape() -> None:
    assert ask('<think>{"x": 2}</think>{"x": 1}', Point)["x"] == 1.0


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    ("given", "name", "strict"),
    [
        (SCHEMA, "response", None),
        ({"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}, "person", True),
        ({"type": "json_schema", "json_schema": {"schema": SCHEMA}}, "response", None),
        (ResponseSchema(SCHEMA, "mine"), "mine", True),
    ],
)
def test_a_bare_schema_goes_out_as_it_is_and_answers_are_data(given: Any, name: str, strict: bool | None) -> None:
    before = json.dumps(given) if isinstance(given, Mapping) else ""
    llm = scripted_llm(says('{"name": "A"}'))

    final = llm.response("x", output_format=given)

    described = llm.requests[0]["response_format"]["json_schema"]
    assert (described["name"], described.get("strict"), described["schema"]) == (name, strict, SCHEMA)
    assert final["answer"] == {"name": "A"}
    assert "parsed" not in final
    assert not before or json.dumps(given) == before


@pytest.mark.parametrize("given", [3, "Person", Pet(), {}, {"name": "x"}, {"type": "json_schema"}])
def test_what_is_no_shape_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="output_format"):
        scripted_llm().response("x", output_format=given)


@every_face
def test_an_answer_that_is_cut_off_says_so(play: Play) -> None:
    error = play(scripted_llm(says('{"x": 1', finish_reason="length")), output_format=Point, output_retries=3).error

    assert isinstance(error, OutputTruncatedError)
    assert error.text == '{"x": 1'
    assert "max_tokens" in str(error)


@every_face
@pytest.mark.parametrize(
    ("text", "told"),
    [("I am sorry", "not JSON"), ("", "not JSON"), ('{"x": "1"}', "float"), ('{"y": 1}', "x"), ("[1]", "object"),
     ("[" * 2000, "not JSON")],
)  # fmt: skip
def test_an_answer_that_does_not_fit_says_what_is_wrong(play: Play, text: str, told: str) -> None:
    error = play(scripted_llm(says(text)), output_format=Point).error

    assert isinstance(error, StructuredOutputError)
    assert error.text == text
    assert any(told in problem for problem in error.problems)


def test_an_answer_without_its_root_says_so() -> None:
    with pytest.raises(StructuredOutputError, match="'value'"):
        ask("[1]", list[int])


def test_a_refusal_is_no_answer() -> None:
    with pytest.raises(StructuredOutputError, match="content_filter"):
        ask("{", Point, finish_reason="content_filter")


@every_face
def test_the_model_is_asked_again_with_the_problem_named(play: Play) -> None:
    llm: ScriptedLLM = scripted_llm(says('{"x": "a"}'), says(""), says('{"x": 1}'))

    scene = play(llm, output_format=Point, output_retries=2)

    assert scene.final is not None
    assert scene.final["answer"]["x"] == 1.0
    assert len(scene.final["messages"]) == 1
    second, third = llm.requests[1]["messages"], llm.requests[2]["messages"]
    assert second[1] == {"role": "assistant", "content": '{"x": "a"}'}
    assert "$.x" in second[2]["content"] or "float" in second[2]["content"]
    assert third[:3] == second
    assert "not JSON" in third[4]["content"]


def test_there_is_an_end_to_asking_again() -> None:
    llm = scripted_llm(says("a"), says("b"), says("c"))

    with pytest.raises(StructuredOutputError) as refused:
        llm.response("x", output_format=Point, output_retries=1)
    assert (refused.value.text, len(llm.requests)) == ("b", 2)


@every_face
def test_tools_come_before_an_answer_in_shape(play: Play) -> None:
    def look() -> str:
        return "here"

    llm = scripted_llm(calls(call(look)), says('{"x": 1}'))

    final = play(llm, output_format=Point, tools=[look], max_tool_rounds=2).final

    assert final is not None
    assert final["parsed"] == Point(1.0)


class Inner:
    name: str = "x"


class Outer:
    one: Inner | None
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    pair: tuple[Inner, int] | None
    either: Inner | Plain2 | None
    keep: int | None
    free: Any = 1


def test_nulls_of_a_strict_server_stand_for_what_was_left_out() -> None:
    nothing = {"name": None}
    answer = {
        "one": nothing, "many": [nothing], "named": {"a": nothing}, "pair": [nothing, 1],
        "either": nothing, "keep": None, "free": None,
    }  # fmt: skip

    data, outer = reading(Outer).read(json.dumps(answer))

    assert [outer.one.name, outer.many[0].name, outer.named["a"].name, outer.pair[0].name] == ["x"] * 4
    assert type(outer.either) is Inner
    assert data["free"] is None
    assert data["keep"] is None


# -------------------------------------------------------------------------------------------------------- Pydantic


@pytest.mark.skipif(importlib.util.find_spec("pydantic") is None, reason="pydantic is not installed here")
def test_pydantic_models_are_types_like_others() -> None:
    pydantic = importlib.import_module("pydantic")
    model = pydantic.create_model("Model", a=(int, ...), pet=(int | None, None))
    found = reading(model)

    data, parsed = found.read('{"a": 1}')

    assert (data, parsed) == ({"a": 1, "pet": None}, model(a=1))


class Likeness:
    """Has what a Pydantic model has, as far as it is used."""

    def __init__(self, a: int) -> None:
        self.a = a

    @classmethod
    def model_json_schema(cls, ref_template: str) -> dict[str, Any]:
        reference = ref_template.format(model="Part")
        return {"type": "object", "properties": {"a": {"$ref": reference}}, "$defs": {"Part": {"type": "integer"}}}

    @classmethod
    def model_validate(cls, value: Any) -> Likeness:
        if not isinstance(value["a"], int):
            raise ValueError("a is no int")
        return cls(value["a"])

    def model_dump(self, mode: str) -> dict[str, Any]:
        return {"a": self.a}


def test_what_looks_like_a_pydantic_model_is_asked_for_its_schema() -> None:
    found = reading(Likeness)

    data, parsed = found.read('{"a": 1}')

    assert found.wire.schema["$defs"] == {"Part": {"type": "integer"}}
    assert (data, type(parsed)) == ({"a": 1}, Likeness)
    with pytest.raises(StructuredOutputError, match="a is no int"):
        found.read('{"a": "1"}')


def test_two_classes_of_one_name_are_refused_not_mixed_up() -> None:
    for make in (lambda: type("Pet", (), {"__annotations__": {"a": int}}),
                 lambda: dataclasses.make_dataclass("Twin", [("a", int)])):  # fmt: skip
        with pytest.raises(SchemaConversionError, match=r"Pet|same name"):
            json_schema(tuple[make(), make()], where="here")  # type: ignore[misc] # made at run time
