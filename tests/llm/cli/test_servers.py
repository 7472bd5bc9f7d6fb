"""The names of a server's models."""

from __future__ import annotations

import pytest

from llm.cli.servers import model_names
from llm_async import AuthenticationError, OpenAIProvider, WireFormatError
from server import Server


def test_names_come_in_the_servers_order(server: Server) -> None:
    provider = OpenAIProvider("some-key", f"{server.url}/v1")

    assert model_names(provider) == ["text-embedding-nomic", "first-model", "second-model"]
    assert server.requests[0].path == "/v1/models"
    assert server.requests[0].headers["authorization"] == "Bearer some-key"
    server.wait_idle()
    assert provider.base_url  # it is still there, but holds no connection


def test_models_without_a_name_are_passed_over(server: Server) -> None:
    server.reply(body=b'{"data": [{"id": null}, {"object": "model"}, {"id": "x", "more": 1}]}')

    assert model_names(OpenAIProvider("", server.url)) == ["x"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": "x"}', b'{"data": [{"id": "\xff"}]}'])
def test_what_is_no_list_of_models_is_an_error(server: Server, body: bytes) -> None:
    server.reply(headers={"Content-Type": "application/json"}, body=body)

    with pytest.raises(WireFormatError, match="cannot read"):
        model_names(OpenAIProvider("", server.url))


def test_errors_are_those_of_any_request(server: Server) -> None:
    server.reply(401, body=b'{"error": {"message": "who are you?"}}')

    with pytest.raises(AuthenticationError, match="who are you"):
        model_names(OpenAIProvider("", server.url))
