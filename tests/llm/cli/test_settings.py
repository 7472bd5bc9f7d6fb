"""Which model answers, and how that is said."""

from __future__ import annotations

import pytest

from llm.cli.settings import OPENAI_MODEL, choose
from llm_async import ConfigurationError, ModelRequestError
from server import Server

KEY = "sk-secret-0123456789"


def ask(server: Server, model: str | None, base_url: str | None) -> dict[str, str]:
    """Ask the model that is chosen; return where the request went, by `model` and `authorization`."""
    with choose(model, base_url).llm() as llm:
        llm.response("Hi")
    request = server.requests[-1]
    return {"model": request.json()["model"], "authorization": request.headers.get("authorization", "")}


def test_without_anything_the_embedded_model_answers_and_says_so() -> None:
    choice = choose(None, None)

    assert (choice.model, choice.provider) == ("local", None)
    assert "the embedded model answers" in choice.reason


def test_what_the_command_line_names_needs_no_explanation(server: Server) -> None:
    assert choose("some-model", server.url).reason == ""
    assert choose("local:smollm2-135m", None).reason == ""


def test_the_environment_may_name_the_model(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("DRAGOMAN_MODEL", "from-environment")

    assert choose(None, server.url).reason == "DRAGOMAN_MODEL names 'from-environment'"
    assert ask(server, None, server.url)["model"] == "from-environment"
    assert ask(server, "named", server.url)["model"] == "named"


def test_of_a_server_the_first_model_that_is_not_for_embeddings_answers(server: Server) -> None:
    choice = choose(None, server.url)

    assert choice.model == "first-model"
    assert choice.reason == f"no model is named, so 'first-model' at {server.url}/v1 answers, one of 2"


def test_of_a_server_with_one_model_it_answers(server: Server) -> None:
    server.reply(body=b'{"data": [{"id": "only"}]}')

    assert choose(None, server.url).reason.endswith("answers")


def test_a_server_without_models_is_an_error_that_says_what_to_do(server: Server) -> None:
    server.reply(body=b'{"data": [{"id": "text-embedding-x"}]}')

    with pytest.raises(ConfigurationError, match="lists no model; name one with -m"):
        choose(None, server.url)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with Server() as server:
        pass

    with pytest.raises(ModelRequestError, match=f"{server.port}"):
        choose(None, server.url)


def test_with_a_key_and_nothing_else_openai_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    choice = choose(None, None)

    assert choice.model == OPENAI_MODEL
    assert choice.provider is not None
    assert choice.provider.base_url == "https://api.openai.com/v1"
    assert f"{OPENAI_MODEL!r} at OpenAI answers" in choice.reason


def test_the_servers_address_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)

    assert ask(server, None, None)["model"] == "first-model"
    assert ask(server, "named", None)["model"] == "named"


def test_the_key_goes_to_the_server_of_the_environment(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    assert ask(server, None, None)["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_where_openais_own_model_is_listed_it_answers(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    server.reply(body=b'{"data": [{"id": "babbage"}, {"id": "%s"}]}' % OPENAI_MODEL.encode())

    assert choose(None, server.url).model == OPENAI_MODEL


def test_the_key_goes_to_no_other_server(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    ask(server, None, server.url)
    ask(server, "named", server.url)

    assert [KEY in str(request.headers) for request in server.requests] == [False] * len(server.requests)


def test_the_key_goes_where_a_model_of_openai_is_named(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    went = ask(server, "openai:gpt-x", server.url)

    assert went == {"model": "gpt-x", "authorization": f"Bearer {KEY}"}


def test_a_named_provider_needs_no_server() -> None:
    choice = choose("openai:gpt-x", None)

    assert (choice.model, choice.provider, choice.reason) == ("openai:gpt-x", None, "")


def test_a_model_without_a_server_says_who_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose("gpt-x", None).reason == (
        "no server is named, so http://localhost:1234/v1 (LM Studio) is asked for 'gpt-x'"
    )

    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    assert choose("gpt-x", None).reason.endswith("; OpenAI's are named openai:NAME")


def test_the_embedded_model_is_at_no_address() -> None:
    with pytest.raises(ConfigurationError, match="leave one of the two out"):
        choose("local", "http://localhost:1234")
