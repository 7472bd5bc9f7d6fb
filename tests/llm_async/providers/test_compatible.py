from __future__ import annotations

import pickle
from typing import Any

import pytest

from llm_async import ConfigurationError, provider_for
from llm_async.dialects import Profile
from llm_async.providers.compatible import SERVERS, CompatibleProvider, Server, ollama_address
from llm_async.transport.scripted import ScriptedTransport
from scripts import run, sent, whole
from server import completion

VARIABLES = [variable for server in SERVERS.values() for variable in (*server.keys, *server.addresses)]
LOCAL = ["ollama", "lmstudio", "vllm", "llamacpp"]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def asked(name: str, **options: Any) -> Any:
    """Return the one request of a plain question."""
    script = ScriptedTransport([whole(completion("Hello"))])
    response = run(provider_for(name, transport=script, **options).acomplete("m", "Hi", max_tokens=5))
    assert response.main_response.content == "Hello"
    return script.requests[0]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("groq", "https://api.groq.com/openai/v1/chat/completions"),
        ("deepseek", "https://api.deepseek.com/chat/completions"),
        ("xai", "https://api.x.ai/v1/chat/completions"),
        ("mistral", "https://api.mistral.ai/v1/chat/completions"),
        ("together", "https://api.together.ai/v1/chat/completions"),
        ("fireworks", "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("cerebras", "https://api.cerebras.ai/v1/chat/completions"),
        ("perplexity", "https://api.perplexity.ai/chat/completions"),
        ("ollama", "http://localhost:11434/v1/chat/completions"),
        ("lmstudio", "http://localhost:1234/v1/chat/completions"),
        ("vllm", "http://localhost:8000/v1/chat/completions"),
        ("llamacpp", "http://localhost:9931/v1/chat/completions"),
    ],
)
def test_every_server_is_asked_at_its_address_with_its_key(name: str, url: str) -> None:
    request = asked(name, api_key="my-key-0123")

    assert (request.url, request.headers["authorization"]) == (url, "Bearer my-key-0123")


def test_no_server_is_left_out_above() -> None:
    assert sorted(SERVERS) == sorted(
        ["groq", "deepseek", "xai", "mistral", "together", "fireworks", "cerebras", "perplexity", *LOCAL]
    )


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_keys_and_addresses_come_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = SERVERS[name]
    monkeypatch.setenv(server.keys[0], "from-the-environment")
    monkeypatch.setenv(server.addresses[0], "http://other.test:81/v9")

    request = asked(name)

    assert request.url == "http://other.test:81/v9/chat/completions"
    assert request.headers["authorization"] == "Bearer from-the-environment"


@pytest.mark.parametrize("name", sorted(set(SERVERS) - set(LOCAL)))
def test_a_missing_key_names_its_variable(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name}: no key; set {SERVERS[name].keys[0]}"):
        provider_for(name)


@pytest.mark.parametrize("name", LOCAL)
def test_servers_on_ones_own_machine_want_no_key(name: str) -> None:
    assert "authorization" not in asked(name).headers


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("localhost", "http://localhost:11434"),
        ("box:8080", "http://box:8080"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:80", "http://[::1]:80"),
        ("http://0.0.0.0:8080/", "http://127.0.0.1:8080"),
        ("https://ollama.test", "https://ollama.test"),
    ],
)
def test_ollamas_variable_is_read_as_ollama_reads_it(host: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ollama_address(host) == address
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert provider_for("ollama").base_url == f"{address}/v1"
    assert provider_for("ollama", base_url="http://given.test").base_url == "http://given.test"


def test_names_of_the_limit_are_those_of_the_server() -> None:
    assert sent(asked("xai", api_key="k"))["max_completion_tokens"] == 5
    assert sent(asked("groq", api_key="k"))["max_tokens"] == 5


def test_a_server_of_ones_own_is_a_record() -> None:
    record = Server(name="mine", address="http://mine.test/v1", keys=("MINE_KEY",), profile=Profile(seed="random_seed"))
    script = ScriptedTransport([whole(completion("Hello"))])
    provider = CompatibleProvider(record, "k", transport=script)

    run(provider.acomplete("m", "Hi", seed=7))

    assert sent(script.requests[0])["random_seed"] == 7
    assert repr(provider) == "CompatibleProvider('mine', base_url='http://mine.test/v1')"


@pytest.mark.parametrize("server", ["none", 5])
def test_a_server_that_is_none_is_refused(server: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^server must be a Server or one of groq, "):
        CompatibleProvider(server, "k")


def test_it_travels_with_its_record() -> None:
    provider = provider_for("mistral", api_key="k")
    arrived = pickle.loads(pickle.dumps(provider))

    assert (arrived.name, arrived.profile, arrived.base_url) == (provider.name, provider.profile, provider.base_url)


def test_what_they_cannot_do_names_them() -> None:
    with pytest.raises(ConfigurationError, match=r"^groq cannot count tokens"):
        run(provider_for("groq", api_key="k").count_tokens("m", "Hi"))
