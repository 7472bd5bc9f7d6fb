"""Servers that imitate OpenAI Chat, a record each: where they are, and how they differ from one another.

Whose quirk something is stands beside it. The facts are those of the vendors' documents and of recorded exchanges
up to 2026-11; what is said of no server here goes out as OpenAI has it.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from llm_async.dialects import Profile
from llm_async.errors import ConfigurationError
from llm_async.providers.chat import ChatProvider
from llm_async.providers.configuration import with_path

# What OpenAI calls efforts and a server of three steps does not have.
_THREE_STEPS: dict[str, str | dict[str, Any]] = {"minimal": "low", "xhigh": "high", "max": "high"}

_PLAIN = Profile(
    # No imitation documents `developer`; DeepSeek and Mistral refuse it, Cerebras says that it has none.
    developer_role=False,
    # Placeholders, and what other servers add to a message, are refused by some (Mistral: `extra_forbidden`).
    assistant_fields=(),
    thinking_parts=False,
    reasoning="",
    cache_control=False,
    pictures_in_results=False,
    efforts=_THREE_STEPS,
)


def _profile(**differences: Any) -> Profile:
    return Profile(**{name: getattr(_PLAIN, name) for name in Profile.__struct_fields__} | differences)


class Server(Struct, frozen=True, kw_only=True):
    """One server: its address, the environment variables that speak of it, and its differences."""

    name: str
    address: str
    keys: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    needs_key: bool = True
    """Whether it is an error to have none; servers on one's own machine want none."""

    profile: Profile = _PLAIN


GROQ = Server(
    name="groq",
    address="https://api.groq.com/openai/v1",
    keys=("GROQ_API_KEY",),
    addresses=("GROQ_BASE_URL",),
    profile=_profile(
        schemas="openai",
        # It has none, low, medium, high, and `default` for the models that only reason or do not.
        # console.groq.com/docs/openai: these are answered with a 400.
        refused={"logprobs": "", "top_logprobs": "", "logit_bias": ""},
    ),
)

DEEPSEEK = Server(
    name="deepseek",
    address="https://api.deepseek.com",
    keys=("DEEPSEEK_API_KEY",),
    addresses=("DEEPSEEK_BASE_URL",),
    profile=_profile(
        # Where it has called tools, its reasoning must come back in all later turns; elsewhere it is passed over.
        reasoning="reasoning_content",
        assistant_fields=("prefix",),
        # It takes every word for an effort (recorded: medium), and is told in another way not to think at all.
        efforts={"none": {"thinking": {"type": "disabled"}}},
        # It can be asked for JSON alone.
        response_format="json_object",
    ),
)

XAI = Server(
    name="xai",
    address="https://api.x.ai/v1",
    keys=("XAI_API_KEY",),
    addresses=("XAI_BASE_URL",),
    profile=_profile(
        max_tokens="max_completion_tokens",  # recorded so 22 times
        schemas="openai",
        # docs.x.ai: what reasons takes no `stop` and no penalties, and only grok-3-mini, 4.3 and 4.20-multi-agent
        # take an effort. Recorded: "Model grok-code-fast-1 does not support parameter reasoningEffort."
        refused={
            "reasoning_effort": r"^grok-(2|3(?!-mini)|4(?!\.3|\.20-multi-agent)|code|build)",
            "stop": r"^grok-(3-mini|4(?!.*non-reasoning)|code|build)",
            "presence_penalty": r"^grok-(3-mini|4|code|build)",
            "frequency_penalty": r"^grok-(3-mini|4|code|build)",
        },
    ),
)

MISTRAL = Server(
    name="mistral",
    address="https://api.mistral.ai/v1",
    keys=("MISTRAL_API_KEY",),
    addresses=("MISTRAL_BASE_URL",),
    profile=_profile(
        seed="random_seed",
        required="any",
        # A parameter that it does not know is a 422; it counts tokens in streams without being asked.
        stream_usage=False,
        refused={"store": "", "logit_bias": "", "logprobs": "", "top_logprobs": "", "user": "", "service_tier": ""},
        # Its reasoning is part of the content, and comes back there.
        thinking_parts=True,
        assistant_fields=("prefix",),
        # docs.mistral.ai: none and high; the large model has low and medium as well.
        efforts={"minimal": "none", "xhigh": "high", "max": "high"},
    ),
)

TOGETHER = Server(
    name="together",
    address="https://api.together.ai/v1",
    keys=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
    addresses=("TOGETHER_BASE_URL",),
)

FIREWORKS = Server(
    name="fireworks",
    address="https://api.fireworks.ai/inference/v1",
    keys=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
    addresses=("FIREWORKS_BASE_URL",),
    # Models whose template wants earlier reasoning read it where they wrote it.
    profile=_profile(reasoning="reasoning_content"),
)

CEREBRAS = Server(
    name="cerebras",
    address="https://api.cerebras.ai/v1",
    keys=("CEREBRAS_API_KEY",),
    addresses=("CEREBRAS_BASE_URL",),
    profile=_profile(
        schemas="openai",
        # Its page on OpenAI compatibility: these are answered with a 400.
        refused={"frequency_penalty": "", "presence_penalty": "", "logit_bias": ""},
    ),
)

PERPLEXITY = Server(
    name="perplexity",
    address="https://api.perplexity.ai",
    keys=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
    addresses=("PERPLEXITY_BASE_URL",),
    # It has an effort `minimal`, and counts tokens in every chunk of a stream without being asked.
    profile=_profile(efforts={"xhigh": "high", "max": "high"}, stream_usage=False),
)

# What runs on one's own machine takes any schema as a grammar, and hands messages to the model's own template.

OLLAMA = Server(
    name="ollama",
    address="http://localhost:11434/v1",
    keys=("OLLAMA_API_KEY",),
    addresses=("OLLAMA_HOST",),
    needs_key=False,
    # It passes over a tool that is named; its field for reasoning is recorded in replies and requests.
    profile=_profile(tool_choice="words", reasoning="reasoning"),
)

LM_STUDIO = Server(
    name="lmstudio",
    address="http://localhost:1234/v1",
    keys=("LM_API_TOKEN", "LM_STUDIO_API_KEY"),
    addresses=("LM_STUDIO_API_BASE",),
    needs_key=False,
    # "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"
    profile=_profile(tool_choice="words", reasoning="reasoning_content"),
)

VLLM = Server(
    name="vllm",
    address="http://localhost:8000/v1",
    keys=("VLLM_API_KEY",),
    addresses=("VLLM_BASE_URL", "VLLM_API_BASE"),
    needs_key=False,
    profile=_profile(reasoning="reasoning"),  # `reasoning_content` before 0.12
)

LLAMA_CPP = Server(
    name="llamacpp",
    address="http://localhost:9931/v1",  # 8080 before the end of 2026
    keys=("LLAMA_API_KEY",),
    addresses=("LLAMA_BASE_URL",),
    needs_key=False,
    # It passes over a tool that is named.
    profile=_profile(tool_choice="words", reasoning="reasoning_content"),
)

SERVERS = {
    server.name: server
    for server in (
        GROQ, DEEPSEEK, XAI, MISTRAL, TOGETHER, FIREWORKS, CEREBRAS, PERPLEXITY, OLLAMA, LM_STUDIO, VLLM, LLAMA_CPP,
    )
}  # fmt: skip # a word list, not a column of twelve lines


class CompatibleProvider(ChatProvider):
    """A server that imitates OpenAI Chat.

    Args (beside those of `BaseProvider`):
        server: its record, or the name of one of `SERVERS`.
    """

    def __init__(
        self, server: Server | str, api_key: str | None = None, base_url: str | None = None, **options: Any
    ) -> None:
        record = SERVERS.get(server) if isinstance(server, str) else server
        if not isinstance(record, Server):
            raise ConfigurationError(f"server must be a Server or one of {', '.join(SERVERS)}; it is {server!r}")
        self.server = record
        self.name, self.default_base_url = record.name, record.address
        self.key_variables, self.base_url_variables = record.keys, record.addresses
        self.profile = record.profile
        if api_key is None and not record.needs_key:
            api_key = next((key for name in record.keys if (key := os.environ.get(name))), "")
        super().__init__(api_key, base_url, **options)

    def _find_base_url(self, base_url: object) -> str:
        host = os.environ.get("OLLAMA_HOST") if "OLLAMA_HOST" in self.base_url_variables else None
        if host and base_url is None:
            return with_path(ollama_address(host), self.default_base_url)
        return super()._find_base_url(base_url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, base_url={self.base_url!r})"


def ollama_address(host: str) -> str:
    """Return the address that Ollama's own variable means: a host to listen at, often without scheme and port.

    >>> ollama_address("0.0.0.0")
    'http://127.0.0.1:11434'
    >>> ollama_address("https://ollama.example")
    'https://ollama.example'
    """
    host = host.strip()
    if "://" not in host:
        parts = urlsplit(f"http://{host}")
        has_port = parts.netloc.rpartition("]")[2].rpartition(":")[1] == ":"
        host = f"http://{parts.netloc}{'' if has_port else ':11434'}{parts.path}"
    return host.replace("//0.0.0.0", "//127.0.0.1", 1).rstrip("/")
