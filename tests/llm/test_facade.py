"""What `LLM` takes and refuses, and that what it opens is closed however a call ends."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import multiprocessing
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm import LLM, ConfigurationError, CustomThinkingToken, LLMError, RetryPolicy, Timeouts
from llm.testing import says, scripted_llm
from llm_async import OpenAIProvider
from server import Reply, Request, Server, chat, reply, sse

METHODS = ["response", "stream_response", "async_response", "async_stream_response"]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.handler = answer
        yield running


def answer(request: Request) -> Reply:
    return reply(body=sse(*chat("Hel", "lo")))


def endless(gate: threading.Event) -> Reply:
    """An answer that begins, and goes on only when the gate opens."""
    first, *rest = chat("Hel", "lo")[1:]
    return reply(body=sse(first, gate, *rest))


def call(llm: LLM, method: str, *arguments: Any, **options: Any) -> Any:
    """Call a method up to where it would send the request, and take an answer or the error."""
    result = getattr(llm, method)(*arguments, **options)
    if method == "async_response":
        return asyncio.run(result)
    return result


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"api_key": None}, "api_key"),
        ({"api_key": "a\nb"}, "api_key"),
        ({"base_url": "localhost:1234"}, "base_url"),
        ({"base_url": "ftp://localhost"}, "base_url"),
        ({"base_url": "http://user:hunter2@localhost"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"custom_thinking_token": "<think>"}, "custom_thinking_token"),
        ({"default_stop_sequences": "END"}, "default_stop_sequences"),
        ({"default_stop_sequences": ["a", 1]}, r"default_stop_sequences\[1\]"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeouts": 5}, "timeouts"),
        ({"retry": 3}, "retry"),
        ({"extra_body": [1]}, "extra_body"),
        ({"extra_body": {1: 2}}, "extra_body"),
        ({"extra_body": {"messages": []}}, "messages"),
        ({"tool_exec": "no"}, "tool_exec"),
        ({"max_tool_rounds": 0}, "max_tool_rounds"),
        ({"max_tool_rounds": True}, "max_tool_rounds"),
        ({"max_parallel_tools": 0}, "max_parallel_tools"),
        ({"max_parallel_tools": "2"}, "max_parallel_tools"),
        ({"provider": "openai"}, "provider"),
    ],
)
def test_a_configuration_that_can_never_work_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        LLM(**({"model": "test"} | options))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("messages", "options", "named"),
    [
        ([], {}, "messages"),
        (None, {}, "messages"),
        ({"role": "user"}, {}, "messages"),
        (["Hello"], {}, r"messages\[0\]"),
        ([{"role": "user", "content": "a"}, {"content": "b"}], {}, r"messages\[1\]"),
        ([{"role": "user", "content": [{"type": "text"}]}], {}, r"messages\[0\].content\[0\]"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "file:///etc/passwd"}]}], {}, "file:"),
        ([{"role": "user", "content": object()}], {}, "content"),
        ("Hello", {"tools": "search"}, "tools must be a list"),
        ("Hello", {"tools": {"type": "function"}}, "tools must be a list"),
        ("Hello", {"tools": [len, 3]}, r"tools\[1\]|len"),
        ("Hello", {"tools": [{"function": {"name": "a"}}]}, r"tools\[0\] needs a type"),
        ("Hello", {"tools": [{"type": "function", "function": {}}]}, r"tools\[0\] needs function.name"),
        ("Hello", {"output_format": 3}, "output_format"),
        ("Hello", {"output_format": {"name": "a"}}, "output_format"),
        ("Hello", {"output_format": {"type": "json_schema", "json_schema": {}}}, "json_schema.schema"),
        ("Hello", {"output_retries": -1}, "output_retries"),
        ("Hello", {"output_retries": True}, "output_retries"),
        ("Hello", {"tool_interceptor": "search"}, "tool_interceptor"),
        ("Hello", {"on_review": "approve"}, "on_review"),
        ("Hello", {"tool_exec": "no"}, "tool_exec"),
        ("Hello", {"max_tool_rounds": 0}, "max_tool_rounds"),
        ("Hello", {"max_parallel_tools": -1}, "max_parallel_tools"),
        ("Hello", {"lm_studio_unload_model": True}, "lm_studio_unload_model"),
        ("Hello", {"max_tokens": 0}, "max_tokens"),
        ("Hello", {"max_tokens": "9"}, "max_tokens"),
        ("Hello", {"reasoning_effort": 3}, "reasoning_effort"),
        ("Hello", {"extra_body": {"stream": False}}, "stream"),
        ("Hello", {"verbose": "yes"}, "verbose"),
        ("Hello", {"hide_thinking": 1}, "hide_thinking"),
    ],
)
def test_a_call_that_can_never_work_is_refused_before_any_request(
    method: str, messages: Any, options: dict[str, Any], named: str
) -> None:
    llm = scripted_llm(says("never"))

    with pytest.raises(ConfigurationError, match=named):
        call(llm, method, messages, **options)
    assert llm.requests == []


@pytest.mark.parametrize("method", METHODS)
def test_unknown_keywords_are_refused(method: str) -> None:
    with pytest.raises(TypeError, match="temprature"):
        call(scripted_llm(), method, "Hello", temprature=0)


def test_a_request_that_has_no_json_is_refused_before_it_is_sent() -> None:
    llm = scripted_llm(says("never"))

    with pytest.raises(ConfigurationError, match="JSON"):
        llm.response([{"role": "user", "content": "a", "extra": object()}])
    assert llm.requests == []


def test_empty_tools_are_no_tools() -> None:
    assert scripted_llm(says("Hello")).response("Hi", tools=[])["answer"] == "Hello"


# ---------------------------------------------------------------------------------------------- what it talks to


@pytest.mark.parametrize(
    ("given", "path"),
    [("", "/v1/chat/completions"), ("/", "/v1/chat/completions"), ("/api", "/api/chat/completions"),
     ("/v1/", "/v1/chat/completions")],
)  # fmt: skip
def test_an_address_without_a_path_gets_v1(server: Server, given: str, path: str) -> None:
    LLM("test", base_url=server.url + given).response("Hello")

    assert server.requests[0].path == path


def test_a_registered_prefix_takes_key_and_address_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")

    LLM("openai:gpt-5").response("Hello")

    assert server.requests[0].json()["model"] == "gpt-5"
    assert server.requests[0].headers["authorization"] == "Bearer from-the-environment"


def test_a_registered_prefix_without_a_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        LLM("openai:gpt-5")


@pytest.mark.parametrize("name", ["qwen3:8b", "qwen/qwen3-4b", "gpt-oss:20b:free"])
def test_other_colons_belong_to_the_models_name(server: Server, name: str) -> None:
    LLM(name, base_url=server.url).response("Hello")

    assert server.requests[0].json()["model"] == name


def test_a_provider_object_says_where_to_ask(server: Server) -> None:
    provider = OpenAIProvider("key", server.url + "/elsewhere", default_headers={"X-Team": "a"})

    LLM("test", provider=provider).response("Hello")

    assert server.requests[0].path == "/elsewhere/chat/completions"
    assert server.requests[0].headers["x-team"] == "a"


def test_nothing_that_was_passed_in_is_changed(server: Server) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    extra, more, stops = {"top_k": [1]}, {"temperature": 0}, ["END"]
    before = copy.deepcopy((messages, extra, more, stops))

    LLM("test", base_url=server.url, extra_body=extra, default_stop_sequences=stops).response(messages, extra_body=more)

    assert (messages, extra, more, stops) == before


def test_a_conversation_goes_on_by_appending_the_messages_of_the_answer(server: Server) -> None:
    llm = LLM("test", base_url=server.url)
    conversation: list[Any] = [{"role": "user", "content": "Hi"}]

    conversation += llm.response(conversation)["messages"]
    llm.response([*conversation, {"role": "user", "content": "Again"}])

    assert server.requests[1].json()["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Again"},
    ]


# --------------------------------------------------------------------------------------------------------- ends


def test_nothing_is_sent_before_the_first_step(server: Server) -> None:
    llm = LLM("test", base_url=server.url)

    llm.stream_response("Hello").close()
    asyncio.run(llm.async_stream_response("Hello").aclose())

    assert server.connections == 0


@pytest.mark.parametrize("end", ["break", "close", "with", "exception", "forgotten"])
def test_a_blocking_stream_that_is_left_closes_its_connection(server: Server, end: str) -> None:
    gate = threading.Event()
    server.add(endless(gate))
    llm = LLM("test", base_url=server.url)

    if end == "break":
        for _ in llm.stream_response("Hello"):
            break
    elif end == "close":
        stream = llm.stream_response("Hello")
        next(stream)
        stream.close()
    elif end == "with":
        with llm.stream_response("Hello") as stream:
            next(iter(stream))
    elif end == "exception":
        with contextlib.suppress(KeyError), llm.stream_response("Hello") as stream:
            for _ in stream:
                raise KeyError
    else:
        forgotten = llm.stream_response("Hello")
        next(forgotten)
        del forgotten
        gc.collect()

    server.wait_closed(1)
    gate.set()
    assert llm.response("Again")["answer"] == "Hello"


@pytest.mark.parametrize("end", ["break", "aclose", "with", "cancelled", "wait_for", "forgotten"])
def test_an_async_stream_that_is_left_closes_its_connection(server: Server, end: str) -> None:
    gate = threading.Event()
    server.add(endless(gate))
    llm = LLM("test", base_url=server.url)

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    async def leave() -> None:
        if end == "break":
            async for _ in llm.async_stream_response("Hello"):
                break
        elif end == "aclose":
            stream = llm.async_stream_response("Hello")
            await anext(stream)
            await stream.aclose()
        elif end == "with":
            async with llm.async_stream_response("Hello") as stream:
                await anext(stream)
        elif end == "cancelled":
            shown = asyncio.Event()

            async def watch() -> None:
                async for _ in llm.async_stream_response("Hello"):
                    shown.set()

            task = asyncio.create_task(watch())
            await shown.wait()
            task.cancel()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif end == "wait_for":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(read(llm.async_stream_response("Hello")), 0.2)
        else:
            forgotten = llm.async_stream_response("Hello")
            await anext(forgotten)
            del forgotten
            gc.collect()
        await asyncio.to_thread(server.wait_closed, 1)

    asyncio.run(leave())
    gate.set()
    assert asyncio.run(llm.async_response("Again"))["answer"] == "Hello"


def test_final_is_there_only_after_the_end(server: Server) -> None:
    stream = LLM("test", base_url=server.url).stream_response("Hello")
    next(stream)

    with pytest.raises(LLMError, match="end"):
        _ = stream.final
    list(stream)
    assert stream.final["answer"] == "Hello"


def test_a_stream_is_also_advanced_by_send(server: Server) -> None:
    llm = LLM("test", base_url=server.url)
    stream = llm.stream_response("Hello")

    assert stream.send(None)["content"] == "Hel"
    assert next(stream)["content"] == "lo"
    stream.close()

    async def advance() -> Any:
        events = llm.async_stream_response("Hello")
        first = await events.asend(None)
        with pytest.raises(LLMError, match="end"):
            _ = events.final
        await events.aclose()
        return first

    assert asyncio.run(advance())["content"] == "Hel"


def test_with_closes_the_connections_that_were_kept(server: Server) -> None:
    with LLM("test", base_url=server.url) as llm:
        llm.response("Hello")
    server.wait_closed(1)

    async def ask() -> None:
        async with LLM("test", base_url=server.url) as other:
            await other.async_response("Hello")
        await asyncio.to_thread(server.wait_closed, 2)

    asyncio.run(ask())
    assert llm.response("It works on")["answer"] == "Hello"


# ------------------------------------------------------------------------------------------------------ sharing


def test_blocking_calls_work_inside_a_running_loop(server: Server) -> None:
    llm = LLM("test", base_url=server.url)

    async def in_a_notebook() -> list[Any]:
        whole = llm.response("Hello")["answer"]
        for _ in llm.stream_response("Hello"):
            break
        return [whole, *(event["content"] for event in llm.stream_response("Hello"))]

    assert asyncio.run(in_a_notebook()) == ["Hello", "Hel", "lo", None]


def test_one_llm_is_shared_by_threads(server: Server) -> None:
    llm = LLM("test", base_url=server.url)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: llm.response("Hello")["answer"], range(40)))

    assert answers == ["Hello"] * 40


def test_one_llm_is_shared_by_event_loops(server: Server) -> None:
    llm = LLM("test", base_url=server.url)

    async def ask() -> Any:
        return (await llm.async_response("Hello"))["answer"]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: asyncio.run(ask()), range(8)))

    assert [*answers, asyncio.run(ask())] == ["Hello"] * 9


def ask_in_child(llm: LLM) -> Any:
    return llm.response("Hello")["answer"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_llm_works_in_child_processes(server: Server, method: str) -> None:
    llm = LLM("test", base_url=server.url)
    llm.response("Hello")

    if method == "spawn":
        program = "import pickle, sys; print(pickle.load(sys.stdin.buffer).response('Hello')['answer'])"
        child = subprocess.run(
            [sys.executable, "-c", program], input=pickle.dumps(llm), capture_output=True, check=True
        )
        assert child.stdout.strip() == b"Hello"
    else:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(ask_in_child, [llm] * 4) == ["Hello"] * 4
    assert llm.response("Hello")["answer"] == "Hello"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda llm: pickle.loads(pickle.dumps(llm))])
def test_copies_keep_the_configuration(server: Server, duplicate: Any) -> None:
    token = CustomThinkingToken(start_token="<<", end_token=">>")
    llm = LLM("test", "key-12345678", server.url, token, timeouts=Timeouts(idle=5), retry=RetryPolicy(max_attempts=1))
    llm.response("Hello")

    same = duplicate(llm)

    assert same.config == llm.config
    assert same.response("Hello")["answer"] == "Hello"
    assert server.requests[1].headers["authorization"] == "Bearer key-12345678"


def test_the_key_is_in_no_representation() -> None:
    llm = LLM("test", "key-12345678")

    assert "key-12345678" not in repr(llm) + repr(llm.config) + repr(vars(llm))


def test_nothing_is_printed_in_development_mode(server: Server) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from llm import LLM

        llm = LLM("test", base_url=sys.argv[1])
        llm.response("Hello")
        for _ in llm.stream_response("Hello"):
            break
        left = llm.stream_response("Hello")
        next(left)

        async def main():
            await llm.async_response("Hello")
            async for _ in llm.async_stream_response("Hello"):
                break
            global kept
            kept = llm.async_stream_response("Hello")
            await anext(kept)

        asyncio.run(main(), debug=False)  # which would tell of every slow import
        asyncio.run(main(), debug=False)
        """
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, server.url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
