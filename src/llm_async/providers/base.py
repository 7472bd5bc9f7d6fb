"""What every provider does, once: a configuration, and the calls that go out with it.

A provider of one's own is a subclass that names an address and a dialect. It opens nothing until the first request.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import msgspec

from llm_async.client import Client
from llm_async.dialects import Dialect, HttpCall, Profile
from llm_async.errors import ConfigurationError, ToolExecutionError, WireFormatError
from llm_async.models.message import MessageLike
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.models.response import Response
from llm_async.models.response_schema import ResponseSchema
from llm_async.models.tool_call import ToolCall, ToolResult
from llm_async.providers.configuration import (
    SECRET,
    check_base_url,
    check_client_kwargs,
    check_headers,
    check_http2,
    find_key,
    instance,
    lower,
    with_path,
)
from llm_async.providers.network import make_network
from llm_async.retry import RetryPolicy
from llm_async.stream import Stream
from llm_async.timeouts import Limits, Timeouts, check_limit
from llm_async.transport import HttpRequest, Transport

if TYPE_CHECKING:  # ssl loads the sockets, which nobody needs before the first request
    from ssl import SSLContext

Messages = str | Sequence[MessageLike]
"""A conversation, or a plain text, which is one user message."""


class BaseProvider:
    """One model server: its address, its key, and what it speaks.

    A subclass sets the class attributes; nothing else is needed for a server that speaks a known format.
    """

    name: str = "base"
    """What errors call it."""

    dialect: Dialect
    """The wire format: a module of `llm_async.dialects`."""

    default_base_url: str = ""
    base_url_variables: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    """Environment variables that may hold the key, the first one that is set counts."""

    profile: Profile = Profile()

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        retry_config: RetryPolicy | None = None,
        timeout: float | None = 600.0,
        timeouts: Timeouts | None = None,
        default_headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ssl_context: SSLContext | None = None,
        http2: bool = False,
        client_kwargs: Mapping[str, Any] | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Check the configuration; nothing is opened.

        Args:
            api_key: the key; None takes it from the environment, "" sends none, for servers that want none.
            base_url: where the server is, used as it is; None takes it from the environment, else the default.
            retry_config: when a failed request is made again.
            timeout: limit of a whole call, in seconds; None means none.
            timeouts: limits within a call.
            default_headers: sent with every request.
            proxy: address of an HTTP proxy; None follows the environment.
            ssl_context: how TLS connections are checked; None trusts what the system trusts.
            http2: whether HTTP/2 is spoken with servers that offer it; needs the extra `http2`.
            client_kwargs: `verify` (False trusts every certificate, a path the authorities found there), `cert` (the
                path of a client's certificate, or a tuple of that and its key's), `proxy` (as the argument).
            transport: what sends the requests; None is the network.

        Raises:
            ConfigurationError: an argument can never work, or there is no key.
        """
        check_limit("timeout", timeout)
        self.retry_config = instance("retry_config", retry_config, RetryPolicy)
        self.timeouts = instance("timeouts", timeouts, Timeouts)
        self.timeout = timeout
        self.base_url = self._find_base_url(base_url)
        self._api_key = find_key(self.name, api_key, self.key_variables)
        self.default_headers = check_headers("default_headers", default_headers)
        self.http2 = check_http2(http2)
        self._client_kwargs = check_client_kwargs(client_kwargs, proxy=proxy, ssl_context=ssl_context)
        proxy = self._client_kwargs.pop("proxy", proxy)
        if proxy is not None and not isinstance(proxy, str):
            raise ConfigurationError(f"proxy must be an address; it is a {type(proxy).__name__}")
        if ssl_context is not None and not callable(getattr(ssl_context, "wrap_socket", None)):
            raise ConfigurationError(f"ssl_context must be an ssl.SSLContext; it is a {type(ssl_context).__name__}")
        if transport is not None and not callable(getattr(transport, "open", None)):
            raise ConfigurationError(f"transport must be a Transport; it is a {type(transport).__name__}")
        self._proxy, self._ssl_context = proxy, ssl_context
        self._given_transport = transport
        self._networks: dict[bool, Transport] = {}

    # ------------------------------------------------------------------------------------------------ calls

    @overload
    async def acomplete(
        self,
        model: str,
        messages: Messages,
        stream: Literal[False] = False,
        tools: Sequence[ToolLike] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_schema: ResponseSchema | None = None,
        headers: Mapping[str, str] | None = None,
        strict: bool = False,
        **parameters: Any,
    ) -> Response: ...

    @overload
    async def acomplete(
        self,
        model: str,
        messages: Messages,
        stream: Literal[True],
        tools: Sequence[ToolLike] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_schema: ResponseSchema | None = None,
        headers: Mapping[str, str] | None = None,
        strict: bool = False,
        **parameters: Any,
    ) -> Stream: ...

    @overload
    async def acomplete(
        self,
        model: str,
        messages: Messages,
        stream: bool = False,
        tools: Sequence[ToolLike] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_schema: ResponseSchema | None = None,
        headers: Mapping[str, str] | None = None,
        strict: bool = False,
        **parameters: Any,
    ) -> Response | Stream: ...

    async def acomplete(
        self,
        model: str,
        messages: Messages,
        stream: bool = False,
        tools: Sequence[ToolLike] | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        response_schema: ResponseSchema | None = None,
        headers: Mapping[str, str] | None = None,
        strict: bool = False,
        **parameters: Any,
    ) -> Response | Stream:
        """Ask a model.

        Args:
            model: its name at this server.
            messages: the conversation.
            stream: False returns the whole reply; True returns a `Stream`, which sends the request at its first step.
            tools: functions the model may call.
            tool_choice: `auto`, `none`, `required`, or `{"type": "function", "function": {"name": …}}`.
            response_schema: the shape the answer must have.
            headers: sent with this request.
            strict: whether what the provider cannot take is an error; otherwise it is left out with a warning.
            parameters: `temperature`, `top_p`, `max_tokens`, `stop`, `seed`, `reasoning_effort`, and any further
                ones under the provider's own names.

        Raises:
            ConfigurationError: the call can never work; nothing was sent.
            ModelRequestError: it failed, for good or after the last attempt.
            LLMTimeoutError: a time limit ran out.
        """
        for name, value in (("stream", stream), ("strict", strict)):
            if not isinstance(value, bool):
                raise ConfigurationError(f"{name} must be True or False; it is a {type(value).__name__}")
        named = self.headers_among(parameters)
        request = ModelRequest.build(
            model,
            messages,
            tools=tools,
            tool_choice=tool_choice,
            response_schema=response_schema,
            headers=check_headers("headers", headers) | named,
            strict=strict,
            parameters=parameters,
        )
        client = self._client()
        if stream:
            return Stream(client.stream(request, self.limits()))
        return await client.complete(request, self.limits())

    async def request(
        self,
        method: str,
        path: str,
        json_data: Any = None,
        headers: Mapping[str, str] | None = None,
        **more_headers: str,
    ) -> Any:
        """Call any endpoint of the server: JSON in, JSON out, with the same errors and retries.

        Args:
            method: GET, POST, PUT, DELETE or PATCH.
            path: below the base address.
            json_data: the body; None sends none.
            headers: sent with this request.
            more_headers: the same as keywords; underscores become hyphens.

        Returns:
            The decoded body; None if it is empty.
        """
        if not isinstance(method, str) or method.upper() not in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            raise ConfigurationError(f"method must be GET, POST, PUT, DELETE or PATCH; it is {method!r}")
        if not isinstance(path, str):
            raise ConfigurationError(f"path must be a string; it is a {type(path).__name__}")
        named = check_headers("headers", {name.replace("_", "-"): value for name, value in more_headers.items()})
        try:
            body = b"" if json_data is None else msgspec.json.encode(json_data)
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"json_data cannot be written as JSON: {error}") from error
        call = HttpCall(method=method.upper(), path="/" + path.lstrip("/"), body=body)
        answer = await self._client().fetch(call, check_headers("headers", headers) | named, self.limits())
        if not answer.strip():
            return None
        try:
            return msgspec.json.decode(answer)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            shown = self.redact(answer[:2000].decode("utf-8", "replace"))
            raise WireFormatError(self.name, "$", shown.encode()) from error

    async def execute_tool(
        self, tool_call: ToolCall, tools_map: Mapping[str, Callable[..., object | Awaitable[object]]]
    ) -> Any:
        """Run the function a model calls, and return the message that tells the model its result.

        Args:
            tools_map: functions, plain or async, by the name the model knows them by.

        Raises:
            ConfigurationError: the name is not in the map.
            ToolExecutionError: the arguments are not a JSON object, or the function raised.
        """
        if not isinstance(tool_call, ToolCall):
            raise ConfigurationError(f"tool_call must be a ToolCall; it is a {type(tool_call).__name__}")
        if not isinstance(tools_map, Mapping):
            raise ConfigurationError(f"tools_map must be a dict; it is a {type(tools_map).__name__}")
        function = tools_map.get(tool_call.name)
        if function is None:
            known = ", ".join(sorted(map(str, tools_map))) or "none"
            raise ConfigurationError(f"tools_map has no {tool_call.name!r}, which the model calls; it has {known}")
        if tool_call.arguments is None:
            raise ToolExecutionError(tool_call.name, tool_call.arguments_error or "its arguments cannot be read")
        try:
            result = function(**tool_call.arguments)
            if inspect.isawaitable(result):
                result = await result
        except Exception as error:
            raise ToolExecutionError(tool_call.name, f"{type(error).__name__}: {error}", error) from error
        return self.dialect.encode_tool_result(ToolResult(tool_call.id, _as_text(result), tool_call.name))

    async def models(self) -> list[str]:
        """Return the names of the models that the server offers.

        Raises:
            ConfigurationError: this provider has no such endpoint.
        """
        raise self._cannot("list its models")

    async def count_tokens(self, model: str, messages: Messages, tools: Sequence[ToolLike] | None = None) -> int:
        """Return how many tokens of input the server counts in a conversation.

        Raises:
            ConfigurationError: this provider has no such endpoint; the text says who has.
        """
        raise self._cannot("count tokens; OpenAIResponsesProvider, ClaudeProvider and GoogleProvider can")

    async def embed(self, model: str, texts: str | Sequence[str]) -> list[list[float]]:
        """Return the vector of each text, in the order of the texts.

        Raises:
            ConfigurationError: this provider has no such endpoint; the text says who has.
        """
        raise self._cannot("embed texts; OpenAIProvider, its imitations and GoogleProvider can")

    def _cannot(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self.name} cannot {what}")

    async def aclose(self) -> None:
        """Close the connections kept for this event loop. The provider may be used again afterwards."""
        if False in self._networks:
            await self._networks[False].aclose()

    def close(self) -> None:
        """Close the connections kept for blocking calls. The provider may be used again afterwards."""
        if True in self._networks:
            # A coroutine of the blocking transport does its work at the first step.
            with contextlib.suppress(StopIteration):
                self._networks[True].aclose().send(None)

    # ------------------------------------------------------------------------------- what a client must know

    def address(self, call: HttpCall, headers: Mapping[str, str], limits: Limits) -> HttpRequest:
        """Return the HTTP request that carries `call` to this provider."""
        said = {"accept-encoding": "identity", "user-agent": "dragoman"}
        if call.body:
            said["content-type"] = "application/json"
        said |= self._auth_headers() | lower(self.default_headers) | lower(headers)
        base, _, query = self.base_url.partition("?")
        url = base.rstrip("/") + call.path
        if query:
            url += ("&" if "?" in call.path else "?") + query
        return HttpRequest(method=call.method, url=url, headers=said, body=call.body, limits=limits)

    def headers_among(self, parameters: dict[str, Any]) -> dict[str, str]:
        """Take out of a call's keywords those that are headers of this provider, and return them."""
        return {}

    def redact(self, text: str) -> str:
        """Return `text` without the key, and without the beginning of one where the text was cut off."""
        for key in self._secrets():
            text = text.replace(key, "[key]")
            cut = next((size for size in range(len(key) - 1, 3, -1) if text.endswith(key[:size])), 0)
            text = f"{text[:-cut]}[key]" if cut else text
        return text

    def limits(self) -> Limits:
        """Return the limits of a call that starts now."""
        return Limits(self.timeouts, self.timeout)

    def _secrets(self) -> list[str]:
        """Return what must not be seen; not what is shorter than 8, such as "x", which would make holes in any text."""
        named = (value for name, value in self.default_headers.items() if SECRET.search(name))
        return [secret for secret in (self._api_key, *named) if len(secret) >= 8]

    def _auth_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._api_key}"} if self._api_key else {}

    def transport(self, *, blocking: bool) -> Transport:
        """Return what sends this provider's requests, made at the first call.

        Args:
            blocking: whether its coroutines must never suspend.
        """
        if self._given_transport is not None:
            return self._given_transport
        if blocking not in self._networks:
            made = make_network(
                blocking=blocking,
                http2=self.http2,
                proxy=self._proxy,
                ssl_context=self._ssl_context,
                client_kwargs=self._client_kwargs,
            )
            self._networks.setdefault(blocking, made)  # another thread may have been faster
        return self._networks[blocking]

    def _client(self) -> Client:
        return Client(self, self.transport(blocking=False), self.retry_config)

    # ----------------------------------------------------------------------------------------- configuration

    def _find_base_url(self, base_url: object) -> str:
        if base_url is not None:
            return check_base_url(base_url)
        given = next((url for name in self.base_url_variables if (url := os.environ.get(name))), None)
        # Other clients add the version to such a variable themselves.
        return self.default_base_url if given is None else with_path(given, self.default_base_url)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_networks": {}}  # connections are made anew; the key travels

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"


def _as_text(result: object) -> str:
    if isinstance(result, str):
        return result
    try:
        return msgspec.json.encode(result).decode()
    except (TypeError, ValueError, RecursionError):
        return str(result)
