from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from llm_async import (
    AuthenticationError,
    ConfigurationError,
    ContextLengthError,
    InvalidRequestError,
    Message,
    OverloadedError,
    ResponseSchema,
    StatusError,
    Tool,
    ToolCall,
    Usage,
    WireFormatError,
)
from llm_async.dialects import Profile, gemini
from llm_async.dialects.gemini.contents import FOREIGN_SIGNATURE
from llm_async.models import ModelRequest, ToolResult
from llm_async.models.event import EndMark, Failed, Finished, ModelEvent, ReasoningDelta, TextDelta
from llm_async.models.message import Image, Text
from llm_async.models.response import Reply, assemble
from llm_async.sse import ServerSentEvent

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FIND = Tool("find", "Where a city is", SCHEMA)
CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Paris"}'}}
OTHER = {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SIGNED_CALL = {"functionCall": {"name": "find", "args": {"city": "Paris"}}, "thoughtSignature": "c2lnbmVk"}


# ------------------------------------------------------------------------------------------------- requests


def body_of(messages: Any, model: str = "gemini-3-flash", **parameters: Any) -> Any:
    named = {name: parameters.pop(name, None) for name in ("tools", "tool_choice", "response_schema")}
    request = ModelRequest.build(model, messages, **named, parameters=parameters)
    return json.loads(gemini.encode_request(request, Profile(), stream=False).body)


def warnings_of(messages: Any, model: str = "gemini-3-flash", **parameters: Any) -> tuple[str, ...]:
    named = {name: parameters.pop(name, None) for name in ("tools", "tool_choice", "response_schema")}
    request = ModelRequest.build(model, messages, **named, parameters=parameters)
    return gemini.encode_request(request, Profile(), stream=False).warnings


def contents_of(*messages: Any, model: str = "gemini-3-flash") -> Any:
    return body_of(list(messages), model)["contents"]


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def response(name: str, id: str = "", **said: Any) -> dict[str, Any]:
    return {"functionResponse": ({"id": id} if id else {}) | {"name": name, "response": said}}


@pytest.mark.parametrize(
    ("name", "stream", "path"),
    [
        ("gemini-3-flash", False, "/models/gemini-3-flash:generateContent"),
        ("models/gemini-3-flash", True, "/models/gemini-3-flash:streamGenerateContent?alt=sse"),
        ("tunedModels/mine", False, "/tunedModels/mine:generateContent"),
        ("a b?c", False, "/models/a%20b%3Fc:generateContent"),
    ],
)
def test_the_model_and_the_kind_of_answer_stand_in_the_path(name: str, stream: bool, path: str) -> None:
    call = gemini.encode_request(ModelRequest.build(name, "Hi"), Profile(), stream=stream)

    assert (call.path, json.loads(call.body), call.warnings) == (path, {"contents": [user({"text": "Hi"})]}, ())


def test_system_and_developer_messages_are_the_system_instruction() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "system", "parts": [{"text": "Be both."}]},
        {"role": "user", "content": "Hi"},
    ]

    assert body_of(messages) == {
        "contents": [user({"text": "Hi"})],
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}, {"text": "Be both."}]},
    }
    assert warnings_of(messages) == ()


def test_a_system_instruction_of_its_own_is_added_to_system_messages() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]

    told = body_of(messages, systemInstruction={"parts": [{"text": "Be kind."}]})["systemInstruction"]

    assert told == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    alone = body_of("Hi", system_instruction={"parts": [{"text": "Be kind."}]})
    assert alone["system_instruction"] == {"parts": [{"text": "Be kind."}]}


def test_a_system_message_that_has_to_move_is_told_of() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Be brief."}]

    assert warnings_of(messages) == ("a system message within the conversation was moved to its beginning",)


def test_a_conversation_that_asks_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs a message of the user's"):
        body_of([{"role": "system", "content": "Be brief."}])


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "image_url", "image_url": {"url": PIXEL}}, ("inlineData", "image/png", "iVBORw0KGgo=")),
        ({"type": "image_url", "image_url": {"url": "data:image/svg,%3Ca%3E"}}, ("inlineData", "image/svg", "PGE+")),
        (
            {"type": "image_url", "image_url": {"url": "https://example.com/a.webp?x=1"}},
            ("fileData", "image/webp", "https://example.com/a.webp?x=1"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.com/a"}},
            ("fileData", "image/jpeg", "https://example.com/a"),
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://youtu.be/x"}},
            ("fileData", "video/mp4", "https://youtu.be/x"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
            ("inlineData", "audio/mpeg", "UklG"),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}},
            ("inlineData", "application/pdf", "JVBE"),
        ),
        ({"type": "file", "file": {"file_data": "YQ==", "filename": "a.csv"}}, ("inlineData", "text/csv", "YQ==")),
        (
            {"type": "file", "file": {"file_id": "files/abc"}},
            ("fileData", "application/pdf", "https://generativelanguage.googleapis.com/v1beta/files/abc"),
        ),
        (
            {"type": "file", "file": {"file_url": "gs://mine/a.mp4"}},
            ("fileData", "video/mp4", "gs://mine/a.mp4"),
        ),
    ],
)
def test_pictures_sound_and_files_are_parts(part: Any, sent: tuple[str, str, str]) -> None:
    field, kind, value = sent
    messages = [{"role": "user", "content": [{"type": "text", "text": "What?"}, part]}]

    data = {"mimeType": kind, "data" if field == "inlineData" else "fileUri": value}
    assert body_of(messages)["contents"] == [user({"text": "What?"}, {field: data})]
    assert warnings_of(messages) == ()


def test_parts_of_its_own_stand_among_the_others_as_they_are() -> None:
    own = {"fileData": {"fileUri": "gs://mine/a"}, "videoMetadata": {"fps": 1}}

    assert contents_of({"role": "user", "content": [own, "What?"]}) == [user(own, {"text": "What?"})]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"type": "file", "file": {"file_id": "file-abc"}}, "a part of type 'file' was left out"),
        ({"type": "hologram"}, "a part of type 'hologram' was left out"),
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, "Gemini caches by itself"),
        ({"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}, "mediaResolution"),
    ],
)
def test_what_a_part_cannot_say_is_told_of(part: Any, told: str) -> None:
    (warning,) = warnings_of([{"role": "user", "content": ["What?", part]}])

    assert told in warning


def test_a_data_address_without_data_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"^a data: URL in the messages has no comma") as caught:
        body_of([Message("user", [Image("data:secret")])])

    assert "secret" not in str(caught.value)


def test_calls_and_results_of_others_are_signed_matched_and_answered_together() -> None:
    asked = {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, OTHER]}

    sent = contents_of(
        {"role": "user", "content": "Where?"},
        asked,
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
        ToolResult("call_1", "no such city", is_error=True),
        {"role": "user", "content": "And?"},
    )

    assert sent[1:] == [
        model(
            {"text": "Let me see."},
            {
                "functionCall": {"id": "call_1", "name": "find", "args": {"city": "Paris"}},
                "thoughtSignature": FOREIGN_SIGNATURE,
            },
            {"functionCall": {"id": "call_2", "name": "now", "args": {}}},
        ),
        user(response("find", "call_1", error="no such city"), response("now", "call_2", result="noon")),
        user({"text": "And?"}),
    ]


@pytest.mark.parametrize("name", ["gemini-2.5-flash", "gemini-2.0-flash", "gemini-1.5-pro", "gemma-3"])
def test_models_before_3_are_sent_no_signature_that_they_never_gave(name: str) -> None:
    asked = {"role": "assistant", "content": "", "tool_calls": [CALL]}

    assert "thoughtSignature" not in contents_of(asked, ToolResult("call_1", "x"), model=name)[0]["parts"][0]
    assert "thoughtSignature" in contents_of(asked, ToolResult("call_1", "x"), model="gemini-pro-latest")[0]["parts"][0]


def test_pictures_stand_in_a_result_or_before_3_beside_it() -> None:
    asked = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    result = ToolResult("call_1", "seen", parts=[Text("seen"), Image(PIXEL), Image("https://example.com/a.png")])
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    address = {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}}

    told = response("find", "call_1", result="seen")
    assert contents_of(asked, result, model="gemini-2.5-flash")[1] == user(told, picture, address)
    told["functionResponse"]["parts"] = [picture]
    assert contents_of(asked, result)[1] == user(told, address)


def test_arguments_that_are_no_object_are_left_out_and_told_of() -> None:
    messages = [Message("assistant", "", "", [ToolCall.parse("1", "find", "[1]")]), ToolResult("1", "no")]

    assert body_of(messages)["contents"][0]["parts"][0]["functionCall"]["args"] == {}
    assert "the arguments of a call of 'find' were left out" in warnings_of(messages)[0]


def test_its_own_messages_go_back_as_they_are() -> None:
    own = [
        user({"text": "Where?"}),
        model({"text": "hm", "thought": True}, SIGNED_CALL, {"text": "", "thoughtSignature": "eA=="}),
        user({"functionResponse": {"name": "find", "response": {"a": 1}}}),
        {"role": "model", "parts": [{"function_call": {"name": "find"}, "thought_signature": "x"}]},
        {"role": "user", "parts": [{"function_response": {"name": "find", "response": {}}}]},
        {"parts": [{"text": "no role"}]},
    ]
    before = copy.deepcopy(own)

    assert contents_of(*own) == before
    assert own == before


def test_a_message_without_parts_is_not_sent() -> None:
    assert contents_of(user({"text": "Hi"}), model(), Message("assistant", "")) == [user({"text": "Hi"})]


def test_results_of_calls_without_ids_are_matched_by_name_and_sent_without_ids() -> None:
    said = model(SIGNED_CALL, {"functionCall": {"name": "now"}}, {"functionCall": {"name": "find", "args": {}}})
    made = [gemini.encode_tool_result(ToolResult(f"made-up-{name}", name, name)) for name in ("now", "find", "find")]

    assert contents_of(user({"text": "?"}), said, *made)[2:] == [
        user(response("find", result="find"), response("now", result="now"), response("find", result="find"))
    ]


def test_results_are_matched_by_the_ids_that_users_see_and_else_by_their_place() -> None:
    said = Message(
        "assistant",
        "",
        "",
        [ToolCall("x", "find", {}), ToolCall("y", "find", {})],
        model(SIGNED_CALL, {"functionCall": {"name": "find"}}),
        "gemini",
    )

    results = [{"role": "tool", "tool_call_id": id, "content": f"of {id}"} for id in ("y", "x")]
    assert contents_of(user({"text": "?"}), said, *results)[2] == user(
        response("find", result="of x"), response("find", result="of y")
    )
    unknown = [{"role": "tool", "tool_call_id": id, "content": f"of {id}"} for id in ("1", "2")]
    assert contents_of(user({"text": "?"}), said.original, *unknown)[2] == user(
        response("find", result="of 1"), response("find", result="of 2")
    )


def test_results_that_nobody_asked_for_keep_their_order_and_their_ids() -> None:
    own = user(response("other", "9", a=1), response("find", "7", b=2))
    said = model({"functionCall": {"id": "7", "name": "find"}})

    assert contents_of(user({"text": "?"}), said, own)[2] == own
    assert contents_of(user({"text": "?"}), said, ToolResult("8", "x", "find"))[2] == user(
        response("find", "8", result="x")
    )
    assert contents_of(user({"text": "?"}), ToolResult("3", "x", "late"))[1] == user(response("late", "3", result="x"))


def test_tools_of_all_shapes_are_declared_in_one_place() -> None:
    described = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    bare = {"name": "bare", "parameters": {"type": "OBJECT", "properties": {}}}

    (functions, search) = body_of("Hi", tools=[FIND, described, {"googleSearch": {}}, bare])["tools"]

    assert search == {"googleSearch": {}}
    first, second, third = functions["functionDeclarations"]
    assert (first["name"], first["description"]) == ("find", "Where a city is")
    assert first["parametersJsonSchema"]["properties"] == SCHEMA["properties"]
    assert (second["name"], second["parametersJsonSchema"]["type"], third) == ("now", "object", bare)


def test_what_a_tools_schema_had_to_give_up_is_told_with_its_name() -> None:
    tool = Tool("find", "", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a"}}})

    (warning,) = warnings_of("Hi", tools=[tool])

    assert warning.startswith("tool 'find': ")


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "find"}}, {"mode": "ANY", "allowedFunctionNames": ["find"]}),
        ({"mode": "VALIDATED"}, {"mode": "VALIDATED"}),
        ({"functionCallingConfig": {"mode": "NONE"}}, {"mode": "NONE"}),
    ],
)
def test_every_choice_of_a_tool_is_mapped(choice: Any, config: Any) -> None:
    sent = body_of("Hi", tools=[FIND], tool_choice=choice).get("toolConfig", {})

    assert sent.get("functionCallingConfig") == config


def test_a_strict_tool_is_held_to_its_schema() -> None:
    strict = Tool("find", "", SCHEMA, strict=True)

    assert body_of("Hi", tools=[strict])["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert body_of("Hi", tools=[strict], tool_choice="required")["toolConfig"] == {
        "functionCallingConfig": {"mode": "ANY"}
    }


def test_a_choice_that_cannot_be_made_is_refused_or_left_out() -> None:
    with pytest.raises(ConfigurationError, match=r"^tool_choice names 'other', which is not among tools"):
        body_of("Hi", tools=[FIND], tool_choice={"type": "function", "function": {"name": "other"}})
    with pytest.raises(ConfigurationError, match=r"^tool_choice must be 'auto'"):
        body_of("Hi", tools=[FIND], tool_choice="maybe")
    assert "toolConfig" not in body_of("Hi", tool_choice="required")
    assert warnings_of("Hi", tool_choice="required") == ("tool_choice was left out: there are no tools to choose from",)
    assert warnings_of("Hi", tool_choice="auto") == ()


def test_the_common_parameters_and_the_formats_own_go_into_the_generation_config() -> None:
    sent = body_of(
        "Hi",
        temperature=0.5,
        top_p=0.9,
        max_tokens=10,
        stop="END",
        seed=7,
        topK=3,
        presence_penalty=0.1,
        generationConfig={"temperature": 1, "candidateCount": 1},
        toolConfig={"includeServerSideToolInvocations": True},
        cachedContent="cachedContents/x",
    )

    assert sent["generationConfig"] == {
        "temperature": 1,
        "topP": 0.9,
        "maxOutputTokens": 10,
        "stopSequences": ["END"],
        "seed": 7,
        "topK": 3,
        "presence_penalty": 0.1,
        "candidateCount": 1,
    }
    assert sent["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert sent["cachedContent"] == "cachedContents/x"
    assert body_of("Hi", stop=["a", "b"])["generationConfig"] == {"stopSequences": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768, "includeThoughts": True}),
        ("models/gemini-2.5-flash-lite", "max", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-flash-latest", "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_an_effort_is_each_models_own_control(name: str, effort: str, config: Any) -> None:
    assert body_of("Hi", name, reasoning_effort=effort)["generationConfig"] == {"thinkingConfig": config}
    assert warnings_of("Hi", name, reasoning_effort=effort) == ()


@pytest.mark.parametrize(
    ("name", "effort", "told"),
    [
        ("gemini-2.0-flash", "high", "'gemini-2.0-flash' does not reason"),
        ("gemini-3-flash", "ultra", "'ultra' is none of none, minimal"),
        ("gemini-2.5-pro", "none", "'gemini-2.5-pro' cannot do without reasoning"),
        ("gemini-3-pro", "none", "'gemini-3-pro' cannot do without reasoning"),
    ],
)
def test_an_effort_that_a_model_does_not_have_is_told_of(name: str, effort: str, told: str) -> None:
    (warning,) = warnings_of("Hi", name, reasoning_effort=effort)

    assert told in warning


def test_a_schema_for_the_answer_is_sent_but_before_3_not_beside_tools() -> None:
    schema = ResponseSchema(SCHEMA)

    sent = body_of("Hi", response_schema=schema, tools=[FIND])["generationConfig"]
    assert sent["responseMimeType"] == "application/json"
    assert sent["responseJsonSchema"]["properties"] == SCHEMA["properties"]
    assert "responseJsonSchema" in body_of("Hi", "gemini-2.5-pro", response_schema=schema)["generationConfig"]
    assert "generationConfig" not in body_of("Hi", "gemini-2.5-pro", response_schema=schema, tools=[FIND])
    assert warnings_of("Hi", "gemini-2.5-pro", response_schema=schema, tools=[FIND]) == (
        "response_schema was left out: 'gemini-2.5-pro' does not take one together with tools",
    )


def test_a_value_without_json_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^the request cannot be written as JSON"):
        body_of("Hi", labels={"a": object()})


# -------------------------------------------------------------------------------------------------- replies


def answer(*parts: Any, **rest: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}} | rest]}


def events_of(*answers: Any) -> list[ModelEvent]:
    return [
        event for each in answers for event in gemini.decode_stream_event(ServerSentEvent(json.dumps(each).encode()))
    ]


def whole(body: Any) -> Reply:
    return assemble(gemini.decode_response(json.dumps(body).encode()))


def rebuilt(*answers: Any) -> Any:
    events = events_of(*answers)
    return gemini.rebuild_body(assemble(events), events)


def test_a_piece_of_text_is_one_event_and_so_is_a_thought() -> None:
    told = {"usageMetadata": {"promptTokenCount": 1}, "modelVersion": "m", "responseId": "r"}

    assert events_of(answer({"text": "Hi"}, index=0) | told) == [TextDelta("Hi")]
    assert events_of(answer({"text": "hm", "thought": True}) | told) == [ReasoningDelta("hm")]


def test_a_whole_answer_and_its_stream_say_the_same() -> None:
    body = answer({"text": "hm", "thought": True}, {"text": "Hi there"}, SIGNED_CALL, finishReason="STOP") | {
        "usageMetadata": {
            "promptTokenCount": 10,
            "cachedContentTokenCount": 4,
            "toolUsePromptTokenCount": 5,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2,
        },
        "modelVersion": "gemini-3-flash",
        "responseId": "r1",
    }
    pieces = [{"text": "h", "thought": True}, {"text": "m", "thought": True}, {"text": "Hi "}, {"text": "there"}]
    stream = [answer(piece) for piece in pieces] + [
        answer(SIGNED_CALL),
        answer({"text": ""}) | body | answer({"text": ""}, finishReason="STOP"),
    ]

    reply = whole(body)
    assert (reply.id, reply.model, reply.text, reply.reasoning) == ("r1", "gemini-3-flash", "Hi there", "hm")
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("find", {"city": "Paris"})]
    assert (reply.finish_reason, reply.word) == ("tool_calls", "STOP")
    assert reply.usage == Usage(input_tokens=15, cached_tokens=4, output_tokens=5, reasoning_tokens=2)
    assert rebuilt(*stream) == body
    streamed = assemble(events_of(*stream))
    assert (streamed.text, streamed.tool_calls, streamed.usage) == (reply.text, reply.tool_calls, reply.usage)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("MISSING_THOUGHT_SIGNATURE", "error"),
        ("CONTINUATION", "pause"),
        ("LANGUAGE", "other"),
        ("SOMETHING_NEW", "other"),
        (1, "stop"),
        (2, "length"),
        (9, "error"),
        (999, "other"),
    ],
)
def test_why_it_stopped_is_told_in_words_or_numbers(word: Any, reason: str) -> None:
    assert whole(answer({"text": "x"}, finishReason=word)).finish_reason == reason


@pytest.mark.parametrize("content", [{}, {"role": "model"}, None, {"parts": None}])
def test_an_answer_without_content_is_an_empty_reply(content: Any) -> None:
    body = {"candidates": [{"content": content, "finishReason": "MAX_TOKENS"}]}

    assert (whole(body).text, whole(body).finish_reason) == ("", "length")
    assert gemini.message_in(body) == {"role": "model", "parts": []}


def test_a_blocked_prompt_is_a_filtered_reply_streamed_or_not() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}, "responseId": "r"}

    reply = whole(body)
    assert (reply.text, reply.finish_reason, reply.word, reply.usage.input_tokens) == (
        "",
        "content_filter",
        "SAFETY",
        3,
    )
    assert rebuilt(body) == body
    assert gemini.message_in(body) == {"role": "model", "parts": []}


def test_feedback_on_a_prompt_that_was_not_blocked_is_only_kept() -> None:
    body = answer({"text": "Hi"}, finishReason="STOP") | {"promptFeedback": {"safetyRatings": []}}

    assert whole(body).finish_reason == "stop"
    assert rebuilt(body) == body


def test_signed_parts_are_neither_joined_nor_lost() -> None:
    parts = [
        {"text": "a", "thought": True, "thoughtSignature": "cw=="},
        {"text": "b"},
        {"text": "c", "thoughtSignature": "cw=="},
        {"text": "d"},
        {"text": "", "thoughtSignature": "cw=="},
        {"executableCode": {"code": "1"}},
        {"somethingNew": 1, "text": "e"},
    ]
    stream = [*(answer(part) for part in parts), answer({"text": ""}, finishReason="STOP")]

    assert rebuilt(*stream)["candidates"][0]["content"]["parts"] == parts
    assert assemble(events_of(*stream)).text == "bcde"
    assert gemini.message_in(answer(*parts))["parts"] == parts


def test_calls_without_ids_get_one_each_and_those_with_ids_keep_it() -> None:
    reply = whole(answer(SIGNED_CALL, SIGNED_CALL, {"functionCall": {"name": "now", "id": "7"}}, finishReason="STOP"))

    first, second, third = reply.tool_calls
    assert len({first.id, second.id, third.id, ""}) == 4
    assert (third.id, third.arguments) == ("7", {})


def partial(*pieces: Any, **rest: Any) -> dict[str, Any]:
    return answer({"functionCall": ({"partialArgs": list(pieces)} if pieces else {}) | rest})


def test_arguments_that_come_in_pieces_are_put_together_where_they_belong() -> None:
    begin = {"functionCall": {"name": "plan", "id": "7", "willContinue": True}, "thoughtSignature": "cw=="}
    stream = [
        answer(begin),
        partial({"jsonPath": "$.stops[0].city", "stringValue": "Pa", "willContinue": True}, willContinue=True),
        partial({"jsonPath": "$.stops[0].city", "stringValue": "ris"}, willContinue=True),
        partial({"jsonPath": "$.stops[1]['how long']", "numberValue": 3}, willContinue=True),
        partial({"jsonPath": "$.sure", "boolValue": True}, {"jsonPath": "$.why", "nullValue": "NULL_VALUE"}),
        partial(),
        answer(SIGNED_CALL, finishReason="STOP"),
    ]
    arguments = {"stops": [{"city": "Paris"}, {"how long": 3}], "sure": True, "why": None}

    plan, find = assemble(events_of(*stream)).tool_calls
    assert (plan.id, plan.name, plan.arguments) == ("7", "plan", arguments)
    assert find.arguments == {"city": "Paris"}
    assert rebuilt(*stream)["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"name": "plan", "id": "7", "args": arguments}, "thoughtSignature": "cw=="},
        SIGNED_CALL,
    ]


def test_only_the_first_of_several_candidates_is_read() -> None:
    body = {
        "candidates": [{"index": 1, "content": {"parts": [{"text": "b"}]}}, {"content": {"parts": [{"text": "a"}]}}]
    }

    assert whole(body).text == "a"
    assert assemble(events_of(body)).text == "a"
    assert gemini.message_in(body) == model({"text": "a"})


def test_a_streams_citations_add_up_and_its_grounding_is_the_last() -> None:
    stream = [
        answer({"text": "a"}, citationMetadata={"citationSources": [1]}, groundingMetadata={"webSearchQueries": ["x"]}),
        answer({"text": "b"}, citationMetadata={"citationSources": [2]}, groundingMetadata={}),
        answer(groundingMetadata={"groundingChunks": [3]}, finishReason="STOP"),
    ]

    (candidate,) = rebuilt(*stream)["candidates"]
    assert candidate["citationMetadata"] == {"citationSources": [1, 2]}
    assert candidate["groundingMetadata"] == {"webSearchQueries": ["x"], "groundingChunks": [3]}


def test_an_array_of_answers_is_the_stream_that_it_would_have_been() -> None:
    stream = [answer({"text": "a"}), answer({"text": "b"}, finishReason="STOP")]

    assert gemini.decode_response(json.dumps(stream).encode()) == events_of(*stream)


def test_an_error_inside_an_answer_fails_it() -> None:
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}

    *said, failed = events_of(answer({"text": "a"}), error)
    assert said == [TextDelta("a")]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, OverloadedError)
    assert type(gemini.decode_response(json.dumps([answer({"text": "a"}), error]).encode())[-1]) is Failed


@pytest.mark.parametrize("data", [b"", b"{", b"1", b"[]", b"[1]", b"null", b'{"choices": []}', b"\xff", b"{}"])
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(WireFormatError):
        gemini.decode_response(data)


@pytest.mark.parametrize("data", [b"", b"{", b"1", b"[]"])
def test_an_event_that_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(WireFormatError):
        gemini.decode_stream_event(ServerSentEvent(data))


def test_the_end_mark_that_gateways_add_is_understood() -> None:
    assert gemini.decode_stream_event(ServerSentEvent(b"[DONE]")) == [EndMark()]


@pytest.mark.parametrize(
    "body",
    [
        {"candidates": [None, 1]},
        {"candidates": {}},
        {
            "candidates": [
                {"content": {"parts": [None, {"functionCall": 1}, {"functionCall": {"name": 3}}, {"text": 1}]}}
            ]
        },
        answer({"functionCall": {"name": "f", "args": [1]}}),
        answer({"text": "x"}) | {"usageMetadata": {"promptTokenCount": "3"}, "responseId": 3, "promptFeedback": 1},
    ],
)
def test_surprising_types_break_nothing(body: Any) -> None:
    events = gemini.decode_response(json.dumps(body).encode())

    assert gemini.rebuild_body(assemble(events), events)["candidates"]
    assert Finished("stop") not in events


# --------------------------------------------------------------------------------------------------- errors


def error_of(status: int, body: Any) -> StatusError:
    return gemini.decode_error(status, {}, json.dumps(body).encode())


def test_a_wrong_key_is_told_apart_from_other_bad_requests() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}

    refused = error_of(400, {"error": error | {"details": details}})
    assert isinstance(refused, AuthenticationError)
    assert (refused.status_code, refused.code, refused.retryable) == (400, "INVALID_ARGUMENT", False)
    assert "API key not valid" in str(refused)
    assert "API_KEY_INVALID" in str(refused.body)
    assert isinstance(error_of(400, {"error": error}), InvalidRequestError)


def test_an_error_that_came_as_an_array_is_read() -> None:
    error = error_of(429, [{"error": {"code": 429, "message": "The input token count exceeds", "status": "X"}}])

    assert isinstance(error, ContextLengthError)
    assert (error.code, str(error)) == ("X", "The input token count exceeds (HTTP 429)")
    assert isinstance(gemini.decode_error(502, {}, b"<html>Bad gateway</html>"), OverloadedError)


# --------------------------------------------------------------------------------------------------- results


def test_a_tools_result_is_a_message_of_the_users() -> None:
    assert gemini.encode_tool_result(ToolResult("7", "sunny", "find")) == user(response("find", "7", result="sunny"))
    assert gemini.encode_tool_result(ToolResult("", "x", "find", True)) == user(response("find", error="x"))
