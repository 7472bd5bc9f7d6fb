"""OpenRouter: hundreds of models of many providers behind one address."""

from __future__ import annotations

from typing import Any

from llm_async.dialects import Dialect, Profile, openrouter
from llm_async.providers.chat import ChatProvider
from llm_async.providers.configuration import check_headers

_HEADERS = {"http_referer": "http-referer", "x_title": "x-title"}


class OpenRouterProvider(ChatProvider):
    """OpenRouter.

    Args (beside those of `BaseProvider`):
        http_referer, x_title: the application's address and name, for OpenRouter's lists; a call may name others.
    """

    name = "openrouter"
    dialect: Dialect = openrouter
    default_base_url = "https://openrouter.ai/api/v1"
    base_url_variables = ("OPENROUTER_BASE_URL", "OPENROUTER_API_BASE")
    key_variables = ("OPENROUTER_API_KEY",)
    # Pictures in results are recorded with status 200; strict schemas end up at OpenAI as well.
    profile = Profile(pictures_in_results=True, schemas="openai")

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        http_referer: str | None = None,
        x_title: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(api_key, base_url, **options)
        named = self.headers_among({"http_referer": http_referer, "x_title": x_title})
        self.default_headers = named | self.default_headers

    def headers_among(self, parameters: dict[str, Any]) -> dict[str, str]:
        """Take out of a call's keywords `http_referer` and `x_title`, which are headers here."""
        given = {name: parameters.pop(name, None) for name in _HEADERS}
        return check_headers(
            "http_referer and x_title", {_HEADERS[name]: value for name, value in given.items() if value is not None}
        )
