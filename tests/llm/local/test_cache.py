"""Where models lie on each platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm.local import cache_folder


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, Path.home() / ".cache/dragoman/models"),
        ("linux", {"XDG_CACHE_HOME": "/var/tmp/me"}, Path("/var/tmp/me/dragoman/models")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/dragoman/models"),
        ("darwin", {"XDG_CACHE_HOME": "/var/tmp/me"}, Path.home() / "Library/Caches/dragoman/models"),
        ("win32", {"LOCALAPPDATA": "/users/me/local"}, Path("/users/me/local/dragoman/models")),
        ("win32", {}, Path.home() / "AppData/Local/dragoman/models"),
        ("win32", {"DRAGOMAN_CACHE_DIR": "/big/disk"}, Path("/big/disk/models")),
        ("linux", {"DRAGOMAN_CACHE_DIR": "~/models"}, Path.home() / "models/models"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(
    platform: str, variables: dict[str, str], expected: Path
) -> None:
    assert cache_folder(variables, platform) == expected


def test_a_relative_folder_stays_the_same_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRAGOMAN_CACHE_DIR", "models-here")

    assert cache_folder() == tmp_path / "models-here" / "models"
