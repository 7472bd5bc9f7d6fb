"""Whatever a server does, both runtimes and both faces make the same of it: scenarios over real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import plays
from llm import (
    LLM,
    AuthenticationError,
    CustomThinkingToken,
    LLMTimeoutError,
    ModelRequestError,
    NotFoundError,
    OverloadedError,
    RetryPolicy,
    StreamInterruptedError,
    Timeouts,
    TransportError,
)
from plays import Play
from server import Reply, Server, chat, reply, sse

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)
every_stream = pytest.mark.parametrize("play", plays.STREAMED.values(), ids=plays.STREAMED)
every_whole = pytest.mark.parametrize("play", plays.WHOLE.values(), ids=plays.WHOLE)

QUICK = RetryPolicy(max_attempts=3, base_delay=0.001)
USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def llm_at(server: Server, **options: Any) -> LLM:
    return LLM("test", "key-12345678", server.url, **({"retry": QUICK} | options))


@every_face
def test_an_answer_arrives_whole(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("Hel", "lo"), USAGE))

    scene = play(llm_at(server))

    assert scene.final == {
        "answer": "Hello",
        "messages": [{"role": "assistant", "content": "Hello"}],
        "finish_reason": "stop",
        "usage": {
            "input_tokens": 7,
            "cached_tokens": None,
            "cache_write_tokens": None,
            "output_tokens": 3,
            "reasoning_tokens": None,
        },
    }


@every_face
def test_the_server_is_sent_what_was_asked(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("Hello")))
    llm = llm_at(server, default_stop_sequences=["END"], extra_body={"temperature": 0.7, "top_k": 3})
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "name": "Ann"}]

    play(llm, messages, max_tokens=9, reasoning_effort="high", extra_body={"temperature": 0})

    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer key-12345678"
    assert request.json() == {
        "model": "test",
        "messages": messages,
        "temperature": 0,
        "max_tokens": 9,
        "stop": ["END"],
        "reasoning_effort": "high",
        "stream": True,
        "stream_options": {"include_usage": True},
        "top_k": 3,
    }


@every_stream
def test_events_come_in_order_and_only_those_that_were_asked_for(server: Server, play: Play) -> None:
    server.handler = lambda request: server_reply(*chat({"reasoning_content": "hm"}, "a", "b"))

    assert play(llm_at(server)).types() == ["answer", "answer", "done"]
    shown = play(llm_at(server), hide_thinking=False, verbose=True, final=True)
    assert shown.types() == ["reasoning", "answer", "answer", "verbose", "final", "done"]
    assert all(event["depth"] == 0 for event in shown.events)
    assert shown.events[-2]["content"] == shown.final
    assert shown.events[-1] == {"type": "done", "content": None, "depth": 0}


@every_stream
def test_an_event_is_shown_before_the_next_one_was_sent(server: Server, play: Play) -> None:
    gate = threading.Event()
    first, *rest = chat("one", "two")[1:]
    server.reply(body=sse(first, gate, *rest))
    llm = llm_at(server)

    seen = []
    if play is plays.play_blocking:
        for event in llm.stream_response("Hello"):
            seen.append(event["content"])
            gate.set()
    else:

        async def watch() -> None:
            async for event in llm.async_stream_response("Hello"):
                seen.append(event["content"])
                gate.set()

        asyncio.run(watch())

    assert seen == ["one", "two", None]


@every_face
def test_reasoning_is_the_same_in_tags_and_in_a_field(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("<thi", "nk>because</think>\n\nso")))
    server.reply(body=sse(*chat({"reasoning": "bec"}, {"reasoning": "ause"}, "so")))

    tagged = play(llm_at(server), hide_thinking=False).final
    field = play(llm_at(server), hide_thinking=False).final

    assert tagged is not None
    assert field is not None
    assert (tagged["reasoning"], tagged["answer"]) == ("because", "so")
    assert (field["reasoning"], field["answer"]) == ("because", "so")
    assert tagged["messages"] == [{"role": "assistant", "content": "so"}]


@every_face
def test_hidden_reasoning_is_neither_shown_nor_returned(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("<think>because</think>so")))

    scene = play(llm_at(server))

    assert scene.answer == "so"
    assert "reasoning" not in scene.types()
    assert scene.final is not None
    assert "reasoning" not in scene.final


@every_face
def test_custom_thinking_tokens_are_used(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("why<<EN", "D>>so")))
    token = CustomThinkingToken(from_beginning=True, start_token="<<THINK>>", end_token="<<END>>")

    final = play(llm_at(server, custom_thinking_token=token), hide_thinking=False).final

    assert final is not None
    assert (final["reasoning"], final["answer"]) == ("why", "so")


@every_face
def test_figures_count_the_servers_tokens_else_the_pieces(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("a", "b", "c", "d"), USAGE))
    server.reply(body=sse(*chat("a", "b", "c", "d")))

    counted, uncounted = (play(llm_at(server), verbose=True).final for _ in range(2))

    assert counted is not None
    assert uncounted is not None
    assert counted["verbose"]["tokens"] == 3
    assert uncounted["verbose"]["tokens"] == 4
    assert counted["verbose"]["latency"] > 0
    assert counted["verbose"]["tokens_per_second"] >= 0


@every_face
def test_a_cut_off_answer_says_so(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("Hel", finish="length")))

    final = play(llm_at(server)).final

    assert final is not None
    assert final["finish_reason"] == "length"


@every_face
def test_a_stream_without_an_end_is_an_error_that_keeps_what_arrived(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("Hel", "lo")[:-1], done=False))

    scene = play(llm_at(server))

    assert isinstance(scene.error, StreamInterruptedError)
    assert scene.error.partial is not None
    assert scene.error.partial.main_response.content == "Hello"
    assert scene.error.attempts == 1
    assert len(server.requests) == 1


@every_face
def test_a_connection_that_breaks_is_an_error_that_keeps_what_arrived(server: Server, play: Play) -> None:
    body = b"".join(piece for piece in sse(*chat("Hel", "lo")) if isinstance(piece, bytes))
    server.reply(body=body, cut=len(body) - 30)

    scene = play(llm_at(server))

    assert isinstance(scene.error, StreamInterruptedError)
    assert scene.error.partial is not None
    assert scene.error.partial.main_response.content == "Hello"


@every_stream
def test_text_that_was_held_back_for_a_tag_is_shown_before_an_error(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("so <thi")[:-1], done=False))

    scene = play(llm_at(server))

    assert scene.answer == "so <thi"
    assert isinstance(scene.error, StreamInterruptedError)


@every_face
def test_a_failing_server_is_asked_again_until_it_answers(server: Server, play: Play) -> None:
    server.reply(503, body=b"busy")
    server.raw()
    server.reply(body=sse(*chat("Hello")))

    scene = play(llm_at(server))

    assert scene.answer == "Hello"
    assert len(server.requests) == 3


@every_face
def test_attempts_end_and_are_counted(server: Server, play: Play) -> None:
    server.handler = lambda request: reply(529, body=b'{"error": {"message": "overloaded"}}')

    error = play(llm_at(server)).error

    assert isinstance(error, OverloadedError)
    assert (error.attempts, error.status_code) == (3, 529)
    assert len(server.requests) == 3


@every_face
def test_a_request_is_not_made_again_once_an_event_was_shown(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("Hel"), {"error": {"message": "overloaded", "code": 503}}, done=False))

    error = play(llm_at(server)).error

    assert isinstance(error, ModelRequestError)
    assert error.status_code == 503
    assert len(server.requests) == 1


@every_face
def test_an_error_at_the_beginning_of_a_stream_is_worth_another_attempt(server: Server, play: Play) -> None:
    server.reply(body=sse(chat("x")[0], {"error": {"message": "overloaded", "code": 503}}, done=False))
    server.reply(body=sse(*chat("Hello")))

    assert play(llm_at(server)).answer == "Hello"


@every_face
def test_a_wrong_key_is_told_apart_and_not_repeated(server: Server, play: Play) -> None:
    server.reply(401, body=b'{"error": {"message": "bad key key-12345678", "code": "invalid_api_key"}}')

    error = play(llm_at(server)).error

    assert isinstance(error, AuthenticationError)
    assert error.code == "invalid_api_key"
    assert "key-12345678" not in str(error) + repr(error.body)
    assert len(server.requests) == 1


@every_face
def test_a_missing_model_names_the_address(server: Server, play: Play) -> None:
    server.reply(404, body=b'{"error": {"message": "no model test"}}')

    error = play(llm_at(server)).error

    assert isinstance(error, NotFoundError)
    assert "no model test" in str(error)
    assert server.url in str(error)


@every_face
def test_a_refused_connection_names_host_and_port(server: Server, play: Play) -> None:
    server.close()

    error = play(llm_at(server)).error

    assert isinstance(error, TransportError)
    assert f"127.0.0.1:{server.port}" in str(error)
    assert error.attempts == 3


@every_face
def test_the_first_token_has_a_limit_that_pings_and_roles_do_not_lift(server: Server, play: Play) -> None:
    server.handler = lambda request: server_reply(b": ping\n\n", chat("x")[0], threading.Event())

    scene = play(llm_at(server, timeouts=Timeouts(first_token=0.2)))

    assert isinstance(scene.error, LLMTimeoutError)
    assert scene.error.limit == "first token"


@every_face
def test_the_time_between_events_has_a_limit(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("Hel")[:-1], threading.Event()))

    scene = play(llm_at(server, timeouts=Timeouts(idle=0.2, first_token=30)))

    assert isinstance(scene.error, LLMTimeoutError)
    assert scene.error.limit == "idle"
    assert scene.error.partial is not None
    assert scene.error.partial.main_response.content == "Hel"


@every_face
def test_the_whole_call_has_a_limit(server: Server, play: Play) -> None:
    server.reply(body=sse(*chat("Hel")[:-1], threading.Event()))

    scene = play(llm_at(server, timeout=0.3))

    assert isinstance(scene.error, LLMTimeoutError)
    assert isinstance(scene.error, TimeoutError)
    assert scene.error.limit == "total"


@every_whole
def test_the_total_limit_ends_the_attempts(server: Server, play: Play) -> None:
    server.reply(503, {"Retry-After": "5"}, b"busy")

    scene = play(llm_at(server, timeout=1.0))

    assert isinstance(scene.error, OverloadedError)
    assert scene.error.retry_after == 5
    assert len(server.requests) == 1


@every_face
def test_one_connection_serves_calls_that_follow_each_other(server: Server, play: Play) -> None:
    server.handler = lambda request: server_reply(*chat("Hello"))
    llm = llm_at(server)

    if play in (plays.play_blocking, plays.play_blocking_whole):
        assert [play(llm).answer for _ in range(5)] == ["Hello"] * 5
    else:

        async def ask() -> list[Any]:
            return [(await llm.async_response("Hello"))["answer"] for _ in range(5)]

        assert asyncio.run(ask()) == ["Hello"] * 5
    assert server.connections == 1


def server_reply(*events: object) -> Reply:
    return reply(body=sse(*events))
