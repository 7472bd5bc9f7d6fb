"""What is packed and pinned is what users and developers need, and names no place that is only ours."""

from __future__ import annotations

import re
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent
PINNED = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(built)


def test_the_wheel_holds_both_packages_whole(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if not name.startswith("dragoman-")}
    ours = {
        file.relative_to(ROOT / "src").as_posix()
        for file in (ROOT / "src").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }

    assert packed == ours
    assert {"llm/py.typed", "llm_async/py.typed"} <= packed


def test_the_wheel_names_its_command_and_its_extras(wheel: zipfile.ZipFile) -> None:
    folder = next(name.split("/")[0] for name in wheel.namelist() if name.startswith("dragoman-"))
    metadata = message_from_bytes(wheel.read(f"{folder}/METADATA"))

    assert metadata["Name"] == "dragoman"
    assert set(metadata.get_all("Provides-Extra", [])) == {"all", "cli", "http2", "images", "lmstudio", "local"}
    assert "dragoman = llm.cli.app:main" in wheel.read(f"{folder}/entry_points.txt").decode()


@pytest.mark.parametrize("file", PINNED, ids=[file.name for file in PINNED])
def test_every_requirement_is_pinned_with_hashes_and_no_address(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    packages = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ").strip())

    assert packages
    for package in packages:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", package), package[:80]
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|file:", text)


def test_running_is_pinned_to_the_same_versions_as_developing() -> None:
    pins = {file.stem: set(re.findall(r"(?m)^([\w.-]+==\S+)", file.read_text(encoding="utf-8"))) for file in PINNED}

    assert pins["demo"] <= pins["dev"]


def test_the_core_and_the_engine_are_among_what_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    pinned = (ROOT / "requirements" / "demo.txt").read_text(encoding="utf-8")

    for requirement in wanted:
        name = re.match(r"[\w-]+", requirement)
        assert name
        assert f"\n{name[0].lower()}==" in pinned
