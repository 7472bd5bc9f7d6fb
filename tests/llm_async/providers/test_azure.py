from __future__ import annotations

from typing import Any

import pytest

from llm_async import ConfigurationError, provider_for
from llm_async.transport.scripted import ScriptedTransport
from scripts import run, sent, whole
from server import completion

HOST = "https://mine.openai.azure.com"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)


def asked(base_url: str | None = HOST, model: str = "my gpt", **options: Any) -> Any:
    script = ScriptedTransport([whole(completion("Hello"))])
    provider = provider_for("azure", base_url=base_url, transport=script, **({"api_key": "k"} | options))
    run(provider.acomplete(model, "Hi", max_tokens=5))
    return script.requests[0]


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (HOST, f"{HOST}/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"),
        (f"{HOST}/openai/", f"{HOST}/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"),
        (f"{HOST}/openai/deployments/x", f"{HOST}/openai/deployments/x/chat/completions?api-version=2024-10-21"),
        (f"{HOST}/openai/v1", f"{HOST}/openai/v1/chat/completions"),
        (
            "https://mine.services.ai.azure.com/models?api-version=2024-05-01-preview",
            "https://mine.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
    ],
)
def test_the_deployment_is_part_of_the_address_where_it_must_be(base_url: str, url: str) -> None:
    assert asked(base_url).url == url


def test_the_key_has_a_header_of_its_own() -> None:
    headers = asked().headers

    assert headers["api-key"] == "k"
    assert "authorization" not in headers
    assert "api-key" not in asked(api_key="", default_headers={"authorization": "Bearer t"}).headers


def test_everything_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"^azure: no address; set AZURE_OPENAI_ENDPOINT, or pass base_url$"):
        asked(None)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", HOST + "/")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "from-the-environment")
    monkeypatch.setenv("OPENAI_API_VERSION", "2030-01-01")

    request = asked(None, api_key=None)

    assert request.url == f"{HOST}/openai/deployments/my%20gpt/chat/completions?api-version=2030-01-01"
    assert request.headers["api-key"] == "from-the-environment"
    assert asked(api_version="2031-01-01").url.endswith("api-version=2031-01-01")


def test_the_limit_is_called_what_the_models_behind_it_know() -> None:
    assert sent(asked())["max_completion_tokens"] == 5
    assert sent(asked("https://mine.services.ai.azure.com/models"))["max_tokens"] == 5


def test_its_other_endpoints_are_found() -> None:
    answers = [whole({"data": [{"id": "gpt"}]}), whole({"data": [{"embedding": [1.0]}]})]
    provider = provider_for("azure", api_key="k", base_url=HOST, transport=(script := ScriptedTransport(answers)))

    assert run(provider.models()) == ["gpt"]
    assert run(provider.embed("vectors", "a")) == [[1.0]]
    assert [request.url for request in script.requests] == [
        f"{HOST}/openai/models?api-version=2024-10-21",
        f"{HOST}/openai/deployments/vectors/embeddings?api-version=2024-10-21",
    ]


def test_a_version_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^api_version must be a string; it is a int$"):
        asked(api_version=5)
