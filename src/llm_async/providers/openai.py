"""OpenAI's Chat Completions, and servers that imitate it without needing a record of their own."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from llm_async.dialects import Dialect, Profile, openai_chat
from llm_async.errors import ConfigurationError
from llm_async.providers.base import BaseProvider
from llm_async.providers.configuration import check_headers


class OpenAIProvider(BaseProvider):
    """OpenAI at its own address, or any imitation at `base_url`.

    Args (beside those of `BaseProvider`):
        organization, project: whose budget pays; by default `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`, which only
            OpenAI's own address is told of.
    """

    name = "openai"
    dialect: Dialect = openai_chat
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
            # OpenAI deprecates `max_tokens`, which is all that its imitations know.
            self.profile = Profile(max_tokens="max_completion_tokens")
            organization = organization or os.environ.get("OPENAI_ORG_ID")
            project = project or os.environ.get("OPENAI_PROJECT_ID")
        named = {"openai-organization": organization, "openai-project": project}
        given = {name: value for name, value in named.items() if value}
        self.default_headers = check_headers("organization and project", given) | self.default_headers
