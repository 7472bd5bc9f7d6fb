from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from llm_async import ConfigurationError, GoogleProvider, Message, NotFoundError, WireFormatError, provider_for
from llm_async.models import ToolCall
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import chunks_of, failing, run, sent, stream, texts, whole

VARIABLES = (
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
)
DEFAULT = "https://generativelanguage.googleapis.com/v1beta/models/"
TOKEN = "ya29.secret-0123456789"
VERTEX = {"project_id": "mine", "location_id": "europe-west4", "goth_token": TOKEN}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def google(*replies: ScriptedReply, **options: Any) -> tuple[GoogleProvider, ScriptedTransport]:
    script = ScriptedTransport(replies)
    return GoogleProvider(**{"api_key": "key-0123456789"} | options, transport=script), script


def said(*parts: Any, finish: str | None = "STOP") -> dict[str, Any]:
    content = {"parts": list(parts), "role": "model"}
    return {"candidates": [{"content": content} | ({"finishReason": finish} if finish else {})], "responseId": "r"}


HELLO = said({"text": "Hello"})


def test_the_key_is_googles_own_before_geminis(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"^google: no key; set GOOGLE_API_KEY or GEMINI_API_KEY"):
        GoogleProvider()

    monkeypatch.setenv("GEMINI_API_KEY", "second")
    assert key_sent() == "second"
    monkeypatch.setenv("GOOGLE_API_KEY", "first")
    assert key_sent() == "first"


def key_sent() -> str | None:
    script = ScriptedTransport([whole(HELLO)])
    run(GoogleProvider(transport=script).acomplete("m", "Hi"))
    headers = script.requests[0].headers
    assert "authorization" not in headers
    return headers.get("x-goog-api-key")


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:1234", "http://localhost:1234/v1beta/models/"),
        ("http://localhost:1234/", "http://localhost:1234/v1beta/models/"),
        ("http://localhost:1234/v1", "http://localhost:1234/v1"),
        ("http://localhost:1234/v1beta/models/", "http://localhost:1234/v1beta/models/"),
        ("https://gateway.test/v1/google-ai", "https://gateway.test/v1/google-ai/v1beta/models/"),
    ],
)
def test_the_address_in_the_environment_may_lack_the_version(
    given: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GoogleProvider("k").base_url == DEFAULT
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", given)
    assert GoogleProvider("k").base_url == used
    assert GoogleProvider("k", "http://localhost:9/").base_url == "http://localhost:9/"


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        (None, "https://generativelanguage.googleapis.com/v1beta"),
        ("http://localhost:1/v1beta/models/", "http://localhost:1/v1beta"),
        ("http://localhost:1/v1beta/models", "http://localhost:1/v1beta"),
        ("http://localhost:1/v1beta", "http://localhost:1/v1beta"),
        ("http://localhost:1/other/", "http://localhost:1/other"),
    ],
)
def test_models_are_asked_at_their_address_and_other_paths_lie_beside_them(base_url: str | None, root: str) -> None:
    provider, script = google(whole(HELLO), whole(b""), base_url=base_url)

    run(provider.acomplete("gemini-3-flash", "Hi"))
    run(provider.request("DELETE", "files/abc"))

    asked, deleted = script.requests
    assert asked.url == f"{root}/models/gemini-3-flash:generateContent"
    assert (deleted.method, deleted.url) == ("DELETE", f"{root}/files/abc")


def test_a_stream_is_read_to_its_finish_reason() -> None:
    provider, script = google(
        stream(said({"text": "Hel"}, finish=None), said({"text": "lo"}, finish=None), said({"text": ""}), done=False)
    )

    reply = run(provider.acomplete("gemini-3-flash", "Hi", stream=True))
    assert texts(run(chunks_of(reply))) == "Hello"
    assert script.requests[0].url.endswith("/models/gemini-3-flash:streamGenerateContent?alt=sse")
    assert reply.response.main_response.original == {"role": "model", "parts": [{"text": "Hello"}]}
    assert reply.response.original == HELLO


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "application/octet-stream"])
def test_a_stream_that_comes_as_one_array_is_the_same_reply(kind: str) -> None:
    answer = [said({"text": "Hel"}, finish=None), said({"text": "lo"}, finish=None), said({"text": ""})]
    provider, _ = google(whole(json.dumps(answer).encode(), headers={"content-type": kind}))

    reply = run(provider.acomplete("gemini-3-flash", "Hi", stream=True))
    assert texts(run(chunks_of(reply))) == "Hello"
    assert reply.response.original == HELLO


def test_a_tools_result_goes_back_with_the_call() -> None:
    call = {"functionCall": {"name": "find", "args": {"city": "Paris"}}, "thoughtSignature": "cw=="}
    provider, script = google(whole(said(call)), whole(HELLO))

    message = run(provider.acomplete("gemini-3-flash", "Where?")).main_response
    result = run(provider.execute_tool(message.tool_calls[0], {"find": lambda city: f"{city} is here"}))
    run(provider.acomplete("gemini-3-flash", [Message("user", "Where?"), message.original, result]))

    assert result["role"] == "user"
    assert sent(script.requests[1])["contents"][1:] == [
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [{"functionResponse": {"name": "find", "response": {"result": "Paris is here"}}}]},
    ]


def test_all_pages_of_models_are_listed() -> None:
    provider, script = google(
        whole({"models": [{"name": "models/a"}, {"name": "tunedModels/b"}], "nextPageToken": "x/y="}),
        whole({"models": [{"name": "models/c"}]}),
    )

    assert run(provider.models()) == ["a", "tunedModels/b", "c"]
    assert [request.url.rpartition("/v1beta")[2] for request in script.requests] == [
        "/models?pageSize=1000",
        "/models?pageSize=1000&pageToken=x%2Fy%3D",
    ]


def test_tokens_are_counted_with_tools_and_system_message() -> None:
    provider, script = google(whole({"totalTokens": 7}), whole({"totalTokens": 9}), whole({}))

    assert run(provider.count_tokens("gemini-3-flash", "Hi")) == 7
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert run(provider.count_tokens("gemini-3-flash", messages)) == 9
    assert run(provider.count_tokens("gemini-3-flash", "Hi")) == 0

    contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert script.requests[0].url.endswith("/v1beta/models/gemini-3-flash:countTokens")
    assert sent(script.requests[0]) == {"contents": contents}
    assert sent(script.requests[1]) == {
        "generateContentRequest": {
            "model": "models/gemini-3-flash",
            "contents": contents,
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
        }
    }


def test_texts_are_embedded_in_their_order_a_hundred_at_once() -> None:
    def vectors(first: int, count: int) -> ScriptedReply:
        return whole({"embeddings": [{"values": [first + number, 0.5]} for number in range(count)]})

    provider, script = google(vectors(0, 100), vectors(100, 20))

    assert run(provider.embed("gemini-embedding-2", ["text"] * 120)) == [[number, 0.5] for number in range(120)]
    first, second = script.requests
    assert first.url.endswith("/v1beta/models/gemini-embedding-2:batchEmbedContents")
    assert sent(second)["requests"][0] == {
        "model": "models/gemini-embedding-2",
        "content": {"parts": [{"text": "text"}]},
    }
    assert (len(sent(first)["requests"]), len(sent(second)["requests"])) == (100, 20)


def test_an_embedding_that_is_missing_is_noticed() -> None:
    provider, _ = google(whole({"embeddings": []}), whole({"embeddings": {}}))

    for _ in range(2):
        with pytest.raises(WireFormatError, match="embeddings"):
            run(provider.embed("m", "text"))
    with pytest.raises(ConfigurationError, match=r"^texts\[1\] must be a string; it is a int"):
        run(provider.embed("m", ["a", 1]))  # type: ignore[list-item] # what the check is for


# ---------------------------------------------------------------------------------------------- Vertex AI


@pytest.mark.parametrize(
    ("config", "address"),
    [
        ({}, "https://europe-west4-aiplatform.googleapis.com/v1/projects/mine/locations/europe-west4"),
        ({"location_id": None}, "https://aiplatform.googleapis.com/v1/projects/mine/locations/global"),
        ({"api_endpoint": "near.test"}, "https://near.test/v1/projects/mine/locations/europe-west4"),
        ({"api_endpoint": "http://near.test:8/"}, "http://near.test:8/v1/projects/mine/locations/europe-west4"),
    ],
)
def test_vertex_is_asked_in_a_project_and_a_location_with_a_token(config: dict[str, Any], address: str) -> None:
    script = ScriptedTransport([whole(HELLO)])
    provider = GoogleProvider(vertex_config=VERTEX | config, transport=script)

    run(provider.acomplete("gemini-3-flash", "Hi"))

    request = script.requests[0]
    assert provider.base_url == f"{address}/publishers/google/models/"
    assert request.url == f"{address}/publishers/google/models/gemini-3-flash:generateContent"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "x-goog-api-key" not in request.headers


def test_a_whole_address_of_vertex_is_used_as_it_is() -> None:
    config = {"goth_token": TOKEN, "api_endpoint": "https://near.test/gemini/models"}

    assert GoogleProvider(vertex_config=config).base_url == "https://near.test/gemini/models"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("publishers/other/models/m", "/v1/projects/mine/locations/europe-west4/publishers/other/models/m"),
        ("projects/p/locations/l/endpoints/7", "/v1/projects/p/locations/l/endpoints/7"),
    ],
)
def test_vertex_takes_whole_names_of_models(model: str, path: str) -> None:
    script = ScriptedTransport([whole(HELLO)])
    run(GoogleProvider(vertex_config=VERTEX, transport=script).acomplete(model, "Hi"))

    assert script.requests[0].url == f"https://europe-west4-aiplatform.googleapis.com{path}:generateContent"


def test_a_token_may_be_asked_for_before_each_request_and_is_never_shown() -> None:
    tokens = iter([TOKEN, "ya29.another-0123456789"])
    script = ScriptedTransport([whole(HELLO), failing(404, message="no model for ya29.another-0123456789")])
    provider = GoogleProvider(vertex_config=VERTEX | {"goth_token": lambda: next(tokens)}, transport=script)

    run(provider.acomplete("m", "Hi"))
    with pytest.raises(NotFoundError, match=r"no model for \[key\]") as caught:
        run(provider.acomplete("m", "Hi"))

    assert [request.headers["authorization"][:12] for request in script.requests] == ["Bearer ya29.", "Bearer ya29."]
    assert "another" not in f"{caught.value!r} {caught.value.body} {provider!r}"


def test_vertex_counts_and_embeds_in_its_own_way_and_lists_nothing() -> None:
    script = ScriptedTransport([whole({"totalTokens": 7}), whole({"embedding": {"values": [1]}})])
    provider = GoogleProvider(vertex_config=VERTEX, transport=script)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]

    assert run(provider.count_tokens("m", messages)) == 7
    assert run(provider.embed("e", "text")) == [[1.0]]
    assert set(sent(script.requests[0])) == {"contents", "systemInstruction"}
    assert script.requests[1].url.endswith("/publishers/google/models/e:embedContent")
    with pytest.raises(ConfigurationError, match="cannot list its models at Vertex AI"):
        run(provider.models())


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("mine", "vertex_config must be a dict; it is a str"),
        ({"goth_token": TOKEN}, r"vertex_config\['project_id'\] is missing; set GOOGLE_CLOUD_PROJECT, or pass it"),
        (VERTEX | {"location_id": 3}, r"vertex_config\['location_id'\] must be a string; it is a int"),
        (VERTEX | {"goth_token": 3}, r"vertex_config\['goth_token'\] must be a token or a function; it is a int"),
        (VERTEX | {"goth_token": None}, "google: no key"),
    ],
)
def test_a_configuration_of_vertex_that_cannot_work_is_refused(config: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{told}"):
        GoogleProvider(vertex_config=config)


def test_a_token_with_a_line_break_is_refused_and_not_shown() -> None:
    provider = GoogleProvider(vertex_config=VERTEX | {"goth_token": f"{TOKEN}\r\nx: y"})

    with pytest.raises(ConfigurationError, match="a token without line breaks") as caught:
        run(provider.acomplete("m", "Hi"))
    assert TOKEN not in str(caught.value)


def test_vertex_is_found_by_name_with_project_and_location_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "mine")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-central1")
    monkeypatch.setenv("GOOGLE_API_KEY", "express-key")

    provider, model = provider_for("vertex:gemini-3-flash")
    assert (type(provider), model) == (GoogleProvider, "gemini-3-flash")
    assert provider.base_url.startswith("https://us-central1-aiplatform.googleapis.com/v1/projects/mine/")
    assert "/locations/here/" in provider_for("vertex", vertex_config=VERTEX | {"location_id": "here"}).base_url
    assert provider_for("google").base_url == DEFAULT


def test_a_provider_of_vertex_travels_with_its_token() -> None:
    script = ScriptedTransport([whole(HELLO)])
    provider = pickle.loads(pickle.dumps(GoogleProvider(vertex_config=VERTEX)))
    provider._given_transport = script  # a script does not travel

    assert run(provider.acomplete("m", "Hi")).main_response.content == "Hello"
    assert script.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_result_is_answered_in_gemini_shape() -> None:
    provider, _ = google()

    result = run(provider.execute_tool(ToolCall("7", "add", {"a": 1, "b": 2}), {"add": lambda a, b: a + b}))
    assert result == {
        "role": "user",
        "parts": [{"functionResponse": {"id": "7", "name": "add", "response": {"result": "3"}}}],
    }
