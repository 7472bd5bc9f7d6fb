"""What a model server says of itself: the names of its models."""

from __future__ import annotations

import msgspec

from llm.runtime.drive import finish
from llm_async import BaseProvider, RetryPolicy, Timeouts, WireFormatError
from llm_async.client import Client
from llm_async.dialects import HttpCall
from llm_async.timeouts import Limits

PATIENCE = 10.0
"""Seconds that a list of names may take."""


class _Model(msgspec.Struct):
    id: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model] | None = None


def model_names(provider: BaseProvider) -> list[str]:
    """Return the names of a server's models, in its own order.

    Raises:
        ModelRequestError, LLMTimeoutError: it could not be asked, or its answer is no list of models.
    """
    client = Client(provider, provider.transport(blocking=True), RetryPolicy(max_attempts=1))
    try:
        body = finish(client.fetch(HttpCall(method="GET", path="/models", body=b""), {}, Limits(Timeouts(), PATIENCE)))
    finally:
        provider.close()
    names = names_in(body)
    if names is None:
        raise WireFormatError(provider.name, "$.data", body)
    return names


def names_in(body: bytes) -> list[str] | None:
    """Return the names in the answer of an endpoint `/models`, None if it is no such answer.

    >>> names_in(b'{"object": "list", "data": [{"id": "qwen3-4b"}]}')
    ['qwen3-4b']
    """
    try:
        models = msgspec.json.decode(body, type=_Models).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if models is None else [model.id for model in models if model.id]
