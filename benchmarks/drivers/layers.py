"""Our layers below the public ones, each with all that it stands on: what a layer costs is the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import msgspec
from laps import KEY, MESSAGES, MODEL, arguments, laps

from llm.runtime.drive import finish
from llm_async import OpenAIProvider
from llm_async.client import Client
from llm_async.dialects.openai_chat import decode_stream_event
from llm_async.models import ModelRequest
from llm_async.sse import SseParser
from llm_async.transport import HttpRequest, Transport

Take = Callable[[bytes], int]
"""Works on what one read brought and returns how many events it held."""


class Lines:
    """Counts line ends, two to an event, and does nothing else."""

    def __init__(self) -> None:
        self.odd = 0

    def __call__(self, data: bytes) -> int:
        events, self.odd = divmod(self.odd + data.count(b"\n"), 2)
        return events


def through_sse() -> Take:
    parser = SseParser()
    return lambda data: len(parser.feed(data))


def through_dialect() -> Take:
    parser = SseParser()
    return lambda data: sum([len(decode_stream_event(event)) for event in parser.feed(data)])


LAYERS: dict[str, Callable[[], Take]] = {"bytes": Lines, "sse": through_sse, "dialect": through_dialect}


async def drive(provider: OpenAIProvider, transport: Transport, layer: Callable[[], Take]) -> None:
    body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES, "stream": True})
    headers = {"content-type": "application/json"}
    for lap in laps():
        url = provider.base_url + "/chat/completions"
        request = HttpRequest(method="POST", url=url, headers=headers, body=body, limits=provider.limits())
        take = layer()
        async with transport.open(request) as reply, aclosing(reply.chunks()) as chunks:
            async for data in chunks:
                lap.events += take(data)
    await transport.aclose()


async def drive_client(provider: OpenAIProvider, transport: Transport) -> None:
    client = Client(provider, transport, provider.retry_config)
    for lap in laps():
        request = ModelRequest.build(MODEL, MESSAGES)
        async with aclosing(client.stream(request, provider.limits())) as batches:
            async for _, sources in batches:
                lap.events += len(sources)
    await transport.aclose()


if __name__ == "__main__":
    work, url, _count = arguments()
    layer, runtime = work.split()
    provider = OpenAIProvider(KEY, url)
    transport = provider.transport(blocking=runtime == "blocking")
    done = drive_client(provider, transport) if layer == "client" else drive(provider, transport, LAYERS[layer])
    if runtime == "blocking":
        finish(done)
    else:
        asyncio.run(done)
