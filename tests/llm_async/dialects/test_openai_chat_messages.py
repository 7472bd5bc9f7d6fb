"""What of a conversation each kind of server is sent, and what is told of the rest."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from llm_async import Message, ResponseSchema, Tool, ToolCall
from llm_async.dialects import Profile, openai_chat, openrouter
from llm_async.models import ModelRequest, ToolResult
from llm_async.models.message import Image, Text
from llm_async.providers.compatible import SERVERS
from llm_async.providers.openai import OPENAI

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MARK = {"type": "ephemeral"}

DEEPSEEK, MISTRAL, GROQ, OLLAMA, XAI = (
    SERVERS[name].profile for name in ("deepseek", "mistral", "groq", "ollama", "xai")
)


def encoded(
    messages: Any, profile: Profile = OPENAI, dialect: Any = openai_chat, model: str = "m", **arguments: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of a request, and the warnings."""
    request = ModelRequest.build(model, messages, **arguments)
    before = copy.deepcopy(messages)
    call = dialect.encode_request(request, profile, stream=arguments.pop("stream", False))
    assert messages == before, "what the caller passed in was changed"
    return json.loads(call.body), call.warnings


def sent(messages: Any, profile: Profile = OPENAI, **more: Any) -> tuple[list[Any], tuple[str, ...]]:
    body, warnings = encoded(messages, profile, **more)
    return body["messages"], warnings


# ------------------------------------------------------------------------------------------- roles and marks


@pytest.mark.parametrize("message", [{"role": "developer", "content": "Be brief"}, Message("developer", "Be brief")])
def test_a_developer_speaks_as_the_system_where_that_role_is_unknown(message: Any) -> None:
    assert sent([message], OPENAI)[0] == [{"role": "developer", "content": "Be brief"}]
    assert sent([message], DEEPSEEK) == ([{"role": "system", "content": "Be brief"}], ())


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": MARK}]},
        Message("user", [Text("Hi", MARK)]),
    ],
)
def test_cache_marks_go_where_they_are_known(message: Any) -> None:
    marked = {"type": "text", "text": "Hi", "cache_control": MARK}

    assert sent([message], Profile()) == ([{"role": "user", "content": [marked]}], ())
    messages, (warning,) = sent([message, message])
    assert messages == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}] * 2
    assert warning == "marks for the prompt cache were left out (cache_control), which this server does not know"


@pytest.mark.parametrize(
    "tool",
    [
        Tool("f", parameters={"type": "object"}, cache_control=MARK),
        {
            "type": "function",
            "function": {"name": "f", "description": "", "parameters": {"type": "object"}},
            "cache_control": MARK,
        },
    ],
)
def test_cache_marks_of_tools_go_where_they_are_known(tool: Any) -> None:
    body, warnings = encoded("Hi", Profile(), tools=[tool])
    assert (body["tools"][0]["cache_control"], warnings) == (MARK, ())

    body, (warning,) = encoded("Hi", OPENAI, tools=[tool])
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}
    ]
    assert "cache_control" in warning


def test_how_closely_a_picture_is_looked_at_is_said() -> None:
    (message,), _ = sent(
        [Message("user", [Image("https://a.test/b.png", detail="low"), Image("https://a.test/c.png")])]
    )

    assert [part["image_url"] for part in message["content"]] == [
        {"url": "https://a.test/b.png", "detail": "low"},
        {"url": "https://a.test/c.png"},
    ]


# ------------------------------------------------------------------------------------------- tools' results


def test_that_a_result_is_an_error_is_said_in_its_text_alone() -> None:
    for result in (
        {"role": "tool", "tool_call_id": "1", "content": "no such city", "is_error": True},
        ToolResult("1", "no such city", "f", is_error=True),
    ):
        assert sent([result])[0] == [{"role": "tool", "tool_call_id": "1", "content": "no such city"}]


def test_pictures_of_results_follow_the_last_of_them() -> None:
    text = {"type": "text", "text": "See"}
    messages, warnings = sent(
        [
            {"role": "assistant", "content": None, "tool_calls": [CALL, CALL | {"id": "2"}]},
            ToolResult("1", "See", parts=[Text("See"), Image("data:image/png;base64,AAAA")]),
            {"role": "tool", "tool_call_id": "2", "content": [PICTURE]},
            {"role": "user", "content": "So?"},
        ]
    )

    assert warnings == ()
    assert messages[1:] == [
        {"role": "tool", "tool_call_id": "1", "content": [text]},
        {"role": "tool", "tool_call_id": "2", "content": "It is in the next message of the user."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "From the result of call 1:"},
                PICTURE,
                {"type": "text", "text": "From the result of call 2:"},
                PICTURE,
            ],
        },
        {"role": "user", "content": "So?"},
    ]


def test_pictures_of_the_last_result_follow_it() -> None:
    messages, _ = sent([ToolResult("1", "", parts=[PICTURE])])

    assert [message["role"] for message in messages] == ["tool", "user"]


def test_pictures_stay_in_results_where_the_server_takes_them_or_the_caller_put_them() -> None:
    own = {"role": "tool", "tool_call_id": "1", "content": [PICTURE]}
    result = ToolResult("1", "", parts=[PICTURE])

    assert sent([own, result], Profile(pictures_in_results=True))[0] == [own, own]
    assert sent([own], Profile())[0] == [own]
    assert len(sent([result], Profile())[0]) == 2


def test_a_result_of_text_parts_is_text() -> None:
    parts = [{"type": "text", "text": "a"}]

    assert sent([ToolResult("1", "a", parts=parts)])[0] == [{"role": "tool", "tool_call_id": "1", "content": "a"}]
    given = {"role": "tool", "tool_call_id": "1", "content": parts}
    assert sent([given])[0] == [given]


# ------------------------------------------------------------------------ a model's message, sent to another


def test_the_reasoning_goes_back_under_the_servers_own_name_or_not_at_all() -> None:
    said = {"role": "assistant", "content": "Hi", "tool_calls": [CALL]}
    for field in ("reasoning_content", "reasoning", "reasoning_text"):
        message = said | {field: "hm"}
        assert sent([message], DEEPSEEK) == ([said | {"reasoning_content": "hm"}], ())
        assert sent([message], OLLAMA) == ([said | {"reasoning": "hm"}], ())
        assert sent([message], OPENAI) == sent([message], GROQ) == ([said], ())
        assert sent([message], Profile()) == ([message], ())


@pytest.mark.parametrize(
    ("field", "value", "warning"),
    [
        ("reasoning_details", [{"data": "x"}], "signed reasoning of another provider was left out (reasoning_details)"),
        ("extra_content", {"google": {}}, "signed reasoning of another provider was left out (extra_content)"),
        ("thought_signature", "s", "signed reasoning of another provider was left out (thought_signature)"),
        ("images", [{"url": "u"}], "what a model had made was left out (images)"),
    ],
)
def test_what_only_its_issuer_reads_is_left_out_with_a_warning(field: str, value: Any, warning: str) -> None:
    message = {"role": "assistant", "content": "Hi", field: value}

    assert sent([message, message], OPENAI) == ([{"role": "assistant", "content": "Hi"}] * 2, (warning,))
    assert sent([message], Profile()) == ([message], ())


def test_signatures_of_calls_go_back_to_their_issuer_alone() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL | {"extra_content": {"google": {"s": 1}}}]}

    assert sent([message], Profile()) == ([message], ())
    messages, (warning,) = sent([message], OPENAI)
    assert messages == [{"role": "assistant", "tool_calls": [CALL], "content": None}]
    assert warning == "signatures of another provider were left out (tool_calls[].extra_content)"


def test_placeholders_are_not_sent_back_to_those_who_refuse_them() -> None:
    message = {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "annotations": [],
        "tool_calls": [],
        "function_call": None,
        "audio": None,
    }
    assert sent([message], MISTRAL) == ([{"role": "assistant", "content": "Hi"}], ())
    assert sent([{"role": "assistant", "content": None}]) == ([{"role": "assistant", "content": ""}], ())


def test_a_refusal_goes_back_as_one_or_as_text() -> None:
    for message in ({"role": "assistant", "content": None, "refusal": "No."}, Message("assistant", refusal="No.")):
        assert sent([message], OPENAI)[0][0]["refusal"] == "No."
        assert sent([message], MISTRAL) == ([{"role": "assistant", "content": "No."}], ())


def test_what_was_spoken_goes_back_by_its_id() -> None:
    message = {"role": "assistant", "content": None, "audio": {"id": "a1", "data": "AAAA", "transcript": "Hi"}}

    assert sent([message], OPENAI)[0] == [{"role": "assistant", "audio": {"id": "a1"}, "content": None}]


def test_thinking_in_the_content_goes_back_to_mistral_alone() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "s"}
    text = {"type": "text", "text": "Hi"}
    message = {"role": "assistant", "content": [thinking, text], "prefix": True}

    assert sent([message], MISTRAL) == ([message], ())
    assert sent([message], OPENAI) == (
        [{"role": "assistant", "content": [text]}],
        ("signed reasoning of another provider was left out (thinking)",),
    )
    assert sent([{"role": "assistant", "content": [thinking]}], DEEPSEEK)[0] == [{"role": "assistant", "content": ""}]


def test_openrouters_details_go_back_to_openrouter_alone() -> None:
    original = {
        "role": "assistant",
        "content": "Hi",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}],
    }
    message = Message("assistant", "Hi", "", (), original, "openrouter")

    assert sent([message, original], Profile(), dialect=openrouter) == ([original, original], ())
    for profile in (Profile(), OPENAI, GROQ):
        messages, (warning,) = sent([message], profile)
        assert messages == [{"role": "assistant", "content": "Hi"}]
        assert "reasoning_details" in warning


def test_a_reply_of_an_imitation_comes_to_openrouter_in_the_neutral_shape() -> None:
    original = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}],
        "tool_calls": [CALL | {"extra_content": {"google": 1}}],
    }
    message = Message("assistant", "Hi", "hm", (ToolCall("1", "f", {}, "{}"),), original, "openai_chat")

    messages, warnings = sent([message], Profile(), dialect=openrouter)

    assert messages == [{"role": "assistant", "content": "Hi", "tool_calls": [CALL]}]
    assert warnings == ("signatures of another provider were left out (tool_calls[].extra_content)",)


# ------------------------------------------------------------------------------------------------ parameters


def test_seed_and_required_have_mistrals_names() -> None:
    body, _ = encoded("Hi", MISTRAL, tools=[Tool("f")], tool_choice="required", parameters={"seed": 7})

    assert (body["random_seed"], body["tool_choice"], "seed" in body) == (7, "any", False)


@pytest.mark.parametrize(
    ("name", "effort", "sent_as"),
    [
        ("groq", "minimal", "low"),
        ("groq", "xhigh", "high"),
        ("mistral", "minimal", "none"),
        ("perplexity", "max", "high"),
        ("ollama", "max", "high"),
    ],
)
def test_an_effort_that_the_server_lacks_is_the_nearest_one_and_told_of(name: str, effort: str, sent_as: str) -> None:
    body, warnings = encoded("Hi", SERVERS[name].profile, parameters={"reasoning_effort": effort})

    assert body["reasoning_effort"] == sent_as
    assert warnings == (f"reasoning_effort {effort!r} was sent as {sent_as!r}, the nearest that this server knows",)


@pytest.mark.parametrize(
    ("name", "effort"),
    [("groq", "none"), ("groq", "default"), ("deepseek", "medium"), ("mistral", "high"), ("perplexity", "minimal")],
)
def test_an_effort_that_the_server_has_is_sent_as_it_is(name: str, effort: str) -> None:
    body, warnings = encoded("Hi", SERVERS[name].profile, parameters={"reasoning_effort": effort})

    assert (body["reasoning_effort"], warnings) == (effort, ())


def test_deepseek_is_told_not_to_think_in_its_own_words() -> None:
    body, warnings = encoded("Hi", DEEPSEEK, parameters={"reasoning_effort": "none"})

    assert (body["thinking"], "reasoning_effort" in body, warnings) == ({"type": "disabled"}, False, ())


@pytest.mark.parametrize(
    ("name", "model", "parameter", "value"),
    [
        ("xai", "grok-code-fast-1", "reasoning_effort", "low"),
        ("xai", "grok-4-fast-reasoning", "reasoning_effort", "low"),
        ("xai", "grok-4-0709", "stop", ["x"]),
        ("groq", "any", "logit_bias", {"1": 1}),
        ("cerebras", "any", "frequency_penalty", 1),
        ("mistral", "any", "store", False),
    ],
)
def test_what_a_server_refuses_is_left_out_with_a_warning(name: str, model: str, parameter: str, value: Any) -> None:
    body, warnings = encoded("Hi", SERVERS[name].profile, model=model, parameters={parameter: value})

    assert parameter not in body
    assert warnings == (f"{parameter} was left out, which {model!r} refuses",)


@pytest.mark.parametrize(
    ("model", "parameter"),
    [("grok-3-mini", "reasoning_effort"), ("grok-4.3", "reasoning_effort"), ("grok-4.20-0309-non-reasoning", "stop")],
)
def test_what_only_other_models_refuse_is_sent(model: str, parameter: str) -> None:
    body, warnings = encoded("Hi", XAI, model=model, parameters={parameter: "low"})

    assert (body[parameter], warnings) == ("low", ())


def test_a_server_that_knows_no_schemas_is_asked_for_json_and_its_model_for_the_shape() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    body, (warning,) = encoded("Hi", DEEPSEEK, response_schema=ResponseSchema(schema))

    assert body["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "JSON" in body["messages"][0]["content"]
    assert json.dumps(schema, separators=(",", ":")) in body["messages"][0]["content"]
    assert warning == "the server cannot hold the model to a schema; the model was told of it instead"


SHORT = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_strict_schemas_are_written_as_openai_wants_them() -> None:
    body, _ = encoded("Hi", OPENAI, response_schema=ResponseSchema(SHORT), tools=[Tool("f", "", SHORT, strict=True)])

    asked = body["response_format"]["json_schema"]
    tool = body["tools"][0]["function"]
    assert asked["schema"] == tool["parameters"] == SHORT | {"additionalProperties": False}
    assert asked["strict"] is tool["strict"] is True


def test_what_a_strict_schema_cannot_say_is_told_of() -> None:
    loose = {"type": "object", "properties": {}, "patternProperties": {"^x": {"type": "string"}}}

    _, warnings = encoded(
        "Hi", OPENAI, response_schema=ResponseSchema(loose), tools=[Tool("f", "", loose, strict=True)]
    )

    assert warnings
    assert any(warning.startswith("tool 'f': ") for warning in warnings)


def test_where_schemas_are_grammars_they_go_as_they_are() -> None:
    body, warnings = encoded(
        "Hi", OLLAMA, response_schema=ResponseSchema(SHORT), tools=[Tool("f", "", SHORT, strict=True)]
    )

    assert body["response_format"]["json_schema"]["schema"] == body["tools"][0]["function"]["parameters"] == SHORT
    assert warnings == ()


# ------------------------------------------------------------------------------------------------ OpenRouter


def test_openrouter_has_an_object_for_the_effort() -> None:
    def reasoning(**parameters: Any) -> Any:
        body, warnings = encoded("Hi", Profile(), dialect=openrouter, parameters=parameters)
        assert ("reasoning_effort" in body, warnings) == (False, ())
        return body.get("reasoning")

    assert reasoning() is None
    assert reasoning(reasoning_effort="max") == {"effort": "max"}
    assert reasoning(reasoning={"max_tokens": 5}) == {"max_tokens": 5}
    assert reasoning(reasoning_effort="low", reasoning={"summary": "concise"}) == {
        "effort": "low",
        "summary": "concise",
    }


def test_what_routes_a_request_is_passed_on() -> None:
    routing: dict[str, Any] = {
        "models": ["a", "b"],
        "provider": {"only": ["x"]},
        "plugins": [{"id": "web"}],
        "top_k": 5,
    }
    body, _ = encoded("Hi", Profile(), dialect=openrouter, parameters=routing)

    assert body == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]} | routing
