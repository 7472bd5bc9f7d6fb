"""All recorded Gemini exchanges, of Google and of Vertex AI, replayed through `GoogleProvider`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from conformance.exchanges import ABSENT, WIRE, Exchange, exchange_ids, load
from conformance.expected_chat import Json, Tokens
from conformance.expected_gemini import (
    documents_in,
    expected,
    failure_of,
    finish_word,
    joined,
    parts_in,
    whole,
)
from conformance.replay import ONCE, Played, check_chunks, check_reply
from llm_async import GoogleProvider, ModelRequestError
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from server import Reply, Server, reply

pytestmark = [pytest.mark.anyio, pytest.mark.shared]

FOLDER = "gemini"
ALL = exchange_ids(FOLDER)

PLAIN_REQUEST: Json = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
"""What is asked where the recording has only the answer."""

ARGUMENTS = ("contents", "model")
"""Fields of a recorded request that `acomplete` has arguments for."""

KNOWN_DIFFERENCES: dict[str, str] = {}
"""Exchanges whose reply is knowingly another than expected, and why; each is asserted to differ still."""


def those(chosen: Callable[[Exchange], object]) -> list[Any]:
    """Return the parameters of the exchanges that are chosen; without recordings the one that is skipped."""
    return [param for param in ALL if not param.values[0] or chosen(load(FOLDER, str(param.values[0])))]


def is_count(exchange: Exchange) -> bool:
    return exchange.path.endswith(":countTokens")


EXCHANGES = those(lambda exchange: not is_count(exchange))
COUNTS = those(is_count)
REQUESTS = those(lambda exchange: exchange.request and not is_count(exchange))
STREAMS = those(lambda exchange: exchange.streamed)
EVENT_STREAMS = those(lambda exchange: exchange.is_sse)
REPLIES = those(lambda exchange: exchange.status == 200 and not is_count(exchange))
ON_VERTEX = those(
    lambda exchange: exchange.request and "/projects/PROJECT/" in exchange.path and not is_count(exchange)
)


@dataclass
class Line:
    """A provider, and the server it talks to."""

    server: Server
    provider: GoogleProvider
    played: dict[Exchange, Played] = field(default_factory=dict)

    async def play(self, exchange: Exchange) -> Played:
        """Make the recorded request and answer it as recorded, cut as the answer was cut; once, however many ask."""
        if exchange not in self.played:
            self.played[exchange] = await self.send(exchange, asked_in(exchange)["contents"])
        return self.played[exchange]

    async def send(self, exchange: Exchange, contents: Sequence[Any]) -> Played:
        """Make the recorded request with other contents."""

        def answer(_: object) -> Reply:
            return reply(exchange.status, exchange.headers, exchange.pieces)

        self.server.handler = answer
        self.server.requests.clear()
        played = await ask(self.provider, exchange, contents)
        assert len(self.server.requests) == 1, f"{len(self.server.requests)} requests were made"
        request = self.server.requests[0]
        method = "streamGenerateContent?alt=sse" if exchange.streamed else "generateContent"
        assert request.target == f"/v1beta/models/{model_of(exchange)}:{method}"
        assert request.headers["x-goog-api-key"] == "k"
        played.sent = request.json()
        return played


@pytest.fixture(scope="module")
async def line(anyio_backend: str) -> AsyncIterator[Line]:
    """Replays recorded exchanges through `GoogleProvider`."""
    with Server() as server:
        provider = GoogleProvider(api_key="k", base_url=f"{server.url}/v1beta/models/", retry_config=ONCE)
        yield Line(server, provider)
        await provider.aclose()


@pytest.mark.parametrize("id", EXCHANGES)
async def test_a_reply_is_what_was_recorded(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    played = await line.play(exchange)

    if id in KNOWN_DIFFERENCES:
        with pytest.raises(AssertionError):
            check_reply(played, expected(exchange))
        return
    check_reply(played, expected(exchange))
    if exchange.streamed and not played.error:
        check_chunks(played)
    if exchange.is_sse:
        assert [chunk.original for chunk in played.chunks] == documents_in(exchange)
    elif played.response and not exchange.streamed:
        assert played.response.original == json.loads(exchange.body)


@pytest.mark.parametrize("id", REQUESTS)
async def test_a_request_means_what_was_recorded(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    assert exchange.request is not None

    sent = (await line.play(exchange)).sent

    assert sent == {name: value for name, value in exchange.request.items() if name != "model"}


@pytest.mark.parametrize("id", STREAMS)
async def test_a_streams_original_is_the_whole_answer(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    want = whole(documents_in(exchange))
    response = (await line.play(exchange)).response

    assert response is not None
    original = response.original
    assert joined(parts_in(original)) == joined(parts_in(want))
    assert outside_content(original) == outside_content(want)
    assert joined(response.main_response.original["parts"]) == joined(parts_in(want))


@pytest.mark.parametrize("id", STREAMS)
async def test_a_stream_says_what_the_whole_answer_would_have_said(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    body = json.dumps(whole(documents_in(exchange))).encode()
    headers = {"content-type": "application/json; charset=UTF-8"}
    path = exchange.path.replace("streamGenerateContent", "generateContent")

    check_reply(
        await line.play(replace(exchange, body=body, headers=headers, path=path, chunk_sizes=())), expected(exchange)
    )


@pytest.mark.parametrize("id", REPLIES)
async def test_a_reply_goes_back_unchanged_and_the_tools_results_after_it(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    said = parts_in(whole(documents_in(exchange)))
    first = await line.play(exchange)
    assert first.response is not None
    message = first.response.main_response

    results = [await line.provider.execute_tool(call, {call.name: sunny}) for call in message.tool_calls]
    again = await line.send(exchange, [*asked_in(exchange)["contents"], message.original, *results])

    asked, answered = again.sent["contents"][: len(first.sent["contents"])], again.sent["contents"]
    assert asked == first.sent["contents"]
    assert all(content["parts"] for content in answered), "Gemini refuses a content without parts"
    turn, *after = answered[len(asked) :] or [{"role": "model", "parts": []}]
    assert turn["role"] == "model"
    assert joined(turn["parts"]) == joined(said)
    assert exchange.streamed or turn["parts"] == said
    check_results(turn, after)


@pytest.mark.parametrize("lf", [False, True], ids=["crlf", "lf"])
@pytest.mark.parametrize("id", EVENT_STREAMS)
async def test_a_stream_cut_at_every_byte_says_the_same(id: str, lf: bool) -> None:
    exchange = load(FOLDER, id)
    body = exchange.body.replace(b"\r\n", b"\n") if lf else exchange.body
    pieces = [body[position : position + 1] for position in range(len(body))]
    transport = ScriptedTransport([ScriptedReply(status=exchange.status, headers=exchange.headers, pieces=pieces)])
    provider = GoogleProvider(api_key="k", transport=transport, retry_config=ONCE)

    played = await ask(provider, exchange, asked_in(exchange)["contents"])

    check_reply(played, expected(exchange))
    check_chunks(played)


@pytest.mark.parametrize("id", EVENT_STREAMS)
async def test_a_stream_that_breaks_off_is_an_error_that_keeps_what_had_arrived(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    events = [event for event in exchange.body.replace(b"\r\n", b"\n").split(b"\n\n") if event]
    unfinished = [event for event in events if not finish_word(json.loads(event.removeprefix(b"data:")))]
    broken = replace(exchange, body=b"".join(event + b"\n\n" for event in unfinished), chunk_sizes=())
    want = expected(broken)

    assert want.failure
    check_reply(await line.play(broken), want)


@pytest.mark.parametrize("id", EVENT_STREAMS)
async def test_a_stream_without_last_blank_line_says_the_same(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    bare = replace(exchange, body=exchange.body.rstrip(b"\r\n"), chunk_sizes=())

    check_reply(await line.play(bare), expected(exchange))


@pytest.mark.parametrize("id", COUNTS)
async def test_tokens_are_counted_as_recorded(line: Line, id: str) -> None:
    exchange = load(FOLDER, id)
    asked = asked_in(exchange)
    line.server.handler = lambda _: reply(exchange.status, exchange.headers, exchange.pieces)
    line.server.requests.clear()

    count = await line.provider.count_tokens(model_of(exchange), asked["contents"], asked.get("tools"))

    assert count == json.loads(exchange.body)["totalTokens"]
    request = line.server.requests[0]
    assert request.target == f"/v1beta/models/{model_of(exchange)}:countTokens"
    sent = request.json()
    # Google's own API takes tools only within the request whose tokens it is to count.
    sent = sent.get("generateContentRequest", sent)
    assert (sent["contents"], sent.get("tools")) == (asked["contents"], asked.get("tools"))


@pytest.mark.parametrize("id", ON_VERTEX)
async def test_a_request_to_vertex_goes_where_it_was_recorded(id: str) -> None:
    exchange = load(FOLDER, id)
    match = re.fullmatch(
        r"/v1\w*/(projects/PROJECT/locations/([\w-]+)/publishers/google/models/.*:\w+).*", exchange.path
    )
    assert match, exchange.path
    transport = ScriptedTransport([ScriptedReply(headers=exchange.headers, pieces=exchange.pieces)])
    vertex = {
        "project_id": "PROJECT",
        "location_id": match[2],
        "goth_token": "token-12345678",
        "api_endpoint": "aiplatform.googleapis.com",
    }
    provider = GoogleProvider(vertex_config=vertex, transport=transport, retry_config=ONCE)

    await ask(provider, exchange, asked_in(exchange)["contents"])

    request = transport.requests[0]
    address, _, query = request.url.partition("?")
    assert re.fullmatch(r"https://aiplatform\.googleapis\.com/v1(beta1)?/" + re.escape(match[1]), address), address
    assert query == ("alt=sse" if exchange.streamed else "")
    assert request.headers["authorization"] == "Bearer token-12345678"
    assert "x-goog-api-key" not in request.headers
    assert json.loads(request.body)["contents"] == asked_in(exchange)["contents"]


@pytest.mark.parametrize("status", [400, 500, 503])
async def test_a_documented_error_is_told_apart(line: Line, status: int) -> None:
    if not WIRE.exists() and not os.environ.get("CI"):
        pytest.skip(ABSENT)
    cases = json.loads((WIRE / "documented-errors.json").read_bytes())["cases"]
    case = next(case for case in cases if (case["protocol"], case.get("status")) == (FOLDER, status))
    want = failure_of(case["body"], status)
    line.server.handler = lambda _: reply(status, {"content-type": "application/json"}, json.dumps(case["body"]))

    with pytest.raises(ModelRequestError) as caught:
        await line.provider.acomplete("test", "Hello")

    error = caught.value
    assert (type(error).__name__, error.status_code, error.code) == (want.kind, want.status_code, want.code)
    assert want.message in str(error)
    assert error.retryable == (status >= 500)


@pytest.mark.parametrize("id", EXCHANGES)
def test_the_expectation_agrees_with_what_the_recording_is_said_to_show(id: str) -> None:
    exchange = load(FOLDER, id)
    want, shows = expected(exchange), exchange.features

    assert (exchange.is_sse, exchange.streamed) == ("sse" in shows, "stream" in shows)
    assert bool(want.failure) == ("error" in shows)
    assert bool(want.text) == ("text" in shows)
    assert bool(want.reasoning) == ("reasoning" in shows)
    assert bool(want.calls) == ("tool-calls" in shows)
    assert (len(want.calls) > 1) == ("parallel-tool-calls" in shows)
    assert any(call.id for call in want.calls) == ("tool-call-id" in shows)
    # The one call that came in pieces has no `args` on the wire.
    assert "streamed-tool-args" in shows or has_empty(want.calls) == ("tool-args-empty" in shows)
    assert (want.usage.reasoning is not None) == ("usage-reasoning" in shows)
    assert (want.usage.cached is not None) == ("usage-cache-read" in shows)
    assert (want.usage != Tokens()) == ("usage" in shows and "blocked:MODEL_ARMOR" not in shows)
    assert want.failure or want.finish != "other"
    if want.failure:
        return
    answer = whole(documents_in(exchange))
    parts = parts_in(answer)
    kinds = {kind for part in parts for kind in part}
    assert {f"part:{kind}" for kind in kinds - {"text", "thought", "thoughtSignature", "functionCall"}} == {
        feature for feature in shows if feature.startswith("part:")
    }
    assert ("thoughtSignature" in kinds) == ("reasoning-signature" in shows)
    signed = [part for part in joined(parts) if "thoughtSignature" in part]
    assert any(part.get("text") == "" for part in signed) == ("signature-on-empty-text" in shows)
    assert [part for part in parts if "thoughtSignature" in part] == signed


def model_of(exchange: Exchange) -> str:
    match = re.search(r"models/([^:]+):", exchange.path)
    assert match, f"{exchange.id}: no model in {exchange.path}"
    return match[1]


def asked_in(exchange: Exchange) -> Json:
    return dict(exchange.request or PLAIN_REQUEST)


async def ask(provider: GoogleProvider, exchange: Exchange, contents: Sequence[Any]) -> Played:
    """Make the recorded request with these contents, streamed or not as it was."""
    asked = asked_in(exchange)
    parameters = {name: value for name, value in asked.items() if name not in ARGUMENTS}
    before = json.dumps([asked, list(contents)])
    played = Played()
    try:
        if exchange.streamed:
            stream = await provider.acomplete(model_of(exchange), contents, stream=True, **parameters)
            async for chunk in stream:
                played.chunks.append(chunk)
            played.response = stream.response
        else:
            played.response = await provider.acomplete(model_of(exchange), contents, **parameters)
    except ModelRequestError as error:
        played.error = error
    assert json.dumps([asked, list(contents)]) == before, "what the caller passed in was changed"
    return played


def sunny(**_: object) -> str:
    return "It is sunny."


def check_results(turn: Json, after: list[Json]) -> None:
    """Assert that one content answers all calls of a turn, in their order and by the ids that the calls have."""
    calls = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
    if not calls:
        assert not after
        return
    assert [content["role"] for content in after] == ["user"], "Gemini wants all results of a turn in one content"
    results = [part["functionResponse"] for part in after[0]["parts"]]
    assert [result["name"] for result in results] == [call["name"] for call in calls]
    assert [result.get("id") for result in results] == [call.get("id") for call in calls]
    assert all("It is sunny." in result["response"].values() for result in results)


def has_empty(calls: Sequence[Any]) -> bool:
    return any(call.arguments == {} for call in calls)


def outside_content(answer: Json) -> Json:
    """Return everything but the content."""
    candidates = [
        {name: value for name, value in candidate.items() if name != "content"}
        for candidate in answer.get("candidates", [])
    ]
    return answer | {"candidates": candidates}
