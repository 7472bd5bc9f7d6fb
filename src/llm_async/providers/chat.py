"""What every server that speaks OpenAI Chat has beside its chat: a list of models, and embeddings."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from llm_async.dialects import Dialect, openai_chat
from llm_async.errors import ConfigurationError, WireFormatError
from llm_async.providers.base import BaseProvider


class _Embedding(Struct):
    index: int | None = None
    embedding: list[float] | str | None = None  # base64 where the caller's `encoding_format` or the server says so


class _Embeddings(Struct):
    data: list[_Embedding]


class ChatProvider(BaseProvider):
    """A server that speaks OpenAI Chat."""

    dialect: Dialect = openai_chat

    embedding_batch: ClassVar[int] = 256
    """How many texts go into one request; OpenAI takes 2,048, its imitations fewer."""

    async def models(self) -> list[str]:
        """Return the names of the models that the server offers."""
        answer = await self.request("GET", "/models")
        listed = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer  # Together: a list
        if not isinstance(listed, list):
            raise WireFormatError(self.name, "$.data", msgspec.json.encode(answer)[:200])
        return [name for entry in listed if isinstance(entry, dict) and isinstance(name := entry.get("id"), str)]

    async def embed(self, model: str, texts: str | Sequence[str]) -> list[list[float]]:
        """Return the vector of each text, in the order of the texts.

        Raises:
            ConfigurationError: an argument is no text.
            WireFormatError: the server's answer lacks a text's vector.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise ConfigurationError(f"texts[{index}] must be a string; it is a {type(text).__name__}")
        vectors: list[list[float]] = []
        for start in range(0, len(texts), self.embedding_batch):
            batch = texts[start : start + self.embedding_batch]
            answer = await self.request("POST", "/embeddings", {"model": model, "input": batch})
            vectors += self._vectors(answer, len(batch))
        return vectors

    def _vectors(self, answer: Any, count: int) -> list[list[float]]:
        """Return the vectors of an answer, in the order of the texts, however the server ordered them."""
        shown = msgspec.json.encode(answer)[:200]
        try:
            found = msgspec.convert(answer, _Embeddings).data
        except msgspec.ValidationError as error:
            raise WireFormatError(self.name, str(error).partition(" - at `")[2].rstrip("`") or "$", shown) from error
        by_index = {place if entry.index is None else entry.index: entry.embedding for place, entry in enumerate(found)}
        vectors = [_floats(by_index.get(index)) for index in range(count)]
        if None in vectors:
            raise WireFormatError(self.name, f"$.data[{vectors.index(None)}].embedding", shown)
        return [vector for vector in vectors if vector is not None]


def _floats(embedding: list[float] | str | None) -> list[float] | None:
    """Return a vector; base64 is that of 32-bit floats, the least byte first."""
    if not isinstance(embedding, str):
        return embedding
    try:
        data = base64.b64decode(embedding, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (binascii.Error, struct.error):
        return None
