"""The four ways to get an answer, as one: a scenario is written once and played in each of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from llm import LLM
from llm.events import FinalResponse, StreamEvent
from llm_async import LLMError


@dataclasses.dataclass
class Scene:
    """What the user saw of one call."""

    events: list[StreamEvent] = dataclasses.field(default_factory=list)
    final: FinalResponse | None = None
    error: LLMError | None = None

    @property
    def answer(self) -> str:
        """The text, from the final response or from what was shown before an error."""
        if self.final is not None:
            return str(self.final["answer"])
        return "".join(event["content"] for event in self.events if event["type"] == "answer")

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


Play = Callable[..., Scene]


def play_blocking(llm: LLM, messages: Any = "Hello", **options: Any) -> Scene:
    scene = Scene()
    try:
        with llm.stream_response(messages, **options) as stream:
            for event in stream:
                scene.events.append(event)
        scene.final = stream.final
    except LLMError as error:
        scene.error = error
    return scene


def play_asyncio(llm: LLM, messages: Any = "Hello", **options: Any) -> Scene:
    scene = Scene()

    async def play() -> None:
        try:
            async with llm.async_stream_response(messages, **options) as stream:
                async for event in stream:
                    scene.events.append(event)
            scene.final = stream.final
        except LLMError as error:
            scene.error = error

    asyncio.run(play())
    return scene


def play_blocking_whole(llm: LLM, messages: Any = "Hello", **options: Any) -> Scene:
    scene = Scene()
    try:
        scene.final = llm.response(messages, **options)
    except LLMError as error:
        scene.error = error
    return scene


def play_asyncio_whole(llm: LLM, messages: Any = "Hello", **options: Any) -> Scene:
    scene = Scene()
    try:
        scene.final = asyncio.run(llm.async_response(messages, **options))
    except LLMError as error:
        scene.error = error
    return scene


STREAMED: dict[str, Play] = {"blocking": play_blocking, "asyncio": play_asyncio}
WHOLE: dict[str, Play] = {"blocking whole": play_blocking_whole, "asyncio whole": play_asyncio_whole}
ALL = STREAMED | WHOLE
