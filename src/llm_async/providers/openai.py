"""OpenAI's Chat Completions, and servers that imitate it without needing a record of their own."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from llm_async.dialects import Profile
from llm_async.errors import ConfigurationError
from llm_async.providers.chat import ChatProvider
from llm_async.providers.configuration import check_headers

OPENAI = Profile(
    # `max_tokens`, which is all that imitations know, is deprecated here and refused by the models that reason.
    max_tokens="max_completion_tokens",
    # Unknown parameters are answered with a 400; none of the reasoning that others show goes back.
    assistant_fields=("refusal", "audio", "function_call"),
    thinking_parts=False,
    reasoning="",
    cache_control=False,
    pictures_in_results=False,
    schemas="openai",
)
"""How OpenAI itself takes requests."""


class OpenAIProvider(ChatProvider):
    """OpenAI at its own address, or any imitation at `base_url`.

    Args (beside those of `BaseProvider`):
        organization, project: whose budget pays; by default `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`, which only
            OpenAI's own address is told of.
    """

    name = "openai"
    default_base_url = "https://api.openai.com/v1"
    base_url_variables = ("OPENAI_BASE_URL",)
    key_variables = ("OPENAI_API_KEY",)

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        organization: str | None = None,
        project: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(api_key, base_url, **options)
        for name, value in (("organization", organization), ("project", project)):
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(f"{name} must be a string; it is a {type(value).__name__}")
        if (urlsplit(self.base_url).hostname or "").endswith(".openai.com"):
            self.profile = OPENAI
            organization = organization or os.environ.get("OPENAI_ORG_ID")
            project = project or os.environ.get("OPENAI_PROJECT_ID")
        named = {"openai-organization": organization, "openai-project": project}
        given = {name: value for name, value in named.items() if value}
        self.default_headers = check_headers("organization and project", given) | self.default_headers
