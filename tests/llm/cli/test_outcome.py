"""How the command ends, where no test of the whole command can see it."""

from __future__ import annotations

import io
import sys

import pytest

from llm.cli.outcome import end_well, note
from llm.cli.render import TextView
from llm_async import ConfigurationError


def test_without_standard_streams_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)

    def work() -> int:
        note("nobody hears this")
        TextView().show({"type": "answer", "content": "nor this", "depth": 0})
        raise ConfigurationError("nor this")

    assert end_well(work) == 2


def test_a_remark_never_lands_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    note("a remark")

    assert capsys.readouterr().out == ""


def test_standard_error_that_nobody_reads_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())

    def work() -> int:
        raise ConfigurationError("x")

    assert end_well(work) == 2


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (2, 2)])
def test_exits_become_exit_codes(code: int | None, expected: int) -> None:
    assert end_well(lambda: sys.exit(code)) == expected


def test_mistakes_of_ours_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        end_well(lambda: 1 // 0)
