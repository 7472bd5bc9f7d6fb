"""Tiny models to fetch, and a plain HTTP request to an embedded one."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from llm.local import LocalServer
from llm.local.models import HubFile, LocalModel, WheelFile

CONTENT = b"GGUF" + bytes(range(256)) * 9000


def tiny(source: HubFile | WheelFile, name: str = "tiny-hub") -> LocalModel:
    return LocalModel(
        name=name,
        title="A tiny model",
        licence="MIT",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        source=source,
    )


class Chat:
    """One request to an engine, as plain as HTTP gets."""

    def __init__(self, server: LocalServer, prompt: str, **fields: Any) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, **fields}
        headers = {"Authorization": f"Bearer {server.api_key}", "Origin": "http://elsewhere.example"}
        try:
            self.connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            self.reply = self.connection.getresponse()
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *_: object) -> None:
        self.reply.close()
        self.connection.close()

    def json(self) -> Any:
        return json.loads(self.reply.read())

    def events(self) -> Iterator[Any]:
        """The events of a streamed answer, as they come."""
        while line := self.reply.readline():
            if line.startswith(b"data: {"):
                yield json.loads(line.removeprefix(b"data: "))


def text_of(answer: Any) -> str:
    content: str = answer["choices"][0]["message"]["content"]
    return content
