"""OpenAI's Responses, and servers that imitate it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from llm_async.dialects import Dialect, openai_responses
from llm_async.errors import WireFormatError
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.providers.base import Messages
from llm_async.providers.openai import OpenAIProvider


class _Counted(msgspec.Struct):
    input_tokens: int


class OpenAIResponsesProvider(OpenAIProvider):
    """OpenAI at its own address, or any server that speaks Responses at `base_url`.

    Configured like `OpenAIProvider`. The server keeps each response for 30 days unless it is told `store=False`.
    """

    name = "openai-responses"
    dialect: Dialect = openai_responses

    async def count_tokens(self, model: str, messages: Messages, tools: Sequence[ToolLike] | None = None) -> int:
        """Return how many tokens of input the server counts in a conversation.

        Raises:
            ConfigurationError: the request can never work; nothing was sent.
            ModelRequestError: it failed; imitations may have no such endpoint.
        """
        request = ModelRequest.build(model, messages, tools=tools)
        call = self.dialect.encode_request(request, self.profile, stream=False)
        answer = await self._client().fetch(replace(call, path="/responses/input_tokens"), {}, self.limits())
        try:
            return msgspec.json.decode(answer, type=_Counted).input_tokens
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise WireFormatError(self.name, "$.input_tokens", answer) from error
