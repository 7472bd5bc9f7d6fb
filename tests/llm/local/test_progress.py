"""What is shown while a model is fetched."""

from __future__ import annotations

import io
import sys

import pytest

from llm.local import progress
from llm.local.progress import Progress, bar, say


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_that_is_wiped_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "INTERVAL", 0)

    with Progress("A model", 98_000_000) as shown:
        shown.show(49_000_000)

    assert terminal.getvalue() == (
        "dragoman: fetching A model (98 MB)\n"
        "\r[###############---------------]  50 %  49 of 98 MB"
        "\r\x1b[K"
    )  # fmt: skip # one line of the terminal each


def test_a_bar_is_not_drawn_for_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "INTERVAL", 3600)

    with Progress("A model", 1000) as shown:
        for size in range(1000):
            shown.show(size)

    assert terminal.getvalue().count("%") == 1


def test_a_file_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("A model", 98_000_000) as shown:
        shown.show(49_000_000)

    assert capsys.readouterr() == ("", "dragoman: fetching A model (98 MB)\n")


def test_a_program_without_standard_error_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    say("nobody hears this")
    with Progress("A model", 1000) as shown:
        shown.show(500)

    assert sys.stderr is None


@pytest.mark.parametrize(("size", "percent"), [(0, "  0 %"), (1, "100 %"), (5, "100 %")])
def test_a_bar_never_passes_its_end(size: int, percent: str) -> None:
    assert percent in bar(size, 1)
    assert len(bar(size, 1).partition("]")[0]) == progress.WIDTH + 1
