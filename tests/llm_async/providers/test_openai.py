from __future__ import annotations

from typing import Any

import pytest

from llm_async import ConfigurationError, OpenAIProvider
from scripts import run, scripted, sent, whole
from server import completion

VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_key_and_address_are_those_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"^openai: no key; set OPENAI_API_KEY, or pass api_key"):
        OpenAIProvider()

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert OpenAIProvider().base_url == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1234")
    assert OpenAIProvider().base_url == "http://localhost:1234/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1234/other")
    assert OpenAIProvider().base_url == "http://localhost:1234/other"
    assert OpenAIProvider(base_url="http://localhost:9").base_url == "http://localhost:9"


@pytest.mark.parametrize("host", ["api.openai.com", "eu.api.openai.com", "API.OPENAI.COM"])
def test_openai_itself_is_told_the_new_name_of_the_limit(host: str) -> None:
    provider, script = scripted(whole(completion("Hi")), base_url=f"https://{host}/v1")

    run(provider.acomplete("m", "Hi", max_tokens=5))

    assert sent(script.requests[0])["max_completion_tokens"] == 5


def test_openai_itself_is_sent_none_of_the_reasoning_that_others_show() -> None:
    said = {"role": "assistant", "content": "Hi", "reasoning_content": "hm", "reasoning_details": [{"data": "x"}]}
    provider, script = scripted(whole(completion("Hi")), whole(completion("Hi")), base_url="https://api.openai.com/v1")
    response = run(provider.acomplete("m", [said]))

    assert sent(script.requests[0])["messages"] == [{"role": "assistant", "content": "Hi"}]
    assert response.warnings == ("signed reasoning of another provider was left out (reasoning_details)",)
    with pytest.raises(ConfigurationError, match="reasoning_details"):
        run(provider.acomplete("m", [said], strict=True))


def test_an_imitation_is_sent_a_dict_as_it_is() -> None:
    said = {"role": "assistant", "content": "Hi", "reasoning_content": "hm", "reasoning_details": [{"data": "x"}]}
    provider, script = scripted(whole(completion("Hi")))

    assert run(provider.acomplete("m", [said])).warnings == ()
    assert sent(script.requests[0])["messages"] == [said]


@pytest.mark.parametrize("host", ["localhost:1234", "xopenai.com", "openai.com.evil.test", "my.openai.azure.com"])
def test_imitations_are_told_the_old_name_and_not_whose_budget_pays(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
    provider, script = scripted(whole(completion("Hi")), base_url=f"https://{host}/v1")

    run(provider.acomplete("m", "Hi", max_tokens=5))

    assert sent(script.requests[0])["max_tokens"] == 5
    assert not [name for name in script.requests[0].headers if name.startswith("openai-")]


def test_openai_is_told_whose_budget_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    def headers_of(**options: Any) -> dict[str, str]:
        provider, script = scripted(whole(completion("Hi")), base_url="https://api.openai.com/v1", **options)
        run(provider.acomplete("m", "Hi"))
        return {name[7:]: value for name, value in script.requests[0].headers.items() if name.startswith("openai-")}

    assert headers_of() == {}
    assert headers_of(organization="o", project="p") == {"organization": "o", "project": "p"}
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
    assert headers_of() == {"organization": "org", "project": "proj"}
    assert headers_of(project="p") == {"organization": "org", "project": "p"}
    own = {"OpenAI-Organization": "mine"}
    assert headers_of(organization="o", default_headers=own) == {"organization": "mine", "project": "proj"}


def test_an_imitation_is_told_what_it_is_to_be_told() -> None:
    provider, script = scripted(whole(completion("Hi")), organization="o")

    run(provider.acomplete("m", "Hi"))

    assert script.requests[0].headers["openai-organization"] == "o"


@pytest.mark.parametrize("name", ["organization", "project"])
@pytest.mark.parametrize("value", [5, "a\r\nX-Evil: yes"])
def test_whose_budget_pays_must_fit_in_a_header(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        OpenAIProvider("k", **{name: value})
