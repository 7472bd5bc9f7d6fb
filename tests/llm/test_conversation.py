"""One answer is one call, however many turns it takes."""

from __future__ import annotations

import threading

import pytest

import plays
from llm import LLM, LLMTimeoutError, RetryPolicy
from llm.testing import call, calls, says, scripted_llm
from plays import Play
from server import Server, chat, reply, sse

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)


class Person:
    """Somebody."""

    name: str
    age: int


@every_face
def test_the_total_limit_counts_through_all_rounds(play: Play) -> None:
    def look() -> str:
        threading.Event().wait(0.4)
        return "nothing"

    call = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": "{}"}}
    with Server() as server:
        server.handler = lambda request: reply(body=sse(*chat({"tool_calls": [call]}, finish="tool_calls")))
        llm = LLM("test", base_url=server.url, timeout=1.0, retry=RetryPolicy(max_attempts=1))

        scene = play(llm, "Look!", tools=[look], max_tool_rounds=50)

        assert isinstance(scene.error, LLMTimeoutError)
        assert scene.error.limit == "total"
        assert len(server.requests) < 5


@every_face
def test_reasoning_in_tags_is_no_part_of_a_structured_answer(play: Play) -> None:
    llm = scripted_llm(says("<think>Ann, I think.</think>", '{"name": "Ann",', ' "age": 30}'))

    final = play(llm, "Who?", output_format=Person, hide_thinking=False).final

    assert final is not None
    assert final["answer"] == {"name": "Ann", "age": 30}
    assert final["reasoning"] == "Ann, I think."
    assert type(final["parsed"]) is Person


@every_face
def test_a_bare_schema_is_checked_too(play: Play) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 18}}, "required": ["age"]}
    llm = scripted_llm(says('{"age": 3}'), says('{"age": 30}'))

    final = play(llm, "How old?", output_format=schema, output_retries=1).final

    assert final is not None
    assert final["answer"] == {"age": 30}
    assert "minimum" in llm.requests[1]["messages"][-1]["content"] or "18" in llm.requests[1]["messages"][-1]["content"]


def test_changing_what_was_shown_of_a_call_changes_nothing_that_runs() -> None:
    ran = []

    def delete(paths: list[str]) -> None:
        ran.append(paths)

    llm = scripted_llm(calls(call(delete, paths=["/tmp/a"])))
    stream = llm.stream_response("Delete it", tools=[delete], tool_interceptor=lambda name, arguments: True)
    for event in stream:
        if event["type"] in ("tool_call", "review_request"):
            event["content"]["arguments"]["paths"].append("/home")
            stream.approve()

    assert ran == [["/tmp/a"]]
