"""Azure: OpenAI's models, and others, at addresses of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from llm_async.dialects import HttpCall, Profile
from llm_async.errors import ConfigurationError
from llm_async.providers.chat import ChatProvider
from llm_async.providers.openai import OPENAI
from llm_async.timeouts import Limits
from llm_async.transport import HttpRequest

_DEFAULT_VERSION = "2024-10-21"
"""The newest of the versions that are no previews; the address `…/openai/v1` knows none."""


class _Asked(Struct):
    model: str = ""


class AzureProvider(ChatProvider):
    """A resource of Azure's, whose models are called by the names of their deployments.

    `base_url` is `https://NAME.openai.azure.com` (a model is a part of the path), `…/openai/v1` (it is not), or
    `https://NAME.services.ai.azure.com/models` (models that are not OpenAI's).

    Args (beside those of `BaseProvider`):
        api_version: the version of the interface; by default `OPENAI_API_VERSION`, else 2024-10-21.
    """

    name = "azure"
    base_url_variables = ("AZURE_OPENAI_ENDPOINT",)
    key_variables = ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY")
    profile: Profile = OPENAI

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        api_version: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(api_key, base_url, **options)
        version = api_version or os.environ.get("OPENAI_API_VERSION") or _DEFAULT_VERSION
        if not isinstance(version, str):
            raise ConfigurationError(f"api_version must be a string; it is a {type(version).__name__}")
        self.api_version = version
        if self._is_foundry():
            self.profile = Profile()  # all kinds of models, most of which know only `max_tokens`

    def address(self, call: HttpCall, headers: Mapping[str, str], limits: Limits) -> HttpRequest:
        """Return the HTTP request that carries `call`: with the deployment in its path, and the version behind it."""
        path = urlsplit(self.base_url).path.rstrip("/")
        if not path.endswith(("/v1", "/models")) and "/deployments/" not in path:
            below = call.path if path.endswith("/openai") else f"/openai{call.path}"
            if call.path in ("/chat/completions", "/embeddings"):
                model = msgspec.json.decode(call.body, type=_Asked).model
                below = below.replace(call.path, f"/deployments/{quote(model, safe='')}{call.path}")
            call = msgspec.structs.replace(call, path=below)
        if not path.endswith("/v1") and "api-version=" not in self.base_url + call.path:
            mark = "&" if "?" in call.path else "?"
            call = msgspec.structs.replace(call, path=f"{call.path}{mark}api-version={quote(self.api_version)}")
        return super().address(call, headers, limits)

    def _auth_headers(self) -> dict[str, str]:
        return {"api-key": self._api_key} if self._api_key else {}

    def _find_base_url(self, base_url: object) -> str:
        found = super()._find_base_url(base_url)
        if not found:
            raise ConfigurationError("azure: no address; set AZURE_OPENAI_ENDPOINT, or pass base_url")
        return found

    def _is_foundry(self) -> bool:
        parts = urlsplit(self.base_url)
        return (parts.hostname or "").endswith(".services.ai.azure.com") and parts.path.rstrip("/").endswith("/models")
