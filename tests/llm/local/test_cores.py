"""How many cores are really ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm.local.cores import confined_cores


@pytest.fixture
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 0),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("6400000 100000", 0),
        ("nonsense", 0),
    ],
)
@pytest.mark.usefixtures("sixteen_cores")
def test_a_container_gets_the_threads_it_may_run(tmp_path: Path, quota: str, cores: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)

    assert confined_cores(file) == cores


@pytest.mark.usefixtures("sixteen_cores")
def test_a_machine_without_control_groups_leaves_the_choice_to_the_engine(tmp_path: Path) -> None:
    assert confined_cores(tmp_path / "absent") == 0


@pytest.mark.usefixtures("sixteen_cores")
def test_a_process_pinned_to_some_cores_uses_those(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)

    assert confined_cores(tmp_path / "absent") == 3


@pytest.mark.usefixtures("sixteen_cores")
def test_a_platform_that_cannot_pin_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")

    assert confined_cores(tmp_path / "absent") == 0
