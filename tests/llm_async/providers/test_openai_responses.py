from __future__ import annotations

import json
from typing import Any

import pytest

from llm_async import (
    ConfigurationError,
    OpenAIResponsesProvider,
    OverloadedError,
    StreamInterruptedError,
    Tool,
    WireFormatError,
    provider_for,
)
from llm_async.models.message import Message
from llm_async.transport.scripted import ScriptedReply, ScriptedTransport
from scripts import chunks_of, run, sent, stream, texts, whole

REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA=="}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "calculator",
    "arguments": '{"operation": "add", "a": 15, "b": 27}',
}
CALCULATOR = Tool("calculator", "Perform basic arithmetic operations", {"type": "object", "properties": {}})


def message(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


def response(*output: Any, id: str = "resp_1", status: str = "completed") -> dict[str, Any]:
    return {"id": id, "object": "response", "model": "gpt-4.1", "status": status, "output": list(output)}


def events(*output: Any) -> list[dict[str, Any]]:
    """Make the events of a streamed reply whose text comes letter by letter."""
    made: list[dict[str, Any]] = [{"type": "response.created", "response": response(status="in_progress")}]
    for index, item in enumerate(output):
        at = {"output_index": index}
        made.append({"type": "response.output_item.added", **at, "item": item | {"arguments": ""}})
        letters = item["content"][0]["text"] if item["type"] == "message" else ""
        made += [{"type": "response.output_text.delta", **at, "delta": letter} for letter in letters]
        if item["type"] == "function_call":
            made.append({"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]})
        made.append({"type": "response.output_item.done", **at, "item": item})
    return [*made, {"type": "response.completed", "response": response(*output)}]


def scripted(*replies: ScriptedReply, **options: Any) -> tuple[OpenAIResponsesProvider, ScriptedTransport]:
    script = ScriptedTransport(replies)
    given: dict[str, Any] = {"api_key": "k", "base_url": "http://test/v1", "transport": script}
    return OpenAIResponsesProvider(**(given | options)), script


def add(operation: str, a: float, b: float) -> float:
    assert operation == "add"
    return a + b


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def test_key_and_address_are_those_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"^openai-responses: no key; set OPENAI_API_KEY, or pass api_key"):
        OpenAIResponsesProvider()

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert OpenAIResponsesProvider().base_url == "https://api.openai.com/v1"
    provider, model = provider_for("openai-responses:gpt-5")
    assert (type(provider), model) == (OpenAIResponsesProvider, "gpt-5")


def test_the_limit_on_output_is_called_the_same_everywhere() -> None:
    for url in ("https://api.openai.com/v1", "http://localhost:1234/v1"):
        provider, script = scripted(whole(response(message("Hi"))), base_url=url)

        run(provider.acomplete("m", "Hi", max_tokens=5))

        assert sent(script.requests[0]) == {
            "model": "m",
            "input": [{"role": "user", "content": "Hi"}],
            "max_output_tokens": 5,
        }
        assert script.requests[0].url == f"{url}/responses"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_conversation_goes_on_by_the_id_of_its_last_response(streamed: bool) -> None:
    """What the documentation shows: a forced call, its result alone sent back, the prompt cache's key."""
    output = (CALL, message("42"))
    replies = [stream(*events(item), done=False) if streamed else whole(response(item)) for item in output]
    provider, script = scripted(*replies)

    async def ask(messages: Any, **parameters: Any) -> Any:
        if not streamed:
            return await provider.acomplete("gpt-4.1", messages, tools=[CALCULATOR], **parameters)
        reply = await provider.acomplete("gpt-4.1", messages, stream=True, tools=[CALCULATOR], **parameters)
        await chunks_of(reply)
        return reply.response

    async def converse() -> Any:
        question = Message("user", "What is 15 + 27? Use the calculator tool.")
        first = await ask([question], tool_choice="required", prompt_cache_key="session")
        result = await provider.execute_tool(first.main_response.tool_calls[0], {"calculator": add})
        return await ask([result], previous_response_id=first.original["id"], prompt_cache_key="session")

    final = run(converse())

    assert final.main_response.content == "42"
    asked, answered = map(sent, script.requests)
    assert asked["input"] == [{"role": "user", "content": "What is 15 + 27? Use the calculator tool."}]
    assert (asked["tool_choice"], asked["prompt_cache_key"]) == ("required", "session")
    assert answered["input"] == [{"type": "function_call_output", "call_id": "call_1", "output": "42"}]
    assert (answered["previous_response_id"], answered["prompt_cache_key"]) == ("resp_1", "session")
    assert "store" not in asked | answered
    assert "include" not in asked | answered


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_encrypted_reasoning_goes_back_right_before_its_call(streamed: bool) -> None:
    first = stream(*events(REASONING, CALL), done=False) if streamed else whole(response(REASONING, CALL))
    provider, script = scripted(first, whole(response(message("42"))))

    async def converse() -> None:
        question = {"role": "user", "content": "What is 15 + 27?"}
        if streamed:
            reply = await provider.acomplete("m", [question], stream=True)
            await chunks_of(reply)
            said = reply.response.main_response
        else:
            said = (await provider.acomplete("m", [question])).main_response
        result = await provider.execute_tool(said.tool_calls[0], {"calculator": add})
        await provider.acomplete("m", [question, said.original, result])

    run(converse())

    assert sent(script.requests[1])["input"][1:3] == [REASONING, CALL]


def test_a_streamed_reply_equals_the_whole_one() -> None:
    output = (REASONING, message("Hello"), CALL)
    provider, _ = scripted(whole(response(*output)), stream(*events(*output), done=False))

    async def both() -> Any:
        reply = await provider.acomplete("m", "Hi", stream=True)
        return await chunks_of(reply), reply.response

    answer = run(provider.acomplete("m", "Hi"))
    chunks, streamed = run(both())

    assert texts(chunks) == "Hello"
    assert [call.name for chunk in chunks for call in chunk.tool_calls] == ["calculator"]
    assert streamed == answer
    assert (answer.finish_reason, answer.original) == ("tool_calls", response(*output))


def test_a_stream_that_breaks_off_keeps_what_had_arrived() -> None:
    provider, _ = scripted(stream(*events(message("Hello"))[:4], done=False), retry_config=None)

    async def ask() -> None:
        await chunks_of(await provider.acomplete("m", "Hi", stream=True))

    with pytest.raises(StreamInterruptedError, match="before its end mark") as caught:
        run(ask())

    assert caught.value.partial is not None
    assert caught.value.partial.main_response.content == "He"
    assert caught.value.partial.original["output"][0]["content"][0]["text"] == "He"


def test_a_response_that_failed_is_an_error_and_made_again() -> None:
    failed = response(status="failed") | {"error": {"code": "server_error", "message": "try again"}}
    provider, script = scripted(whole(failed), whole(failed), stream({"type": "response.failed", "response": failed}))

    with pytest.raises(OverloadedError, match="try again") as caught:
        run(provider.acomplete("m", "Hi"))

    assert caught.value.attempts == len(script.requests) == 3


def test_tokens_are_counted_by_the_server() -> None:
    provider, script = scripted(whole({"object": "response.input_tokens", "input_tokens": 51}))

    assert run(provider.count_tokens("gpt-4.1", "Hi", tools=[CALCULATOR])) == 51

    assert script.requests[0].url == "http://test/v1/responses/input_tokens"
    assert sorted(sent(script.requests[0])) == ["input", "model", "tools"]


@pytest.mark.parametrize("body", [{}, {"input_tokens": "many"}, []])
def test_a_count_that_is_none_is_an_error(body: Any) -> None:
    provider, _ = scripted(whole(json.dumps(body).encode()))

    with pytest.raises(WireFormatError, match=r"input_tokens"):
        run(provider.count_tokens("m", "Hi"))
