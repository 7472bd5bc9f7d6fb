"""What servers of OpenAI Chat's kind signed or sealed goes back to them as it came, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.exchanges import Exchange, exchange_ids, load
from conformance.expected_chat import stream_documents
from llm_async import OpenAIProvider, OpenRouterProvider, Response
from llm_async.providers.compatible import CompatibleProvider
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import chunks_of, run, sent, whole
from server import completion

pytestmark = pytest.mark.shared

FOLDER = "openai-chat"
SEALS = ("signature", "data", "thought_signature")


def seals_in(value: Any) -> Iterator[str]:
    """Yield every signature and every sealed reasoning in a document."""
    if isinstance(value, list):
        for inner in value:
            yield from seals_in(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in SEALS and isinstance(inner, str) and inner:
                yield inner
            elif name != "audio":
                yield from seals_in(inner)


def documents_of(exchange: Exchange) -> list[Any]:
    return list(stream_documents(exchange.body)) if exchange.is_sse else [json.loads(exchange.body)]


def sealed() -> list[Any]:
    params = exchange_ids(FOLDER)
    ids = [param.values[0] for param in params]
    if ids == [""]:
        return params
    loaded = [load(FOLDER, str(id)) for id in ids]
    return [pytest.param(e.id, id=e.id) for e in loaded if e.status < 400 and list(seals_in(documents_of(e)))]


def provider_of(exchange: Exchange, script: ScriptedTransport) -> OpenAIProvider | OpenRouterProvider:
    kind = OpenRouterProvider if exchange.provider == "openrouter" else OpenAIProvider
    return kind("k", "http://test/v1", transport=script)


def received(exchange: Exchange) -> tuple[Response, OpenAIProvider | OpenRouterProvider, ScriptedTransport]:
    recorded = ScriptedReply(status=exchange.status, headers=exchange.headers, pieces=exchange.pieces)
    script = ScriptedTransport([recorded, whole(completion("Done")), whole(completion("Done"))])
    provider = provider_of(exchange, script)

    async def talk() -> Response:
        if not exchange.is_sse:
            return await provider.acomplete("m", "Hi")
        reply = await provider.acomplete("m", "Hi", stream=True)
        await chunks_of(reply)
        return reply.response

    return run(talk()), provider, script


@pytest.mark.parametrize("id", sealed())
def test_what_was_sealed_goes_back_as_it_came(id: str) -> None:
    exchange = load(FOLDER, id)
    response, provider, script = received(exchange)

    for message in (response.main_response, response.main_response.original):
        answer = run(provider.acomplete("m", [message, {"role": "user", "content": "And?"}]))
        back = sent(script.requests[-1])["messages"][0]

        assert answer.warnings == ()
        assert list(dict.fromkeys(seals_in(back))) == list(dict.fromkeys(seals_in(documents_of(exchange))))
        details = back.get("reasoning_details") or []
        places = [(d.get("type"), d.get("index"), d.get("id")) for d in details if d.get("index") is not None]
        assert len(places) == len(set(places)), "pieces of a stream were not joined"


@pytest.mark.parametrize("id", sealed())
def test_what_was_sealed_goes_to_nobody_else(id: str) -> None:
    exchange = load(FOLDER, id)
    response, _, _ = received(exchange)
    script = ScriptedTransport([whole(completion("Done"))])
    other = CompatibleProvider("groq", "k", transport=script)

    answer = run(other.acomplete("m", [response.main_response, {"role": "user", "content": "And?"}]))

    assert list(seals_in(sent(script.requests[0])["messages"])) == []
    assert any("left out" in warning for warning in answer.warnings)
