from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from llm_async import (
    AuthenticationError,
    BaseProvider,
    ConfigurationError,
    InvalidRequestError,
    LLMError,
    Message,
    OpenAIProvider,
    ResponseSchema,
    RetryConfig,
    Stream,
    Timeouts,
    ToolCall,
    ToolExecutionError,
    WireFormatError,
)
from llm_async.dialects import openai_chat
from llm_async.providers.configuration import check_base_url
from llm_async.transport.asynchronous import AsyncTransport
from llm_async.transport.blocking import BlockingTransport
from llm_async.transport.scripted import ScriptedTransport
from scripts import KEY, chunks_of, failing, run, scripted, sent, stream, texts, whole
from server import chat, completion


class Mine(BaseProvider):
    """A provider of a user's own, whole."""

    name = "mine"
    dialect = openai_chat
    default_base_url = "https://mine.test/api/v2"
    base_url_variables = ("MINE_URL", "MINE_OLD_URL")
    key_variables = ("MINE_KEY", "MINE_OLD_KEY")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Mine.base_url_variables, *Mine.key_variables):
        monkeypatch.delenv(name, raising=False)


def test_a_provider_of_ones_own_is_a_class_with_an_address_and_a_format() -> None:
    script = ScriptedTransport([whole(completion("Hello")), stream(*chat("Hel", "lo"))])
    provider = Mine("my-key-0123", transport=script)

    response = run(provider.acomplete("m", "Hi"))
    reply = run(provider.acomplete("m", "Hi", stream=True))

    assert response.main_response.content == texts(run(chunks_of(reply))) == "Hello"
    assert script.requests[0].url == "https://mine.test/api/v2/chat/completions"
    assert script.requests[0].headers["authorization"] == "Bearer my-key-0123"


# --------------------------------------------------------------------------------------------------- keys


def test_the_key_comes_from_the_argument_else_from_the_first_variable_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def key_of(provider: BaseProvider) -> str:
        provider._given_transport = script = ScriptedTransport([whole({})])
        run(provider.request("GET", "/models"))
        return script.requests[0].headers["authorization"]

    monkeypatch.setenv("MINE_OLD_KEY", "old")
    assert key_of(Mine()) == "Bearer old"
    monkeypatch.setenv("MINE_KEY", "")
    assert key_of(Mine()) == "Bearer old"
    monkeypatch.setenv("MINE_KEY", "new ")
    assert key_of(Mine()) == "Bearer new"
    assert key_of(Mine("given")) == "Bearer given"


def test_a_missing_key_names_its_variables() -> None:
    with pytest.raises(ConfigurationError, match=r"^mine: no key; set MINE_KEY or MINE_OLD_KEY, or pass api_key"):
        Mine()


def test_an_empty_key_sends_none() -> None:
    provider, script = scripted(whole({}), api_key="")

    run(provider.request("GET", "/models"))

    assert "authorization" not in script.requests[0].headers


@pytest.mark.parametrize("key", ["a\r\nb", "a\n", "a\0", "schlüssel", 5, b"key"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^api_key ") as caught:
        Mine(key)
    assert str(key) not in str(caught.value)


# ---------------------------------------------------------------------------------------------- addresses


def test_the_address_comes_from_the_argument_else_the_environment_else_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Mine("k").base_url == "https://mine.test/api/v2"
    monkeypatch.setenv("MINE_OLD_URL", "http://old.test/v1")
    assert Mine("k").base_url == "http://old.test/v1"
    monkeypatch.setenv("MINE_URL", "http://new.test/v1/")
    assert Mine("k").base_url == "http://new.test/v1/"
    assert Mine("k", "http://given.test").base_url == "http://given.test"


@pytest.mark.parametrize("url", ["http://new.test", "http://new.test/"])
def test_an_address_of_the_environment_may_lack_its_version(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_URL", url)

    assert Mine("k").base_url == "http://new.test/api/v2"


@pytest.mark.parametrize("url", ["http://h.test/v1", "http://h.test/v1/"])
def test_paths_go_below_the_address_with_one_slash(url: str) -> None:
    provider, script = scripted(whole({}), whole({}), base_url=url)

    run(provider.request("GET", "/models"))
    run(provider.request("GET", "models"))

    assert [request.url for request in script.requests] == ["http://h.test/v1/models"] * 2


def test_a_query_in_an_address_stays_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, script = scripted(whole({}), whole({}), base_url="http://h.test/v1/?version=2")

    run(provider.request("GET", "/models"))
    run(provider.request("GET", "/models?limit=5"))

    assert [request.url for request in script.requests] == [
        "http://h.test/v1/models?version=2",
        "http://h.test/v1/models?limit=5&version=2",
    ]
    monkeypatch.setenv("MINE_URL", "http://new.test?version=2")
    assert Mine("k").base_url == "http://new.test/api/v2?version=2"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (5, "base_url must be a string; it is a int"),
        ("", "base_url must be an http or https address with a host; it is ''"),
        ("localhost:1234/v1", "base_url must be an http or https address with a host; it is 'localhost:1234/v1'"),
        ("ftp://h/v1", "base_url must be an http or https address with a host; it is 'ftp://h/v1'"),
        ("http:///v1", "base_url must be an http or https address with a host; it is 'http:///v1'"),
        ("http://h:port/v1", "base_url is no address: Port could not be cast to integer value as 'port'"),
        ("http://[::1/v1", "base_url is no address: Invalid IPv6 URL"),
        ("http://h/v 1", "base_url holds a space or a control character; it is 'http://h/v 1'"),
        ("http://h/v1\r\nX: y", "base_url holds a space or a control character; it is 'http://h/v1\\r\\nX: y'"),
        ("http://h/v1#a", "base_url holds a fragment, which no server is sent; it is 'http://h/v1#a'"),
        ("http://h/v1?a=b&api_key=c", "base_url holds 'api_key'; pass api_key or default_headers instead"),
        ("http://h/\x7f", "base_url holds a space or a control character; it is 'http://h/\\x7f'"),
    ],
)
def test_an_address_that_can_never_work_is_refused(url: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_base_url(url)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    "url",
    [
        "http://me:topsecret@h/v1",
        "http://topsecret@h/v1",
        "http://:topsecret@h/v1",
        "me:topsecret@h/v1",
        "http://me:topsecret/x@h/v1",
        "http://h/ topsecret@",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^base_url ") as caught:
        Mine("k", url)
    assert "topsecret" not in str(caught.value)
    assert caught.value.__cause__ is None


# ------------------------------------------------------------------------------------------- constructor


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"timeout": "5"}, "timeout must be a positive number of seconds, or None for none; it is '5'"),
        ({"timeout": 0}, "timeout must be a positive number of seconds, or None for none; it is 0"),
        ({"timeouts": 5}, "timeouts must be a Timeouts; it is a int"),
        ({"retry_config": 3}, "retry_config must be a RetryPolicy; it is a int"),
        ({"default_headers": "X: y"}, "default_headers must be a dict; it is a str"),
        ({"default_headers": {"X": 5}}, "default_headers['X'] must be a string without line breaks"),
        ({"default_headers": {"X": "a\nb"}}, "default_headers['X'] must be a string without line breaks"),
        ({"default_headers": {"X:": "y"}}, "default_headers: 'X:' is no name of a header"),
        ({"default_headers": {"": "y"}}, "default_headers: '' is no name of a header"),
        ({"default_headers": {"X Y": "y"}}, "default_headers: 'X Y' is no name of a header"),
        ({"default_headers": {5: "y"}}, "default_headers: 5 is no name of a header"),
        ({"proxy": 5}, "proxy must be an address; it is a int"),
        ({"ssl_context": "cert.pem"}, "ssl_context must be an ssl.SSLContext; it is a str"),
        ({"transport": "tcp"}, "transport must be a Transport; it is a str"),
    ],
)
def test_a_configuration_that_can_never_work_is_refused_by_its_name(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Mine("k", **arguments)
    assert str(caught.value) == problem


def test_the_configuration_is_readable() -> None:
    retry, timeouts = RetryConfig(max_attempts=1), Timeouts(idle=5)
    provider = Mine("k", retry_config=retry, timeouts=timeouts, timeout=None)

    assert (provider.retry_config, provider.timeouts, provider.timeout) == (retry, timeouts, None)
    assert (Mine("k").retry_config, Mine("k").timeouts, Mine("k").timeout) == (RetryConfig(), Timeouts(), 600.0)
    assert provider.limits().for_read() == (5, "idle")


def test_no_secret_is_shown() -> None:
    provider = Mine(KEY, default_headers={"x-token": KEY})

    assert repr(provider) == "Mine(base_url='https://mine.test/api/v2')"
    assert KEY not in repr(vars(provider) | {"_api_key": "", "default_headers": ""})


@pytest.mark.parametrize("travel", [lambda p: pickle.loads(pickle.dumps(p)), copy.copy, copy.deepcopy])
def test_a_provider_travels_with_its_key_and_without_its_connections(travel: Callable[[Any], Any]) -> None:
    provider = OpenAIProvider(KEY, "http://h.test/v1", default_headers={"a": "b"}, organization="o", timeout=5)
    provider.transport(blocking=True)

    arrived = travel(provider)

    assert type(arrived) is OpenAIProvider
    assert vars(arrived) | {"_networks": {}} == vars(provider) | {"_networks": {}}
    assert arrived.transport(blocking=True) is not provider.transport(blocking=True)
    assert provider.transport(blocking=True) is provider.transport(blocking=True)


def test_the_network_is_made_at_the_first_call_for_either_runtime() -> None:
    provider = Mine("k", proxy="http://p.test", ssl_context=ssl.create_default_context())

    assert isinstance(provider.transport(blocking=True), BlockingTransport)
    assert isinstance(provider.transport(blocking=False), AsyncTransport)


def test_closing_keeps_the_provider_usable() -> None:
    provider = Mine("k")
    provider.close()
    run(provider.aclose())
    blocking, asynchronous = provider.transport(blocking=True), provider.transport(blocking=False)

    closed = []
    blocking.aclose = lambda: noted("blocking")  # type: ignore[method-assign] # to see that it is asked
    asynchronous.aclose = lambda: noted("asynchronous")  # type: ignore[method-assign] # as above

    async def noted(name: str) -> None:
        closed.append(name)

    provider.close()
    run(provider.aclose())

    assert closed == ["blocking", "asynchronous"]


# -------------------------------------------------------------------------------------------- acomplete


def test_a_conversation_may_be_a_plain_text() -> None:
    provider, script = scripted(whole(completion("Hello")))

    response = run(provider.acomplete("m", "Hi", temperature=0, max_tokens=5, n=2))

    assert sent(script.requests[0]) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0,
        "max_tokens": 5,
        "n": 2,
    }
    assert (response.main_response.role, response.main_response.content) == ("assistant", "Hello")
    assert (response.finish_reason, response.usage.input_tokens, response.usage.output_tokens) == ("stop", 3, 2)


def test_headers_of_a_request_replace_those_of_the_provider_which_replace_our_own() -> None:
    provider, script = scripted(
        whole(completion("Hello")), default_headers={"X-A": "provider", "User-Agent": "mine", "X-B": "provider"}
    )

    run(provider.acomplete("m", "Hi", headers={"x-a": "request", "Authorization": "Bearer other"}))

    assert script.requests[0].headers == {
        "accept-encoding": "identity",
        "user-agent": "mine",
        "content-type": "application/json",
        "authorization": "Bearer other",
        "x-a": "request",
        "x-b": "provider",
    }


def test_what_was_passed_in_stays_as_it_is() -> None:
    arguments: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "headers": {"X-A": "b"},
        "metadata": {"a": [1]},
    }
    before = copy.deepcopy(arguments)
    provider, _ = scripted(whole(completion("Hello")))

    run(provider.acomplete("m", **arguments))

    assert arguments == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", 5),
        ("messages", 5),
        ("messages", [5]),
        ("stream", "yes"),
        ("tools", "f"),
        ("tool_choice", 5),
        ("response_schema", {"type": "object"}),
        ("headers", "X: y"),
        ("headers", {"X": None}),
        ("temperature", "hot"),
        ("top_p", "1"),
        ("max_tokens", "5"),
        ("stop", 5),
        ("seed", "x"),
        ("reasoning_effort", 5),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_argument_of_the_wrong_type_is_refused_by_its_name_and_nothing_is_sent(
    name: str, value: Any, streamed: bool
) -> None:
    provider, script = scripted(whole(completion("Hello")))

    with pytest.raises(ConfigurationError, match=rf"^{name}\b"):
        run(provider.acomplete(**({"model": "m", "messages": "Hi", "stream": streamed} | {name: value})))
    assert script.requests == []


def test_what_has_no_json_is_refused_and_nothing_is_sent() -> None:
    provider, script = scripted(whole(completion("Hello")))

    with pytest.raises(ConfigurationError, match=r"^the request cannot be written as JSON: "):
        run(provider.acomplete("m", "Hi", stream=True, metadata=object()))
    assert script.requests == []


def test_a_streamed_reply_is_a_stream_and_its_request_waits_for_the_first_step() -> None:
    provider, script = scripted(stream(*chat("{}")))

    reply = run(provider.acomplete("m", "Hi", stream=True, response_schema=ResponseSchema({"type": "object"})))

    assert isinstance(reply, Stream)
    assert script.requests == []
    run(chunks_of(reply))
    assert sent(script.requests[0])["stream"] is True
    assert sent(script.requests[0])["response_format"]["json_schema"]["name"] == "response"


def test_a_tool_call_makes_its_round_as_the_contract_shows() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 15, "b": 27}'}}
    provider, script = scripted(
        whole(completion(None, "tool_calls", {"tool_calls": [call]})), whole(completion("It is 42."))
    )
    messages: list[Any] = [{"role": "user", "content": "15 + 27?"}]

    response = run(provider.acomplete("m", messages))
    result = run(provider.execute_tool(response.main_response.tool_calls[0], {"add": lambda a, b: a + b}))
    final = run(provider.acomplete("m", [*messages, response.main_response.original, result]))

    assert final.main_response.content == "It is 42."
    assert sent(script.requests[1])["messages"] == [
        messages[0],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ]


# ---------------------------------------------------------------------------------------------- request


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "get"])
def test_any_endpoint_can_be_called(method: str) -> None:
    provider, script = scripted(whole({"data": [{"id": "m"}]}))

    assert run(provider.request(method, "/models", {"a": 1})) == {"data": [{"id": "m"}]}
    assert (script.requests[0].method, script.requests[0].url) == (method.upper(), "http://test/v1/models")
    assert json.loads(script.requests[0].body) == {"a": 1}


def test_without_data_nothing_is_sent() -> None:
    provider, script = scripted(whole({}), whole({}))

    run(provider.request("GET", "/models"))
    run(provider.request("POST", "/empty", {}))

    assert script.requests[0].body == b""
    assert "content-type" not in script.requests[0].headers
    assert script.requests[1].body == b"{}"


def test_keywords_of_a_request_are_headers() -> None:
    provider, script = scripted(whole({}))

    run(provider.request("GET", "/models", headers={"X-A": "a"}, custom_header="value", x_a="b"))

    assert script.requests[0].headers["custom-header"] == "value"
    assert script.requests[0].headers["x-a"] == "b"


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_answer_is_none(body: bytes) -> None:
    provider, _ = scripted(whole(body, 204))

    assert run(provider.request("DELETE", "/files/1")) is None


def test_a_request_has_the_same_errors_and_retries() -> None:
    provider, script = scripted(failing(503), whole({"a": 1}), failing(401))

    assert run(provider.request("GET", "/models")) == {"a": 1}
    assert len(script.slept) == 1
    with pytest.raises(AuthenticationError):
        run(provider.request("GET", "/models"))


@pytest.mark.parametrize("body", [f"no JSON {KEY}".encode(), b"\xff" + KEY.encode(), b"[" * 100_000])
def test_an_answer_that_is_no_json_is_refused_without_the_key(body: bytes) -> None:
    provider, _ = scripted(whole(body))

    with pytest.raises(WireFormatError, match=r"^openai: cannot read \$ in ") as caught:
        run(provider.request("GET", "/models"))
    assert KEY not in str(caught.value)
    assert KEY.encode() not in caught.value.excerpt


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"method": "HEAD"}, "method must be GET, POST, PUT, DELETE or PATCH; it is 'HEAD'"),
        ({"method": 5}, "method must be GET, POST, PUT, DELETE or PATCH; it is 5"),
        ({"path": 5}, "path must be a string; it is a int"),
        ({"headers": 5}, "headers must be a dict; it is a int"),
        ({"headers": {"X": 5}}, "headers['X'] must be a string without line breaks"),
        ({"custom_header": 5}, "headers['custom-header'] must be a string without line breaks"),
        ({"json_data": object()}, "json_data cannot be written as JSON: "),
    ],
)
def test_a_request_that_can_never_work_is_refused_and_nothing_is_sent(arguments: dict[str, Any], problem: str) -> None:
    provider, script = scripted(whole({}))

    with pytest.raises(ConfigurationError) as caught:
        run(provider.request(**({"method": "GET", "path": "/models"} | arguments)))
    assert str(caught.value).startswith(problem)
    assert script.requests == []


# ----------------------------------------------------------------------------------------- execute_tool

CALL = ToolCall.parse("call_1", "f", '{"city": "Paris"}')


@dataclasses.dataclass
class Weather:
    sky: str


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("sunny", "sunny"),
        ({"sky": "sunny"}, '{"sky":"sunny"}'),
        ([1, 2.5, None], "[1,2.5,null]"),
        (None, "null"),
        (Weather("sunny"), '{"sky":"sunny"}'),
        (3 + 4j, "(3+4j)"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_what_a_tool_returns_becomes_a_message(result: object, text: str, is_async: bool) -> None:
    def plain(city: str) -> object:
        assert city == "Paris"
        return result

    async def coroutine(city: str) -> object:
        return plain(city)

    provider, _ = scripted()

    message = run(provider.execute_tool(CALL, {"f": coroutine if is_async else plain}))

    assert message == {"role": "tool", "tool_call_id": "call_1", "content": text}


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_tool_that_raises_is_named_with_its_error(is_async: bool) -> None:
    cause = ValueError("no such city")

    def plain(city: str) -> None:
        raise cause

    async def coroutine(city: str) -> None:
        raise cause

    provider, _ = scripted()

    with pytest.raises(ToolExecutionError, match=r"^tool 'f': ValueError: no such city$") as caught:
        run(provider.execute_tool(CALL, {"f": coroutine if is_async else plain}))
    assert caught.value.original_error is caught.value.__cause__ is cause
    assert caught.value.tool_name == "f"


def test_arguments_that_the_function_does_not_take_are_its_error() -> None:
    provider, _ = scripted()

    with pytest.raises(ToolExecutionError, match=r"TypeError: .*unexpected keyword argument 'city'"):
        run(provider.execute_tool(CALL, {"f": lambda: 1}))


def test_an_interruption_of_a_tool_is_not_swallowed() -> None:
    def interrupted(city: str) -> None:
        raise KeyboardInterrupt

    provider, _ = scripted()

    with pytest.raises(KeyboardInterrupt):
        run(provider.execute_tool(CALL, {"f": interrupted}))


def test_a_tool_is_not_run_with_arguments_that_cannot_be_read() -> None:
    ran: list[object] = []
    provider, _ = scripted()

    with pytest.raises(ToolExecutionError, match=r"^tool 'f': the arguments are not JSON: "):
        run(provider.execute_tool(ToolCall.parse("1", "f", '{"city":'), {"f": ran.append}))
    with pytest.raises(ToolExecutionError, match=r"^tool 'f': its arguments cannot be read$"):
        run(provider.execute_tool(ToolCall("1", "f", None), {"f": ran.append}))
    assert ran == []


@pytest.mark.parametrize(
    ("call", "tools", "problem"),
    [
        (CALL, {"h": print, "g": print}, "tools_map has no 'f', which the model calls; it has g, h"),
        (CALL, {}, "tools_map has no 'f', which the model calls; it has none"),
        (CALL, [print], "tools_map must be a dict; it is a list"),
        ({"name": "f"}, {"f": print}, "tool_call must be a ToolCall; it is a dict"),
    ],
)
def test_a_call_that_no_function_answers_is_refused(call: Any, tools: Any, problem: str) -> None:
    provider, _ = scripted()

    with pytest.raises(ConfigurationError) as caught:
        run(provider.execute_tool(call, tools))
    assert str(caught.value) == problem


# ------------------------------------------------------------------------------------- echoed secrets


def test_the_key_is_taken_out_of_any_text_also_where_it_is_cut_off() -> None:
    provider = Mine(KEY)

    assert provider.redact(f"bad key {KEY}, yes {KEY}") == "bad key [key], yes [key]"
    assert provider.redact(f"bad key {KEY[:-1]}") == "bad key [key]"
    assert provider.redact(f"bad key {KEY[:4]}") == "bad key [key]"
    assert provider.redact("nothing") == "nothing"
    assert Mine("x").redact("extra") == "extra"


def test_an_error_that_echoes_the_key_does_not_show_it() -> None:
    body = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    provider, _ = scripted(whole(body, 401))

    with pytest.raises(AuthenticationError) as caught:
        run(provider.acomplete("m", "Hi"))
    assert str(caught.value) == "Incorrect API key provided: [key] (HTTP 401)"
    assert_hidden(caught.value)


@pytest.mark.parametrize("size", range(280, 301, 4))
def test_no_part_of_the_key_is_shown_where_a_page_is_cut(size: int) -> None:
    provider, _ = scripted(whole(b"x" * size + KEY.encode() + b"y" * 5000, 400))

    with pytest.raises(InvalidRequestError) as caught:
        run(provider.acomplete("m", "Hi"))
    assert_hidden(caught.value)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", ["error", "unreadable"])
def test_an_error_inside_an_answer_does_not_show_the_key(streamed: bool, kind: str) -> None:
    body = json.dumps({"error": f"bad {KEY}"}) if kind == "error" else "x" * 190 + KEY + "y" * 9
    reply = stream(body, *chat("Hi")) if streamed else whole(body.encode())
    provider, _ = scripted(reply)

    async def ask() -> None:
        answer = await provider.acomplete("m", "Hi", stream=streamed)
        if isinstance(answer, Stream):
            await chunks_of(answer)

    with pytest.raises(LLMError) as caught:
        run(ask())
    assert_hidden(caught.value)


def assert_hidden(error: LLMError) -> None:
    """Check that neither the key nor much of its beginning is anywhere in an error."""
    everything = f"{error!s} {error!r} {error.args!r} {vars(error)!r}"
    assert KEY[:6] not in everything


def test_messages_of_a_conversation_may_be_mixed() -> None:
    provider, script = scripted(whole(completion("a")), whole(completion("b")))

    first = run(provider.acomplete("m", [Message("system", "Be brief"), {"role": "user", "content": "Hi"}]))
    run(provider.acomplete("m", [Message("user", "Hi"), first.main_response, Message("user", "More")]))

    assert sent(script.requests[1])["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "More"},
    ]
