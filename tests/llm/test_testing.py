"""Users test their own code against scripted replies, without a network."""

from __future__ import annotations

import asyncio

import pytest

import plays
from llm import ConfigurationError, NotFoundError, StreamInterruptedError, TransportError
from llm.testing import fails, says, scripted_llm
from plays import Play

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)


@every_face
def test_scripted_replies_come_in_their_order(play: Play) -> None:
    llm = scripted_llm(says("Hel", "lo"), says("Bye"))

    assert [play(llm).answer, play(llm).answer] == ["Hello", "Bye"]
    assert [request["messages"][0]["content"] for request in llm.requests] == ["Hello", "Hello"]


@every_face
def test_a_script_may_think_count_and_stop_early(play: Play) -> None:
    llm = scripted_llm(
        says("so", reasoning=("because",), finish_reason="length", usage={"prompt_tokens": 1, "completion_tokens": 2})
    )

    final = play(llm, hide_thinking=False).final

    assert final is not None
    assert (final["reasoning"], final["answer"], final["finish_reason"]) == ("because", "so", "length")
    assert final["usage"]["output_tokens"] == 2


@every_face
def test_a_script_may_fail_in_every_way(play: Play) -> None:
    llm = scripted_llm(
        fails(404, "no such model"), TransportError("unplugged"), says("Hel", then=TransportError("pulled")),
        says("Hel", finish_reason=None),
    )  # fmt: skip

    errors = [play(llm).error for _ in range(4)]

    assert [type(error) for error in errors] == [NotFoundError, TransportError, TransportError, StreamInterruptedError]
    assert "no such model" in str(errors[0])


@every_face
def test_waits_between_attempts_take_no_time(play: Play) -> None:
    llm = scripted_llm(fails(429, headers={"retry-after": "30"}), says("Hello"))

    assert play(llm).answer == "Hello"


def test_a_script_that_is_too_short_says_so() -> None:
    with pytest.raises(ConfigurationError, match="request 2"):
        [scripted.response("Hello") for scripted in [scripted_llm(says("Hello"))] * 2]


def test_async_calls_of_one_script_may_overlap() -> None:
    llm = scripted_llm(says("a"), says("b"))

    async def both() -> set[str]:
        answers = await asyncio.gather(llm.async_response("1"), llm.async_response("2"))
        return {answer["answer"] for answer in answers}

    assert asyncio.run(both()) == {"a", "b"}
