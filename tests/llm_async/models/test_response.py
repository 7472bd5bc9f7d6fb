from __future__ import annotations

import itertools
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async import Message, StatusError, StreamChunk, ToolCall, Usage
from llm_async.models import response
from llm_async.models.event import (
    EndMark,
    Failed,
    Finished,
    ModelEvent,
    Opaque,
    Opened,
    ReasoningDelta,
    Refusal,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from llm_async.models.response import Assembler, Reply, assemble, made_up_id, to_response


def delta(key: int | str | None = 0, id: str = "", name: str = "", arguments: str = "") -> ToolCallDelta:
    return ToolCallDelta(key=key, id=id, name=name, arguments=arguments)


def calls(*deltas: ToolCallDelta) -> list[tuple[str, str, str]]:
    return [(call.id, call.name, call.arguments_text) for call in assemble(deltas).tool_calls]


def test_everything_said_is_in_the_reply() -> None:
    usage = Usage(input_tokens=3, output_tokens=2)
    reply = assemble(
        [
            Opened("req_1", ("no seed",)),
            Started("id_1", "m"),
            ReasoningDelta("hm", "sig"),
            ReasoningDelta("m"),
            TextDelta("Hel"),
            TextDelta("lo"),
            Opaque("audio", {"id": "a"}),
            Finished("stop", "eos"),
            UsageReport(usage, {"prompt_tokens": 3}),
            EndMark(),
        ]
    )

    assert reply == Reply(
        id="id_1",
        model="m",
        text="Hello",
        reasoning="hmm",
        signature="sig",
        opaque={"audio": {"id": "a"}},
        finish_reason="stop",
        word="eos",
        usage=usage,
        usage_original={"prompt_tokens": 3},
        request_id="req_1",
        warnings=("no seed",),
    )


def test_nothing_said_is_an_empty_reply() -> None:
    assert assemble([]) == Reply()
    assert assemble([EndMark(), Failed(StatusError("no"))]) == Reply()


def test_ids_that_change_within_a_stream_and_come_late_do_not_matter() -> None:
    reply = assemble([Started("", "m"), Started("id_1", ""), Started("id_2", "other")])

    assert (reply.id, reply.model) == ("id_1", "m")


def test_the_last_usage_counts() -> None:
    reports = [UsageReport(Usage(output_tokens=n), {"completion_tokens": n}) for n in (1, 5, 3)]

    assert assemble(reports).usage == Usage(output_tokens=3)
    assert assemble(reports).usage_original == {"completion_tokens": 3}


def test_a_second_finish_counts_if_it_has_a_word() -> None:
    assert assemble([Finished("length", "length"), Finished("stop", "")]).finish_reason == "length"
    assert assemble([Finished("other", ""), Finished("stop", "stop")]).finish_reason == "stop"


def test_calls_finish_a_reply_with_tool_calls_whatever_the_server_says() -> None:
    assert assemble([delta(name="f"), Finished("stop", "stop")]).finish_reason == "tool_calls"
    assert assemble([delta(name="f"), Refusal("no")]).finish_reason == "tool_calls"


def test_a_refusal_finishes_a_reply_with_refusal() -> None:
    reply = assemble([Refusal("I "), Refusal("won't"), Finished("stop", "stop")])

    assert (reply.finish_reason, reply.refusal, reply.word) == ("refusal", "I won't", "stop")
    assert assemble([Refusal(""), Finished("stop", "stop")]).finish_reason == "stop"


def test_lists_only_the_issuer_understands_are_joined_and_anything_else_replaced() -> None:
    first = [{"a": 1}]
    reply = assemble(
        [Opaque("details", first), Opaque("x", {"n": 1}), Opaque("details", [{"b": 2}]), Opaque("x", {"n": 2})]
    )

    assert reply.opaque == {"details": [{"a": 1}, {"b": 2}], "x": {"n": 2}}
    assert first == [{"a": 1}]


def test_pieces_of_a_call_are_joined_by_their_index() -> None:
    assert calls(
        delta(0, "a", "f"), delta(1, "b", "g", "{"), delta(0, arguments='{"x":1}'), delta(1, arguments="}")
    ) == [
        ("a", "f", '{"x":1}'),
        ("b", "g", "{}"),
    ]


def test_an_id_or_name_that_comes_later_is_taken() -> None:
    assert calls(delta(0, "", "f"), delta(0, "a", "", "{}")) == [("a", "f", "{}")]
    assert calls(delta(0, "a"), delta(0, "", "f", "{}")) == [("a", "f", "{}")]


def test_a_repeated_id_and_name_go_on_with_the_call() -> None:
    assert calls(delta(0, "a", "f", '{"x"'), delta(0, "a", "f", ":1}"), delta(0, "a", "", "")) == [
        ("a", "f", '{"x":1}')
    ]
    assert calls(delta(None, "a", "f", '{"x"'), delta(None, "a", "", ":1}")) == [("a", "f", '{"x":1}')]


def test_a_repeated_name_without_id_goes_on_with_a_call_that_is_not_whole() -> None:
    assert calls(delta(0, "", "f", '{"x"'), delta(0, "", "f", ":1}"))[0][1:] == ("f", '{"x":1}')
    assert calls(delta(0, "", "f"), delta(0, "", "f", "{}"))[0][1:] == ("f", "{}")


def test_a_repeated_name_without_id_begins_a_call_after_a_whole_one() -> None:
    said = calls(delta(0, "", "f", "{}"), delta(0, "", "f", '{"x":1}'))

    assert [call[1:] for call in said] == [("f", "{}"), ("f", '{"x":1}')]


def test_a_new_id_with_a_name_begins_a_call_even_at_a_used_index() -> None:
    assert calls(delta(0, "a", "f", "{}"), delta(0, "b", "f", ""), delta(0, arguments="{}")) == [
        ("a", "f", "{}"),
        ("b", "f", "{}"),
    ]
    said = calls(delta(0, "", "f", "{}"), delta(0, "b", "f"), delta(0, arguments='{"x":1}'))
    assert [call[1:] for call in said] == [("f", "{}"), ("f", '{"x":1}')]


def test_another_name_begins_a_call_even_at_a_used_index() -> None:
    said = calls(delta(0, "", "f"), delta(0, "", "g", "{}"))

    assert [call[1:] for call in said] == [("f", ""), ("g", "{}")]


def test_whole_calls_without_index_are_calls_of_their_own() -> None:
    said = calls(delta(None, "", "f", "{}"), delta(None, "", "f", "{}"), delta(None, "c", "g", "{}"))

    assert [call[1:] for call in said] == [("f", "{}"), ("f", "{}"), ("g", "{}")]


def test_a_piece_without_index_id_and_name_goes_on_with_the_last_call() -> None:
    assert calls(delta(None, "a", "f", '{"x"'), delta(None, arguments=":1}")) == [("a", "f", '{"x":1}')]
    assert calls(delta(None, arguments="{}"))[0][1:] == ("", "{}")


def test_the_first_index_may_be_any() -> None:
    assert calls(delta(1, "a", "f"), delta(1, arguments="{}"), delta("x", "b", "g")) == [
        ("a", "f", "{}"),
        ("b", "g", ""),
    ]


def test_deeply_nested_arguments_do_not_break_the_reply() -> None:
    deep = "[" * 100_000

    said = calls(delta(0, "", "f", deep), delta(0, "", "f", deep))

    assert said[0][2] == deep * 2


def test_made_up_ids_are_stable_different_and_fit_for_every_server() -> None:
    events: list[ModelEvent] = [Started("id_1"), delta(None, "", "f", "{}"), delta(None, "", "f", "{}")]

    first, second = (call.id for call in assemble(events).tool_calls)

    assert [first, second] == [call.id for call in assemble(events).tool_calls]
    assert first != second
    assert all(len(id) == 9 and id.isascii() and id.isalnum() for id in (first, second))
    assert first != assemble([Started("id_2"), *events[1:]]).tool_calls[0].id
    assert made_up_id("\ud800")


def test_complete_calls_are_given_once() -> None:
    assembler = Assembler()
    assembler.feed([delta(0, "a", "f", "{}")])

    assert [call.id for call in assembler.complete_calls()] == ["a"]
    assert assembler.complete_calls() == ()
    assembler.feed([delta(1, "b", "g", "{}")])
    assert [call.id for call in assembler.complete_calls()] == ["b"]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3), st.data())
def test_arguments_may_be_cut_anywhere(arguments: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(arguments)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)])]

    (call,) = assemble([delta(0, "a", "f"), *(delta(0, arguments=piece) for piece in pieces)]).tool_calls

    assert call == ToolCall("a", "f", arguments, text)


def test_a_chunk_shows_the_event_it_came_from() -> None:
    chunk = StreamChunk("Hi", data=b'{"choices":[]}')

    assert chunk.content == chunk.delta == "Hi"
    assert chunk.original == {"choices": []}


@pytest.mark.parametrize("data", [b"", b"[DONE]", b'"\xff"', b"[" * 100_000], ids=["none", "end", "latin", "deep"])
def test_an_event_that_is_no_json_has_no_original(data: bytes) -> None:
    assert StreamChunk(data=data).original is None


def test_a_response_says_what_the_reply_says() -> None:
    call = ToolCall("1", "f", {})
    usage = Usage(input_tokens=1)
    reply = Reply(
        id="i",
        model="m",
        text="t",
        reasoning="r",
        refusal="no",
        tool_calls=(call,),
        finish_reason="tool_calls",
        usage=usage,
        request_id="req",
        warnings=("w",),
    )

    response = to_response(reply, message={"role": "assistant"}, body={"id": "i"}, issuer="openai_chat")

    assert response.main_response == Message("assistant", "t", "r", (call,), {"role": "assistant"}, "openai_chat", "no")
    assert (response.original, response.id, response.model, response.finish_reason) == (
        {"id": "i"},
        "i",
        "m",
        "tool_calls",
    )
    assert (response.usage, response.warnings, response.request_id) == (usage, ("w",), "req")
    assert pickle.loads(pickle.dumps(response)) == response


def test_a_name_that_comes_with_every_piece_does_not_have_the_whole_parsed_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(response, "is_whole_json", lambda text: bool(parsed.append(text)))
    pieces = ['{"a": "', *["0123456789"] * 500, '"', "}"]

    (call,) = assemble([ToolCallDelta(key=0, name="w", arguments=piece) for piece in pieces]).tool_calls

    assert call.arguments == {"a": "0123456789" * 500}
    assert parsed == []
