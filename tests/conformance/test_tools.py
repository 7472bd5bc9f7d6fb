"""Tools and reviews, whatever the function is made of and whichever of the four methods runs it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import Any

import pytest

import plays
from llm import LLM, LLMError, NotFoundError, Timeouts, tool_interceptor
from llm.testing import ScriptedLLM, call, calls, fails, says, scripted_llm
from plays import Play
from server import Server, chat, sse

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)
every_stream = pytest.mark.parametrize("play", plays.STREAMED.values(), ids=plays.STREAMED)
async_faces = pytest.mark.parametrize(
    "play", [plays.play_asyncio, plays.play_asyncio_whole], ids=["asyncio", "asyncio whole"]
)
blocking_faces = pytest.mark.parametrize(
    "play", [plays.play_blocking, plays.play_blocking_whole], ids=["blocking", "blocking whole"]
)

USER: contextvars.ContextVar[str] = contextvars.ContextVar("USER", default="nobody")
PATIENCE = 10.0


# ------------------------------------------------------------------------------------------------- kinds of tools
# Each says where it is sunny, and to whom: the context variable must have reached it.


def sunny(city: str) -> str:
    return f"sunny in {city} for {USER.get()}"


def plain(city: str) -> str:
    """Tell the weather."""
    return sunny(city)


async def coroutine(city: str) -> str:
    """Tell the weather."""
    await asyncio.sleep(0)
    return sunny(city)


def generator(city: str) -> Generator[Any, Any, str]:
    """Tell the weather."""
    yield "looking"
    return sunny(city)


async def async_generator(city: str) -> AsyncGenerator[Any, Any]:
    """Tell the weather."""
    yield "looking"
    await asyncio.sleep(0)
    yield sunny(city)


class Station:
    """Tell the weather."""

    def method(self, city: str) -> str:
        """Tell the weather."""
        return sunny(city)

    async def async_method(self, city: str) -> str:
        """Tell the weather."""
        await asyncio.sleep(0)
        return sunny(city)

    @classmethod
    def class_method(cls, city: str) -> str:
        """Tell the weather."""
        return sunny(city)

    @staticmethod
    def static_method(city: str) -> str:
        """Tell the weather."""
        return sunny(city)

    def __call__(self, city: str) -> str:
        return sunny(city)


class AsyncStation:
    """Tell the weather."""

    async def __call__(self, city: str) -> str:
        return sunny(city)


class StreamingStation:
    """Tell the weather."""

    async def __call__(self, city: str) -> AsyncGenerator[Any, Any]:
        yield "looking"
        yield sunny(city)


def greeting(greeting: str, city: str, *, times: int) -> str:
    """Tell the weather."""
    assert (greeting, times) == ("Hi", 1)
    return sunny(city)


async def async_greeting(greeting: str, city: str) -> str:
    """Tell the weather."""
    return sunny(city)


@functools.wraps(coroutine)
def wrapped(*arguments: Any, **named: Any) -> Any:
    return coroutine(*arguments, **named)


anonymous: Any = lambda city: sunny(city)  # noqa: E731 - a lambda is what is tested
anonymous.__name__, anonymous.__doc__ = "anonymous", "Tell the weather."
anonymous.__annotations__ = {"city": str}

KINDS: dict[str, Callable[..., Any]] = {
    "function": plain,
    "coroutine function": coroutine,
    "generator": generator,
    "async generator": async_generator,
    "method": Station().method,
    "async method": Station().async_method,
    "class method": Station.class_method,
    "static method": Station.static_method,
    "callable object": Station(),
    "async callable object": AsyncStation(),
    "callable object that streams": StreamingStation(),
    "partial": functools.partial(greeting, "Hi", times=1),
    "partial by name": functools.partial(greeting, greeting="Hi", times=1),
    "async partial": functools.partial(async_greeting, "Hi"),
    "wrapper": wrapped,
    "lambda": anonymous,
}
every_kind = pytest.mark.parametrize("tool", KINDS.values(), ids=KINDS)


@every_face
@every_kind
def test_every_kind_of_tool_runs_in_all_four_methods(play: Play, tool: Callable[..., Any]) -> None:
    name = call(tool)["function"]["name"]
    llm = scripted_llm(calls(call(tool, city="Paris")), says("It is sunny."))
    token = USER.set("Ada")
    try:
        scene = play(llm, tools=[tool], max_tool_rounds=2)
    finally:
        USER.reset(token)

    result = "sunny in Paris for Ada"
    assert scene.final is not None
    assert scene.final["tool_calls"] == [{"id": "call_1", "name": name, "arguments": {"city": "Paris"}}]
    assert scene.final["tool_results"] == [{"id": "call_1", "name": name, "result": result, "is_error": False}]
    assert scene.final["answer"] == "It is sunny."
    if scene.events:
        streams = [event for event in scene.events if event["type"] == "tool_stream"]
        assert scene.types() == ["tool_call", *["tool_stream"] * len(streams), "tool_result", "answer", "done"]
        assert {(event["source"], event["tool_id"], event["job"]) for event in scene.events[:-2]} == {
            (name, "call_1", 1)
        }
        assert [event["depth"] for event in scene.events] == [0, *[1] * len(streams), 0, 0, 0]
    first, second = llm.requests
    schema = first["tools"][0]["function"]
    assert (schema["name"], schema["description"]) == (name, "Tell the weather.")
    assert schema["parameters"] == {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    assert second["messages"][1]["tool_calls"][0]["id"] == "call_1"
    assert second["messages"][2] == {"role": "tool", "tool_call_id": "call_1", "content": result}
    assert scene.final["messages"] == [*second["messages"][1:], {"role": "assistant", "content": "It is sunny."}]


@every_face
def test_a_conversation_with_tools_goes_over_a_real_connection_that_is_used_again(play: Play) -> None:
    delta = {"tool_calls": [{"index": 0, "id": "a"} | call(generator, city="Rome")]}
    with Server() as server:
        server.reply(body=sse(*chat(delta, finish="tool_calls")))
        server.reply(body=sse(*chat("Sunny.")))
        llm = LLM("test", base_url=server.url)

        scene = play(llm, tools=[generator], max_tool_rounds=2)

        assert scene.answer == "Sunny."
        assert server.requests[1].json()["messages"][-1]["content"] == "sunny in Rome for nobody"
        assert server.connections == 1


@every_face
def test_several_calls_keep_their_order_and_numbers_through_all_rounds(play: Play) -> None:
    llm = scripted_llm(
        calls(call(coroutine, city="a"), call(plain, city="b"), text="Let me see. "),
        calls(call(generator, city="c")),
        says("Done."),
    )

    scene = play(llm, tools=[plain, coroutine, generator], max_tool_rounds=5)

    assert scene.final is not None
    assert [result["result"][9] for result in scene.final["tool_results"]] == ["a", "b", "c"]
    assert [message["content"][9] for message in llm.requests[1]["messages"][2:]] == ["a", "b"]
    assert [message["role"] for message in scene.final["messages"]] == [
        "assistant", "tool", "tool", "assistant", "tool", "assistant",
    ]  # fmt: skip
    if scene.events:
        assert {event["content"]["arguments"]["city"]: event["job"] for event in scene.events
                if event["type"] == "tool_call"} == {"a": 1, "b": 2, "c": 3}  # fmt: skip


# --------------------------------------------------------------------------------------------------------- rounds


@every_face
@pytest.mark.parametrize(("rounds", "requests"), [(None, 1), (1, 1), (2, 2), (3, 3)])
def test_tools_run_as_many_rounds_as_were_asked_for(play: Play, rounds: int | None, requests: int) -> None:
    llm = scripted_llm(*[calls(call(plain, city="a"), text=f"{n}") for n in range(3)])

    scene = play(llm, tools=[plain], max_tool_rounds=rounds)

    assert len(llm.requests) == requests
    assert scene.final is not None
    assert len(scene.final["tool_results"]) == requests
    assert scene.final["answer"] == f"{requests - 1}"


@every_face
def test_the_constructor_sets_the_rounds_and_what_runs_at_once(play: Play) -> None:
    llm = scripted_llm(
        calls(call(plain, city="a"), call(plain, city="b")), says("x"), max_tool_rounds=2, max_parallel_tools=1
    )

    assert play(llm, tools=[plain]).answer == "x"


DICT_TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}, "x": 1}
NATIVE_TOOL = {"type": "web_search", "depth": 3}


@every_face
def test_a_dict_tool_is_announced_and_left_to_the_caller(play: Play) -> None:
    llm = scripted_llm(calls(call("search", query="x"), call(plain, city="a")))

    scene = play(llm, tools=[DICT_TOOL, plain, NATIVE_TOOL], max_tool_rounds=5)

    assert llm.requests[0]["tools"][0] == DICT_TOOL
    assert llm.requests[0]["tools"][2] == NATIVE_TOOL
    assert scene.final is not None
    assert [each["name"] for each in scene.final["tool_calls"]] == ["search", "plain"]
    assert [each["name"] for each in scene.final["tool_results"]] == ["plain"]
    assert len(llm.requests) == 1
    if scene.events:
        assert scene.types() == ["tool_call", "tool_call", "tool_result", "done"]


@every_face
@pytest.mark.parametrize("where", ["constructor", "call"])
def test_without_tool_exec_calls_are_only_shown(play: Play, where: str) -> None:
    ran = []
    llm = scripted_llm(calls(call("note")), tool_exec=where != "constructor")

    def note() -> None:
        ran.append(1)

    scene = play(llm, tools=[note], max_tool_rounds=5, **({"tool_exec": False} if where == "call" else {}))

    assert scene.final is not None
    assert scene.final["tool_calls"] == [{"id": "call_1", "name": "note", "arguments": {}}]
    assert "tool_results" not in scene.final
    assert (ran, len(llm.requests)) == ([], 1)


def test_a_call_may_turn_tool_exec_on_again() -> None:
    llm = scripted_llm(calls(call(plain, city="a")), tool_exec=False)

    assert llm.response("x", tools=[plain], tool_exec=True)["tool_results"][0]["result"].startswith("sunny")


# ------------------------------------------------------------------------------------------------------ arguments


def typed(count: int, ratio: float = 0.5, tags: list[str] | None = None, secret: threading.Event | None = None) -> str:
    """Note what came."""
    RAN.append((count, ratio, tags, secret))
    return "ran"


RAN: list[Any] = []


def raw_call(name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


@every_face
@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (raw_call("typed", "count=3"), ["JSON", "count=3"]),
        (raw_call("typed", "[3]"), ["[3]"]),
        (raw_call("typed", ""), ["'count' is missing"]),
        (raw_call("typed", "{}"), ["'count' is missing"]),
        (call("typed", count="3"), ["'count'", "int", "str"]),
        (call("typed", count=3.5), ["'count'", "int"]),
        (call("typed", count=True), ["'count'", "int", "bool"]),
        (call("typed", count=None), ["'count'", "null"]),
        (call("typed", count=1, tags=["a", 2]), ["'tags'", "[1]"]),
        (call("typed", count=1, size=2), ["no parameter 'size'", "'count', 'ratio'"]),
        (call("typed", count=1, secret=None), ["no parameter 'secret'"]),
        (call("typed", count="1", size=2), ["'count'", "'size'"]),
        (call("unknown"), ["no tool 'unknown'", "typed"]),
    ],
)
def test_a_wrong_call_is_told_to_the_model_and_never_runs(play: Play, wanted: dict[str, Any], told: list[str]) -> None:
    RAN.clear()
    llm = scripted_llm(calls(wanted), says("Sorry."))

    scene = play(llm, tools=[typed], max_tool_rounds=2)

    assert RAN == []
    text = llm.requests[1]["messages"][-1]["content"]
    assert all(part in text for part in told), text
    assert scene.final is not None
    assert scene.final["tool_results"][0] == {
        "id": "call_1", "name": wanted["function"]["name"], "result": text, "is_error": True,
    }  # fmt: skip
    if scene.events:
        assert scene.types() == ["tool_call", "tool_error", "answer", "done"]
        assert scene.events[1]["content"]["error"] == text


@every_face
def test_arguments_are_converted(play: Play) -> None:
    RAN.clear()

    play(scripted_llm(calls(call("typed", count=3.0, ratio=2, tags=["a"]))), tools=[typed])

    assert RAN == [(3, 2.0, ["a"], None)]
    assert [type(value) for value in RAN[0][:2]] == [int, float]


def test_arguments_nested_beyond_measure_are_an_error_of_the_tool() -> None:
    def take(value: Any) -> None: ...

    text = '{"value": ' + "[" * 600 + "]" * 600 + "}"

    scene = plays.play_blocking(scripted_llm(calls(raw_call("take", text))), tools=[take])

    assert scene.types() == ["tool_call", "tool_error", "done"]


# -------------------------------------------------------------------------------------------------------- failing


class Unprintable(Exception):
    def __str__(self) -> str:
        raise KeyError("x")


def failing(how: Exception) -> dict[str, Callable[..., Any]]:
    def fail() -> None:
        raise how

    async def fail_async() -> None:
        raise how

    def fail_yielding() -> Iterator[str]:
        yield "a"
        raise how

    async def fail_yielding_async() -> AsyncGenerator[str, None]:
        yield "a"
        raise how

    return {each.__name__: each for each in (fail, fail_async, fail_yielding, fail_yielding_async)}


@every_face
@pytest.mark.parametrize("kind", failing(ValueError()))
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (KeyError(), "KeyError"),
        (TimeoutError("the gate"), "TimeoutError: the gate"),
        (Unprintable(), "Unprintable"),
        (OSError("a\udcff"), "OSError: a?"),
    ],
    ids=["text", "bare", "timeout", "unprintable", "surrogate"],
)
def test_a_tool_that_fails_is_told_to_the_model(play: Play, kind: str, error: Exception, told: str) -> None:
    llm = scripted_llm(calls(call(kind)), says("Sorry."))

    scene = play(llm, tools=[failing(error)[kind]], max_tool_rounds=2)

    assert scene.error is None
    assert scene.answer == "Sorry."
    assert llm.requests[1]["messages"][-1]["content"] == told


@pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)
@pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration])
@pytest.mark.parametrize("kind", ["fail", "fail_async"])
def test_a_stray_end_of_an_iterator_is_an_error_like_any_other(play: Play, stop: type[Exception], kind: str) -> None:
    scene = play(scripted_llm(calls(call(kind))), tools=[failing(stop())[kind]])

    assert scene.final is not None
    result = scene.final["tool_results"][0]
    assert result["is_error"]
    assert stop.__name__ in result["result"]


@every_face
@pytest.mark.parametrize("kind", [*failing(ValueError())])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_a_program_is_never_swallowed(play: Play, kind: str, error: type[BaseException]) -> None:
    llm = scripted_llm(calls(call(kind)), says("never"))

    with pytest.raises(error):
        play(llm, tools=[failing(error())[kind]], max_tool_rounds=2)  # type: ignore[arg-type]
    assert len(llm.requests) == 1
    # And everything works afterwards.
    assert play(scripted_llm(calls(call(coroutine, city="a")), says("x")), tools=[coroutine]).error is None


@blocking_faces
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_tool_in_a_thread_of_its_own_passes_on_what_ends_a_program(play: Play, error: type[BaseException]) -> None:
    def quit() -> None:
        raise error

    llm = scripted_llm(calls(call("quit"), call(plain, city="a")))

    if error is ValueError:
        assert play(llm, tools=[quit, plain], max_parallel_tools=2).error is None
    else:
        with pytest.raises(KeyboardInterrupt):
            play(llm, tools=[quit, plain], max_parallel_tools=2)


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


class Broken:
    def __repr__(self) -> str:
        raise KeyError


@every_face
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("", ""),
        ("caf\u00e9 \udcff", "caf\u00e9 ?"),
        (None, "null"),
        (False, "false"),
        ({"a": [1, 2.5, None]}, '{"a":[1,2.5,null]}'),
        ({3: "a"}, '{"3":"a"}'),
        ((1, "b"), '[1,"b"]'),
        (b"hi", '"aGk="'),
        (2**70, str(2**70)),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (ValueError("no"), "no"),
        (Odd(), "<odd>"),
        (Broken(), "a Broken"),
    ],
    ids=lambda value: None,
)
def test_results_of_any_type_reach_user_and_model(play: Play, value: Any, text: str) -> None:
    def give() -> Any:
        return value

    llm = scripted_llm(calls(call("give")), says("x"))

    scene = play(llm, tools=[give], max_tool_rounds=2)

    assert scene.final is not None
    assert scene.final["tool_results"][0]["result"] is value
    assert llm.requests[1]["messages"][-1]["content"] == text


# ----------------------------------------------------------------------------------------------- generators' results


def event(type: str, content: Any, **further: Any) -> dict[str, Any]:
    return {"type": type, "content": content} | further


@every_face
@pytest.mark.parametrize(
    ("yields", "returned", "result"),
    [
        (["a", "b"], "c", "c"),
        (["a", "b"], None, "b"),
        ([], None, None),
        ([event("answer", "a"), event("answer", "b"), "last"], None, "ab"),
        ([event("final", {"x": 1}), event("answer", "a")], None, {"x": 1}),
        ([event("final", 1), event("final", 2)], None, 2),
        ([event("reasoning", "a")], None, ""),
        ([{"type": "answer"}, {"n": 1}], None, {"n": 1}),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_generators_result_follows_the_rules(play: Play, kind: str, yields: Any, returned: Any, result: Any) -> None:
    def give() -> Any:
        yield from yields
        return returned

    async def give_async() -> Any:
        for each in yields:
            yield each
        if returned is not None:
            yield event("final", returned)

    tool = {"plain": give, "async": give_async}[kind]

    scene = play(scripted_llm(calls(call(tool))), tools=[tool])

    assert scene.final is not None
    assert scene.final["tool_results"][0]["result"] == result


@every_stream
def test_what_a_generator_yields_is_shown_one_deeper_than_itself(play: Play) -> None:
    def give() -> Any:
        yield "text"
        yield event("answer", "a", depth=0)
        yield event("tool_stream", "b", depth=4)
        yield event("odd", "c", depth="x")

    scene = play(scripted_llm(calls(call(give))), tools=[give])

    assert [event["depth"] for event in scene.events if event["type"] == "tool_stream"] == [1, 1, 5, 1]
    assert scene.events[3]["content"] == {"type": "tool_stream", "content": "b", "depth": 4}


@every_stream
def test_yields_come_while_the_tool_still_runs(play: Play) -> None:
    seen, gate = [], threading.Event()

    def give() -> Iterator[str]:
        yield "early"
        assert gate.wait(PATIENCE)

    class Watching(list[Any]):
        def append(self, shown: Any) -> None:
            seen.append(shown["type"])
            if shown["type"] == "tool_stream":
                gate.set()

    llm = scripted_llm(calls(call(give)))
    if play is plays.play_blocking:
        for shown in llm.stream_response("x", tools=[give]):
            Watching().append(shown)
    else:

        async def watch() -> None:
            async for shown in llm.async_stream_response("x", tools=[give]):
                Watching().append(shown)

        asyncio.run(watch())

    assert seen == ["tool_call", "tool_stream", "tool_result", "done"]


def test_an_async_generator_keeps_its_context_from_step_to_step() -> None:
    async def give() -> Any:
        token = USER.set("inside")
        yield 1
        assert USER.get() == "inside"
        USER.reset(token)
        yield 2

    for play in plays.ALL.values():
        final = play(scripted_llm(calls(call(give))), tools=[give]).final
        assert final is not None
        assert final["tool_results"][0]["result"] == 2


# -------------------------------------------------------------------------------------------------------- parallel


@async_faces
@pytest.mark.parametrize("kind", ["async", "plain", "generator"])
def test_async_methods_run_tools_together(play: Play, kind: str) -> None:
    meeting, lock = threading.Event(), threading.Lock()
    here = [0]

    def meet() -> bool:
        with lock:
            here[0] += 1
            if here[0] == 3:
                meeting.set()
        return meeting.wait(PATIENCE)

    async def come_async() -> bool:
        return await asyncio.to_thread(meet)

    def come() -> bool:
        return meet()

    def come_yielding() -> Any:
        yield "here"
        return meet()

    tool: Any = {"async": come_async, "plain": come, "generator": come_yielding}[kind]

    final = play(scripted_llm(calls(*[call(tool)] * 3)), tools=[tool]).final

    assert final is not None
    assert [result["result"] for result in final["tool_results"]] == [True] * 3


@blocking_faces
def test_blocking_methods_run_tools_in_order_in_the_callers_thread(play: Play) -> None:
    log: list[Any] = []

    def step(n: int) -> Any:
        log.append((n, threading.get_ident()))
        yield n
        log.append((n, threading.get_ident()))

    play(scripted_llm(calls(*[call(step, n=n) for n in range(3)])), tools=[step])

    me = threading.get_ident()
    assert log == [(0, me), (0, me), (1, me), (1, me), (2, me), (2, me)]


@blocking_faces
@pytest.mark.parametrize("kind", ["plain", "generator", "async"])
def test_blocking_methods_run_tools_in_threads_where_asked(play: Play, kind: str) -> None:
    barrier = threading.Barrier(2)

    def come(n: int) -> int:
        barrier.wait(PATIENCE)
        assert USER.get() == "Ada"
        return n

    def come_yielding(n: int) -> Any:
        decision = yield n
        assert decision is None
        return come(n)

    async def come_async(n: int) -> int:
        return await asyncio.to_thread(come, n)

    tool: Any = {"plain": come, "generator": come_yielding, "async": come_async}[kind]
    token = USER.set("Ada")
    try:
        final = play(
            scripted_llm(calls(*[call(tool, n=n) for n in range(4)])), tools=[tool], max_parallel_tools=2
        ).final
    finally:
        USER.reset(token)

    assert final is not None
    assert [result["result"] for result in final["tool_results"]] == [0, 1, 2, 3]


@every_face
@pytest.mark.parametrize("limit", [1, 2, None])
def test_no_more_tools_run_at_once_than_allowed(play: Play, limit: int | None) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def work(n: int) -> Any:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        yield n
        with lock:
            running[0] -= 1

    final = play(
        scripted_llm(calls(*[call(work, n=n) for n in range(100)])), tools=[work], max_parallel_tools=limit
    ).final

    assert final is not None
    assert [result["result"] for result in final["tool_results"]] == list(range(100))
    assert most[0] <= (limit or 32)


def test_an_async_tool_runs_in_a_blocking_call_inside_a_running_loop_and_inside_another() -> None:
    async def inner() -> str:
        return await asyncio.sleep(0, USER.get())

    async def outer() -> Any:
        USER.set("outer")
        llm = scripted_llm(calls(call(inner), call(inner)))
        return llm.response("x", tools=[inner], max_parallel_tools=2)["tool_results"][1]["result"]

    async def notebook() -> Any:
        return scripted_llm(calls(call(outer))).response("x", tools=[outer])["tool_results"]

    assert asyncio.run(notebook())[0]["result"] == "outer"


def in_child(_: int) -> list[Any]:
    finals = [play(scripted_llm(calls(*[call(tool, city="a") for tool in (coroutine, plain)])),
                   tools=[plain, coroutine]).final for play in plays.ALL.values()]  # fmt: skip
    return [[result["result"] for result in final["tool_results"]] for final in finals if final]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_tools_run_in_a_forked_child() -> None:
    expected = in_child(0)

    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map_async(in_child, [1]).get(30) == [expected]
    assert len(expected) == 4


# ----------------------------------------------------------------------------------------------------------- time


def late_tools(gate: threading.Event) -> dict[str, Callable[..., Any]]:
    def late() -> Any:
        gate.wait(PATIENCE)

    async def late_async() -> Any:
        await asyncio.Event().wait()

    def late_yielding() -> Any:
        yield "begun"
        gate.wait(PATIENCE)

    async def late_yielding_async() -> Any:
        yield "begun"
        await asyncio.Event().wait()

    return {each.__name__: each for each in (late, late_async, late_yielding, late_yielding_async)}


INTERRUPTIBLE = [
    (name, kind)
    for name in plays.ALL
    for kind in late_tools(threading.Event())
    if "asyncio" in name or "async" in kind  # what blocks the caller's thread cannot be interrupted
]


@pytest.mark.parametrize(("face", "kind"), INTERRUPTIBLE)
def test_a_tool_over_its_time_is_an_error_of_the_tool(face: str, kind: str) -> None:
    gate = threading.Event()
    llm = scripted_llm(calls(call(kind)), says("Late."), timeouts=Timeouts(tool=0.05))

    scene = plays.ALL[face](llm, tools=[late_tools(gate)[kind]], max_tool_rounds=2)
    gate.set()

    assert scene.answer == "Late."
    assert llm.requests[1]["messages"][-1]["content"] == "the tool limit of 0.05 s ran out"


@every_stream
def test_a_blocking_generator_over_its_time_is_ended_between_its_steps(play: Play) -> None:
    closed = []

    def slow() -> Any:
        try:
            while True:
                yield threading.Event().wait(0.1)
        finally:
            closed.append(1)

    scene = play(scripted_llm(calls(call(slow)), timeouts=Timeouts(tool=0.05)), tools=[slow])

    assert scene.types()[-2:] == ["tool_error", "done"]
    if play is plays.play_blocking:
        assert closed == [1]


def test_the_time_that_the_user_takes_is_not_the_tools() -> None:
    def asking() -> Any:
        return (yield event("review_request", {"id": "1"}))

    llm = scripted_llm(calls(call(asking)), timeouts=Timeouts(tool=0.2))
    stream = llm.stream_response("x", tools=[asking])
    while next(stream)["type"] != "tool_stream":
        pass
    threading.Event().wait(0.3)

    assert stream.send("fine")["content"]["result"] == "fine"


# ---------------------------------------------------------------------------------------------------------- closing


def cleaning(log: list[str], gate: threading.Event | None = None) -> dict[str, Callable[..., Any]]:
    def lasting() -> Any:
        try:
            while True:
                yield "again"
        finally:
            log.append("closed")

    async def lasting_async() -> Any:
        try:
            while True:
                yield "again"
        finally:
            log.append("closed")

    def untidy() -> Any:
        try:
            while True:
                yield "again"
        finally:
            log.append("closed")
            raise ValueError("untidy")

    async def untidy_async() -> Any:
        try:
            while True:
                yield "again"
        finally:
            log.append("closed")
            raise ValueError("untidy")

    return {each.__name__: each for each in (lasting, lasting_async, untidy, untidy_async)}


every_cleaning = pytest.mark.parametrize("kind", cleaning([]))


@every_cleaning
@pytest.mark.parametrize("end", ["break", "close", "with", "exception", "forgotten", "throw"])
@pytest.mark.parametrize("limit", [None, 2])
def test_a_blocking_stream_that_is_left_closes_its_tools(kind: str, end: str, limit: int | None) -> None:
    log: list[str] = []
    llm = scripted_llm(calls(call(kind), *[call(kind)] * ((limit or 1) - 1)))
    stream: Any = llm.stream_response("x", tools=[cleaning(log)[kind]], max_parallel_tools=limit)

    def until_shown() -> None:
        while next(stream)["type"] != "tool_stream":
            pass
        while limit and next(stream)["job"] != 2:
            pass

    if end == "break":
        seen = set()
        for shown in stream:
            seen.add(shown["job"] if shown["type"] == "tool_stream" else None)
            if len(seen - {None}) == (limit or 1):
                break
        del stream
    elif end == "with":
        with stream:
            until_shown()
    elif end == "exception":
        with contextlib.suppress(KeyError), stream:
            until_shown()
            raise KeyError
    elif end == "throw":
        until_shown()
        with pytest.raises(KeyError):
            stream._events.throw(KeyError())
    else:
        until_shown()
        if end == "close":
            stream.close()
        del stream
        gc.collect()

    assert log == ["closed"] * (limit or 1)


@every_cleaning
@pytest.mark.parametrize("end", ["break", "aclose", "with", "exception", "forgotten", "cancelled", "cancelled twice"])
@pytest.mark.parametrize("together", [1, 2])
def test_an_async_stream_that_is_left_closes_its_tools(kind: str, end: str, together: int) -> None:
    log: list[str] = []
    llm = scripted_llm(calls(*[call(kind)] * together))

    class Log(list[str]):
        def append(self, value: str) -> None:
            log.append(value)

    async def leave() -> None:
        stream: Any = llm.async_stream_response("x", tools=[cleaning(Log())[kind]])

        async def until_shown() -> None:
            seen = set()
            async for shown in stream:
                if shown["type"] == "tool_stream":
                    seen.add(shown["job"])
                if len(seen) == together:
                    return

        if end in ("break", "forgotten"):
            await until_shown()
            del stream
            gc.collect()
            for _ in range(2000):
                if len(log) == together:
                    break
                await asyncio.sleep(0.002)
        elif end == "with":
            async with stream:
                await until_shown()
        elif end == "exception":
            with contextlib.suppress(KeyError):
                async with stream:
                    await until_shown()
                    raise KeyError
        elif end == "aclose":
            await until_shown()
            await stream.aclose()
        else:
            shown = asyncio.Event()

            async def watch() -> None:
                await until_shown()
                shown.set()
                async for _ in stream:
                    await asyncio.sleep(0)

            task = asyncio.create_task(watch())
            await shown.wait()
            task.cancel()
            if end == "cancelled twice":
                await asyncio.sleep(0)
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await stream.aclose()
            await everything_else_closed(log, together)

    asyncio.run(leave())
    assert log == ["closed"] * together


async def everything_else_closed(log: list[str], count: int) -> None:
    """Wait for the threads that a second cancellation did not wait for."""
    for _ in range(2000):
        if len(log) == count:
            return
        await asyncio.sleep(0.002)


def test_a_cancellation_in_the_middle_of_a_step_closes_the_generator_after_it() -> None:
    begun, gate, closed = threading.Event(), threading.Event(), threading.Event()

    def slow() -> Any:
        try:
            begun.set()
            gate.wait(PATIENCE)
            yield "late"
        finally:
            closed.set()
            raise ValueError("untidy")

    async def main() -> None:
        task = asyncio.create_task(scripted_llm(calls(call(slow))).async_response("x", tools=[slow]))
        await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not closed.is_set()
        gate.set()
        assert await asyncio.to_thread(closed.wait, PATIENCE)

    asyncio.run(main())


@every_face
def test_the_error_of_the_next_request_comes_after_the_tools_were_closed(play: Play) -> None:
    log: list[str] = []

    def once() -> Any:
        try:
            yield "a"
        finally:
            log.append("closed")

    scene = play(scripted_llm(calls(call(once)), fails(404, "gone")), tools=[once], max_tool_rounds=2)

    assert isinstance(scene.error, NotFoundError)
    assert log == ["closed"]


def test_a_review_that_is_never_answered_keeps_nothing_open() -> None:
    llm = scripted_llm(calls(call(plain, city="a")))
    stream = llm.stream_response("x", tools=[plain], tool_interceptor=tool_interceptor(plain))
    while next(stream)["type"] != "review_request":
        pass

    stream.close()

    with pytest.raises(LLMError, match="end"):
        _ = stream.final


# --------------------------------------------------------------------------------------------------------- reviews


def deleting(log: list[str]) -> Callable[..., Any]:
    def delete(path: str) -> str:
        log.append(path)
        return f"deleted {path}"

    return delete


def reviewed(stream: Any, decide: Callable[[Any, dict[str, Any]], Any], how: str) -> list[dict[str, Any]]:
    """Iterate a blocking stream, or an async one, and decide on each review."""
    events: list[dict[str, Any]] = []

    def note(shown: Any) -> Any:
        events.append(shown)
        is_asked = shown["type"] == "review_request" or (
            isinstance(shown["content"], dict) and _inner(shown["content"]) == "review_request"
        )
        return decide(stream, shown) if is_asked else None

    def play_blocking() -> None:
        with contextlib.suppress(StopIteration):
            shown = next(stream)
            while True:
                decision = note(shown)
                shown = stream.send(decision) if decision is not None else next(stream)

    async def play_async() -> None:
        with contextlib.suppress(StopAsyncIteration):
            shown = await anext(stream)
            while True:
                decision = note(shown)
                shown = await (stream.asend(decision) if decision is not None else anext(stream))

    if how == "blocking":
        play_blocking()
    else:
        asyncio.run(play_async())
    return events


def _inner(content: Any) -> Any:
    while isinstance(content, dict) and content.get("type") == "tool_stream":
        content = content["content"]
    return content.get("type") if isinstance(content, dict) else None


def streamed(llm: LLM, how: str, **options: Any) -> Any:
    method = llm.stream_response if how == "blocking" else llm.async_stream_response
    return method("x", **options)


every_how = pytest.mark.parametrize("how", ["blocking", "asyncio"])


@every_how
@pytest.mark.parametrize(
    ("decide", "reason"),
    [
        (lambda stream, shown: "approve", None),
        (lambda stream, shown: " Approve ", None),
        (lambda stream, shown: "APPROVE", None),
        (lambda stream, shown: True, None),
        (lambda stream, shown: stream.approve(), None),
        (lambda stream, shown: "approved", "approved"),
        (lambda stream, shown: "too dangerous", "too dangerous"),
        (lambda stream, shown: False, "not approved"),
        (lambda stream, shown: 1, "not approved"),
        (lambda stream, shown: " ", "not approved"),
        (lambda stream, shown: {"approve": True}, "not approved"),
        (lambda stream, shown: None, "no decision was given"),
        (lambda stream, shown: stream.reject("not now"), "not now"),
        (lambda stream, shown: stream.reject(), "not approved"),
        (lambda stream, shown: stream.reject("approve"), "not approved|approve"),
        (lambda stream, shown: stream.approve() or "no", "no"),
        (lambda stream, shown: (stream.approve(), stream.reject("changed my mind"))[1], "changed my mind"),
    ],
)
def test_nothing_runs_that_was_not_approved(how: str, decide: Any, reason: str | None) -> None:
    log: list[str] = []
    llm = scripted_llm(calls(call("delete", path="/tmp/x")), says("Done."))
    stream = streamed(llm, how, tools=[deleting(log)], tool_interceptor=tool_interceptor("delete"), max_tool_rounds=2)

    events = reviewed(stream, decide, how)

    told = llm.requests[1]["messages"][-1]["content"]
    if reason is None:
        assert (log, told) == (["/tmp/x"], "deleted /tmp/x")
        assert [event["type"] for event in events] == [
            "tool_call", "review_request", "tool_result", "answer", "done",
        ]  # fmt: skip
    else:
        assert log == []
        assert told in [f"Rejected: {each}" for each in reason.split("|")]
        assert [event["type"] for event in events] == ["tool_call", "review_request", "tool_error", "answer", "done"]
        assert events[2]["content"] == {"name": "delete", "error": told, "id": "call_1"}
    assert events[1]["content"] == {"id": "call_1", "name": "delete", "arguments": {"path": "/tmp/x"}}
    assert (events[1]["source"], events[1]["tool_id"], events[1]["job"]) == ("delete", "call_1", 1)


@every_how
def test_approve_in_a_for_loop_loses_no_event(how: str) -> None:
    log: list[str] = []
    llm = scripted_llm(calls(call("delete", path="a"), call("delete", path="b")))
    stream = streamed(llm, how, tools=[deleting(log)], tool_interceptor=tool_interceptor("delete"))
    types = []

    def decide(shown: Any) -> None:
        types.append(shown["type"])
        if shown["type"] == "review_request":
            if shown["content"]["arguments"]["path"] == "a":
                stream.approve()
            else:
                stream.reject("keep it")

    async def watch() -> None:
        async for shown in stream:
            decide(shown)

    if how == "blocking":
        for shown in stream:
            decide(shown)
    else:
        asyncio.run(watch())

    assert log == ["a"]
    assert types == ["tool_call", "review_request", "tool_call", "review_request", "tool_error", "tool_result", "done"]
    assert [result["result"] for result in stream.final["tool_results"]] == ["deleted a", "Rejected: keep it"]


@every_how
def test_a_stale_approval_approves_nothing(how: str) -> None:
    log: list[str] = []
    llm = scripted_llm(calls(call("delete", path="a"), text="I shall delete it."))
    stream = streamed(llm, how, tools=[deleting(log)], tool_interceptor=tool_interceptor("delete"))
    stream.approve()  # before anything was shown

    def decide(shown: Any) -> None:
        if shown["type"] != "review_request":
            stream.approve()  # of an event that asks for nothing

    async def watch() -> None:
        async for shown in stream:
            decide(shown)

    if how == "blocking":
        for shown in stream:
            decide(shown)
    else:
        asyncio.run(watch())

    assert log == []
    assert stream.final["tool_results"][0]["result"] == "Rejected: no decision was given"


async def says_yes(call: dict[str, Any]) -> str:
    await asyncio.sleep(0)
    return "approve"


class Approver:
    async def __call__(self, call: dict[str, Any]) -> bool:
        assert USER.get() == "Ada"
        return call["name"] == "delete"


@every_face
@pytest.mark.parametrize(
    ("on_review", "runs"),
    [
        (lambda call: "approve", True),
        (lambda call: call["arguments"]["path"] == "/tmp/x" and call["id"] == "call_1", True),
        (lambda call: USER.get() == "Ada", True),
        (says_yes, True),
        (functools.partial(says_yes), True),
        (Approver(), True),
        (lambda call: "never", False),
        (lambda call: None, False),
        (None, False),
    ],
    ids=["text", "bool", "context", "async", "partial", "object", "no", "none", "absent"],
)
def test_on_review_answers_without_send(play: Play, on_review: Any, runs: bool) -> None:
    log: list[str] = []
    token = USER.set("Ada")
    try:
        scene = play(
            scripted_llm(calls(call("delete", path="/tmp/x"))),
            tools=[deleting(log)],
            tool_interceptor=tool_interceptor("delete"),
            on_review=on_review,
        )
    finally:
        USER.reset(token)

    assert log == (["/tmp/x"] if runs else [])
    assert scene.final is not None
    assert scene.final["tool_results"][0]["is_error"] is not runs


async def async_predicate(name: str, arguments: dict[str, Any]) -> bool:
    await asyncio.sleep(0)
    return arguments["path"].startswith("/etc")


def changing_predicate(name: str, arguments: dict[str, Any]) -> bool:
    is_asked = arguments.pop("path").startswith("/etc")
    arguments["path"] = "/etc/passwd"
    return is_asked


@every_face
@pytest.mark.parametrize(
    "interceptor",
    [
        lambda name, arguments: arguments["path"].startswith("/etc"),
        async_predicate,
        functools.partial(async_predicate),
        changing_predicate,
    ],
    ids=["predicate", "async", "partial", "changing"],
)
def test_a_predicate_says_which_calls_are_reviewed(play: Play, interceptor: Any) -> None:
    log: list[str] = []

    play(
        scripted_llm(calls(call("delete", path="/tmp/x"), call("delete", path="/etc/x"))),
        tools=[deleting(log)],
        tool_interceptor=interceptor,
    )

    assert log == ["/tmp/x"]


@every_face
def test_a_predicate_that_fails_lets_nothing_run(play: Play) -> None:
    log: list[str] = []

    def broken(name: str, arguments: dict[str, Any]) -> bool:
        raise KeyError(name)

    with pytest.raises(KeyError):
        play(scripted_llm(calls(call("delete", path="a"))), tools=[deleting(log)], tool_interceptor=broken)
    assert log == []


def test_a_factory_takes_names_and_functions_of_every_kind() -> None:
    needs_review: Any = tool_interceptor("a", plain, functools.partial(greeting, "Hi"), Station())

    asked = [name for name in ("a", "b", "plain", "greeting", "Station") if needs_review(name, {})]

    assert asked == ["a", "plain", "greeting", "Station"]


@pytest.mark.parametrize("wrong", [(), (3,), (["a"],), (None,)])
def test_a_factory_refuses_what_names_no_tool(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(LLMError, match="tool_interceptor"):
        tool_interceptor(*wrong)


@every_face
def test_calls_that_run_nowhere_are_not_reviewed(play: Play) -> None:
    asked: list[str] = []

    def note(name: str, arguments: dict[str, Any]) -> bool:
        asked.append(name)
        return True

    play(scripted_llm(calls(call("search", query="x"))), tools=[DICT_TOOL], tool_interceptor=note)
    play(scripted_llm(calls(call(plain, city="x"))), tools=[plain], tool_interceptor=note, tool_exec=False)

    assert asked == []


# ------------------------------------------------------------------------------------------------- reviews inside


def nested(log: list[str], how: str) -> Callable[..., Any]:
    """A tool that asks a model, whose tool asks a model, whose tool must be reviewed."""

    def model(tool: Any, **options: Any) -> Any:
        llm = scripted_llm(calls(call(tool, path="x")), says("inner"))
        return streamed(llm, how, tools=[tool], **options)

    def relay(stream: Any) -> Any:
        decision = None
        with contextlib.suppress(StopIteration):
            while True:
                decision = yield stream.send(decision)

    async def relay_async(stream: Any) -> Any:
        decision = None
        with contextlib.suppress(StopAsyncIteration):
            while True:
                decision = yield await stream.asend(decision)

    def middle(path: str) -> Any:
        yield from relay(model(deleting(log), tool_interceptor=tool_interceptor("delete")))
        return "middle"

    def outer(path: str) -> Any:
        yield from relay(model(middle))
        return "outer"

    async def middle_async(path: str) -> Any:
        async for each in relaying(model(deleting(log), tool_interceptor=tool_interceptor("delete"))):
            each.decision = yield each.event

    async def outer_async(path: str) -> Any:
        async for each in relaying(model(middle_async)):
            each.decision = yield each.event

    return outer if how == "blocking" else outer_async


class Step:
    def __init__(self, event: Any) -> None:
        self.event, self.decision = event, None


async def relaying(stream: Any) -> AsyncGenerator[Step, None]:
    decision = None
    with contextlib.suppress(StopAsyncIteration):
        while True:
            step = Step(await stream.asend(decision))
            yield step
            decision = step.decision


@every_how
@pytest.mark.parametrize("answer", ["send", "approve", "reject", "nobody", "on_review", "on_review no"])
def test_a_review_in_a_tool_of_a_tool_of_a_tool_is_decided_at_the_top(how: str, answer: str) -> None:
    log: list[str] = []
    outer = nested(log, how)
    asked: list[Any] = []

    def decide(stream: Any, shown: dict[str, Any]) -> Any:
        asked.append(shown)
        if answer == "send":
            return "approve"
        if answer in ("approve", "reject"):
            getattr(stream, answer)()
        return None

    def on_review(call: dict[str, Any]) -> bool:
        assert call == {"id": "call_1", "name": "delete", "arguments": {"path": "x"}}
        return answer == "on_review"

    llm = scripted_llm(calls(call(outer, path="x")))
    options = {"on_review": on_review} if answer.startswith("on_review") else {}

    events = reviewed(streamed(llm, how, tools=[outer], **options), decide, how)

    assert log == (["x"] if answer in ("send", "approve", "on_review") else [])
    assert [(shown["type"], shown["depth"]) for shown in asked] == [("tool_stream", 2)]
    assert asked[0]["content"]["content"]["content"] == {"id": "call_1", "name": "delete", "arguments": {"path": "x"}}
    assert max(event["depth"] for event in events) == 2
    assert all(event["source"] == call(outer)["function"]["name"] for event in events if event["type"] != "done")


@every_face
def test_a_decision_reaches_the_yield_as_it_was_sent(play: Play) -> None:
    sent = {"approve": False, "instead": "y"}

    def asking() -> Any:
        return (yield event("review_request", {"id": "1", "name": "n", "arguments": {}}))

    async def asking_async() -> Any:
        yield event("final", (yield event("review_request", {"id": "1", "name": "n", "arguments": {}})))

    final = play(
        scripted_llm(calls(call(asking), call(asking_async))),
        tools=[asking, asking_async],
        on_review=lambda call: sent,
    ).final

    assert final is not None
    assert [result["result"] for result in final["tool_results"]] == [sent, sent]


@every_how
@pytest.mark.parametrize("limit", [None, 4])
def test_decisions_go_to_the_tool_that_asked(how: str, limit: int | None) -> None:
    def asking(n: int) -> Any:
        decision = yield event("review_request", n)
        return f"{n}: {decision}"

    llm = scripted_llm(calls(*[call(asking, n=n) for n in range(8)]))
    stream = streamed(llm, how, tools=[asking], max_parallel_tools=limit)

    reviewed(stream, lambda stream, shown: f"yes {shown['content']['content']}", how)

    assert [result["result"] for result in stream.final["tool_results"]] == [f"{n}: yes {n}" for n in range(8)]


def test_a_scripted_call_takes_names_and_functions() -> None:
    assert call("search", a=1) == {"type": "function", "function": {"name": "search", "arguments": '{"a":1}'}}
    assert call(plain)["function"]["name"] == "plain"
    llm: ScriptedLLM = scripted_llm(calls(call("a"), call("b"), text="First. ", usage={"completion_tokens": 5}))

    final = llm.response("x")

    assert final["answer"] == "First. "
    assert [each["id"] for each in final["tool_calls"]] == ["call_1", "call_2"]
    assert final["usage"]["output_tokens"] == 5


@blocking_faces
@pytest.mark.parametrize("streams", [False, True])
def test_ctrl_c_in_a_blocking_call_cancels_the_async_tool_that_it_waits_for(play: Play, streams: bool) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def endless() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def endless_yielding() -> Any:
        yield "begun"
        await endless()

    tool: Any = endless_yielding if streams else endless

    def interrupt() -> None:
        assert begun.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        play(scripted_llm(calls(call(tool))), tools=[tool])
    thread.join()

    assert ended.is_set()
