from __future__ import annotations

from typing import Any

import pytest

from llm_async import (
    ClaudeProvider,
    ConfigurationError,
    RetryConfig,
    StreamInterruptedError,
    Tool,
    WireFormatError,
    provider_for,
)
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import chunks_of, run, sent, stream, texts, whole

KEY = "sk-ant-0123456789"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def claude(*replies: ScriptedReply, **options: Any) -> tuple[ClaudeProvider, ScriptedTransport]:
    """Make a provider whose server gives these replies, and that server."""
    script = ScriptedTransport(replies)
    return ClaudeProvider(**{"api_key": KEY, "transport": script} | options), script


def headers_of(**options: Any) -> dict[str, str]:
    """Return the headers of a request."""
    arguments = options.pop("arguments", {})
    provider, script = claude(whole(MESSAGE), **options)
    run(provider.acomplete("claude-sonnet-4-5", "Hi", **arguments))
    return dict(script.requests[0].headers)


def test_a_question_goes_to_anthropic_with_key_and_version() -> None:
    provider, script = claude(whole(MESSAGE))
    response = run(provider.acomplete("claude-sonnet-4-5", "Hi"))

    [request] = script.requests
    assert response.main_response.content == "Hi"
    assert (request.method, request.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in request.headers


def test_a_version_can_be_asked_for() -> None:
    provider, script = claude(whole(MESSAGE), anthropic_version="2026-10-21")
    response = run(provider.acomplete("claude-sonnet-4-5", "Hi", temperature=0.5))

    assert script.requests[0].headers["anthropic-version"] == "2026-10-21"
    assert "temperature" not in sent(script.requests[0])
    assert response.warnings == ("temperature was left out: version 2026-10-21 of the interface takes none",)
    with pytest.raises(ConfigurationError, match="anthropic_version must be a date such as '2023-06-01'; it is ''"):
        claude(anthropic_version="")


def test_what_would_be_left_out_is_an_error_where_that_is_asked_for() -> None:
    provider, script = claude(anthropic_version="2026-10-21")

    with pytest.raises(ConfigurationError, match="temperature was left out: version 2026-10-21"):
        run(provider.acomplete("claude-sonnet-4-5", "Hi", temperature=0.5, strict=True))
    assert script.requests == []


def test_the_key_or_else_the_token_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="anthropic: no key; set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"):
        ClaudeProvider()

    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-123456")
    headers = headers_of(api_key=None)
    assert headers["authorization"] == "Bearer token-123456"
    assert "x-api-key" not in headers
    assert headers_of()["x-api-key"] == KEY

    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-123456")
    headers = headers_of(api_key=None)
    assert headers["x-api-key"] == "key-123456"
    assert "authorization" not in headers


def test_a_server_that_wants_no_key_is_sent_none() -> None:
    headers = headers_of(api_key="")

    assert "x-api-key" not in headers
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://h.test", "https://h.test/v1"),
        ("https://h.test/v1", "https://h.test/v1"),
        ("https://h.test/v1/", "https://h.test/v1"),
        ("https://h.test/anthropic", "https://h.test/anthropic/v1"),
    ],
)
def test_the_address_in_the_environment_is_with_or_without_the_version(
    given: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", given)

    assert ClaudeProvider("k").base_url == used
    assert ClaudeProvider("k", "http://other.test").base_url == "http://other.test"


def test_it_is_registered() -> None:
    provider, model = provider_for("anthropic:claude-sonnet-4-5", api_key="k")

    assert (type(provider), model) == (ClaudeProvider, "claude-sonnet-4-5")


def test_features_in_testing_are_a_header() -> None:
    betas = ["context-1m-2025-08-07", "files-api-2025-04-14"]

    assert headers_of(arguments={"betas": betas})["anthropic-beta"] == ",".join(betas)
    with pytest.raises(ConfigurationError, match="betas must be a list of names"):
        headers_of(arguments={"betas": "files-api-2025-04-14"})


def test_a_stream_is_read_to_its_end() -> None:
    start = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    provider, script = claude(stream(start, {"type": "ping"}, text, end, {"type": "message_stop"}, done=False))

    said = run(provider.acomplete("claude-sonnet-4-5", "Hi", stream=True))
    chunks = run(chunks_of(said))

    response = said.response
    assert response is not None
    assert texts(chunks) == "Hi"
    assert (response.finish_reason, response.usage.input_tokens, response.usage.output_tokens) == ("stop", 1, 5)
    assert sent(script.requests[0])["stream"] is True


def test_a_stream_without_an_end_is_interrupted() -> None:
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
    provider, _ = claude(stream(text, done=False), retry_config=RetryConfig(max_attempts=1))

    with pytest.raises(StreamInterruptedError) as caught:
        run(chunks_of(run(provider.acomplete("claude-sonnet-4-5", "Hi", stream=True))))
    assert caught.value.partial is not None
    assert caught.value.partial.main_response.content == "Hi"


def test_tokens_are_counted() -> None:
    provider, script = claude(whole({"input_tokens": 42}), whole({"tokens": 1}))
    tool = Tool("f", "does it")

    assert run(provider.count_tokens("claude-sonnet-4-5", "Hi", [tool])) == 42
    [request] = script.requests
    assert request.url == "https://api.anthropic.com/v1/messages/count_tokens"
    assert request.headers["x-api-key"] == KEY
    assert sent(request) == {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "f", "description": "does it", "input_schema": {"type": "object", "properties": {}}}],
    }
    with pytest.raises(WireFormatError, match=r"\$\.input_tokens"):
        run(provider.count_tokens("claude-sonnet-4-5", "Hi"))


def test_all_pages_of_models_are_read() -> None:
    first = {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "last_id": "b c"}
    provider, script = claude(whole(first), whole({"data": [{"id": "c"}], "has_more": False, "last_id": "c"}))

    assert run(provider.models()) == ["a", "b", "c"]
    assert [request.url.partition("?")[2] for request in script.requests] == ["limit=1000", "limit=1000&after_id=b%20c"]


def test_a_list_of_models_that_is_none_is_an_error() -> None:
    provider, _ = claude(whole({"models": []}))

    with pytest.raises(WireFormatError, match=r"\$\.data"):
        run(provider.models())


def test_a_tools_result_is_a_message_of_the_users() -> None:
    content = [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1, "b": 2}}]
    provider, script = claude(whole({**MESSAGE, "content": content, "stop_reason": "tool_use"}), whole(MESSAGE))
    asked: list[Any] = [{"role": "user", "content": "1 + 2?"}]

    response = run(provider.acomplete("claude-sonnet-4-5", asked))
    [call] = response.main_response.tool_calls
    result = run(provider.execute_tool(call, {"add": lambda a, b: a + b}))
    run(provider.acomplete("claude-sonnet-4-5", [*asked, response.main_response.original, result]))

    assert response.finish_reason == "tool_calls"
    assert call.input == {"a": 1, "b": 2}
    assert result == {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}],
    }
    assert sent(script.requests[1])["messages"] == [*asked, {"role": "assistant", "content": content}, result]
