from __future__ import annotations

import json
import random
from typing import Any

import pytest

from llm_async import (
    InvalidRequestError,
    LLMError,
    LLMTimeoutError,
    ModelRequestError,
    NotFoundError,
    OpenAIProvider,
    OverloadedError,
    RateLimitError,
    Response,
    RetryPolicy,
    StatusError,
    Stream,
    StreamChunk,
    StreamInterruptedError,
    Timeouts,
    TransportError,
    WireFormatError,
    timeouts,
)
from llm_async.transport.scripted import ScriptedReply
from scripts import chunks_of, failing, run, scripted, sent, stream, texts, whole
from server import chat, completion

REFUSED = TransportError("refused", retryable=True)
CUT = StreamInterruptedError("cut", retryable=True)


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streamed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def ask(
    provider: OpenAIProvider, *, streamed: bool = False, into: list[StreamChunk] | None = None, **arguments: Any
) -> Response:
    """Return the response, whichever way it is asked for; `into` has the chunks even if it fails."""

    async def answer() -> Response:
        reply = await provider.acomplete("m", "Hi", stream=streamed, **arguments)
        if isinstance(reply, Stream):
            await chunks_of(reply, into)
            return reply.response
        return reply

    return run(answer())


def answer(streamed: bool, text: str = "Hello") -> ScriptedReply:
    return stream(*chat(text)) if streamed else whole(completion(text))


# ---------------------------------------------------------------------------------------------- attempts


@pytest.mark.parametrize("trouble", [REFUSED, failing(503), failing(429), failing(408), failing(409), failing(529)])
def test_a_request_that_may_succeed_later_is_made_again(trouble: ScriptedReply | LLMError, streamed: bool) -> None:
    provider, script = scripted(trouble, trouble, answer(streamed))

    assert ask(provider, streamed=streamed).main_response.content == "Hello"
    assert len(script.requests) == 3
    assert len({request.body for request in script.requests}) == 1
    assert len(script.slept) == 2


def test_attempts_end_and_are_counted(streamed: bool) -> None:
    provider, script = scripted(failing(503), failing(503), REFUSED, retry_config=RetryPolicy(max_attempts=3))

    with pytest.raises(TransportError, match="refused") as caught:
        ask(provider, streamed=streamed)
    assert caught.value.attempts == len(script.requests) == 3


@pytest.mark.parametrize("trouble", [TransportError("bad certificate"), failing(400), failing(401), failing(404)])
def test_what_will_fail_again_is_not_tried_again(trouble: ScriptedReply | LLMError, streamed: bool) -> None:
    provider, script = scripted(trouble)

    with pytest.raises(ModelRequestError) as caught:
        ask(provider, streamed=streamed)
    assert caught.value.attempts == 1
    assert script.slept == []


def test_delays_are_drawn_between_nothing_and_the_policys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.5)
    provider, script = scripted(
        *[failing(503)] * 3, whole(completion("Hi")), retry_config=RetryPolicy(max_attempts=4, base_delay=1, factor=3)
    )

    ask(provider)

    assert script.slept == [0.5, 1.5, 4.5]


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"retry-after": "7"}, 7), ({"retry-after-ms": "20"}, 0.02), ({"retry-after": "0"}, 0)]
)
def test_the_wait_a_server_asks_for_is_obeyed(headers: dict[str, str], seconds: float, streamed: bool) -> None:
    provider, script = scripted(failing(429, headers), answer(streamed))

    ask(provider, streamed=streamed)

    assert script.slept == [seconds]


def test_the_wait_in_an_errors_body_is_obeyed_where_no_header_has_one() -> None:
    def busy(**headers: str) -> ScriptedReply:
        details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
        return whole({"error": {"code": 429, "message": "no", "details": details}}, 429, headers)

    provider, script = scripted(busy(), busy(**{"retry-after": "3"}), answer(False))

    assert ask(provider).main_response.content == "Hello"
    assert script.slept == [7, 3]


def test_a_server_that_asks_for_too_long_a_wait_is_not_asked_again() -> None:
    provider, script = scripted(failing(429, {"retry-after": "61"}), retry_config=RetryPolicy(max_delay=60))

    with pytest.raises(RateLimitError) as caught:
        ask(provider)
    assert (caught.value.retry_after, script.slept) == (61, [])


def test_a_wait_that_the_deadline_forbids_is_not_begun() -> None:
    trouble = failing(429, {"retry-after": "30"})
    for options in ({"timeout": 20}, {"timeouts": Timeouts(first_token=20)}):
        provider, script = scripted(trouble, **options)
        with pytest.raises(RateLimitError) as caught:
            ask(provider)
        assert (caught.value.attempts, script.slept) == (1, [])

    provider, script = scripted(trouble, whole(completion("Hi")), timeout=40)
    ask(provider)
    assert script.slept == [30]


def test_the_deadline_is_the_same_for_all_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(timeouts.time, "monotonic", lambda: now[0])
    provider, script = scripted(failing(503), whole(completion("Hi")), timeout=20)
    original = script.sleep

    async def sleep(seconds: float) -> None:
        now[0] += 5
        await original(seconds)

    monkeypatch.setattr(script, "sleep", sleep)
    ask(provider)

    assert script.requests[1].limits.for_read() == (15, "total")


def test_a_wait_in_the_headers_of_an_answer_means_nothing() -> None:
    provider, script = scripted(whole(completion("Hi"), headers={"retry-after": "30"}))

    assert ask(provider).main_response.content == "Hi"
    assert script.slept == []


def test_a_server_that_says_not_to_try_again_is_obeyed() -> None:
    provider, script = scripted(failing(503, {"x-should-retry": "false"}))

    with pytest.raises(OverloadedError):
        ask(provider)
    assert len(script.requests) == 1


def test_a_limit_that_ran_out_is_not_tried_again_and_counts_the_attempts(streamed: bool) -> None:
    provider, script = scripted(REFUSED, LLMTimeoutError("idle", 5))

    with pytest.raises(LLMTimeoutError) as caught:
        ask(provider, streamed=streamed)
    assert caught.value.attempts == len(script.requests) == 2
    assert caught.value.partial is not None
    assert caught.value.partial.main_response.content == ""


def test_every_answer_is_let_go_of(streamed: bool) -> None:
    replies = [failing(503), answer(streamed)]
    provider, _ = scripted(*replies)

    ask(provider, streamed=streamed)

    assert all(reply.closed for reply in replies)


# ----------------------------------------------------------------------------------- streams that break


def test_a_stream_that_breaks_before_its_first_token_is_asked_for_again() -> None:
    role = chat("x")[0]
    for broken in (
        stream(CUT),
        stream(role, CUT),
        stream(role, done=False),
        stream(done=False),
        stream({"error": {"message": "hot", "code": 502}}),
        stream(role, {"error": {"message": "hot", "code": "server_error"}}),
    ):
        provider, script = scripted(broken, stream(*chat("Hello")))
        chunks: list[StreamChunk] = []

        assert ask(provider, streamed=True, into=chunks).main_response.content == "Hello"
        assert texts(chunks) == "Hello"
        assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (CUT, StreamInterruptedError),
        ({"error": {"message": "hot", "code": 502}}, OverloadedError),
        ("Hello", WireFormatError),
        (LLMTimeoutError("idle", 5), LLMTimeoutError),
    ],
    ids=["cut", "error", "unreadable", "timeout"],
)
def test_a_failure_after_text_hands_the_text_on_first_and_carries_it(trouble: object, kind: type[LLMError]) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    call = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x'}}]}
    provider, script = scripted(
        stream(*chat("Hel", "lo", call)[:-1], usage, trouble, headers={"x-request-id": "req_1"})
    )
    chunks: list[StreamChunk] = []

    with pytest.raises(kind) as caught:
        ask(provider, streamed=True, into=chunks)

    assert texts(chunks) == "Hello"
    assert isinstance(caught.value, (ModelRequestError, LLMTimeoutError))
    partial = caught.value.partial
    assert partial is not None
    assert (partial.main_response.content, partial.id, partial.model) == ("Hello", "chatcmpl-1", "test")
    assert (partial.usage.input_tokens, partial.usage.output_tokens) == (3, 1)
    assert partial.main_response.tool_calls[0].function["arguments"] == '{"x'
    assert (caught.value.attempts, len(script.requests)) == (1, 1)
    if isinstance(caught.value, ModelRequestError):
        assert caught.value.request_id == "req_1"


def test_a_failure_in_the_same_read_as_the_text_hands_the_text_on_first() -> None:
    pieces = [json.dumps(event) for event in [*chat("Hello")[:-1], {"error": {"message": "hot", "code": 502}}]]
    body = "".join(f"data: {piece}\n\n" for piece in pieces).encode()
    provider, _ = scripted(ScriptedReply(headers={"content-type": "text/event-stream"}, pieces=[body]))
    chunks: list[StreamChunk] = []

    with pytest.raises(OverloadedError) as caught:
        ask(provider, streamed=True, into=chunks)
    assert texts(chunks) == "Hello"
    assert caught.value.partial is not None
    assert caught.value.partial.main_response.content == "Hello"


def test_a_cut_stream_is_never_a_short_answer() -> None:
    provider, _ = scripted(stream(*chat("Hello")[:-1], done=False))

    with pytest.raises(StreamInterruptedError, match="before its end mark") as caught:
        ask(provider, streamed=True)
    assert caught.value.partial is not None
    assert caught.value.partial.main_response.content == "Hello"


def test_an_end_mark_alone_and_a_finish_reason_alone_end_a_reply() -> None:
    for reply in (stream(*chat("Hello")[:-1]), stream(*chat("Hello"), done=False)):
        provider, _ = scripted(reply)
        assert ask(provider, streamed=True).main_response.content == "Hello"


@pytest.mark.parametrize("trouble", [CUT, LLMTimeoutError("total", 5)])
def test_a_connection_that_breaks_after_the_finish_takes_nothing_from_the_reply(trouble: LLMError) -> None:
    provider, _ = scripted(stream(*chat("Hello"), trouble))

    response = ask(provider, streamed=True)

    assert (response.main_response.content, response.finish_reason) == ("Hello", "stop")


def test_a_stream_is_drained_behind_its_end_mark_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    drained = []

    async def drain(self: ScriptedReply) -> None:
        drained.append(self)

    monkeypatch.setattr(ScriptedReply, "drain", drain)
    with_mark, without = stream(*chat("Hello")), stream(*chat("Hello"), done=False)
    for reply in (with_mark, without):
        provider, _ = scripted(reply)
        ask(provider, streamed=True)

    assert drained == [with_mark]


def test_reading_stops_at_the_end_mark() -> None:
    provider, _ = scripted(
        ScriptedReply(
            headers={"content-type": "text/event-stream"},
            pieces=[*stream(*chat("Hello")).pieces, LLMTimeoutError("idle", 5)],
        )
    )

    assert ask(provider, streamed=True).main_response.content == "Hello"


# ------------------------------------------------------------------------ answered otherwise than asked


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_whole_answer_to_a_request_for_a_stream_is_understood(kind: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = completion("Hello", "tool_calls", {"tool_calls": [call]})
    provider, script = scripted(whole(body, headers={"content-type": kind, "x-request-id": "req_1"}))
    chunks: list[StreamChunk] = []

    response = ask(provider, streamed=True, into=chunks)

    assert sent(script.requests[0])["stream"] is True
    assert [(chunk.delta, len(chunk.tool_calls)) for chunk in chunks] == [("Hello", 1)]
    assert chunks[0].original == json.loads(body)
    assert response.main_response.content == "Hello"
    assert (response.usage.input_tokens, response.request_id) == (3, "req_1")


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream", "application/octet-stream", ""])
@pytest.mark.parametrize("cuts", [[], [1, 2, 9]])
def test_a_whole_answer_that_is_called_something_else_is_understood(kind: str, cuts: list[int]) -> None:
    body = b"\n \n" + completion("Hello")
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    provider, _ = scripted(ScriptedReply(headers={"content-type": kind} if kind else {}, pieces=pieces))

    response = ask(provider, streamed=True)

    assert (response.main_response.content, response.original) == ("Hello", json.loads(body))


def test_an_error_that_is_called_a_stream_is_one_and_is_tried_again() -> None:
    hot = ScriptedReply(headers={"content-type": "text/plain"}, pieces=[b'{"error": {"message": "hot", "code": 502}}'])
    provider, script = scripted(hot, answer(True))

    assert ask(provider, streamed=True).main_response.content == "Hello"
    assert len(script.requests) == 2


def test_a_body_that_is_blank_or_empty_is_no_answer() -> None:
    for body in ([], [b" \n"], [b" " * 70_000]):
        provider, _ = scripted(ScriptedReply(pieces=body), retry_config=RetryPolicy(max_attempts=1))
        with pytest.raises(StreamInterruptedError, match="the stream ended after 0 events"):
            ask(provider, streamed=True)


@pytest.mark.parametrize("done", [True, False])
def test_a_streamed_answer_to_a_request_for_a_whole_one_is_understood(done: bool) -> None:
    usage = {"id": "chatcmpl-1", "model": "test", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    provider, script = scripted(stream(*chat("Hel", "lo"), usage, done=done))

    response = ask(provider)

    assert "stream" not in sent(script.requests[0])
    assert (response.main_response.content, response.finish_reason) == ("Hello", "stop")
    assert response.usage.output_tokens == 2
    assert response.original["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}


def test_a_stream_without_a_content_type_is_one_where_one_was_asked_for() -> None:
    provider, _ = scripted(
        ScriptedReply(pieces=stream(*chat("Hello")).pieces), ScriptedReply(pieces=[completion("Hello")])
    )

    assert ask(provider, streamed=True).main_response.content == "Hello"
    assert ask(provider).main_response.content == "Hello"


def test_a_web_page_is_no_answer(streamed: bool) -> None:
    page = ScriptedReply(headers={"content-type": "text/html; charset=utf-8"}, pieces=[b"<html>Welcome</html>"])
    provider, script = scripted(page)

    with pytest.raises(TransportError, match="a web page came instead of an answer; is base_url the address"):
        ask(provider, streamed=streamed)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("headers", "where"), [({"location": "https://h.test/v2"}, "https://h.test/v2"), ({}, "nowhere")]
)
def test_a_redirect_is_not_followed(headers: dict[str, str], where: str, streamed: bool) -> None:
    provider, script = scripted(whole(b"", 307, headers))

    with pytest.raises(StatusError, match=rf"redirects to '{where}' \(HTTP 307\), which is not followed") as caught:
        ask(provider, streamed=streamed)
    assert caught.value.status_code == 307
    assert len(script.requests) == 1


# ------------------------------------------------------------------------------------ errors in answers


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "hot", "code": 502}},
        {"choices": [{"message": {"content": "H"}, "error": {"message": "hot", "code": 502}}]},
    ],
)
def test_an_error_inside_a_whole_answer_is_one_and_is_tried_again(body: dict[str, Any]) -> None:
    provider, script = scripted(whole(body, headers={"request-id": "req_1"}), whole(completion("Hello")), whole(body))

    assert ask(provider).main_response.content == "Hello"
    provider.retry_config = RetryPolicy(max_attempts=1)
    with pytest.raises(OverloadedError, match=r"^hot \(HTTP 502\)$") as caught:
        ask(provider)
    assert (caught.value.status_code, len(script.requests)) == (502, 3)


def test_an_error_says_what_the_server_calls_the_request() -> None:
    for reply in (
        failing(400, {"x-request-id": "req_1"}),
        whole({"error": {"message": "no"}}, headers={"request-id": "req_1"}),
    ):
        provider, _ = scripted(reply)
        with pytest.raises(StatusError) as caught:
            ask(provider)
        assert caught.value.request_id == "req_1"


def test_a_missing_model_or_address_says_where_it_was_asked_for() -> None:
    provider, _ = scripted(failing(404, message="no such model"))

    with pytest.raises(NotFoundError) as caught:
        ask(provider)
    assert str(caught.value) == "no such model (HTTP 404), asked at http://test/v1/chat/completions"


def test_an_error_whose_body_does_not_come_still_has_its_status() -> None:
    provider, _ = scripted(ScriptedReply(status=400, pieces=[CUT]))

    with pytest.raises(InvalidRequestError, match=r"^no explanation \(HTTP 400\)$"):
        ask(provider)


def test_an_answer_with_an_error_status_is_an_error_whatever_its_type(streamed: bool) -> None:
    body = b'{"error": {"message": "no such model"}}'
    provider, _ = scripted(ScriptedReply(status=404, headers={"content-type": "text/event-stream"}, pieces=[body]))

    with pytest.raises(NotFoundError, match=r"^no such model"):
        ask(provider, streamed=streamed)


def test_an_answer_that_cannot_be_read_says_where() -> None:
    provider, _ = scripted(whole({"choices": []}))

    with pytest.raises(WireFormatError, match=r"^openai_chat: cannot read \$\.choices\[0\]\.message in "):
        ask(provider)


# ---------------------------------------------------------------------------------------------- responses


def test_a_whole_response_keeps_the_body_and_its_message() -> None:
    message = {"role": "assistant", "content": "Hello", "reasoning_details": [{"signature": "s"}], "x": 1}
    body = {
        "id": "c",
        "model": "m2",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "service_tier": "flex",
    }
    provider, _ = scripted(whole(body, headers={"x-request-id": "req_1"}))

    response = ask(provider)

    assert response.original == body
    assert response.main_response.original == message
    assert (response.id, response.model, response.finish_reason, response.request_id) == ("c", "m2", "stop", "req_1")


def test_a_whole_response_that_leaves_its_message_out_has_an_empty_one() -> None:
    body = {"id": "c", "model": "m", "choices": [{"finish_reason": "content_filter"}]}
    provider, _ = scripted(whole(body))

    response = ask(provider)

    assert response.original == body
    assert response.main_response.original == {"role": "assistant", "content": None}
    assert response.finish_reason == "content_filter"


@pytest.mark.parametrize("strange", [b'"\xff"', b"1e999"], ids=["no utf-8", "huge"])
def test_a_body_with_something_strange_that_is_not_needed_is_read(strange: bytes) -> None:
    body = completion("Hello")[:-1] + b', "strange": ' + strange + b"}"
    provider, _ = scripted(whole(body))

    response = ask(provider)

    assert response.main_response.content == response.original["choices"][0]["message"]["content"] == "Hello"


def test_a_call_without_id_goes_back_under_the_id_its_result_names() -> None:
    message = {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    provider, script = scripted(whole(completion(None, "stop", message)), whole(completion("Done")))

    response = ask(provider)
    call = response.main_response.tool_calls[0]
    result = run(provider.execute_tool(call, {"f": lambda: "x"}))
    run(provider.acomplete("m", [{"role": "user", "content": "Hi"}, response.main_response.original, result]))

    _, assistant, tool = sent(script.requests[1])["messages"]
    assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"] == call.id != ""
    assert response.finish_reason == "tool_calls"


def test_what_came_before_the_first_token_is_on_the_error_all_the_same() -> None:
    opening = {"id": "chat-1", "model": "m-1", "choices": [{"delta": {"role": "assistant"}}]}

    provider, _ = scripted(stream(opening, done=False), retry_config=RetryPolicy(max_attempts=1))

    with pytest.raises(StreamInterruptedError) as caught:
        run(chunks_of(run(provider.acomplete("m", "Hi", stream=True))))

    assert caught.value.partial is not None
    assert (caught.value.partial.id, caught.value.partial.model) == ("chat-1", "m-1")


def test_what_a_failed_whole_answer_says_is_on_the_error() -> None:
    body = {"id": "c1", "choices": [{"message": {"content": "Hel"}, "error": {"message": "hot", "code": 502}}]}
    provider, _ = scripted(whole(body), retry_config=RetryPolicy(max_attempts=1))

    with pytest.raises(StatusError) as caught:
        run(provider.acomplete("m", "Hi"))

    assert caught.value.partial is not None
    assert (caught.value.partial.id, caught.value.partial.main_response.content) == ("c1", "Hel")
