from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async import (
    ConfigurationError,
    ContextLengthError,
    Message,
    OverloadedError,
    RateLimitError,
    ResponseSchema,
    Tool,
    ToolCall,
    Usage,
    WireFormatError,
)
from llm_async.dialects import Profile, anthropic
from llm_async.dialects.anthropic.families import family_of
from llm_async.models import ModelRequest, ToolResult
from llm_async.models.event import (
    EndMark,
    Failed,
    Finished,
    ModelEvent,
    Opaque,
    ReasoningDelta,
    Refusal,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_async.models.response import Reply, assemble
from llm_async.sse import ServerSentEvent

Json = dict[str, Any]

OLD, NEW = Profile(version="2023-06-01"), Profile(version="2026-10-21")
MODEL = "claude-sonnet-4-5"
HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = Tool("get_weather", "The weather of a city", SCHEMA)
MARK = {"type": "ephemeral"}
CALL = ToolCall("toolu_1", "get_weather", {"city": "Paris"}, '{"city": "Paris"}')
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}


def call_of(
    messages: Any = "Hello", *, model: str = MODEL, profile: Profile = OLD, stream: bool = False, **arguments: Any
) -> Any:
    """Return the call that a request becomes."""
    request = ModelRequest.build(model, messages, **arguments)
    return anthropic.encode_request(request, profile, stream=stream)


def body_of(messages: Any = "Hello", **arguments: Any) -> Json:
    """Return the body of a request that loses nothing."""
    call = call_of(messages, **arguments)
    assert (call.method, call.path, call.warnings) == ("POST", "/messages", ())
    body: Json = json.loads(call.body)
    return body


def asked_for(model: str = MODEL, profile: Profile = OLD, **parameters: Any) -> tuple[Json, tuple[str, ...]]:
    """Return what parameters become beside model and messages, and what is warned of."""
    arguments = {name: parameters.pop(name) for name in ("tools", "tool_choice") if name in parameters}
    call = call_of(model=model, profile=profile, parameters=parameters, **arguments)
    body = json.loads(call.body)
    return {name: value for name, value in body.items() if name not in ("model", "messages", "tools")}, call.warnings


# ---------------------------------------------------------------------------------------------- requests


def test_a_plain_question_says_model_message_and_limit() -> None:
    assert body_of() == {"model": MODEL, "messages": [HELLO], "max_tokens": 64_000}
    assert body_of(stream=True)["stream"] is True


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-3-haiku-20240307", 4096),
        ("claude-3-5-sonnet-20241022", 8192),
        ("claude-3-7-sonnet-latest", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 64_000),
        ("anthropic/claude-opus-4.6", 128_000),
        ("claude-opus-5", 128_000),
        ("claude-epic-9", 8192),
        ("qwen3:8b", 8192),
    ],
)
def test_the_limit_is_the_models_own_where_it_is_known(model: str, limit: int) -> None:
    assert body_of(model=model)["max_tokens"] == limit
    assert body_of(model=model, parameters={"max_tokens": 5})["max_tokens"] == 5


def test_instructions_go_before_the_conversation() -> None:
    one = [{"role": "system", "content": "Be brief"}, HELLO]
    two = [{"role": "system", "content": "Be brief"}, {"role": "developer", "content": "Be polite"}, HELLO]
    marked = [{"role": "system", "content": [{"type": "text", "text": "Be brief", "cache_control": MARK}]}, HELLO]

    assert (body_of(one)["system"], body_of(one)["messages"]) == ("Be brief", [HELLO])
    assert body_of(two)["system"] == [{"type": "text", "text": "Be brief"}, {"type": "text", "text": "Be polite"}]
    assert body_of(marked)["system"] == [{"type": "text", "text": "Be brief", "cache_control": MARK}]


def test_instructions_given_in_the_formats_own_words_come_first() -> None:
    messages = [{"role": "system", "content": "Be polite"}, HELLO]

    assert body_of(parameters={"system": "Be brief"})["system"] == "Be brief"
    assert body_of(messages, parameters={"system": "Be brief"})["system"] == [
        {"type": "text", "text": "Be brief"},
        {"type": "text", "text": "Be polite"},
    ]


LATE = [
    HELLO,
    {"role": "assistant", "content": "Hi"},
    {"role": "system", "content": "Be brief"},
    {"role": "user", "content": "And you?"},
]


def test_instructions_within_the_conversation_follow_what_the_user_said() -> None:
    body = body_of(LATE, model="claude-opus-4-8")

    assert "system" not in body
    assert body["messages"][2:] == [
        {"role": "user", "content": "And you?"},
        {"role": "system", "content": [{"type": "text", "text": "Be brief"}]},
    ]


@pytest.mark.parametrize("messages", [LATE, [*LATE[:3], {"role": "assistant", "content": "So"}]])
def test_instructions_that_are_not_taken_where_they_stand_go_to_the_beginning_with_a_warning(messages: Any) -> None:
    model = "claude-opus-4-7" if messages is LATE else "claude-opus-4-8"
    call = call_of(messages, model=model)

    assert json.loads(call.body)["system"] == "Be brief"
    assert call.warnings == ("a system message was moved to the beginning: the model takes none where it stood",)


def test_a_system_message_in_the_formats_own_shape_stays_where_it_is() -> None:
    added = {"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "f"}}]}

    assert body_of([HELLO, added], model="claude-opus-4-8")["messages"] == [HELLO, added]


def test_empty_text_is_not_sent_back() -> None:
    said = {"role": "assistant", "content": [{"type": "text", "text": ""}, USE]}

    assert body_of([HELLO, said])["messages"][1] == {"role": "assistant", "content": [USE]}


def test_a_message_of_the_formats_own_must_have_content() -> None:
    own = Message("assistant", original={"role": "assistant", "content": None}, issuer="anthropic")

    with pytest.raises(ConfigurationError, match="content must be text or a list of blocks; it is a NoneType"):
        call_of([HELLO, own])


def test_messages_of_one_role_are_one_turn() -> None:
    body = body_of([HELLO, {"role": "user", "content": "Again"}, {"role": "assistant", "content": "Hi"}, HELLO])

    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "Again"}]},
        {"role": "assistant", "content": "Hi"},
        HELLO,
    ]


def test_results_of_one_turn_go_together_before_what_the_user_says() -> None:
    messages = [
        {"role": "assistant", "content": [USE, {**USE, "id": "toolu_2"}]},
        HELLO,
        anthropic.encode_tool_result(ToolResult("toolu_1", "sunny")),
        ToolResult("toolu_2", "no such city", is_error=True),
    ]
    before = copy.deepcopy(messages)

    assert body_of(messages)["messages"][1:] == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no such city", "is_error": True},
                {"type": "text", "text": "Hello"},
            ],
        }
    ]
    assert messages == before


def test_calls_and_results_in_openais_shape_are_translated() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    messages = [
        {
            "role": "assistant",
            "content": "So:",
            "tool_calls": [{"id": "c.1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c.1", "content": "sunny"},
    ]

    assert body_of(messages)["messages"] == [
        {"role": "assistant", "content": [{"type": "text", "text": "So:"}, {**USE, "id": "c_1"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c_1", "content": "sunny"}]},
    ]


def test_arguments_that_are_no_object_go_back_as_the_text_they_are() -> None:
    message = Message("assistant", tool_calls=[ToolCall.parse("c1", "f", "{broken")])

    assert body_of([message])["messages"][0]["content"][0]["input"] == {"INVALID_JSON": "{broken"}


def test_pictures_and_files_become_blocks() -> None:
    def block(part: Json) -> Any:
        return body_of([{"role": "user", "content": [part]}])["messages"][0]["content"][0]

    def picture(url: str) -> Any:
        return block({"type": "image_url", "image_url": {"url": url}})

    def file(**said: str) -> Any:
        return block({"type": "file", "file": said})

    assert picture("data:image/png;base64,AAAA") == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
    }
    assert picture("data:image/gif,GIF89a")["source"]["data"] == "R0lGODlh"
    assert picture("https://h/a.png") == {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert file(file_data="data:application/pdf;base64,JVBERi0=", filename="a.pdf") == {
        "type": "document",
        "source": pdf,
        "title": "a.pdf",
    }
    assert file(file_data="JVBERi0=") == {"type": "document", "source": pdf}
    assert file(file_url="https://h/a.pdf")["source"] == {"type": "url", "url": "https://h/a.pdf"}
    assert file(file_id="file_1")["source"] == {"type": "file", "file_id": "file_1"}
    text = {"type": "text", "media_type": "text/plain", "data": "a b"}
    assert file(file_data="data:text/csv;base64,YSBi")["source"] == text
    assert file(file_data="data:text/plain,a%20b")["source"] == text
    assert file(file_data="data:image/png;base64,AAAA")["type"] == "image"


def test_what_the_model_cannot_read_is_left_out_with_a_warning() -> None:
    sheet = "data:application/vnd.ms-excel;base64,AAAA"
    parts = [
        {"type": "text", "text": "Listen"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": sheet, "filename": "a.xls"}},
        {"type": "file", "file": {"filename": "b.pdf"}},
        {"type": "image_url", "image_url": {"url": "data:video/mp4;base64,AAAA"}},
    ]
    call = call_of([{"role": "user", "content": parts}])

    assert json.loads(call.body)["messages"][0]["content"] == [{"type": "text", "text": "Listen"}]
    assert call.warnings == (
        "audio was left out: Claude takes none",
        "the file 'a.xls' was left out: Claude takes PDF, text and pictures",
        "the file 'b.pdf' was left out: Claude takes PDF, text and pictures",
        "a picture was left out: Claude takes no 'video/mp4'",
    )


def test_marks_for_the_cache_go_with_parts_and_tools() -> None:
    parts = [
        {"type": "text", "text": "a", "cache_control": MARK},
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}, "cache_control": MARK},
        {"type": "file", "file": {"file_id": "file_1"}, "cache_control": MARK},
    ]
    tools = [Tool("f", cache_control=MARK), {"type": "function", "function": {"name": "g"}, "cache_control": MARK}]
    body = body_of([{"role": "user", "content": parts}], tools=tools)

    assert [block["cache_control"] for block in body["messages"][0]["content"]] == [MARK] * 3
    assert [tool["cache_control"] for tool in body["tools"]] == [MARK] * 2


def test_results_may_hold_pictures() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://h/a.png"}}
    message = anthropic.encode_tool_result(ToolResult("c", "a picture", parts=[part]))

    assert message["content"][0]["content"] == [{"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}]


def test_tools_are_described_in_the_formats_words() -> None:
    native = {"type": "web_search_20250305", "name": "web_search"}
    function = {"name": "get_weather", "description": "The weather of a city", "parameters": SCHEMA}
    described = {"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}
    body = body_of(tools=[TOOL, {"type": "function", "function": function}, native, Tool("f", parameters={})])

    assert body["tools"] == [described, described, native, {"name": "f", "input_schema": {"type": "object"}}]


def test_a_strict_tool_has_a_schema_that_the_server_can_hold_the_model_to() -> None:
    [tool] = body_of(tools=[Tool("f", parameters=SCHEMA, strict=True)])["tools"]

    assert tool["strict"] is True
    assert tool["input_schema"] == {**SCHEMA, "additionalProperties": False}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "get_weather"}}, {"type": "tool", "name": "get_weather"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_of_tools_is_said_in_the_formats_words(choice: Any, said: Any) -> None:
    assert body_of(tools=[TOOL], tool_choice=choice)["tool_choice"] == said


def test_a_choice_among_no_tools_is_not_said() -> None:
    assert "tool_choice" not in body_of(tool_choice="auto")
    with pytest.raises(ConfigurationError, match=r"tool_choice must be auto, none, required .* it is 'sometimes'"):
        call_of(tool_choice="sometimes")


def test_the_shape_of_the_answer_goes_with_other_wishes_for_it() -> None:
    body = body_of(response_schema=ResponseSchema(SCHEMA), parameters={"output_config": {"effort": "low"}})

    schema = {**SCHEMA, "additionalProperties": False}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}, "effort": "low"}


def test_what_a_schema_loses_on_the_way_is_told() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}

    assert any("minimum" in warning for warning in call_of(response_schema=ResponseSchema(schema)).warnings)


@pytest.mark.parametrize("system", [(), ({"role": "system", "content": "Be brief."},)], ids=["alone", "with another"])
def test_a_schema_that_the_server_would_refuse_is_told_to_the_model(system: tuple[Json, ...]) -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}

    body = json.loads(call_of([*system, HELLO], response_schema=ResponseSchema(schema)).body)

    assert "output_config" not in body
    assert body["system"][-1]["text"].endswith(json.dumps(schema, separators=(",", ":")))
    assert [block["text"] for block in body["system"][:-1]] == [message["content"] for message in system]


def test_common_parameters_have_the_formats_names_and_others_stay() -> None:
    said, warnings = asked_for(temperature=0.5, top_p=0.9, top_k=3, stop="END", metadata={"user_id": "u"}, max_tokens=9)

    assert warnings == ()
    assert said == {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
    }
    assert asked_for(stop=["a", "b"])[0]["stop_sequences"] == ["a", "b"]


def test_a_seed_is_left_out_with_a_warning() -> None:
    assert asked_for(seed=1) == ({"max_tokens": 64_000}, ("seed was left out: Anthropic has none",))


@pytest.mark.parametrize("model", ["claude-opus-4-8", "claude-sonnet-5"])
def test_sampling_is_left_out_where_the_model_takes_none(model: str) -> None:
    said, warnings = asked_for(model, temperature=0.5, top_k=3)

    assert said == {"max_tokens": 128_000}
    assert warnings == (f"temperature was left out: {model} takes none", f"top_k was left out: {model} takes none")


def test_sampling_is_left_out_where_the_version_takes_none() -> None:
    said, warnings = asked_for(profile=NEW, temperature=1, top_p=1, top_k=3)

    assert said == {"max_tokens": 64_000}
    assert warnings == tuple(
        f"{name} was left out: version 2026-10-21 of the interface takes none"
        for name in ("temperature", "top_p", "top_k")
    )


def test_the_newer_version_takes_no_documents_from_the_model_and_no_citations_from_the_user() -> None:
    cited = {"type": "text", "text": "a", "citations": [{"type": "char_location"}]}
    document = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    messages = [
        {"role": "user", "content": [cited]},
        {"role": "assistant", "content": [document, {"type": "text", "text": "b", "citations": [{"type": "x"}]}]},
    ]
    before = copy.deepcopy(messages)
    call = call_of(messages, profile=NEW)

    assert json.loads(call.body)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [messages[1]["content"][1]]},
    ]
    assert len(call.warnings) == 2
    assert messages == before
    assert body_of(messages)["messages"] == messages


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "said"),
    [
        ("claude-opus-4-8", "high", {"type": "adaptive", "display": "summarized"}, "high"),
        ("claude-opus-4-6", "max", {"type": "adaptive"}, "max"),
        ("claude-opus-4-5", "low", {"type": "enabled", "budget_tokens": 2048}, "low"),
        ("claude-sonnet-4-5", "medium", {"type": "enabled", "budget_tokens": 8192}, None),
        ("claude-haiku-4-5", "minimal", {"type": "enabled", "budget_tokens": 1024}, None),
        ("qwen3:8b", "xhigh", {"type": "enabled", "budget_tokens": 4096}, "xhigh"),
        ("claude-opus-4-8", "none", None, None),
        ("claude-sonnet-4-5", "none", None, None),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
    ],
)
def test_effort_is_asked_for_as_the_family_understands_it(model: str, effort: str, thinking: Any, said: Any) -> None:
    body, warnings = asked_for(model, reasoning_effort=effort)

    assert warnings == ()
    assert body.get("thinking") == thinking
    assert body.get("output_config") == (None if said is None else {"effort": said})


@pytest.mark.parametrize(
    ("model", "effort", "said", "warning"),
    [
        ("claude-opus-4-6", "xhigh", "high", "reasoning_effort='xhigh' became 'high': claude-opus-4-6 has no other"),
        ("claude-opus-5", "minimal", "low", "reasoning_effort='minimal' became 'low': claude-opus-5 has no other"),
        ("claude-fable-5", "none", "low", "reasoning_effort='none' became 'low': claude-fable-5 always thinks"),
        ("claude-3-opus-latest", "high", None, "reasoning_effort was left out: claude-3-opus-latest does not think"),
    ],
)
def test_an_effort_that_the_family_does_not_know_becomes_the_nearest(
    model: str, effort: str, said: Any, warning: str
) -> None:
    body, warnings = asked_for(model, reasoning_effort=effort)

    assert warnings == (warning,)
    assert body.get("output_config") == (None if said is None else {"effort": said})


def test_an_effort_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"reasoning_effort must be none or one of minimal, .* it is 'huge'"):
        asked_for(reasoning_effort="huge")


@given(st.integers(1, 100_000), st.sampled_from(["minimal", "low", "medium", "high", "xhigh", "max"]))
def test_thinking_leaves_room_for_an_answer(limit: int, effort: str) -> None:
    body, warnings = asked_for(max_tokens=limit, reasoning_effort=effort)

    if "thinking" in body:
        assert 1024 <= body["thinking"]["budget_tokens"] < limit
    else:
        assert limit <= 1024
        assert warnings == ("thinking was left out: it takes 1024 tokens, and max_tokens must be more",)


def test_thinking_does_not_go_with_a_forced_call() -> None:
    body, warnings = asked_for("claude-opus-4-8", reasoning_effort="high", tools=[TOOL], tool_choice="required")

    assert "thinking" not in body
    assert body["output_config"] == {"effort": "high"}
    assert warnings == ("thinking was left out: Anthropic allows none where tool_choice forces a call",)


def test_what_does_not_go_with_thinking_is_left_out() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000}
    body, warnings = asked_for(thinking=thinking, reasoning_effort="low", temperature=0.5, top_p=0.99, top_k=3)

    assert (body["thinking"], body["top_p"]) == (thinking, 0.99)
    assert warnings == tuple(f"{name} was left out: it does not go with thinking" for name in ("temperature", "top_k"))
    assert asked_for(reasoning_effort="low", temperature=1.0)[0]["temperature"] == 1.0


def test_reasoning_of_others_is_left_out_with_a_warning() -> None:
    messages = [
        HELLO,
        {"role": "assistant", "content": "Hi", "reasoning_content": "A greeting."},
        Message("assistant", "You?", "Polite."),
    ]
    call = call_of(messages)

    assert b"greeting" not in call.body
    assert b"Polite" not in call.body
    assert call.warnings == ("reasoning without Anthropic's signature was left out",)


def test_what_the_model_said_goes_back_as_it_came() -> None:
    said = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "ZGF0YQ=="},
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"encrypted_content": "ZW5j"}]},
            {"type": "something_new", "value": 1},
            USE,
        ],
    }

    assert body_of([HELLO, said, ToolResult("toolu_1", "sunny")])["messages"][1] == said


def test_a_refusal_without_content_is_no_turn_of_its_own() -> None:
    nothing = {"role": "assistant", "content": []}
    own = Message("assistant", "", original=nothing, issuer="anthropic")

    assert body_of([HELLO, own])["messages"] == [HELLO]
    refused = {"role": "assistant", "content": None, "refusal": "I will not."}
    assert body_of([HELLO, refused])["messages"][1] == {"role": "assistant", "content": "I will not."}


def test_the_same_request_gives_the_same_bytes() -> None:
    assert call_of(LATE, tools=[TOOL]).body == call_of(copy.deepcopy(LATE), tools=[copy.deepcopy(TOOL)]).body


def test_a_value_without_json_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the request cannot be written as JSON"):
        call_of(parameters={"metadata": object()})


def test_mappings_of_any_kind_can_be_sent() -> None:
    assert body_of(parameters={"metadata": MappingProxyType({"user_id": "u"})})["metadata"] == {"user_id": "u"}


def test_counting_says_the_input_alone() -> None:
    messages = [{"role": "system", "content": "Be brief"}, HELLO]
    call = anthropic.encode_count(ModelRequest.build(MODEL, messages, tools=[TOOL]), OLD)

    assert call.path == "/messages/count_tokens"
    assert set(json.loads(call.body)) == {"model", "messages", "system", "tools"}


def test_a_cloud_may_put_its_own_words_around_a_models_name() -> None:
    assert family_of("publishers/anthropic/models/claude-opus-4-1@20250805") == family_of("claude-opus-4-1")


# ----------------------------------------------------------------------------------------------- replies


def whole(*content: Any, **fields: Any) -> bytes:
    """Return a whole answer."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": list(content)}
    return json.dumps({**message, "stop_reason": "end_turn", "usage": {}, **fields}).encode()


def streamed(*events: Mapping[str, Any]) -> list[ModelEvent]:
    """Return what events say."""
    said: list[ModelEvent] = []
    for event in events:
        said += anthropic.decode_stream_event(ServerSentEvent(json.dumps(event).encode(), str(event.get("type", ""))))
    return said


def start(**fields: Any) -> Json:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": []}
    return {"type": "message_start", "message": {**message, "stop_reason": None, **fields}}


def block(index: int, **fields: Any) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index: int, **fields: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def piece(index: int, text: str) -> Json:
    return delta(index, type="input_json_delta", partial_json=text)


def end(reason: str | None = "end_turn", usage: Any = None, **fields: Any) -> Json:
    said = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **fields}}
    return said if usage is None else {**said, "usage": usage}


def rebuilt(*events: Mapping[str, Any]) -> Any:
    said = streamed(*events)
    return anthropic.rebuild_body(assemble(said), said)


def reply_of(*events: Mapping[str, Any]) -> Reply:
    return assemble(streamed(*events))


def test_pieces_of_text_and_thinking_are_what_they_are() -> None:
    assert streamed(delta(0, type="text_delta", text="Hi")) == [TextDelta("Hi")]
    assert streamed(delta(0, type="thinking_delta", thinking="Hm")) == [ReasoningDelta("Hm")]
    assert streamed(delta(0, type="signature_delta", signature="c2ln")) == [ReasoningDelta("", "c2ln")]
    assert streamed(piece(1, '{"a"')) == [ToolCallDelta(key=1, arguments='{"a"')]
    assert streamed({"type": "message_stop"}) == [EndMark()]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ping"},
        {"type": "content_block_stop", "index": 0},
        {"type": "something_new"},
        delta(0, type="text_delta", text=""),
        delta(0, type="thinking_delta", thinking=""),
        delta(0, type="signature_delta", signature=""),
        piece(0, ""),
    ],
)
def test_what_says_nothing_is_no_event(event: Json) -> None:
    assert streamed(event) == []


def test_the_beginning_of_a_stream_is_no_token_yet() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1}

    assert streamed(start(usage=usage)) == [
        Started("msg_1", MODEL),
        UsageReport(Usage(input_tokens=3, output_tokens=1), usage),
    ]


def test_a_whole_answer_says_what_its_stream_would_have_said() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    text = {"type": "text", "text": "Hi"}

    assert anthropic.decode_response(whole(thinking, text, USE)) == [
        Started("msg_1", MODEL),
        Opaque("content", [thinking]),
        ReasoningDelta("Hm.", "c2ln"),
        Opaque("content", [text]),
        TextDelta("Hi"),
        Opaque("content", [USE]),
        ToolCallDelta(key=2, id="toolu_1", name="get_weather", arguments='{"city":"Paris"}'),
        Finished("stop", "end_turn"),
        Opaque("message", {"stop_reason": "end_turn"}),
        UsageReport(Usage(), {}),
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_window"),
        ("compaction", "other"),
    ],
)
def test_every_reason_to_stop_has_its_word(word: str, reason: str) -> None:
    assert Finished(reason, word) in streamed(end(word))
    assert Finished(reason, word) in anthropic.decode_response(whole(stop_reason=word))


def test_a_refusal_has_its_explanation() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "It is not allowed."}

    assert Refusal("It is not allowed.") in anthropic.decode_response(
        whole(stop_reason="refusal", stop_details=details)
    )
    said = reply_of(start(), end("refusal", stop_details=details))
    assert (said.finish_reason, said.refusal) == ("refusal", "It is not allowed.")
    assert reply_of(start(), end("refusal", stop_details=None)).finish_reason == "refusal"


def test_usage_counts_the_cache_as_input() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 1000,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
    }

    assert assemble(anthropic.decode_response(whole(usage=usage))).usage == Usage(
        input_tokens=1110, cached_tokens=100, cache_write_tokens=1000, output_tokens=7, reasoning_tokens=5
    )
    assert assemble(anthropic.decode_response(whole(usage={"input_tokens": 1}))).usage == Usage(input_tokens=1)


def test_the_count_at_the_end_corrects_the_one_at_the_beginning() -> None:
    first = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1, "service_tier": "standard"}

    said = reply_of(start(usage=first), end(usage={"output_tokens": 9}))
    assert said.usage == Usage(input_tokens=15, cached_tokens=5, output_tokens=9)
    assert said.usage_original == {**first, "output_tokens": 9}

    later = {"input_tokens": 20, "cache_read_input_tokens": 6, "cache_creation_input_tokens": None, "output_tokens": 9}
    said = reply_of(start(usage=first), end(usage=later))
    assert said.usage == Usage(input_tokens=26, cached_tokens=6, output_tokens=9)
    assert said.usage_original["service_tier"] == "standard"


def test_a_streamed_call_is_put_together() -> None:
    said = reply_of(
        start(),
        block(0, **{**USE, "input": {}}),
        piece(0, ""),
        piece(0, '{"city": '),
        piece(0, '"Paris"}'),
        block(1, **{**USE, "id": "toolu_2", "input": {}}),
        piece(1, ""),
        end("tool_use"),
    )

    assert [(call.id, call.name, call.arguments) for call in said.tool_calls] == [
        ("toolu_1", "get_weather", {"city": "Paris"}),
        ("toolu_2", "get_weather", {}),
    ]


def test_a_call_may_be_whole_at_its_beginning() -> None:
    assert reply_of(start(), block(0, **USE)).tool_calls[0].arguments == {"city": "Paris"}
    assert reply_of(start(content=[USE], stop_reason="tool_use")).tool_calls[0].arguments == {"city": "Paris"}


def test_arguments_that_are_cut_off_are_an_error_of_the_call() -> None:
    events = (start(), block(0, **{**USE, "input": {}}), piece(0, '{"city": "Par'), end("max_tokens"))

    [call] = reply_of(*events).tool_calls
    assert call.arguments is None
    assert call.arguments_error
    assert rebuilt(*events)["content"][0]["input"] == {"INVALID_JSON": '{"city": "Par'}


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
def test_what_the_server_calls_itself_is_no_call_of_ours(kind: str) -> None:
    events = (
        start(),
        block(0, type=kind, id="s1", name="web_search", input={}),
        piece(0, '{"query": "x"}'),
        block(1, type="web_search_tool_result", tool_use_id="s1", content=[]),
        block(2, type="text", text=""),
        delta(2, type="text_delta", text="So"),
        end(),
    )
    said = reply_of(*events)

    assert (said.tool_calls, said.text, said.finish_reason) == ((), "So", "stop")
    assert rebuilt(*events)["content"][:2] == [
        {"type": kind, "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
    ]


def test_a_stream_is_rebuilt_as_the_whole_answer() -> None:
    citation = {"type": "char_location", "cited_text": "x"}
    body = rebuilt(
        start(usage={"input_tokens": 3, "output_tokens": 1}, container={"id": "c"}),
        block(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="H"),
        delta(0, type="thinking_delta", thinking="m"),
        delta(0, type="signature_delta", signature="c2ln"),
        {"type": "content_block_stop", "index": 0},
        block(1, type="redacted_thinking", data="ZGF0YQ=="),
        block(2, type="text", text="", citations=[]),
        delta(2, type="citations_delta", citation=citation),
        delta(2, type="citations_delta", citation=citation),
        delta(2, type="text_delta", text="Hi"),
        block(3, type="compaction", content=None),
        delta(3, type="compaction_delta", content="Earlier: ", encrypted_content="a"),
        delta(3, type="compaction_delta", content="much"),
        end("stop_sequence", {"output_tokens": 9}, stop_sequence="END"),
        {"type": "message_stop"},
    )

    assert body == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "ZGF0YQ=="},
            {"type": "text", "text": "Hi", "citations": [citation, citation]},
            {"type": "compaction", "content": "Earlier: much", "encrypted_content": "a"},
        ],
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "container": {"id": "c"},
        "usage": {"input_tokens": 3, "output_tokens": 9},
    }


def test_text_whose_beginning_was_lost_is_kept() -> None:
    assert rebuilt(delta(0, type="text_delta", text="par"))["content"] == [{"type": "text", "text": "par"}]


def test_the_models_message_has_the_ids_that_users_see() -> None:
    body = json.loads(whole({**USE, "id": ""}, USE))
    calls = [ToolCall("made1", "get_weather", {}), CALL]

    message = anthropic.message_in(body, calls)

    assert [block["id"] for block in message["content"]] == ["made1", "toolu_1"]
    assert anthropic.message_in({"type": "message"}) is None
    assert anthropic.message_in(json.loads(whole(USE)), [CALL]) == {"role": "assistant", "content": [USE]}


# ------------------------------------------------------------------------------------------------ errors


def error_event(kind: str) -> Json:
    error = {"details": None, "type": kind, "message": "no"}
    return {"type": "error", "error": error, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("kind", "error", "retryable"),
    [
        ("overloaded_error", OverloadedError, True),
        ("api_error", OverloadedError, True),
        ("timeout_error", OverloadedError, True),
        ("rate_limit_error", RateLimitError, True),
    ],
)
def test_an_error_in_a_stream_is_that_error(kind: str, error: type[Exception], retryable: bool) -> None:
    [failed] = streamed(error_event(kind))

    assert isinstance(failed, Failed)
    assert type(failed.error) is error
    assert (failed.error.code, failed.error.retryable, failed.error.request_id) == (kind, retryable, "req_1")


def test_an_error_in_a_200_is_an_error() -> None:
    [failed] = anthropic.decode_response(json.dumps(error_event("overloaded_error")).encode())

    assert isinstance(failed, Failed)
    assert isinstance(failed.error, OverloadedError)


def test_an_error_event_need_not_be_json() -> None:
    [failed] = anthropic.decode_stream_event(ServerSentEvent(b"upstream is gone", "error"))

    assert isinstance(failed, Failed)
    assert "upstream is gone" in str(failed.error)


@pytest.mark.parametrize(
    ("status", "kind", "message", "error"),
    [
        (529, "overloaded_error", "Overloaded", OverloadedError),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextLengthError),
        (429, "rate_limit_error", "would exceed your limit of 30,000 input tokens per minute", RateLimitError),
    ],
)
def test_a_status_is_the_error_that_it_means(status: int, kind: str, message: str, error: type[Exception]) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    failure = anthropic.decode_error(status, {}, json.dumps(body).encode())

    assert type(failure) is error
    assert (failure.status_code, failure.code, failure.request_id) == (status, kind, "req_1")


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"type": 5}', b'{"type": "content_block_delta", "delta": 5}', b"\xff"])
def test_an_event_that_is_none_is_an_error_of_the_format(data: bytes) -> None:
    with pytest.raises(WireFormatError, match="anthropic: cannot read"):
        anthropic.decode_stream_event(ServerSentEvent(data))


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"content": "Hi"}'])
def test_an_answer_that_is_none_is_an_error_of_the_format(body: bytes) -> None:
    with pytest.raises(WireFormatError, match="anthropic: cannot read"):
        anthropic.decode_response(body)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "message_start", "message": {"id": 1, "model": None, "content": "?", "usage": []}},
        {"type": "message_start", "message": {"content": [1], "usage": {"input_tokens": "3"}}},
        {"type": "content_block_start"},
        {"type": "content_block_start", "index": None, "content_block": {"type": "tool_use", "input": None}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": None}},
        {"type": "content_block_start", "content_block": {"type": "thinking"}},
        {"type": "content_block_delta"},
        {"type": "content_block_delta", "delta": {}},
        {"type": "message_delta"},
        {"type": "message_delta", "delta": {"stop_reason": 1, "stop_details": "?"}, "usage": 3},
    ],
)
def test_odd_events_are_read_without_harm(event: Json) -> None:
    said = streamed(event)

    assert isinstance(anthropic.rebuild_body(assemble(said), said)["content"], list)


@given(st.lists(st.integers(0, 30), max_size=8))
def test_the_pieces_of_a_call_may_be_cut_anywhere(cuts: list[int]) -> None:
    text = '{"city": "Saint-Étienne"}'
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [piece(0, text[first:last]) for first, last in itertools.pairwise(places)]
    events = (start(), block(0, **{**USE, "input": {}}), *pieces, end("tool_use"))

    assert reply_of(*events).tool_calls[0].arguments == {"city": "Saint-Étienne"}
    assert rebuilt(*events)["content"][0]["input"] == {"city": "Saint-Étienne"}
