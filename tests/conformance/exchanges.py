"""The recorded exchanges with providers: where they are, and one of them as a typed value.

They are real traffic, shared by several projects and kept beside this one in `../shared/wire`, never in it; its README
describes the files. `DRAGOMAN_SHARED` names another place for `../shared`. Without them the tests that need them are
skipped, except in CI, where they fail.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WIRE = Path(os.environ.get("DRAGOMAN_SHARED") or ROOT.parent / "shared") / "wire"

ABSENT = f"no recorded exchanges at {WIRE}; set DRAGOMAN_SHARED to the folder that holds `wire`"

UNREPEATABLE = {"transfer-encoding", "content-length", "content-encoding", "connection"}
"""Headers that say how the recorded connection carried the body, not what the provider meant."""


@dataclass(frozen=True, eq=False)
class Exchange:
    """One request and its answer, as recorded."""

    id: str
    protocol: str
    provider: str
    features: frozenset[str]
    request: Mapping[str, Any] | None
    """The JSON body that was sent; None where only the answer was kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    chunk_sizes: tuple[int, ...]
    """The sizes of the pieces in which the body arrived; empty where they are not known."""

    path: str = ""
    """What was asked at the recorded host."""

    @property
    def is_sse(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for; an error may have come instead of one."""
        asked = self.request and self.request.get("stream")
        return self.is_sse or bool(asked) or "streamGenerateContent" in self.path  # Gemini says it in the address

    @property
    def pieces(self) -> list[bytes]:
        """The body, cut as it arrived."""
        pieces, start = [], 0
        for size in self.chunk_sizes or (len(self.body),):
            pieces.append(self.body[start : start + size])
            start += size
        assert start == len(self.body), f"{self.id}: chunk_sizes add up to {start}, the body has {len(self.body)} bytes"
        return [piece for piece in pieces if piece]


def exchange_ids(folder: str, pattern: str = "*.json") -> list[Any]:
    """Return the parameters of a test that runs once per recorded exchange: its id, for `load`."""
    ids = sorted(path.stem for path in (WIRE / folder).glob(pattern))
    if ids:
        return [pytest.param(id, id=id) for id in ids]
    return [pytest.param("", id="no-recordings", marks=() if os.environ.get("CI") else pytest.mark.skip(ABSENT))]


@cache
def load(folder: str, id: str) -> Exchange:
    """Return one recorded exchange.

    Raises:
        FileNotFoundError: there is none of this id.
    """
    if not id:
        raise FileNotFoundError(ABSENT)
    record = json.loads((WIRE / folder / f"{id}.json").read_bytes())
    answer = record["response"]
    headers = {name: value for name, value in answer["headers"].items() if name not in UNREPEATABLE}
    return Exchange(
        id=record["id"],
        protocol=record["protocol"],
        provider=record["provider"],
        features=frozenset(record["features"]),
        request=record["request"]["body"],
        status=answer["status"],
        headers={**headers, "content-type": answer["content_type"]},
        body=answer["body"].encode(),
        chunk_sizes=tuple(answer.get("chunk_sizes") or ()),
        path=record["request"]["path"],
    )


def load_text(folder: str, id: str) -> Exchange:
    """Return an exchange that was recorded as text: request, `----- response -----`, answer.

    Raises:
        FileNotFoundError: there is none of this id.
    """
    if not id:
        raise FileNotFoundError(ABSENT)
    asked, _, answered = (WIRE / folder / f"{id}.txt").read_bytes().partition(b"----- response -----\n")
    _, _, sent = asked.partition(b"\n\n")
    head, _, body = answered.partition(b"\n\n")
    status, *lines = head.decode().splitlines()
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    return Exchange(
        id=id,
        protocol="openai-chat",
        provider="llamacpp",
        features=frozenset(),
        request=json.loads(sent),
        status=int(status.split()[1]),
        headers={name: value for name, value in headers.items() if name not in UNREPEATABLE},
        body=body,
        chunk_sizes=(),
    )
