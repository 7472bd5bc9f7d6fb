"""The least that a client must do, written out for this one server: no errors, no limits, no other formats."""

from __future__ import annotations

import asyncio
import http.client
import json
from urllib.parse import urlsplit

import aiohttp
import msgspec
from laps import MESSAGES, MODEL, arguments, laps


class Delta(msgspec.Struct, gc=False):
    content: str | None = None


class Choice(msgspec.Struct, gc=False):
    delta: Delta


class Chunk(msgspec.Struct, gc=False):
    choices: list[Choice]


class WholeChoice(msgspec.Struct):
    message: Delta


class Whole(msgspec.Struct):
    choices: list[WholeChoice]


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_whole = msgspec.json.Decoder(Whole).decode


class Texts:
    """Bytes, however they were cut, become pieces of text."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        texts = []
        for line in lines:
            if line[:6] == b"data: " and line != b"data: [DONE]":
                choices = decode_chunk(line[6:]).choices
                if choices and (text := choices[0].delta.content):
                    texts.append(text)
        return texts


async def stream_aiohttp(url: str) -> None:
    body = json.dumps({"model": MODEL, "messages": MESSAGES, "stream": True})
    async with aiohttp.ClientSession() as session:
        for lap in laps():
            texts = Texts()
            async with session.post(url, data=body) as response:
                while data := await response.content.readany():
                    for _text in texts.feed(data):
                        lap.events += 1


async def requests_aiohttp(url: str, count: int) -> None:
    async with aiohttp.ClientSession() as session:
        for lap in laps():
            for _ in range(count):
                body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES})
                async with session.post(url, data=body) as response:
                    if decode_whole(await response.read()).choices[0].message.content:
                        lap.events += 1


def stream_http_client(url: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    body = json.dumps({"model": MODEL, "messages": MESSAGES, "stream": True})
    for lap in laps():
        texts = Texts()
        connection.request("POST", parts.path, body)
        response = connection.getresponse()
        while data := response.read1(65536):
            for _text in texts.feed(data):
                lap.events += 1


if __name__ == "__main__":
    work, base_url, count = arguments()
    url = base_url + "/chat/completions"
    if work == "stream aiohttp":
        asyncio.run(stream_aiohttp(url))
    elif work == "requests aiohttp":
        asyncio.run(requests_aiohttp(url, count))
    else:
        stream_http_client(url)
