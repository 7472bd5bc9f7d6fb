"""Answers are held against the schema that was asked for, whatever the server made of it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from llm_async import (
    LLMError,
    OpenAIProvider,
    OutputTruncatedError,
    Response,
    ResponseSchema,
    Stream,
    StreamChunk,
    StructuredOutputError,
)
from llm_async.transport.scripted import ScriptedReply
from scripts import chunks_of, run, scripted, sent, stream, whole
from server import chat, completion

OPENAI = "https://api.openai.com/v1"  # a script answers; the address decides how schemas are written

PERSON = ResponseSchema(
    {
        "type": "object",
        "properties": {"name": {"type": "string", "minLength": 2}, "age": {"type": "integer"}},
        "required": ["name"],
    },
    name="person",
)


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def ask(
    provider: OpenAIProvider, *, streamed: bool, into: list[StreamChunk] | None = None, schema: ResponseSchema | None
) -> Response:
    async def answer() -> Response:
        reply = await provider.acomplete("m", "Hi", stream=streamed, response_schema=schema)
        if isinstance(reply, Stream):
            await chunks_of(reply, into)
            return reply.response
        return reply

    return run(answer())


def reply(streamed: bool, text: str, finish: str = "stop", **message: Any) -> ScriptedReply:
    if streamed:
        return stream(*chat(text, message, finish=finish))
    return whole(completion(text, finish, message))


@pytest.mark.parametrize("text", ['{"name": "Al", "age": 3}', ' {"name": "Al"}\n', '{"name": "Al", "age": null}'])
def test_an_answer_that_fits_is_returned_as_the_model_wrote_it(streamed: bool, text: str) -> None:
    provider, _ = scripted(reply(streamed, text))

    assert ask(provider, streamed=streamed, schema=PERSON).main_response.content == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"name": "A"}', "$.name: must have 2 characters at least; it has 1"),
        ('{"age": 3}', "$: the property 'name' is missing"),
        ('{"name": null}', "$.name: must be a string; it is null"),
        ("Al is 3", "$: is not JSON"),
        ("", "$: is not JSON"),
        ('{"name": "Al"', "$: is not JSON"),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error_that_holds_the_whole_reply(
    streamed: bool, text: str, problem: str
) -> None:
    provider, _ = scripted(reply(streamed, text))
    chunks: list[StreamChunk] = []

    with pytest.raises(StructuredOutputError) as caught:
        ask(provider, streamed=streamed, into=chunks, schema=PERSON)

    error = caught.value
    assert not isinstance(error, OutputTruncatedError)
    assert error.text == text
    assert error.problems[0].startswith(problem)
    assert str(error).startswith(f"the answer does not fit the schema 'person': {problem}")
    assert error.partial is not None
    assert error.partial.main_response.content == text
    assert "".join(chunk.delta for chunk in chunks) == (text if streamed else "")


def test_what_was_left_out_on_the_wire_is_listed_and_checked_on_arrival(streamed: bool) -> None:
    provider, script = scripted(reply(streamed, '{"name": "A", "age": null}'), base_url=OPENAI)

    with pytest.raises(StructuredOutputError) as caught:
        ask(provider, streamed=streamed, schema=PERSON)

    told = sent(script.requests[0])["response_format"]["json_schema"]
    assert "minLength" not in told["schema"]["properties"]["name"]
    assert told["schema"]["required"] == ["name", "age"]
    assert "'minLength' is left out" in caught.value.partial.warnings[0]  # type: ignore[union-attr] # or the test fails
    assert len(caught.value.problems) == 1


def test_an_answer_that_was_cut_off_is_told_apart(streamed: bool) -> None:
    provider, _ = scripted(reply(streamed, '{"name": "Al', "length"))

    with pytest.raises(OutputTruncatedError, match="cut off after 12 characters") as caught:
        ask(provider, streamed=streamed, schema=PERSON)

    assert caught.value.text == '{"name": "Al'
    assert caught.value.partial is not None
    assert caught.value.partial.finish_reason == "length"


@pytest.mark.parametrize(
    ("finish", "message"),
    [
        ("content_filter", {}),
        ("stop", {"refusal": "I must not"}),
        ("tool_calls", {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}),
    ],
)
def test_what_is_no_answer_is_not_checked(streamed: bool, finish: str, message: dict[str, Any]) -> None:
    provider, _ = scripted(reply(streamed, "", finish, **message))

    assert ask(provider, streamed=streamed, schema=PERSON).main_response.content == ""


def test_without_a_schema_nothing_is_checked(streamed: bool) -> None:
    provider, _ = scripted(reply(streamed, "{", "length"))

    assert ask(provider, streamed=streamed, schema=None).main_response.content == "{"


def test_a_root_that_is_no_object_may_come_as_the_property_that_was_asked_for(streamed: bool) -> None:
    numbers = ResponseSchema({"type": "array", "items": {"type": "integer"}})
    replies = [reply(streamed, text) for text in ('{"value": [1]}', "[1]", '{"value": 1}')]
    provider, script = scripted(*replies, base_url=OPENAI)

    assert ask(provider, streamed=streamed, schema=numbers).main_response.content == '{"value": [1]}'
    assert sent(script.requests[0])["response_format"]["json_schema"]["schema"]["required"] == ["value"]
    assert ask(provider, streamed=streamed, schema=numbers).main_response.content == "[1]"
    with pytest.raises(StructuredOutputError, match="must be an array; it is an integer"):
        ask(provider, streamed=streamed, schema=numbers)


def test_a_schema_that_no_value_can_be_held_against_loses_no_answer() -> None:
    broken = ResponseSchema({"type": "object", "properties": {"n": {"type": "integer", "minimum": "1"}}}, strict=False)
    provider, _ = scripted(reply(False, '{"n": 3}'))

    with pytest.raises(StructuredOutputError, match="the schema cannot be applied") as caught:
        ask(provider, streamed=False, schema=broken)

    assert caught.value.text == '{"n": 3}'


def test_many_problems_are_counted_and_the_error_travels_whole() -> None:
    numbers = ResponseSchema({"type": "array", "items": {"type": "integer"}})
    provider, _ = scripted(reply(False, '["a", "b", "c", "d", "e", "f", "g"]'))

    with pytest.raises(LLMError, match=r"\(and 2 more\)") as caught:
        ask(provider, streamed=False, schema=numbers)

    copy = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copy, StructuredOutputError)
    assert len(copy.problems) == 7
    assert copy.partial is not None
    assert copy.text == copy.partial.main_response.content
