from __future__ import annotations

from typing import Any

import pytest

from llm_async import ConfigurationError, OpenRouterProvider, Response, provider_for
from llm_async.transport.scripted import ScriptedTransport
from scripts import chunks_of, run, sent, stream, texts, whole
from server import completion


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER_API_KEY", *OpenRouterProvider.base_url_variables):
        monkeypatch.delenv(name, raising=False)


def test_key_and_address_are_openrouters(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"^openrouter: no key; set OPENROUTER_API_KEY"):
        OpenRouterProvider()
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    assert isinstance(provider_for("openrouter"), OpenRouterProvider)
    assert OpenRouterProvider().base_url == "https://openrouter.ai/api/v1"


def test_the_application_is_named_in_headers_and_not_in_the_body() -> None:
    script = ScriptedTransport([whole(completion("Hi")), whole(completion("Hi"))])
    provider = OpenRouterProvider("k", transport=script, http_referer="https://mine.test", x_title="Mine")

    run(provider.acomplete("openrouter/auto", "Hi"))
    run(provider.acomplete("openrouter/auto", "Hi", x_title="Other", http_referer=None))

    first, second = script.requests
    assert (first.headers["http-referer"], first.headers["x-title"]) == ("https://mine.test", "Mine")
    assert (second.headers["http-referer"], second.headers["x-title"]) == ("https://mine.test", "Other")
    assert sent(first) == sent(second) == {"model": "openrouter/auto", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("value", [5, "a\nb"])
def test_a_name_must_fit_in_a_header(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^http_referer and x_title\['x-title'\]"):
        OpenRouterProvider("k", x_title=value)


def test_signed_reasoning_of_a_stream_goes_back_joined_and_unchanged() -> None:
    kind = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    pieces: list[dict[str, Any]] = [{"text": "Let "}, {"text": "me see"}, {"signature": "s"}]
    deltas = [{"role": "assistant", "reasoning_details": [kind | piece]} for piece in pieces]
    events: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in (*deltas, {"content": "144"})]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    script = ScriptedTransport([stream(*events), whole(completion("Done"))])
    provider = OpenRouterProvider("k", transport=script)

    async def talk() -> Response:
        reply = await provider.acomplete("m", "12 * 12?", stream=True)
        assert texts(await chunks_of(reply)) == "144"
        assert reply.response.main_response.reasoning == "Let me see"
        return await provider.acomplete("m", [reply.response.main_response, {"role": "user", "content": "Sure?"}])

    response = run(talk())

    assert response.warnings == ()
    assert sent(script.requests[1])["messages"][0] == {
        "role": "assistant",
        "content": "144",
        "reasoning": "Let me see",
        "reasoning_details": [kind | {"text": "Let me see", "signature": "s"}],
    }
