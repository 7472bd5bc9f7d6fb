"""`LLM("local:…")` answers from the real small model, in all four methods."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import plays
from llm import LLM, LLMTimeoutError, Timeouts
from plays import Play

pytestmark = pytest.mark.local_model

SKY = "In one sentence, why is the sky blue?"
COLD: dict[str, Any] = {"temperature": 0, "seed": 1}

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)


@pytest.fixture
def small(small_model: Path) -> LLM:
    return LLM("local:smollm2-135m", extra_body=COLD)


@every_face
def test_it_answers_the_same_in_every_face(small: LLM, play: Play) -> None:
    scene = play(small, SKY, max_tokens=60, verbose=True)

    assert scene.error is None
    assert scene.final is not None
    assert "scatter" in scene.final["answer"]
    assert scene.final["finish_reason"] in ("stop", "length")
    assert scene.final["verbose"]["tokens"] == scene.final["usage"]["output_tokens"]
    assert scene.final["verbose"]["tokens_per_second"] > 0
    if scene.events:
        shown = [event["content"] for event in scene.events if event["type"] == "answer"]
        assert len(shown) > 5
        assert "".join(shown) == scene.final["answer"]


@every_face
def test_stop_sequences_end_the_answer_before_them(small: LLM, play: Play) -> None:
    whole = small.response(SKY, max_tokens=30)["answer"]
    stop = whole.split()[3]

    final = play(LLM("local:smollm2-135m", extra_body=COLD, default_stop_sequences=[stop]), SKY, max_tokens=30).final

    assert final is not None
    assert final["answer"] == whole.partition(stop)[0]
    assert final["finish_reason"] == "stop"


@every_face
def test_max_tokens_cut_the_answer_and_say_so(small: LLM, play: Play) -> None:
    final = play(small, SKY, max_tokens=5).final

    assert final is not None
    assert final["finish_reason"] == "length"
    assert final["usage"]["output_tokens"] == 5


def test_two_are_answered_at_once_blocking_and_async(small: LLM) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: small.response(SKY, max_tokens=20)["answer"], range(2)))

    async def both() -> list[Any]:
        return await asyncio.gather(*(small.async_response(SKY, max_tokens=20) for _ in range(2)))

    answers += [final["answer"] for final in asyncio.run(both())]
    assert len(answers) == 4
    assert all(answers)


def test_leaving_early_frees_the_engine_for_the_next_call(small: LLM) -> None:
    for _ in range(6):  # more than it has slots
        with small.stream_response("Count from one to a thousand.", max_tokens=4000) as stream:
            next(stream)

    assert small.response("Say hello.", max_tokens=3)["usage"]["output_tokens"] == 3


def test_a_limit_ends_an_answer_that_takes_too_long(small: LLM) -> None:
    small.response("Warm up.", max_tokens=1)
    hasty = LLM("local:smollm2-135m", extra_body=COLD, timeout=1.0, timeouts=Timeouts(first_token=60))

    with pytest.raises(LLMTimeoutError) as late:
        hasty.response("Write a very long story about a lighthouse.", extra_body={"ignore_eos": True})

    assert late.value.limit == "total"
    assert late.value.partial is not None
    assert late.value.partial.main_response.content


def test_a_conversation_goes_on(small: LLM) -> None:
    conversation: list[Any] = [{"role": "user", "content": "My name is Ann. Say hello."}]
    first = small.response(conversation, max_tokens=20)
    conversation += [*first["messages"], {"role": "user", "content": "What is my name?"}]

    second = small.response(conversation, max_tokens=20)

    # Which name it remembers is beyond a model of this size; that it was told both turns is not.
    assert second["answer"]
    told = (first["usage"]["input_tokens"] or 0) + (first["usage"]["output_tokens"] or 0)
    assert (second["usage"]["input_tokens"] or 0) > told


def test_a_gguf_file_of_ones_own_answers(small_model: Path) -> None:
    answer = LLM(f"local:{small_model}", extra_body=COLD).response(SKY, max_tokens=10)["answer"]

    assert answer
