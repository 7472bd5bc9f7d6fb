"""`dragoman models`."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import Run
from llm.local import MODELS
from server import Server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAGOMAN_CACHE_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_the_embedded_models_are_listed_with_size_licence_and_whether_they_are_here(run: Run, cache: Path) -> None:
    here = MODELS[1]
    with (cache / here.filename).open("wb") as file:
        file.truncate(here.size)

    result = run("models")

    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0] == f"embedded (cache: {cache})"
    assert [line.split()[0] for line in lines[1:]] == [f"local:{model.name}" for model in MODELS]
    assert lines[1].split()[1:] == ["491", "MB", "Apache-2.0", "fetched", "at", "its", "first", "use"]
    assert lines[2].split()[1:] == ["98", "MB", "Apache-2.0", "in", "the", "cache"]


def test_the_models_of_a_server_are_listed_behind_them(run: Run, server: Server) -> None:
    result = run("models", "--base-url", server.url)

    assert result.code == 0
    assert result.out.endswith(f"\nat {server.url}/v1\n  text-embedding-nomic\n  first-model\n  second-model\n")


def test_the_server_may_stand_in_the_environment(run: Run, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)

    assert "  first-model\n" in run("models").out


def test_a_server_without_models_has_none(run: Run, server: Server) -> None:
    server.reply(body=b'{"data": []}')

    assert run("models", "--base-url", server.url).out.endswith("/v1\n  none\n")


def test_names_are_shown_as_they_are_but_do_nothing_to_the_terminal(run: Run, server: Server) -> None:
    server.reply(body=b'{"data": [{"id": "qw\\u001b[2Jen"}]}')

    assert run("models", "--base-url", server.url).out.endswith("\n  qw [2Jen\n")


def test_a_server_that_fails_is_one_line_and_exit_code_1(run: Run, server: Server) -> None:
    server.reply(404, body=b"nothing here")

    result = run("models", "--base-url", server.url)

    assert result.code == 1
    assert result.err.startswith("dragoman: ")
    assert f"local:{MODELS[0].name}" in result.out
