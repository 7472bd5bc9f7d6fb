"""Reasoning in tags is found however the text is cut, and nothing of the text is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm import ConfigurationError, CustomThinkingToken
from llm.thinking import ThinkingParser, held_back

CUSTOM = CustomThinkingToken(start_token="<<THINK>>", end_token="<<END>>")
TOKENS = [
    None,
    CUSTOM,
    CustomThinkingToken(from_beginning=True),
    CustomThinkingToken(from_beginning=True, start_token="<<THINK>>", end_token="<<END>>"),
]

PIECES = [
    "<think>", "</think>", "<Thinking>", "</thinking>", "[THINK]", "[/think]", "<<THINK>>", "<<END>>", "<", "<<",
    "th", "ink>", ">>", "[", "/", "</thin", "a", "b<c", "é", " ", "\n", "\u0130", "\u212a",
]  # fmt: skip
snippets = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def split(text: str, token: CustomThinkingToken | None = None, cuts: list[int] | None = None) -> tuple[str, str]:
    """Return reasoning and answer of a text that comes cut at these places."""
    parser = ThinkingParser(token)
    places = [0, *sorted(cuts or []), len(text)]
    pieces = []
    for start, end in pairwise(places):
        piece = text[start:end]
        if parser.is_answer(piece):
            pieces.append((False, piece))
        else:
            pieces += parser.feed(piece)
    pieces += parser.flush()
    return "".join(t for is_it, t in pieces if is_it), "".join(t for is_it, t in pieces if not is_it)


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("plain", "", "plain"),
        ("<think>why</think>so", "why", "so"),
        ("<THINK>why</Think>so", "why", "so"),
        ("<thinking>why</thinking>so", "why", "so"),
        ("[THINK]why[/THINK]so", "why", "so"),
        ("<think>why</think>\n\n so", "why", "so"),
        ("<think> why\n</think> \t", " why\n", ""),
        ("a <think>b</think> c <think>d</think> e", "bd", "a c e"),
        ("<think>a</thinking>b</think>c", "a</thinking>b", "c"),
        ("</think>so", "", "</think>so"),
        ("<think>why", "why", ""),
        ("so <thi", "", "so <thi"),
        ("<think>why</thi", "why</thi", ""),
        ("1 < 2 [3]", "", "1 < 2 [3]"),
        ("<thin\u212a>", "", "<thin\u212a>"),
    ],
)
def test_built_in_tags_separate_reasoning_from_answer(text: str, reasoning: str, answer: str) -> None:
    assert split(text) == (reasoning, answer)


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<<THINK>>why<<END>> so", "why", "so"),
        ("<<think>>so", "", "<<think>>so"),
        ("<think>so</think>", "", "<think>so</think>"),
    ],
)
def test_custom_tokens_replace_the_built_in_tags_and_are_taken_literally(
    text: str, reasoning: str, answer: str
) -> None:
    assert split(text, CUSTOM) == (reasoning, answer)


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("why</think> so", "why", "so"),
        ("why[/THINK]so", "why", "so"),
        ("<think>why</think>so", "why", "so"),
        (" \n<think>why</thinking>x</think>so", "why</thinking>x", "so"),
        (" why", " why", ""),
        ("<thi", "<thi", ""),
        ("why</think>a<think>b</think>c", "whyb", "ac"),
    ],
)
def test_a_text_may_begin_inside_the_reasoning(text: str, reasoning: str, answer: str) -> None:
    assert split(text, CustomThinkingToken(from_beginning=True)) == (reasoning, answer)


def test_a_text_that_begins_inside_the_reasoning_ends_it_with_its_own_token() -> None:
    token = CustomThinkingToken(from_beginning=True, start_token="<<THINK>>", end_token="<<END>>")

    assert split("why</think><<END>>so", token) == ("why</think>", "so")


@pytest.mark.parametrize("token", TOKENS, ids=["built in", "custom", "from beginning", "custom from beginning"])
@given(text=snippets, data=st.data())
def test_cutting_the_text_anywhere_changes_nothing(
    token: CustomThinkingToken | None, text: str, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))

    assert split(text, token, cuts) == split(text, token)
    assert split(text, token, list(range(len(text)))) == split(text, token)


@given(text=snippets)
def test_text_without_an_opening_tag_comes_out_as_it_is(text: str) -> None:
    untagged = text.lower().replace("<think>", "").replace("<thinking>", "").replace("[think]", "")
    if not any(tag in untagged for tag in ("<think>", "<thinking>", "[think]")):
        assert split(untagged) == ("", untagged)


def test_a_piece_is_given_out_as_soon_as_it_is_certain() -> None:
    parser = ThinkingParser()

    assert parser.feed("so <th") == [(False, "so ")]
    assert parser.feed("e end") == [(False, "<the end")]
    assert parser.feed("<think>why") == [(True, "why")]


def test_plain_text_need_not_be_fed_until_a_tag_may_begin() -> None:
    parser = ThinkingParser()

    assert parser.is_answer("plain")
    assert not parser.is_answer("a < b")
    parser.feed("<")
    assert not parser.is_answer("think")
    assert not ThinkingParser(CustomThinkingToken(from_beginning=True)).is_answer("plain")


@pytest.mark.parametrize(
    ("token", "named"),
    [
        ({"start_token": "<a>"}, "end_token"),
        ({"end_token": "</a>"}, "start_token"),
        ({"start_token": "", "end_token": "</a>"}, "start_token"),
        ({"start_token": "<a>", "end_token": " "}, "end_token"),
        ({"start_token": 1, "end_token": "</a>"}, "start_token"),
    ],
)
def test_tokens_that_can_never_work_are_refused(token: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        CustomThinkingToken(**token)


def test_what_may_begin_a_tag_is_held_back() -> None:
    assert held_back("so <thi", ("<think>",)) == 4
    assert held_back("a < b", ("<think>",)) == 0
    assert held_back("<think>", ("<think>",)) == 0
