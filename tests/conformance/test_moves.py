"""A reply that moves to another provider leaves behind what only its issuer can read, and a warning says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from conformance.exchanges import Exchange, exchange_ids, load
from conformance.replay import ONCE
from llm_async import (
    BaseProvider,
    ClaudeProvider,
    GoogleProvider,
    ModelRequestError,
    OpenAIProvider,
    OpenAIResponsesProvider,
    OpenRouterProvider,
    Response,
)
from llm_async.models import ModelRequest
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import chunks_of, run

pytestmark = pytest.mark.shared

FOLDERS: dict[str, type[BaseProvider]] = {
    "openai-chat": OpenAIProvider,
    "openai-responses": OpenAIResponsesProvider,
    "anthropic-messages": ClaudeProvider,
    "gemini": GoogleProvider,
}
PROVIDERS = (*FOLDERS.values(), OpenRouterProvider)
NEUTRAL = (OpenAIProvider, OpenRouterProvider)

SECRETS = ("signature", "thoughtSignature", "thought_signature", "encrypted_content", "encrypted_index")
SEALED = ("redacted_thinking", "reasoning.encrypted")
"""Types of objects whose `data` is sealed; elsewhere it is a picture, or a document."""

SHARED_PARTS = ("text", "thinking", "tool_use", "message", "function_call", "reasoning", "output_text")
"""Types of blocks and items that mean something to everybody; all others are the issuer's own."""

OWN_PARTS = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
"""Gemini's parts of the same kind."""

OF_REASONING = (
    "reasoning without Anthropic's signature was left out",
    "reasoning of another model was left out: OpenAI takes only its own",
)
"""What is said of any reasoning, sealed or not."""

SHORTENED = ("vercel-ai.openai-phase-1.02c9938a.00", "vercel-ai.openai-shell-container-1.6c31e9e3.00")
"""Streams that were shortened by hand: their pieces are not the text that their end says."""


def documents_of(exchange: Exchange) -> list[Any]:
    """Return what was recorded, without any code of the project."""
    if not exchange.is_sse:
        return [json.loads(exchange.body)]
    lines = [line[5:].strip() for line in exchange.body.splitlines() if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line.startswith(b"{")]


def secrets_in(value: Any) -> Iterator[str]:
    """Yield every signature and everything encrypted in a document."""
    if isinstance(value, list):
        for inner in value:
            yield from secrets_in(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and inner:
                if name in SECRETS or (name == "data" and value.get("type") in SEALED):
                    yield inner
            elif name != "schema":
                yield from secrets_in(inner)


def strings_in(value: Any) -> Iterator[str]:
    """Yield every text in a document, names of fields as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from strings_in(inner)


def own_parts_of(original: Any) -> set[str]:
    """Return the kinds of what servers' own tools left in a message."""
    parts = original.get("output") or original.get("parts") or original.get("content")
    parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    kinds = {str(part["type"]) for part in parts if "type" in part} - set(SHARED_PARTS)
    return {kind for kind in kinds if "_" in kind} | {name for part in parts for name in part if name in OWN_PARTS}


@cache
def replied(folder: str, id: str) -> Response | None:
    """Return the recorded reply; None where an error came, or something that is no reply."""
    exchange = load(folder, id)
    kind = OpenRouterProvider if exchange.provider == "openrouter" and folder == "openai-chat" else FOLDERS[folder]
    recorded = ScriptedReply(status=exchange.status, headers=exchange.headers, pieces=exchange.pieces)
    script = ScriptedTransport([recorded])
    provider = kind("k", "http://test/v1", transport=script, retry_config=ONCE)

    async def talk() -> Response:
        if not exchange.streamed:
            return await provider.acomplete("m", "Hi")
        reply = await provider.acomplete("m", "Hi", stream=True)
        await chunks_of(reply)
        return reply.response

    try:
        return run(talk())
    except ModelRequestError:
        return None


def moves() -> list[Any]:
    """Return the parameters of every such reply with every provider that is not its issuer."""
    chosen = []
    for folder in FOLDERS:
        for param in exchange_ids(folder):
            id = str(param.values[0])
            if not id:
                return [pytest.param("", "", OpenAIProvider, id=str(param.id), marks=param.marks)]
            exchange = load(folder, id)
            if exchange.status >= 400 or exchange.path.endswith((":countTokens", "/compact", "/input_tokens")):
                continue
            if id in SHORTENED or not may_have_secrets(exchange.body):
                continue
            response = replied(folder, id)
            said = response.main_response if response else None
            if said and said.original and is_sealed(said.original):
                others = [kind for kind in PROVIDERS if said.issuer != kind.dialect.NAME]
                chosen += [pytest.param(folder, id, kind, id=f"{id}-{kind.__name__}") for kind in others]
    return chosen


def is_sealed(original: Any) -> bool:
    return any(secrets_in(original)) or bool(original.get("reasoning_details") or own_parts_of(original))


def may_have_secrets(body: bytes) -> bool:
    words = (*SECRETS, *SEALED, *OWN_PARTS, "reasoning_details", "server_tool", "mcp_", "_call")
    return any(word.encode() in body for word in words)


@pytest.mark.parametrize(("folder", "id", "target"), moves())
def test_what_is_sealed_stays_behind_and_what_is_said_moves(folder: str, id: str, target: type[BaseProvider]) -> None:
    exchange, response = load(folder, id), replied(folder, id)
    assert response is not None
    said = response.main_response
    recorded = [*secrets_in(documents_of(exchange)), *secrets_in(said.original)]
    own = own_parts_of(said.original)
    provider = target("k")
    # Where the neutral shape is the provider's own, a bare dict is the caller's, not another provider's.
    forms = (said,) if folder == "openai-chat" and target in NEUTRAL else (said, said.original)

    for message in forms:
        user = {"role": "user", "content": "And?"}
        request = ModelRequest.build("m", [user, message, user])
        call = provider.dialect.encode_request(request, provider.profile, stream=False)
        body = json.loads(call.body)
        strings = list(strings_in(body))

        assert [secret for secret in recorded if any(secret in text for text in strings)] == []
        assert "reasoning_details" not in strings
        assert own.isdisjoint(strings)
        assert any("left out" in warning for warning in call.warnings if warning not in OF_REASONING)
        assert said.content.strip() in "".join(strings)
        for asked in said.tool_calls:
            assert asked.name in strings
            assert asked.arguments_error or asked.arguments in list(arguments_in(body))


def arguments_in(value: Any) -> Iterator[Any]:
    """Yield the arguments of the calls in a request, in whichever shape."""
    if isinstance(value, list):
        for inner in value:
            yield from arguments_in(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == "arguments":
                yield json.loads(inner)
            elif name in ("input", "args") and isinstance(inner, dict):
                yield inner
            else:
                yield from arguments_in(inner)
        if "functionCall" in value and "args" not in value["functionCall"]:
            yield {}
