"""The published `llm-async`. Its package has the name of one of ours, so this runs without our src on the path."""

from __future__ import annotations

import asyncio

from laps import KEY, MESSAGES, MODEL, arguments, laps

from llm_async.providers.openai import OpenAIProvider


async def stream(url: str) -> None:
    provider = OpenAIProvider(KEY, url)
    for lap in laps():
        response = await provider.acomplete(MODEL, MESSAGES, stream=True)
        async for chunk in response.stream_generator:
            if chunk.content:
                lap.events += 1


async def requests(url: str, count: int) -> None:
    provider = OpenAIProvider(KEY, url)
    for lap in laps():
        for _ in range(count):
            response = await provider.acomplete(MODEL, MESSAGES)
            if response.main_response.content:
                lap.events += 1


if __name__ == "__main__":
    work, url, count = arguments()
    asyncio.run(stream(url) if work == "stream" else requests(url, count))
