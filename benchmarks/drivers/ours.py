"""Our public faces: `llm_async`, and `llm` in both runtimes."""

from __future__ import annotations

import asyncio

from laps import KEY, MESSAGES, MODEL, arguments, laps

from llm import LLM
from llm_async import OpenAIProvider


async def stream_llm_async(url: str) -> None:
    provider = OpenAIProvider(KEY, url)
    for lap in laps():
        async for chunk in await provider.acomplete(MODEL, MESSAGES, stream=True):
            if chunk.delta:
                lap.events += 1


async def requests_llm_async(url: str, count: int) -> None:
    provider = OpenAIProvider(KEY, url)
    for lap in laps():
        for _ in range(count):
            response = await provider.acomplete(MODEL, MESSAGES)
            if response.main_response.content:
                lap.events += 1


def stream_llm_blocking(url: str) -> None:
    with LLM(MODEL, KEY, url) as llm:
        for lap in laps():
            for event in llm.stream_response(MESSAGES):
                if event["type"] == "answer":
                    lap.events += 1


async def stream_llm_asyncio(url: str) -> None:
    async with LLM(MODEL, KEY, url) as llm:
        for lap in laps():
            async for event in llm.async_stream_response(MESSAGES):
                if event["type"] == "answer":
                    lap.events += 1


if __name__ == "__main__":
    work, url, count = arguments()
    if work == "stream llm_async":
        asyncio.run(stream_llm_async(url))
    elif work == "requests llm_async":
        asyncio.run(requests_llm_async(url, count))
    elif work == "stream llm blocking":
        stream_llm_blocking(url)
    else:
        asyncio.run(stream_llm_asyncio(url))
