from __future__ import annotations

import copy
import json
from types import MappingProxyType
from typing import Any

import pytest

from llm_async import (
    ConfigurationError,
    ContextLengthError,
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
from llm_async.dialects import Profile, openai_responses
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
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = Tool("get_weather", "The weather of a city", SCHEMA)
TOOL_ON_WIRE = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": SCHEMA,
    "strict": False,
}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA=="}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city": "Paris"}',
    "status": "completed",
}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Sunny", "annotations": []}],
}
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 15,
}
COUNTED = Usage(input_tokens=10, cached_tokens=4, cache_write_tokens=2, output_tokens=5, reasoning_tokens=3)


def call_for(messages: Any = "Hello", *, stream: bool = False, model: str = "m", **arguments: Any) -> Any:
    """Return the call of a request."""
    request = ModelRequest.build(model, messages, **arguments)
    return openai_responses.encode_request(request, Profile(), stream=stream)


def encoded(messages: Any = "Hello", *, warned: tuple[str, ...] = (), **arguments: Any) -> dict[str, Any]:
    """Return the body of a request, if its warnings begin as they are to begin."""
    call = call_for(messages, **arguments)
    assert (call.method, call.path) == ("POST", "/responses")
    assert len(call.warnings) == len(warned), call.warnings
    assert all(map(str.startswith, call.warnings, warned)), call.warnings
    body = json.loads(call.body)
    assert isinstance(body, dict)
    return body


def items_of(*messages: Any, **arguments: Any) -> Any:
    return encoded(list(messages), **arguments)["input"]


def response(*output: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """Make a response object."""
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "output": list(output), **fields}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": 1, **fields}


def said(*events: Any, name: str = "") -> list[ModelEvent]:
    """Return what the events of a stream say."""
    datas = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return [said for data in datas for said in openai_responses.decode_stream_event(ServerSentEvent(data, name))]


def said_whole(*output: Any, **fields: Any) -> list[ModelEvent]:
    """Return what a whole answer says, but for its beginning, its end, and the items themselves."""
    events = openai_responses.decode_response(json.dumps(response(*output, **fields)).encode())
    assert events[0] == Started("resp_1", "m")
    assert events.pop() == Finished("stop", "completed")
    return [event for event in events[1:] if not isinstance(event, Opaque)]


def rebuilt(*events: Any) -> dict[str, Any]:
    said_in_all = said(*events)
    return openai_responses.rebuild_body(assemble(said_in_all), said_in_all)


# ---------------------------------------------------------------------------------------------- requests


def test_a_plain_request_says_model_and_input_and_nothing_else() -> None:
    assert encoded() == {"model": "m", "input": [HELLO]}
    assert encoded(stream=True) == encoded() | {"stream": True}


def test_messages_become_items_in_their_order() -> None:
    call = ToolCall.parse("1", "f", '{"a": 1}')

    assert items_of(
        {"role": "system", "content": "Be brief"},
        HELLO,
        Message("assistant", "Wait", tool_calls=[call, ToolCall("2", "g", {})]),
        ToolResult("1", "sunny"),
        {"role": "tool", "tool_call_id": "2", "content": "rain"},
        {"role": "developer", "content": "In French"},
        Message("assistant", "Bon"),
    ) == [
        {"role": "system", "content": "Be brief"},
        HELLO,
        {"role": "assistant", "content": "Wait"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "2", "output": "rain"},
        {"role": "developer", "content": "In French"},
        {"role": "assistant", "content": "Bon"},
    ]


def test_parts_are_written_in_the_words_of_this_format() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}
    picture = {"type": "image_url", "image_url": {"url": "https://a.test/b.png", "detail": "low"}}
    given = [Text("What?"), Image("data:image/png;base64,AAAA"), Native(sound), file, picture]
    wanted = [
        {"type": "input_text", "text": "What?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
        sound,
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
        {"type": "input_image", "image_url": "https://a.test/b.png", "detail": "low"},
    ]

    assert items_of(Message("user", given)) == [{"role": "user", "content": wanted}]
    assert items_of({"role": "user", "content": [file, picture]}) == [{"role": "user", "content": wanted[3:]}]


def test_a_result_may_hold_pictures() -> None:
    parts = ["A map", {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}]

    assert items_of(ToolResult("1", "A map", parts=parts)) == [
        {
            "type": "function_call_output",
            "call_id": "1",
            "output": [
                {"type": "input_text", "text": "A map"},
                {"type": "input_image", "image_url": "https://a.test/b.png", "detail": "auto"},
            ],
        }
    ]
    assert openai_responses.encode_tool_result(ToolResult("1", "sunny", "f", is_error=True)) == {
        "type": "function_call_output",
        "call_id": "1",
        "output": "sunny",
    }


def test_what_a_model_said_in_parts_is_sent_as_text_and_its_pictures_are_missed() -> None:
    parts = [Text("a"), Image("https://a.test/b.png"), Text("b")]

    assert items_of(Message("assistant", parts), warned=("a part of an assistant's message was left out: image",)) == [
        {"role": "assistant", "content": "ab"}
    ]
    assert items_of(Message("assistant", refusal="No")) == [{"role": "assistant", "content": "No"}]
    assert items_of(Message("assistant", "")) == [{"role": "assistant", "content": ""}]


def test_a_reply_goes_back_item_by_item_as_it_came() -> None:
    unknown = {"type": "program", "id": "p_1", "code": "x", "fingerprint": "f"}
    reply = {"role": "assistant", "output": [REASONING, CALL, unknown]}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    own = Message("assistant", "", "", (), reply, "openai_responses")

    for said_before in (reply, own):
        assert items_of(HELLO, said_before, result, HELLO) == [HELLO, REASONING, CALL, unknown, result, HELLO]


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}], "type": "message"},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "compaction", "encrypted_content": "x"},
        {"type": "additional_tools", "role": "developer", "tools": []},
        {"type": "mcp_approval_response", "approve": True, "approval_request_id": "a"},
        {"role": "assistant", "content": "Let me see", "phase": "commentary"},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "sunny"}]},
        MESSAGE,
        REASONING,
    ],
    ids=lambda item: item.get("type", "phase"),
)
def test_items_of_this_format_pass_as_they_are(item: Any) -> None:
    assert items_of(item) == [item]


def test_reasoning_of_others_is_left_out_with_a_warning() -> None:
    foreign = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}
    anthropic = Message("assistant", "Hi", "hm", (), foreign, "anthropic")

    assert items_of(Message("assistant", "Hi", "hm"), warned=("reasoning of another model was left out",)) == [
        {"role": "assistant", "content": "Hi"}
    ]
    assert "signature" not in json.dumps(json.loads(call_for([anthropic]).body))


def test_tools_are_flat_and_never_strict_unless_asked() -> None:
    own = {"type": "web_search", "filters": {"allowed_domains": ["a.test"]}}
    chat = {"type": "function", "function": {"name": "g", "strict": True, "parameters": SCHEMA}}

    body = encoded(tools=[TOOL, own, chat, Tool("now", strict=True), {"type": "function", "function": {"name": "h"}}])

    assert body["tools"] == [
        TOOL_ON_WIRE,
        own,
        {"type": "function", "name": "g", "strict": True, "parameters": SCHEMA},
        {
            "type": "function",
            "name": "now",
            "description": "",
            "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
            "strict": True,
        },
        {"type": "function", "name": "h", "strict": False, "parameters": {"type": "object", "properties": {}}},
    ]
    assert encoded(tools=[TOOL_ON_WIRE])["tools"] == [TOOL_ON_WIRE]
    assert "tools" not in encoded(tools=[])


def test_a_strict_tool_is_written_in_the_schema_dialect_that_strictness_allows() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "minLength": 2}}}

    body = encoded(tools=[Tool("f", parameters=schema, strict=True)], warned=("tool 'f': ",))

    (tool,) = body["tools"]
    assert tool["strict"] is True
    assert tool["parameters"]["required"] == ["city"]
    assert tool["parameters"]["additionalProperties"] is False
    assert encoded(tools=[Tool("f", parameters=schema)])["tools"][0]["parameters"] == schema


def test_a_schema_that_strictness_does_not_allow_is_shown_and_not_enforced() -> None:
    free = {"type": "object", "additionalProperties": {"type": "string"}}

    call = call_for(response_schema=ResponseSchema(free))

    assert json.loads(call.body)["text"]["format"] == {
        "type": "json_schema",
        "name": "response",
        "schema": free,
        "strict": False,
    }
    assert "without being enforced" in call.warnings[0]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "web_search"}, {"type": "web_search"}),
        ({"type": "function", "name": "f"}, {"type": "function", "name": "f"}),
    ],
)
def test_a_tool_is_chosen_as_the_caller_says(choice: Any, sent: Any) -> None:
    assert encoded(tools=[TOOL], tool_choice=choice)["tool_choice"] == sent


def test_a_schema_is_the_format_of_the_text() -> None:
    format = {"type": "json_schema", "name": "response", "schema": SCHEMA, "strict": True}

    assert encoded(response_schema=ResponseSchema(SCHEMA))["text"] == {"format": format}
    body = encoded(response_schema=ResponseSchema(SCHEMA, "city", None, "A city"))
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "city",
        "description": "A city",
        "schema": SCHEMA,
    }
    body = encoded(response_schema=ResponseSchema(SCHEMA), parameters={"text": {"verbosity": "low"}})
    assert body["text"] == {"format": format, "verbosity": "low"}


def test_common_parameters_have_the_names_of_this_format() -> None:
    parameters = {"temperature": 0, "top_p": 0.5, "max_tokens": 5, "reasoning_effort": "low"}

    assert encoded(parameters=parameters) == encoded() | {
        "temperature": 0,
        "top_p": 0.5,
        "max_output_tokens": 5,
        "reasoning": {"effort": "low"},
    }


def test_effort_and_other_controls_of_reasoning_are_sent_together() -> None:
    parameters = {"reasoning_effort": "low", "reasoning": {"summary": "auto"}}

    assert encoded(parameters=parameters)["reasoning"] == {"effort": "low", "summary": "auto"}
    assert encoded(parameters={"reasoning": {"effort": "high"}})["reasoning"] == {"effort": "high"}
    assert encoded(parameters={"reasoning": None})["reasoning"] is None


def test_what_this_format_has_no_word_for_is_left_out_with_a_warning() -> None:
    warned = ("stop was left out", "seed was left out")

    assert encoded(parameters={"stop": ["x"], "seed": 0}, warned=warned) == encoded()


def test_further_parameters_go_under_their_own_names() -> None:
    parameters = {"store": False, "include": ["reasoning.encrypted_content"], "previous_response_id": "r", "x": None}

    assert encoded(parameters=parameters) == encoded() | parameters


def test_marks_for_the_cache_are_said_to_models_that_know_them() -> None:
    mark = {"type": "ephemeral"}
    messages = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a", "cache_control": mark},
                {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}, "cache_control": mark},
                {"type": "file", "file": {"file_id": "f"}, "cache_control": mark},
                {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}, "cache_control": mark},
            ],
        }
    ]
    warned = ("cache_control was left out",)

    for model in ("gpt-5.6-sol", "gpt-6-luna"):
        parts = encoded(messages, model=model)["input"][0]["content"]
        assert [part["prompt_cache_breakpoint"] for part in parts] == [{"mode": "explicit"}] * 4
        assert "cache_control" not in json.dumps(parts)
    for model in ("gpt-5", "gpt-5.4", "grok-4"):
        assert "cache" not in json.dumps(encoded(messages, model=model, warned=warned))
    chat = {"type": "function", "function": {"name": "g"}, "cache_control": mark}
    for tool in (Tool("f", cache_control=mark), chat):
        assert "cache" not in json.dumps(encoded(tools=[tool], warned=warned))


def test_nothing_passed_in_is_changed_and_the_same_request_gives_the_same_bytes() -> None:
    messages: list[Any] = [HELLO, {"role": "assistant", "output": [REASONING, CALL]}, ToolResult("call_1", "sunny")]
    arguments: dict[str, Any] = {
        "tools": [TOOL, {"type": "web_search"}, {"type": "function", "function": {"name": "g"}}],
        "response_schema": ResponseSchema(SCHEMA),
        "parameters": {"temperature": 0.5, "text": {"verbosity": "low"}, "reasoning": {}, "reasoning_effort": "low"},
    }
    before = copy.deepcopy((messages, arguments))

    assert call_for(messages, **arguments).body == call_for(messages, **arguments).body
    assert (messages, arguments) == before


def test_mappings_of_any_kind_are_written() -> None:
    body = encoded(tools=[Tool("f", parameters=MappingProxyType(SCHEMA))], parameters={"x": MappingProxyType({"a": 1})})

    assert (body["tools"][0]["parameters"], body["x"]) == (SCHEMA, {"a": 1})


@pytest.mark.parametrize("value", [object(), "\ud800", {(1, 2): 3}], ids=["object", "surrogate", "key"])
def test_what_has_no_json_is_refused_and_not_shown(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^the request cannot be written as JSON: "):
        encoded(parameters={"x": value})


# ----------------------------------------------------------------------------------- replies in a stream


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("output_text.delta", TextDelta("Hi")),
        ("refusal.delta", Refusal("Hi")),
        ("reasoning_summary_text.delta", ReasoningDelta("Hi")),
        ("reasoning_text.delta", ReasoningDelta("Hi")),
        ("function_call_arguments.delta", ToolCallDelta(key=2, arguments="Hi")),
    ],
)
def test_a_delta_is_what_its_event_says(kind: str, wanted: ModelEvent) -> None:
    delta = event(kind, output_index=2, item_id="i", delta="Hi", obfuscation="xxxx")

    assert said(delta) == [wanted]
    assert said(delta | {"delta": ""}) == []
    assert said({name: value for name, value in delta.items() if name != "type"}, name=f"response.{kind}") == [wanted]


@pytest.mark.parametrize(
    "silent",
    [
        event("code_interpreter_call_code.delta", output_index=0, delta="print"),
        event("web_search_call.searching", output_index=0),
        event("output_text.done", text="Hi"),
        event("output_item.added", output_index=0, item=MESSAGE),
        event("content_part.added", output_index=0, content_index=1, part={"type": "output_text", "text": ""}),
        event("something.new", delta={"any": "thing"}),
        event("something.newer", item=None),
        event("output_item.added", item=None),
        event("function_call_arguments.done"),
        {"type": "keepalive"},
        {},
    ],
    ids=lambda event: event.get("type", "none"),
)
def test_an_event_that_tells_nothing_new_says_nothing(silent: Any) -> None:
    assert said(silent) == []


@pytest.mark.parametrize("kind", ["created", "queued", "in_progress"])
def test_a_reply_begins_with_its_name(kind: str) -> None:
    assert said(event(kind, response=response(status=kind))) == [Started("resp_1", "m")]
    assert said(event(kind)) == []


def test_parts_of_reasoning_are_paragraphs() -> None:
    def part(kind: str, **indexes: int) -> dict[str, Any]:
        return event(kind, part={"type": "summary_text", "text": ""}, **indexes)

    assert said(part("reasoning_summary_part.added", output_index=0, summary_index=0)) == []
    for second in (
        part("reasoning_summary_part.added", output_index=0, summary_index=1),
        part("reasoning_summary_part.added", output_index=2, summary_index=0),
        part("content_part.added", output_index=0, content_index=1),
        part("reasoning_part.added", output_index=0, content_index=1),
    ):
        assert said(second) == [ReasoningDelta("\n\n")]


def test_a_call_is_put_together_by_its_place_and_not_by_its_ids() -> None:
    call, other = CALL | {"arguments": ""}, CALL | {"arguments": "", "call_id": "call_2", "name": "now"}
    events = said(
        event("output_item.added", output_index=0, item=call),
        event("output_item.added", output_index=1, item=other),
        event("function_call_arguments.delta", output_index=1, item_id="x", delta="{}"),
        event("function_call_arguments.delta", output_index=0, item_id="y", delta='{"city": '),
        event("function_call_arguments.delta", output_index=0, item_id="z", delta='"Paris"}'),
    )

    assert assemble(events).tool_calls == (
        ToolCall("call_1", "get_weather", {"city": "Paris"}, '{"city": "Paris"}'),
        ToolCall("call_2", "now", {}, "{}"),
    )


@pytest.mark.parametrize("pieces", [[], ['{"city": "Paris"}'], ['{"city": ', '"Lyon"}']], ids=["none", "all", "wrong"])
@pytest.mark.parametrize("added", [True, False], ids=["added", "unannounced"])
@pytest.mark.parametrize("ids", [{}, {"call_id": None}], ids=["call-id", "no-call-id"])
def test_the_item_that_is_done_has_the_last_word_on_its_call(pieces: list[str], added: bool, ids: Any) -> None:
    begun = [event("output_item.added", output_index=0, item=CALL | ids)] if added else []
    events = said(
        *begun,
        *(event("function_call_arguments.delta", output_index=0, delta=piece) for piece in pieces),
        event("function_call_arguments.done", output_index=0, arguments=CALL["arguments"]),
        event("output_item.done", output_index=0, item=CALL | ids),
    )

    (call,) = assemble(events).tool_calls
    assert (call.id, call.name, call.arguments) == ("fc_1" if ids else "call_1", "get_weather", {"city": "Paris"})
    assert events[-1] == Opaque("output", [CALL | ids])


def test_arguments_that_are_done_have_the_last_word_on_their_pieces() -> None:
    events = said(
        event("output_item.added", output_index=0, item=CALL),
        event("function_call_arguments.delta", output_index=0, delta='{"ci'),
        event("function_call_arguments.done", output_index=0, arguments=CALL["arguments"]),
    )

    assert assemble(events).tool_calls[0].arguments == {"city": "Paris"}


def test_fields_of_odd_types_spoil_no_event() -> None:
    whole = event("completed", response=response(MESSAGE), output_index="0", delta={})

    assert said(whole)[-2:] == [Finished("stop", "completed"), EndMark()]
    assert said(event("something.new", output_index="0")) == []


def test_the_end_says_why_what_it_took_and_that_nothing_more_comes() -> None:
    whole = response(MESSAGE, usage=USAGE)

    assert said(event("completed", response=whole)) == [
        Started("resp_1", "m"),
        Opaque("response", whole),
        UsageReport(COUNTED, USAGE),
        Finished("stop", "completed"),
        EndMark(),
    ]


@pytest.mark.parametrize(
    ("fields", "finished"),
    [
        ({"status": "completed", "incomplete_details": None}, Finished("stop", "completed")),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            Finished("length", "max_output_tokens"),
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            Finished("content_filter", "content_filter"),
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, Finished("other", "steered")),
        ({"status": "incomplete"}, Finished("other", "incomplete")),
        ({"status": "cancelled"}, Finished("other", "cancelled")),
        ({"status": "queued"}, Finished("other", "queued")),
        ({"status": None}, Finished("other", "")),
    ],
)
def test_every_end_has_a_reason(fields: Any, finished: Finished) -> None:
    body = response() | fields

    assert openai_responses.decode_response(json.dumps(body).encode()) == [Started("resp_1", "m"), finished]
    for kind in ("completed", "incomplete", "cancelled"):
        assert said(event(kind, response=body))[2:] == [finished, EndMark()]


def test_what_the_server_left_out_of_the_conversation_is_a_warning() -> None:
    removed = {"id": "rs_1", "action": "removed", "reason": "model_mismatch", "type": "reasoning"}
    events = said(event("completed", response=response(MESSAGE, input_transformations=[removed])))

    assert assemble(events).warnings == ("the server left out of the conversation: reasoning rs_1 (model_mismatch)",)


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("server_error", OverloadedError, True),
        ("rate_limit_exceeded", RateLimitError, True),
        ("context_length_exceeded", ContextLengthError, False),
        ("invalid_prompt", StatusError, False),
    ],
)
def test_an_error_is_told_by_its_code_wherever_it_stands(code: str, kind: type[StatusError], retryable: bool) -> None:
    error = {"code": code, "message": "no luck"}
    failed = response(status="failed", error=error)
    flat = {"type": "error", "sequence_number": 3, "param": None, **error}
    nested = {"type": "error", "sequence_number": 3, "error": {"type": "x", "param": None, **error}}

    for events in (
        said(flat),
        said(nested),
        said({"error": error}),
        said(error, name="error"),
        said(event("failed", response=failed)),
        openai_responses.decode_response(json.dumps(failed).encode()),
        openai_responses.decode_response(json.dumps({"error": error}).encode()),
    ):
        last = events[-1]
        assert isinstance(last, Failed)
        assert type(last.error) is kind
        assert (last.error.code, last.error.retryable) == (code, retryable)
        assert str(last.error) == "no luck"


def test_a_failure_without_a_reason_is_one() -> None:
    for body in (response(status="failed", error=None), response(status="in_progress")):
        _, kept, *_, last = said(event("failed", response=body))
        assert kept == Opaque("response", body)
        assert isinstance(last, Failed)
        assert "not why" in str(last.error)


def test_an_error_may_be_in_no_shape_at_all() -> None:
    (failed,) = said(b"upstream is busy", name="error")
    (whole,) = openai_responses.decode_response(b'{"detail": "Invalid API Key"}')

    assert isinstance(failed, Failed)
    assert str(failed.error) == "upstream is busy"
    assert isinstance(whole, Failed)
    assert str(whole.error) == "Invalid API Key"


def test_done_is_an_end_mark() -> None:
    assert said(b"[DONE]") == [EndMark()]


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'"text"', b"\xff", b'{"type": "response.completed"}', b'{"type":'], ids=str
)
def test_what_is_no_event_is_an_error(data: bytes) -> None:
    with pytest.raises(WireFormatError) as caught:
        said(data)
    assert caught.value.dialect == "openai_responses"


# ----------------------------------------------------------------------------------------- whole replies


def test_a_whole_reply_says_what_its_stream_would_say() -> None:
    reasoning = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
    }

    assert said_whole(reasoning, MESSAGE, CALL, usage=USAGE) == [
        ReasoningDelta("First."),
        ReasoningDelta("\n\n"),
        ReasoningDelta("Then."),
        TextDelta("Sunny"),
        ToolCallDelta(key=2, id="call_1", name="get_weather", arguments='{"city": "Paris"}', whole=True),
        UsageReport(COUNTED, USAGE),
    ]


def test_reasoning_may_stand_in_content() -> None:
    item = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}], "summary": []}

    assert said_whole(item) == [ReasoningDelta("hm")]
    assert said_whole(REASONING) == []


def test_all_text_is_text_and_a_refusal_a_refusal() -> None:
    texts = [{"type": "output_text", "text": text} for text in ("a", "", "b")]
    message = {"type": "message", "content": [*texts, {"type": "refusal", "refusal": "No"}], "phase": "commentary"}

    assert said_whole(message, message | {"phase": "final_answer", "content": "c"}) == [
        TextDelta("a"),
        TextDelta("b"),
        Refusal("No"),
        TextDelta("c"),
    ]


def test_messages_that_are_not_the_models_are_no_text() -> None:
    repeated = {"type": "message", "role": "user", "content": [{"type": "output_text", "text": "Hi"}]}

    assert said_whole(repeated) == []


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"arguments": {"city": "Paris"}}, '{"city":"Paris"}'),
        ({"arguments": None}, ""),
        ({"arguments": "not json"}, "not json"),
    ],
)
def test_arguments_of_any_kind_are_kept_as_text(item: Any, text: str) -> None:
    (delta,) = said_whole(CALL | item)

    assert isinstance(delta, ToolCallDelta)
    assert delta.arguments == text


def test_all_items_are_kept_in_order() -> None:
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"}
    events = openai_responses.decode_response(json.dumps(response(REASONING, custom, "odd", MESSAGE)).encode())

    assert assemble(events).opaque == {"output": [REASONING, custom, "odd", MESSAGE]}
    assert assemble(events).tool_calls == ()


@pytest.mark.parametrize("usage", [None, "many", {}, {"input_tokens": "3", "input_tokens_details": 4}])
def test_counts_that_are_none_are_none(usage: Any) -> None:
    assert assemble(openai_responses.decode_response(json.dumps(response(usage=usage)).encode())).usage == Usage()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output": null}', b"<html>"], ids=str)
def test_what_is_no_reply_is_an_error(body: bytes) -> None:
    with pytest.raises(WireFormatError):
        openai_responses.decode_response(body)


def test_an_error_with_its_status_is_told_by_it() -> None:
    error = openai_responses.decode_error(429, {}, b'{"error": {"message": "slow down", "code": null}}')

    assert type(error) is RateLimitError


# ----------------------------------------------------------------------- what is sent back, and what is rebuilt


def test_a_message_is_all_items_of_its_answer() -> None:
    assert openai_responses.message_in(response(REASONING, CALL)) == {"role": "assistant", "output": [REASONING, CALL]}
    assert openai_responses.message_in(response()) == {"role": "assistant", "output": []}
    assert openai_responses.message_in({"input_tokens": 3}) is None
    assert openai_responses.message_in("text") is None


def test_a_call_without_an_id_goes_back_with_the_one_that_its_result_names() -> None:
    nameless = {name: value for name, value in CALL.items() if name not in ("id", "call_id")}
    body = response(MESSAGE, nameless, CALL)
    events = openai_responses.decode_response(json.dumps(body).encode())
    calls = assemble(events).tool_calls

    sent = openai_responses.message_in(body, calls)["output"]

    assert sent == [MESSAGE, nameless | {"call_id": calls[0].id}, CALL]
    assert openai_responses.message_in(body)["output"] == body["output"]
    assert rebuilt(event("completed", response=body), *done(*body["output"]))["output"] == sent


def done(*items: Any) -> list[Any]:
    return [event("output_item.done", output_index=index, item=item) for index, item in enumerate(items)]


def test_the_response_that_ended_a_stream_is_its_body() -> None:
    whole = response(REASONING, MESSAGE, usage=USAGE, metadata={"a": "b"})
    older = REASONING | {"encrypted_content": "gBBB=="}

    assert rebuilt(*done(older, MESSAGE), event("completed", response=whole)) == whole


def test_an_end_that_repeats_nothing_is_filled_with_what_was_done() -> None:
    whole = response(usage=USAGE)

    assert rebuilt(*done(REASONING, MESSAGE), event("completed", response=whole)) == whole | {
        "output": [REASONING, MESSAGE]
    }


def test_a_stream_that_broke_off_is_what_had_arrived() -> None:
    body = rebuilt(
        event("created", response=response(status="in_progress")),
        *done(REASONING, MESSAGE),
        event("output_text.delta", output_index=2, delta="And "),
        event("output_text.delta", output_index=2, delta="then"),
        event("refusal.delta", output_index=2, delta="No"),
        event("output_item.added", output_index=3, item=CALL | {"arguments": ""}),
        event("function_call_arguments.delta", output_index=3, delta='{"ci'),
    )

    assert body == {
        "id": "resp_1",
        "object": "response",
        "model": "m",
        "status": "incomplete",
        "output": [
            REASONING,
            MESSAGE,
            {
                "type": "message",
                "role": "assistant",
                "status": "incomplete",
                "content": [
                    {"type": "output_text", "text": "And then", "annotations": []},
                    {"type": "refusal", "refusal": "No"},
                ],
            },
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "get_weather",
                "arguments": '{"ci',
                "status": "incomplete",
            },
        ],
    }


def test_text_is_not_repeated_beside_the_message_that_holds_it() -> None:
    body = rebuilt(event("output_text.delta", output_index=0, delta="Sunny"), *done(MESSAGE, CALL))

    assert body["output"] == [MESSAGE, CALL]


def test_nothing_said_is_an_empty_reply() -> None:
    assert openai_responses.rebuild_body(Reply())["output"] == []
