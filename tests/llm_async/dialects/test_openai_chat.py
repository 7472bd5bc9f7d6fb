from __future__ import annotations

import copy
import itertools
import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async import (
    ConfigurationError,
    Message,
    OverloadedError,
    RateLimitError,
    ResponseSchema,
    StatusError,
    Tool,
    ToolCall,
    Usage,
    WireFormatError,
)
from llm_async.dialects import Profile, openai_chat
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
from llm_async.models.message import Image, Native, Text
from llm_async.models.response import Reply, assemble
from llm_async.sse import ServerSentEvent

HELLO = {"role": "user", "content": "Hello"}
PLAIN = Profile()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = Tool("get_weather", "The weather of a city", SCHEMA)
TOOL_ON_WIRE = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city", "parameters": SCHEMA},
}


def encoded(
    messages: Any = "Hello", *, profile: Profile = PLAIN, stream: bool = False, **arguments: Any
) -> dict[str, Any]:
    """Return the body of a request."""
    request = ModelRequest.build("m", messages, **arguments)
    call = openai_chat.encode_request(request, profile, stream=stream)
    assert (call.method, call.path) == ("POST", "/chat/completions")
    body = json.loads(call.body)
    assert isinstance(body, dict)
    return body


def encoded_message(message: Any) -> Any:
    return encoded([message])["messages"][0]


def chunk(delta: Any = None, **fields: Any) -> dict[str, Any]:
    """Make one event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": fields.pop("finish", None)}
    return {"id": "c1", "model": "m", "choices": [choice]} | fields


def said(*events: Any, name: str = "") -> list[ModelEvent]:
    """Return what the events of a stream say."""
    datas = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return [said for data in datas for said in openai_chat.decode_stream_event(ServerSentEvent(data, name))]


def said_whole(message: Any, **fields: Any) -> list[ModelEvent]:
    """Return what a whole answer says."""
    choice = {"index": 0, "message": message, "finish_reason": fields.pop("finish", "stop")}
    return openai_chat.decode_response(json.dumps({"id": "c1", "model": "m", "choices": [choice]} | fields).encode())


# ---------------------------------------------------------------------------------------------- requests


def test_a_plain_request_says_model_and_messages_and_nothing_else() -> None:
    assert encoded() == {"model": "m", "messages": [HELLO]}


def test_a_stream_is_asked_for_with_its_usage() -> None:
    assert encoded(stream=True) == {
        "model": "m",
        "messages": [HELLO],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert "stream_options" not in encoded(stream=True, profile=Profile(stream_usage=False))


def test_tools_go_in_the_given_order_and_dicts_as_they_are() -> None:
    own = {"type": "web_search", "depth": 2}

    body = encoded(tools=[TOOL, own, Tool("now", strict=True)], tool_choice="auto")

    assert body["tools"] == [
        TOOL_ON_WIRE,
        own,
        {
            "type": "function",
            "function": {
                "name": "now",
                "description": "",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        },
    ]
    assert body["tool_choice"] == "auto"


def test_no_tools_are_not_mentioned() -> None:
    assert "tools" not in encoded(tools=[])


def test_a_tool_is_chosen_as_the_caller_says() -> None:
    choice = {"type": "function", "function": {"name": "get_weather"}}

    assert encoded(tools=[TOOL], tool_choice=choice)["tool_choice"] == choice
    assert encoded(tools=[TOOL], tool_choice="required")["tool_choice"] == "required"


class TestServersThatKnowOnlyWords:
    words = Profile(tool_choice="words")
    other = {"type": "function", "function": {"name": "now"}}

    @pytest.mark.parametrize("wanted", ["get_weather", "now"])
    def test_only_the_chosen_tool_is_shown_to_them(self, wanted: str) -> None:
        choice = {"type": "function", "function": {"name": wanted}}
        body = encoded(tools=[TOOL, self.other], tool_choice=choice, profile=self.words)

        assert body["tool_choice"] == "required"
        assert body["tools"] == [TOOL_ON_WIRE if wanted == "get_weather" else self.other]

    def test_no_tool_is_shown_to_them_where_none_may_be_called(self) -> None:
        assert encoded(tools=[TOOL], tool_choice="none", profile=self.words) == encoded()

    @pytest.mark.parametrize("choice", ["auto", "required", None])
    def test_words_are_words(self, choice: str | None) -> None:
        body = encoded(tools=[TOOL], tool_choice=choice, profile=self.words)

        assert body["tools"] == [TOOL_ON_WIRE]
        assert body.get("tool_choice") == choice

    @pytest.mark.parametrize("choice", [{"function": {"name": "none"}}, {"function": "now"}, {}])
    def test_a_choice_that_is_no_tool_is_refused(self, choice: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match=r"^tool_choice names .*, which is not among tools$"):
            encoded(tools=[TOOL, {"type": "web_search"}, {"function": "x"}], tool_choice=choice, profile=self.words)


def test_a_schema_is_sent_as_response_format() -> None:
    body = encoded(response_schema=ResponseSchema(SCHEMA))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "response", "schema": SCHEMA, "strict": True},
    }

    body = encoded(response_schema=ResponseSchema(SCHEMA, "city", None, "A city"))
    assert body["response_format"]["json_schema"] == {"name": "city", "description": "A city", "schema": SCHEMA}


def test_common_parameters_keep_their_names() -> None:
    parameters = {"temperature": 0, "top_p": 0.5, "max_tokens": 5, "stop": ["x"], "seed": 0, "reasoning_effort": "low"}

    assert encoded(parameters=parameters) == encoded() | parameters


def test_the_limit_on_output_is_called_what_the_server_calls_it() -> None:
    body = encoded(parameters={"max_tokens": 5}, profile=Profile(max_tokens="max_completion_tokens"))

    assert body == encoded() | {"max_completion_tokens": 5}


def test_further_parameters_go_under_their_own_names_and_win() -> None:
    body = encoded(stream=True, parameters={"n": 2, "stream_options": {"include_usage": False}, "logit_bias": None})

    assert body["n"] == 2
    assert body["logit_bias"] is None
    assert body["stream_options"] == {"include_usage": False}


def test_messages_are_written_in_the_neutral_shape() -> None:
    call = ToolCall.parse("1", "f", '{"a": 1}')
    on_wire = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}

    assert encoded_message(Message("system", "Be brief")) == {"role": "system", "content": "Be brief"}
    assert encoded_message(Message("assistant", "", tool_calls=[call])) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [on_wire],
    }
    assert encoded_message(Message("assistant", "Wait", tool_calls=[call]))["content"] == "Wait"
    assert encoded_message(ToolResult("1", "sunny")) == {"role": "tool", "tool_call_id": "1", "content": "sunny"}
    assert openai_chat.encode_tool_result(ToolResult("1", "sunny", "f", is_error=True))["content"] == "sunny"


def test_parts_are_written_in_their_order() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    picture = {"type": "image_url", "image_url": {"url": "https://a.test/b.png", "detail": "low"}}
    parts = [Text("What?"), Image("data:image/png;base64,AAAA"), Native(sound), picture]

    assert encoded_message(Message("user", parts))["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        sound,
        picture,
    ]


def test_dicts_go_back_as_they_are() -> None:
    for message in (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a", "detail": "low"}}]},
        {"role": "assistant", "content": None, "reasoning_content": "hm", "x": 1},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ):
        assert encoded_message(message) == message
    assert encoded_message(MappingProxyType(HELLO)) == HELLO


def test_a_reply_of_this_format_goes_back_as_it_came_and_of_another_in_the_neutral_shape() -> None:
    call = ToolCall("1", "f", {}, "{}")
    original = {"role": "assistant", "content": "Hi", "reasoning_details": [{"signature": "s"}]}

    own = Message("assistant", "Hi", "hm", (call,), original, "openai_chat")
    items = [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
    ]
    foreign = Message("assistant", "Hi", "hm", (call,), {"role": "assistant", "output": items}, "openai_responses")

    assert encoded_message(own) == original
    assert encoded_message(foreign) == {
        "role": "assistant",
        "content": "Hi",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


def test_nothing_passed_in_is_changed_and_the_same_request_gives_the_same_bytes() -> None:
    messages = [HELLO, {"role": "user", "content": [{"type": "text", "text": "a"}]}]
    arguments: dict[str, Any] = {
        "tools": [TOOL, {"type": "web_search"}],
        "response_schema": ResponseSchema(SCHEMA),
        "parameters": {"seed": 1, "temperature": 0.5, "metadata": {"b": 1, "a": 2}},
    }
    before = copy.deepcopy((messages, arguments))

    def bytes_of(**changes: Any) -> bytes:
        request = ModelRequest.build("m", messages, **(arguments | changes))
        return openai_chat.encode_request(request, Profile(max_tokens="n", tool_choice="words"), stream=True).body

    assert bytes_of() == bytes_of()
    swapped = {"temperature": 0.5, "seed": 1, "metadata": {"b": 1, "a": 2}}
    assert bytes_of() == bytes_of(parameters=swapped)
    assert (messages, arguments) == before


@pytest.mark.parametrize("value", [object(), "\ud800", {(1, 2): 3}], ids=["object", "surrogate", "key"])
def test_what_has_no_json_is_refused_and_not_shown(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^the request cannot be written as JSON: "):
        encoded(parameters={"x": value})


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)

    with pytest.raises(ConfigurationError, match=r"^the request cannot be written as JSON: "):
        encoded(parameters={"x": loop})


# ----------------------------------------------------------------------------------- replies in a stream


def test_text_is_text() -> None:
    assert said(chunk({"content": "Hi"})) == [TextDelta("Hi")]


@pytest.mark.parametrize("delta", [None, {}, {"content": ""}, {"content": None}, {"content": None, "tool_calls": []}])
def test_an_empty_delta_says_nothing(delta: Any) -> None:
    assert said(chunk(delta)) == []


def test_the_role_begins_the_reply() -> None:
    assert said(chunk({"role": "assistant", "content": ""})) == [Started("c1", "m")]
    assert said(chunk({"role": None, "content": "Hi"})) == [TextDelta("Hi")]


def test_heads_of_odd_types_begin_it_too() -> None:
    odd = {"id": 7, "model": {"name": "m"}, "created": 1.5, "object": None}

    assert said(chunk({"role": "assistant"}, **odd)) == [Started("7", "")]
    assert said_whole({"content": "Hi"}, **odd)[0] == Started("7", "")
    assert said(chunk({"role": "assistant"}, id=None, model=None)) == [Started()]


@pytest.mark.parametrize("choices", [[], None])
def test_a_chunk_without_choices_says_nothing(choices: Any) -> None:
    assert said({"id": "", "choices": choices, "prompt_filter_results": [{"prompt_index": 0}]}) == []


def test_usage_may_come_anywhere_and_the_last_counts() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    read = Usage(input_tokens=3, output_tokens=2)

    assert said(chunk({"content": "Hi"}, usage=usage)) == [TextDelta("Hi"), UsageReport(read, usage)]
    assert said({"choices": [], "usage": usage}) == [UsageReport(read, usage)]
    assert said({"choices": [], "usage": None, "x_groq": {"usage": usage}}) == [UsageReport(read, usage)]
    assert said({"choices": [], "x_groq": {"id": "r"}}) == said({"choices": [], "x_groq": "r"}) == []
    assert said({"choices": [], "usage": "none"}) == []


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3}, Usage(input_tokens=3)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(input_tokens=0, output_tokens=0)),
        ({"prompt_tokens": "3", "completion_tokens": True}, Usage()),
        ({"prompt_tokens": 3.0}, Usage(input_tokens=3)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 8,
                "total_tokens": 18,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input_tokens=10, output_tokens=8, cached_tokens=4, cache_write_tokens=2, reasoning_tokens=5),
        ),
        (  # xAI: outside completion_tokens
            {
                "prompt_tokens": 10,
                "completion_tokens": 8,
                "total_tokens": 23,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input_tokens=10, output_tokens=13, reasoning_tokens=5),
        ),
        (  # a total that is larger than the sum, with no detail
            {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 30},
            Usage(input_tokens=10, output_tokens=8),
        ),
        ({"reasoning_tokens": 5, "completion_tokens": 8}, Usage(output_tokens=8, reasoning_tokens=5)),
        ({"prompt_tokens_details": None, "completion_tokens_details": "?"}, Usage()),
        ({"prompt_cache_hit_tokens": 4}, Usage(cached_tokens=4)),
        ({"cached_tokens": 4}, Usage(cached_tokens=4)),
        ({"num_cached_tokens": 4}, Usage(cached_tokens=4)),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 4}, Usage(cached_tokens=0)),
    ],
)
def test_tokens_mean_the_same_whoever_counts_them(usage: dict[str, Any], expected: Usage) -> None:
    assert [event for event in said({"choices": [], "usage": usage}) if isinstance(event, UsageReport)] == [
        UsageReport(expected, usage)
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("model_length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("whatever", "other"),
    ],
)
def test_finish_reasons_are_in_one_vocabulary(word: str, reason: Any) -> None:
    assert said(chunk({}, finish=word)) == [Started("c1", "m"), Finished(reason, word)]
    assert said_whole({"content": ""}, finish=word)[-1] == Finished(reason, word)


def test_an_empty_finish_reason_is_none() -> None:
    assert said(chunk({"content": "Hi"}, finish="")) == [TextDelta("Hi"), Started("c1", "m")]
    assert said_whole({"content": "Hi"}, finish="") == [Started("c1", "m"), TextDelta("Hi")]


def test_text_behind_the_finish_reason_counts() -> None:
    reply = assemble(said(chunk({"content": "a"}, finish="stop"), chunk({"content": "b"}), b"[DONE]"))

    assert (reply.text, reply.finish_reason) == ("ab", "stop")


@pytest.mark.parametrize("mark", [b"[DONE]", b" [DONE] "])
def test_the_end_mark_ends(mark: bytes) -> None:
    assert said(mark) == [EndMark()]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_is_read_from_every_field(field: str) -> None:
    assert said(chunk({field: "hm", "content": "Hi"})) == [ReasoningDelta("hm"), TextDelta("Hi")]


def test_reasoning_that_is_said_twice_counts_once() -> None:
    assert said(chunk({"reasoning": "hm", "reasoning_content": "hm"})) == [ReasoningDelta("hm")]
    details = [{"type": "reasoning.text", "text": "hm", "signature": "s"}]
    assert said(chunk({"reasoning": "hm", "reasoning_details": details})) == [
        ReasoningDelta("hm"),
        Opaque("reasoning_details", details),
    ]


def test_reasoning_details_are_read_and_kept() -> None:
    details = [{"text": "a"}, {"summary": "b"}, {"data": "encrypted"}, "?"]

    assert said(chunk({"reasoning_details": details})) == [
        ReasoningDelta("a"),
        ReasoningDelta("b"),
        Opaque("reasoning_details", details),
    ]


def test_reasoning_within_the_content_is_read_and_kept() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}, "?"]}]
    more = [{"type": "thinking", "thinking": "so"}, {"type": "reasoning", "text": "then"}, {"type": "image", "data": 1}]
    text = [{"type": "text", "text": "Hi"}, " there", None]

    assert said(chunk({"content": [*thinking, *more, *text]})) == [
        ReasoningDelta("hm"),
        Opaque("content", thinking),
        ReasoningDelta("so"),
        Opaque("content", more[:1]),
        ReasoningDelta("then"),
        Opaque("content", more[1:2]),
        Opaque("content", more[2:]),
        TextDelta("Hi"),
        TextDelta(" there"),
    ]


@pytest.mark.parametrize("texts", [["Hi"], [{"type": "text", "text": "Hi"}]])
def test_content_that_is_only_text_in_parts_is_text(texts: list[Any]) -> None:
    reply = assemble(said(chunk({"content": texts}), chunk({"content": " there"})))

    assert openai_chat.rebuild_body(reply)["choices"][0]["message"]["content"] == "Hi there"


def test_content_in_parts_and_plain_is_put_together_without_loss_or_repetition() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    spoken = {"type": "text", "text": "b"}
    deltas = ({"content": "a"}, {"content": [thinking, spoken]}, {"content": "c"})

    events = said(*map(chunk, deltas))

    assert openai_chat.rebuild_body(assemble(events), events)["choices"][0]["message"]["content"] == [
        {"type": "text", "text": "a"},
        thinking,
        {"type": "text", "text": "bc"},
    ]
    events = said(chunk({"content": [thinking]}))
    message = openai_chat.rebuild_body(assemble(events), events)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": [thinking]}


def test_refusals_and_what_else_a_message_has_are_kept() -> None:
    assert said(chunk({"refusal": "No"})) == [Refusal("No")]
    for field, value in (
        ("annotations", [{"url": "u"}]),
        ("images", [{"url": "u"}]),
        ("extra_content", {"google": {}}),
    ):
        assert said(chunk({field: value})) == [Opaque(field, value)]
    for audio in ({"id": "a"}, {"data": "AAAA"}, "AAAA"):
        assert said(chunk({"audio": audio})) == [Opaque("audio", audio)]


def test_placeholders_say_nothing() -> None:
    empty = {
        "content": "",
        "function_call": {"name": "", "arguments": ""},
        "audio": {"data": "", "id": ""},
        "refusal": "",
        "tool_calls": [
            {"index": 0, "id": "", "function": {"name": "", "arguments": ""}},
            {"index": 1, "function": None},
        ],
        "annotations": [],
    }

    assert said(chunk(empty)) == []
    assert said_whole(empty) == [Started("c1", "m"), Finished("stop", "stop")]


def test_pieces_of_calls_are_read() -> None:
    calls = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{"}},
        {"id": "b", "function": {"name": "g", "arguments": None}},
        {"index": 2, "id": "", "function": {"name": "h", "arguments": {"x": 1}}},
    ]

    assert said(chunk({"tool_calls": calls})) == [
        ToolCallDelta(key=0, id="a", name="f"),
        ToolCallDelta(key=1, arguments="{"),
        ToolCallDelta(key=None, id="b", name="g"),
        ToolCallDelta(key=2, name="h", arguments='{"x":1}'),
    ]


def test_the_calls_of_old_are_calls() -> None:
    reply = assemble(
        said(
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": '{"x":'}}),
            chunk({"function_call": {"name": None, "arguments": "1}"}}),
        )
    )
    whole = assemble(said_whole({"function_call": {"name": "f", "arguments": '{"x":1}'}}))

    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("f", {"x": 1})]
    assert [(call.name, call.arguments) for call in whole.tool_calls] == [("f", {"x": 1})]


def test_of_several_choices_the_first_speaks() -> None:
    def choice(index: int | None, text: str) -> dict[str, Any]:
        return {"index": index, "delta": {"content": text}}

    assert said({"choices": [choice(1, "b"), choice(0, "a")]}) == [TextDelta("a")]
    assert said({"choices": [choice(1, "b"), choice(None, "a")]}) == [TextDelta("a")]
    assert said({"choices": [choice(1, "b")]}) == []


def test_a_chunk_that_repeats_the_whole_message_says_its_delta_alone() -> None:
    event = chunk({"content": "b"})
    event["choices"][0]["message"] = {"role": "assistant", "content": "ab"}

    assert said(event | {"citations": ["u"], "search_results": []}) == [TextDelta("b")]


@pytest.mark.parametrize("error", [{"message": "hot", "code": 502}, {"message": "hot", "code": "502"}])
def test_an_error_in_a_stream_comes_behind_what_was_said(error: dict[str, Any]) -> None:
    (text, failed) = said(chunk({"content": "Hi"}, error=error))

    assert text == TextDelta("Hi")
    assert isinstance(failed, Failed)
    assert type(failed.error) is OverloadedError
    assert str(failed.error) == "hot (HTTP 502)"


def test_an_error_may_be_all_there_is() -> None:
    for event in ({"error": {"message": "hot", "code": 502}, "user_id": "u"}, {"error": "hot", "code": "502"}):
        (failed,) = said(event)
        assert isinstance(failed, Failed)
        assert failed.error.status_code == 502
    for nothing in (None, {}, "", False):
        assert said(chunk({"content": "Hi"}, error=nothing)) == [TextDelta("Hi")]


def test_an_error_may_be_in_the_choice() -> None:
    event = {"choices": [{"index": 0, "error": {"message": "hot", "code": 502}, "finish_reason": None}]}
    (failed,) = said(event)

    assert isinstance(failed, Failed)
    assert failed.error.status_code == 502


def test_an_error_may_be_an_event_of_that_name() -> None:
    groq = {"error": {"message": "bad call", "code": "tool_use_failed", "failed_generation": "x", "status_code": 400}}
    (failed,) = said(groq, name="error")
    assert isinstance(failed, Failed)
    assert (failed.error.status_code, failed.error.code) == (400, "tool_use_failed")

    (failed,) = said({"message": "slow down", "code": "rate_limit_exceeded"}, name="error")
    assert isinstance(failed, Failed)
    assert type(failed.error) is RateLimitError

    (failed,) = said(b"internal error", name="error")
    assert isinstance(failed, Failed)
    assert str(failed.error) == "internal error"


def test_an_error_in_a_chunk_of_another_shape_is_read() -> None:
    (failed,) = said({"choices": "none", "error": {"message": "hot"}})

    assert isinstance(failed, Failed)
    assert str(failed.error) == "hot"


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (b"Hello", "$"),
        (b'{"choices": [', "$"),
        (b"[" * 100_000, "$"),
        (b'{"choices": [{"delta": {"content": "\xff"}}]}', "$"),
        ({"choices": [{"delta": {"content": 5}}]}, "$.choices[0].delta.content"),
        ([1], "$"),
        (b'{"error": true, "x": "\\ud800"}', "$"),
        (b'{"error": true, "x": "\xff"}', "$"),
    ],
    ids=["text", "cut", "deep", "no utf-8", "type", "list", "surrogate", "no utf-8 elsewhere"],
)
def test_an_event_that_cannot_be_read_says_where(event: Any, path: str) -> None:
    with pytest.raises(WireFormatError) as caught:
        said(event)
    assert caught.value.path == path
    assert caught.value.dialect == "openai_chat"


# ----------------------------------------------------------------------------------------- whole replies


def test_a_whole_reply_may_be_padded() -> None:
    body = b'\n \n {"id": "c1", "model": "m", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]} '

    assert openai_chat.decode_response(body) == [Started("c1", "m"), TextDelta("Hi"), Finished("stop", "stop")]


def test_an_empty_reply_is_one() -> None:
    events = said_whole({"role": "assistant", "content": None}, finish="length", usage={"completion_tokens": 9})

    assert events == [
        Started("c1", "m"),
        Finished("length", "length"),
        UsageReport(Usage(output_tokens=9), {"completion_tokens": 9}),
    ]


def test_calls_of_a_whole_reply_are_whole_whatever_their_index() -> None:
    call = {"index": 0, "function": {"name": "f", "arguments": ""}}

    assert len(assemble(said_whole({"tool_calls": [call, call]})).tool_calls) == 2


def test_a_reply_whose_message_was_filtered_is_one() -> None:
    assert said_whole(None, finish="content_filter") == [
        Started("c1", "m"),
        Finished("content_filter", "content_filter"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "hot", "code": 502}, "user_id": "u"},
        {"code": "502", "error": "hot"},
        {"choices": [{"message": {"content": "H"}, "error": {"message": "hot", "code": 502}, "finish_reason": None}]},
        {"choices": [], "error": {"message": "hot", "status_code": 502}},
    ],
)
def test_a_whole_reply_that_is_an_error_ends_with_it(body: dict[str, Any]) -> None:
    failed = openai_chat.decode_response(json.dumps(body).encode())[-1]

    assert isinstance(failed, Failed)
    assert type(failed.error) is OverloadedError
    assert failed.error.status_code == 502


@pytest.mark.parametrize("body", [{"detail": "no"}, {"object": "error", "message": "no", "code": None}])
def test_an_envelope_without_error_is_one(body: dict[str, Any]) -> None:
    (failed,) = openai_chat.decode_response(json.dumps(body).encode())

    assert isinstance(failed, Failed)
    assert (type(failed.error), str(failed.error)) == (StatusError, "no")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "$"),
        (b"Hello", "$"),
        (b"{}", "$.choices[0].message"),
        (b'{"choices": []}', "$.choices[0].message"),
        (b'{"choices": [{"message": {"content": 5}}]}', "$.choices[0].message.content"),
        (b'{"error": {"message": "\\ud800"}}', "$"),
        (b'{"x": "\\ud800"}', "$"),
        (b'{"x": "\xff"}', "$"),
        (b"\xff", "$"),
    ],
)
def test_an_answer_that_cannot_be_read_says_where(body: bytes, path: str) -> None:
    with pytest.raises(WireFormatError) as caught:
        openai_chat.decode_response(body)
    assert caught.value.path == path
    assert caught.value.excerpt == body


def test_an_answer_with_an_error_status_is_read_as_one() -> None:
    error = openai_chat.decode_error(429, {"x-request-id": "r"}, b'{"error": {"message": "slow down"}}')

    assert (type(error), str(error), error.request_id) == (RateLimitError, "slow down (HTTP 429)", "r")


# ------------------------------------------------------------------------------- streamed and whole alike

texts = st.text(max_size=12)
pieces_of_reply = st.fixed_dictionaries(
    {
        "reasoning": texts,
        "text": texts,
        "refusal": texts,
        "finish": st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
        "calls": st.lists(
            st.tuples(
                st.text("abc", min_size=1, max_size=4), st.dictionaries(texts, st.integers() | texts, max_size=2)
            ),
            max_size=3,
        ),
        "usage": st.none()
        | st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9), "completion_tokens": st.just(3)}),
    }
)


@given(pieces_of_reply, st.booleans(), st.data())
def test_a_streamed_reply_equals_the_whole_one(reply: dict[str, Any], has_index: bool, data: st.DataObject) -> None:
    def cut(text: str) -> list[str]:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        return [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)])]

    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(reply["calls"])
    ]
    fields = {"reasoning_content": reply["reasoning"], "content": reply["text"], "refusal": reply["refusal"]}
    message = {"role": "assistant", "tool_calls": calls or None} | {name: text or None for name, text in fields.items()}
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    deltas += [{name: piece} for name, text in fields.items() for piece in cut(text)]
    for index, call in enumerate(calls):
        function: Any = call["function"]
        first, *rest = cut(function["arguments"])
        numbered = {"index": index} if has_index else {}
        deltas.append({"tool_calls": [call | numbered | {"function": function | {"arguments": first}}]})
        deltas += [{"tool_calls": [numbered | {"function": {"arguments": piece}}]} for piece in rest]
    events = [*map(chunk, deltas), chunk({}, finish=reply["finish"])]
    if reply["usage"] is not None:
        events.append({"id": "c1", "model": "m", "choices": [], "usage": reply["usage"]})

    streamed = assembled(said(*events, b"[DONE]"))

    assert streamed == assembled(said_whole(message, finish=reply["finish"], usage=reply["usage"]))
    assert streamed.text == reply["text"]
    assert [call.arguments for call in streamed.tool_calls] == [arguments for _, arguments in reply["calls"]]
    body = openai_chat.rebuild_body(streamed)
    assert assembled(openai_chat.decode_response(json.dumps(body).encode())) == streamed


def assembled(events: list[ModelEvent]) -> Reply:
    """Return what events amount to, however they were cut."""
    return assemble(events)


def test_a_streamed_reply_is_put_together_as_a_whole_one() -> None:
    usage = {"prompt_tokens": 3}
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    reply = Reply(
        id="c1",
        model="m",
        text="Hi",
        reasoning="hm",
        refusal="no",
        tool_calls=(ToolCall("1", "f", {}, ""),),
        opaque={"reasoning_details": details},
        finish_reason="tool_calls",
        word="stop",
        usage_original=usage,
    )

    assert openai_chat.rebuild_body(reply) == {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "reasoning_content": "hm",
                    "refusal": "no",
                    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                    "reasoning_details": details,
                },
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
    }
    assert openai_chat.rebuild_body(Reply())["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": None},
        "finish_reason": None,
    }


# ------------------------------------------------------------------------------------ what is sent back


def body_with(message: Any) -> dict[str, Any]:
    return {"choices": [{"message": message}]}


def test_the_message_is_sent_back_as_it_came() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{ }"}, "extra_content": {"s": 1}}
    message = {"role": "assistant", "content": None, "reasoning_details": [{"signature": "s"}], "tool_calls": [call]}

    assert openai_chat.message_in(body_with(message), (ToolCall("1", "f", {}, "{ }"),)) == message
    assert openai_chat.message_in(body_with(message)) == message


@pytest.mark.parametrize("message", [{"content": "Hi"}, {"role": None, "content": "Hi"}, {"role": "", "content": "Hi"}])
def test_a_role_that_is_missing_is_put_in(message: dict[str, Any]) -> None:
    before = dict(message)

    assert openai_chat.message_in(body_with(message)) == {"role": "assistant", "content": "Hi"}
    assert message == before


@pytest.mark.parametrize(
    "call",
    [
        {"function": {"name": "f", "arguments": "{}"}},
        {"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": None, "type": None, "function": {"name": "f", "arguments": None}},
        {"function": {"name": "f"}},
        {"type": "function", "function": {"name": "f", "arguments": {}}},
    ],
)
def test_a_call_goes_back_under_the_id_that_its_result_will_name(call: dict[str, Any]) -> None:
    message = {"role": "assistant", "tool_calls": [call | {"extra_content": "s"}]}
    before = copy.deepcopy(message)
    reply = assemble(said_whole(message))

    sent = openai_chat.message_in(body_with(message), reply.tool_calls)

    assert sent["tool_calls"] == [
        {
            "id": reply.tool_calls[0].id,
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
            "extra_content": "s",
        }
    ]
    assert message == before


@pytest.mark.parametrize("body", [None, [], {}, {"choices": []}, {"choices": [{"delta": {}}]}, {"choices": None}])
def test_where_there_is_no_message_none_is_sent_back(body: Any) -> None:
    assert openai_chat.message_in(body) is None
