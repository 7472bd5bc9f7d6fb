"""The published `openai`."""

from __future__ import annotations

import asyncio

from laps import KEY, MESSAGES, MODEL, arguments, laps
from openai import AsyncOpenAI, OpenAI


async def stream_async(url: str) -> None:
    async with AsyncOpenAI(base_url=url, api_key=KEY) as client:
        for lap in laps():
            async for chunk in await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True):
                if chunk.choices and chunk.choices[0].delta.content:
                    lap.events += 1


def stream_blocking(url: str) -> None:
    with OpenAI(base_url=url, api_key=KEY) as client:
        for lap in laps():
            for chunk in client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True):
                if chunk.choices and chunk.choices[0].delta.content:
                    lap.events += 1


async def requests(url: str, count: int) -> None:
    async with AsyncOpenAI(base_url=url, api_key=KEY) as client:
        for lap in laps():
            for _ in range(count):
                completion = await client.chat.completions.create(model=MODEL, messages=MESSAGES)
                if completion.choices[0].message.content:
                    lap.events += 1


if __name__ == "__main__":
    work, url, count = arguments()
    if work == "stream async":
        asyncio.run(stream_async(url))
    elif work == "stream blocking":
        stream_blocking(url)
    else:
        asyncio.run(requests(url, count))
