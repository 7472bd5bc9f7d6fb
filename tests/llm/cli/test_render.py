"""Remarks on an answer."""

from __future__ import annotations

import pytest

from llm import FinalResponse
from llm.cli.render import TextView, remark

UNKNOWN = {
    "input_tokens": None,
    "cached_tokens": None,
    "cache_write_tokens": None,
    "output_tokens": None,
    "reasoning_tokens": None,
}


def response(answer: str = "Yes.", finish_reason: str = "stop", **more: object) -> FinalResponse:
    return {"answer": answer, "messages": [], "finish_reason": finish_reason, "usage": UNKNOWN, **more}  # type: ignore[typeddict-item] # the rest is the test's


@pytest.mark.parametrize(
    ("final", "said"),
    [
        (response(), ""),
        (response(" \n"), "the answer is empty"),
        (response("", "length"), "cut off at the limit of tokens"),
        (response(finish_reason="context_window"), "the model's whole context"),
        (response(finish_reason="content_filter"), "content filter"),
        (response(finish_reason="refusal"), "refused"),
        (response(warnings=["seed was left out"]), "seed was left out"),
    ],
)
def test_what_the_answer_does_not_show_is_said(
    final: FinalResponse, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    remark(final)

    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == bool(said)


def test_an_answer_with_its_own_line_end_gets_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    view = TextView()
    view.show({"type": "answer", "content": "Yes.\n", "depth": 0})
    view.end()
    view.end()

    assert capsys.readouterr().out == "Yes.\n"


def test_a_piece_of_nothing_leaves_the_line_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    view = TextView()
    for text in ("Yes.\n", ""):
        view.show({"type": "answer", "content": text, "depth": 0})
    view.end()

    assert capsys.readouterr().out == "Yes.\n"
