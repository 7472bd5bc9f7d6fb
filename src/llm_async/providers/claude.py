"""Anthropic's Claude, and servers that imitate its Messages format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from llm_async.dialects import Dialect, Profile, anthropic
from llm_async.errors import ConfigurationError, WireFormatError
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.providers.base import BaseProvider, Messages
from llm_async.providers.configuration import check_base_url, check_headers

_VERSION_HEADER = "anthropic-version"


class ClaudeProvider(BaseProvider):
    """Anthropic at its own address, or any imitation at `base_url`.

    Without `api_key` and without `ANTHROPIC_API_KEY`, the token in `ANTHROPIC_AUTH_TOKEN` is sent instead.

    Args (beside those of `BaseProvider`):
        anthropic_version: the version of the interface, sent with every request.
    """

    name = "anthropic"
    dialect: Dialect = anthropic
    default_base_url = "https://api.anthropic.com/v1"
    base_url_variables = ("ANTHROPIC_BASE_URL",)
    key_variables = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        anthropic_version: str = "2023-06-01",
        **options: Any,
    ) -> None:
        super().__init__(api_key, base_url, **options)
        if not isinstance(anthropic_version, str) or not anthropic_version:
            raise ConfigurationError(
                f"anthropic_version must be a date such as '2023-06-01'; it is {anthropic_version!r}"
            )
        self.profile = Profile(version=anthropic_version)
        self.default_headers = (
            check_headers("anthropic_version", {_VERSION_HEADER: anthropic_version}) | self.default_headers
        )
        self._has_token = api_key is None and not os.environ.get("ANTHROPIC_API_KEY")

    async def models(self) -> list[str]:
        """Return the names of the models that the server offers."""
        names: list[str] = []
        path = "/models?limit=1000"
        while path:
            page = await self.request("GET", path)
            models = page.get("data") if isinstance(page, dict) else None
            if not isinstance(models, list):
                raise WireFormatError(anthropic.NAME, "$.data", msgspec.json.encode(page))
            names += [model["id"] for model in models if isinstance(model, dict) and isinstance(model.get("id"), str)]
            last = page.get("last_id") if page.get("has_more") and models else None
            path = f"/models?limit=1000&after_id={quote(str(last))}" if last else ""
        return names

    async def count_tokens(self, model: str, messages: Messages, tools: Sequence[ToolLike] | None = None) -> int:
        """Return how many tokens of input the server counts in a conversation."""
        request = ModelRequest.build(model, messages, tools=tools)
        answer = await self._client().fetch(anthropic.encode_count(request, self.profile), {}, self.limits())
        try:
            return msgspec.json.decode(answer, type=_Count).input_tokens
        except (msgspec.DecodeError, UnicodeError) as error:
            raise WireFormatError(anthropic.NAME, "$.input_tokens", answer) from error

    def headers_among(self, parameters: dict[str, Any]) -> dict[str, str]:
        """Take `betas` out of a call's keywords: the features in testing that it uses, which are a header."""
        betas = parameters.pop("betas", None)
        if betas is None:
            return {}
        if (
            isinstance(betas, str)
            or not isinstance(betas, Sequence)
            or not all(isinstance(name, str) for name in betas)
        ):
            raise ConfigurationError("betas must be a list of names")
        return check_headers("betas", {"anthropic-beta": ",".join(betas)})

    def _auth_headers(self) -> dict[str, str]:
        if not self._api_key or self._has_token:
            return super()._auth_headers()
        return {"x-api-key": self._api_key}

    def _find_base_url(self, base_url: object) -> str:
        given = os.environ.get("ANTHROPIC_BASE_URL")
        if base_url is not None or not given:
            return super()._find_base_url(base_url)
        # Anthropic's own client adds the version to whatever path there is.
        given = check_base_url(given).rstrip("/")
        return given if given.endswith("/v1") else f"{given}/v1"


class _Count(msgspec.Struct):
    input_tokens: int
