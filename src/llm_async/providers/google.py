"""Google's Gemini, at the Gemini API with a key or at Vertex AI with a token."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlsplit

import msgspec
from msgspec.structs import replace

from llm_async.dialects import Dialect, HttpCall, gemini
from llm_async.dialects.gemini.requests import encode_body, model_path
from llm_async.errors import ConfigurationError, WireFormatError
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.providers.base import BaseProvider, Messages
from llm_async.providers.configuration import check_base_url
from llm_async.timeouts import Limits
from llm_async.transport import HttpRequest

Token = str | Callable[[], str]
"""A bearer token, or what returns one that is still valid: tokens of Vertex AI live for an hour."""

_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]*)?")

_MOST_EMBEDDED = 100
"""How many texts one request may embed."""


class GoogleProvider(BaseProvider):
    """Gemini at the Gemini API, at Vertex AI, or at anything that imitates them.

    `base_url` is the address of the models; one that does not end in `models` is that of the API as a whole, with
    its version. Paths of `request()` lie below the latter, by default `https://generativelanguage.googleapis.com/v1beta`.
    """

    name = "google"
    dialect: Dialect = gemini
    default_base_url = "https://generativelanguage.googleapis.com/v1beta/models/"
    base_url_variables = ("GOOGLE_GEMINI_BASE_URL",)
    key_variables = ("GOOGLE_API_KEY", "GEMINI_API_KEY")

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        vertex_config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Check the configuration; nothing is opened.

        Args:
            api_key: the key; None takes it from `GOOGLE_API_KEY` or `GEMINI_API_KEY`.
            base_url: where the server is, used as it is; None takes it from `GOOGLE_GEMINI_BASE_URL`, else the default.
            vertex_config: for Vertex AI: `project_id`; `location_id`, by default `global`; `goth_token`, a bearer
                token or a function that returns one, asked before each request; `api_endpoint`, a host or an address,
                by default that of the location.
            options: those of `BaseProvider`.

        Raises:
            ConfigurationError: an argument can never work, or there is no key.
        """
        self._token: Token = ""
        self._last_token = ""
        self._is_vertex = vertex_config is not None
        if vertex_config is not None:
            self._token = _token_in(vertex_config)
            base_url = _vertex_address(vertex_config) if base_url is None else base_url
            if self._token:
                api_key = ""
        super().__init__(api_key, base_url, **options)

    async def models(self) -> list[str]:
        """Return the names of the models that the server offers, all pages of them."""
        if self._is_vertex:
            raise self._cannot("list its models at Vertex AI; at the Gemini API it can")
        names: list[str] = []
        path, seen = "/models?pageSize=1000", {""}
        while True:
            answer = await self.request("GET", path)
            listed = _field(answer, "models", list, [])
            names += [str(model.get("name", "")).removeprefix("models/") for model in listed if isinstance(model, dict)]
            page = _field(answer, "nextPageToken", str, "")
            if page in seen:
                return names
            seen.add(page)
            path = f"/models?pageSize=1000&pageToken={quote(page, safe='')}"

    async def count_tokens(self, model: str, messages: Messages, tools: Sequence[ToolLike] | None = None) -> int:
        """Return how many tokens of input the server counts in a conversation."""
        body = encode_body(ModelRequest.build(model, messages, tools=tools), [])
        if not self._is_vertex and body.keys() != {"contents"}:  # the Gemini API counts the rest only so
            body = {"generateContentRequest": {"model": model_path(model)[1:], **body}}
        answer = await self.request("POST", f"{model_path(model)}:countTokens", body)
        # What is zero is left out.
        return int(_field(answer, "totalTokens", int, 0))

    async def embed(self, model: str, texts: str | Sequence[str]) -> list[list[float]]:
        """Return the vector of each text, in the order of the texts."""
        texts = [texts] if isinstance(texts, str) else list(texts)
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise ConfigurationError(f"texts[{index}] must be a string; it is a {type(text).__name__}")
        vectors: list[list[float]] = []
        if self._is_vertex:
            for text in texts:
                answer = await self.request("POST", f"{model_path(model)}:embedContent", _embedded(text))
                vectors.append(_vector(_field(answer, "embedding", dict, {})))
            return vectors
        for some in _batches(texts):
            body = {"requests": [{"model": model_path(model)[1:], **_embedded(text)} for text in some]}
            answer = await self.request("POST", f"{model_path(model)}:batchEmbedContents", body)
            embeddings = _field(answer, "embeddings", list, [])
            if len(embeddings) != len(some):
                shown = f"{len(embeddings)} embeddings for {len(some)} texts"
                raise WireFormatError(self.name, "$.embeddings", shown.encode())
            vectors += [_vector(embedding) for embedding in embeddings]
        return vectors

    def address(self, call: HttpCall, headers: Mapping[str, str], limits: Limits) -> HttpRequest:
        """Return the HTTP request that carries `call` to this provider."""
        return replace(super().address(call, headers, limits), url=self._root(call.path) + call.path)

    def _root(self, path: str) -> str:
        """Return what a path lies below: at Vertex AI some names of models are paths from further up."""
        root = self.base_url.rstrip("/").removesuffix("/models")
        if path.startswith("/publishers/"):
            return root.removesuffix("/publishers/google")
        return root.partition("/projects/")[0] if path.startswith("/projects/") else root

    def _auth_headers(self) -> dict[str, str]:
        if self._token:
            token = self._token if isinstance(self._token, str) else self._token()
            if not isinstance(token, str) or not token or any(character in token for character in "\r\n\0"):
                raise ConfigurationError("vertex_config['goth_token'] must be, or return, a token without line breaks")
            self._last_token = token
            return {"authorization": f"Bearer {token}"}
        return {"x-goog-api-key": self._api_key} if self._api_key else {}

    def _secrets(self) -> list[str]:
        return super()._secrets() + ([self._last_token] if len(self._last_token) >= 8 else [])

    def _find_base_url(self, base_url: object) -> str:
        given = next((url for name in self.base_url_variables if (url := os.environ.get(name))), None)
        if base_url is not None or given is None:
            return super()._find_base_url(base_url)
        root = check_base_url(given).rstrip("/")
        last = root.removesuffix("/models").rpartition("/")[2]
        # Google's own client adds the version to this variable.
        return given if _VERSION.fullmatch(last) else root + urlsplit(self.default_base_url).path


def vertex(vertex_config: Mapping[str, Any] | None = None, **options: Any) -> GoogleProvider:
    """Return a provider of Gemini at Vertex AI.

    Args:
        vertex_config: as for `GoogleProvider`; what it lacks is taken from `GOOGLE_CLOUD_PROJECT` and
            `GOOGLE_CLOUD_LOCATION`.
    """
    named = {"project_id": "GOOGLE_CLOUD_PROJECT", "location_id": "GOOGLE_CLOUD_LOCATION"}
    found = {name: value for name, variable in named.items() if (value := os.environ.get(variable))}
    return GoogleProvider(vertex_config=found | dict(vertex_config or {}), **options)


def _token_in(config: Mapping[str, Any]) -> Token:
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"vertex_config must be a dict; it is a {type(config).__name__}")
    token = config.get("goth_token")
    if token is None:
        return ""
    if not isinstance(token, str) and not callable(token):
        kind = type(token).__name__
        raise ConfigurationError(f"vertex_config['goth_token'] must be a token or a function; it is a {kind}")
    return cast("Token", token)  # what a function returns is checked when it is called


def _vertex_address(config: Mapping[str, Any]) -> str:
    """Return the address of Google's models in a project.

    >>> _vertex_address({"project_id": "mine", "location_id": "europe-west4"})
    'https://europe-west4-aiplatform.googleapis.com/v1/projects/mine/locations/europe-west4/publishers/google/models/'
    """
    location, endpoint = config.get("location_id") or "global", config.get("api_endpoint") or ""
    for name, value in (("location_id", location), ("api_endpoint", endpoint)):
        if not isinstance(value, str):
            raise ConfigurationError(f"vertex_config[{name!r}] must be a string; it is a {type(value).__name__}")
    host = endpoint or ("" if location == "global" else f"{location}-") + "aiplatform.googleapis.com"
    address = check_base_url(host if "://" in host else f"https://{host}")
    if urlsplit(address).path.strip("/"):
        return address
    project = config.get("project_id")
    if not isinstance(project, str) or not project:
        raise ConfigurationError("vertex_config['project_id'] is missing; set GOOGLE_CLOUD_PROJECT, or pass it")
    place = f"projects/{quote(project, safe=':')}/locations/{quote(location)}/publishers/google/models/"
    return f"{address.rstrip('/')}/v1/{place}"


def _embedded(text: str) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}}


def _batches(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _MOST_EMBEDDED):
        yield texts[start : start + _MOST_EMBEDDED]


def _vector(embedding: Any) -> list[float]:
    return [float(number) for number in _field(embedding, "values", list, [])]


def _field(answer: Any, name: str, kind: type[Any], default: Any) -> Any:
    """Return a field of an answer, or a default where it is left out.

    Raises:
        WireFormatError: it is of another kind.
    """
    value = answer.get(name, default) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise WireFormatError(gemini.NAME, f"$.{name}", msgspec.json.encode(answer))
    return value
