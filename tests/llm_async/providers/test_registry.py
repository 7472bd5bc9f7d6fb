from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_async import BaseProvider, ConfigurationError, OpenAIProvider, RetryConfig, provider_for, register_provider
from llm_async.dialects import Profile, openai_chat
from llm_async.providers import registry
from llm_async.providers.registry import split_model
from llm_async.transport.scripted import ScriptedTransport
from scripts import run, whole
from server import completion


class Mine(BaseProvider):
    name = "mine"
    dialect = openai_chat
    default_base_url = "https://mine.test/v1"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))


def test_a_provider_is_found_by_its_name() -> None:
    provider = provider_for("openai", api_key="k", base_url="http://h/v1", retry_config=RetryConfig(max_attempts=1))

    assert isinstance(provider, OpenAIProvider)
    assert (provider.base_url, provider.retry_config.max_attempts) == ("http://h/v1", 1)


def test_a_provider_and_a_model_are_found_by_both_names() -> None:
    provider, model = provider_for("openai:gpt-4o:latest", api_key="k")

    assert isinstance(provider, OpenAIProvider)
    assert model == "gpt-4o:latest"


def test_a_provider_of_ones_own_can_be_registered() -> None:
    register_provider("mine", Mine)

    provider, model = provider_for("mine:m", api_key="k")

    assert isinstance(provider, Mine)
    assert model == "m"
    assert split_model("mine:m") == ("mine", "m")


NAMES = (
    "openai", "openai-responses", "anthropic", "google", "vertex", "openrouter", "azure", "groq", "deepseek", "xai",
    "mistral", "together", "fireworks", "cerebras", "perplexity", "ollama", "lmstudio", "vllm", "llamacpp",
)  # fmt: skip # a word list, not a column of nineteen lines
NEEDED: dict[str, dict[str, Any]] = {
    "azure": {"base_url": "https://mine.openai.azure.com"},
    "vertex": {"vertex_config": {"project_id": "mine", "goth_token": "t"}},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_registered_server_has_a_provider(name: str) -> None:
    options = {"api_key": "k"} | NEEDED.get(name, {})
    provider, model = provider_for(f"{name}:maker/model:latest", **options)

    assert isinstance(provider, BaseProvider)
    assert type(provider_for(name, **options)) is type(provider)
    assert model == "maker/model:latest"


def test_no_registered_server_is_left_out_above() -> None:
    assert sorted(registry._factories) == sorted(NAMES)


@pytest.mark.parametrize("name", ["qwen3:8b", "qwen/qwen3-4b", "openai", "openai/gpt-4o", "m"])
def test_a_prefix_that_is_not_registered_belongs_to_the_model(name: str) -> None:
    assert split_model(name) == (None, name)


@pytest.mark.parametrize("name", ["none", "qwen3:8b", ""])
def test_an_unknown_provider_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^no provider is called '{name}'; there are (.*, )?openai"):
        provider_for(name)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: provider_for(5), "name must be that of a provider; it is a int"),  # type: ignore[arg-type] # on purpose
        (lambda: register_provider("a:b", Mine), "a provider's name must be text without a colon; it is 'a:b'"),
        (lambda: register_provider("", Mine), "a provider's name must be text without a colon; it is ''"),
        (lambda: register_provider(5, Mine), "a provider's name must be text without a colon; it is 5"),  # type: ignore[arg-type] # on purpose
        (lambda: register_provider("a", "Mine"), "factory must make a provider; it is a str"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_what_can_never_be_found_is_refused(call: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert str(caught.value) == problem


def test_a_provider_of_ones_own_takes_no_more_than_this() -> None:
    class HouseProvider(BaseProvider):
        name = "house"
        dialect = openai_chat
        default_base_url = "http://house.test/v1"
        key_variables = ("HOUSE_API_KEY",)
        profile = Profile(tool_choice="words")

    register_provider("house", HouseProvider)
    script = ScriptedTransport([whole(completion("Hello"))])
    provider, model = provider_for("house:big-model", api_key="k", transport=script)

    response = run(provider.acomplete(model, "Hi"))

    assert response.main_response.content == "Hello"
    assert script.requests[0].url == "http://house.test/v1/chat/completions"


def test_the_documentation_lists_every_server_with_its_variables() -> None:
    page = (Path(__file__).parents[3] / "docs" / "providers.md").read_text(encoding="utf-8")
    rows = {cells[1].strip(" `"): line for line in page.splitlines() if len(cells := line.split("|")) == 6}

    for name in NAMES:
        provider = provider_for(name, **({"api_key": "k"} | NEEDED.get(name, {})))
        variables = [] if name == "vertex" else [*provider.key_variables, *provider.base_url_variables]
        missing = [word for word in (*variables, type(provider).__name__) if f"`{word}`" not in rows[name]]
        assert missing == [], f"docs/providers.md, {name}"
