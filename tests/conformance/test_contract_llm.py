"""The examples of the contract for tools, reviews, shapes and pictures, run as a user would, against a real server."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Dict, List, Literal, Optional, Union  # noqa: UP035 - users write them so

import pytest

from llm import LLM, EventType, tool_interceptor
from llm.testing import call
from server import Server, chat, sse

MESSAGES = [{"role": "user", "content": "What's the weather in Paris?"}]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def llm(server: Server) -> LLM:
    return LLM(model="qwen2.5-coder-7b", base_url=server.url + "/v1", api_key="lm-studio")


def says(server: Server, *pieces: str) -> None:
    server.reply(body=sse(*chat(*pieces)))


def calls(server: Server, *wanted: dict[str, Any]) -> None:
    deltas = [{"tool_calls": [{"index": index, "id": f"call_{index + 1}"} | each]} for index, each in enumerate(wanted)]
    server.reply(body=sse(*chat(*deltas, finish="tool_calls")))


def get_weather(city: str, unit: str = "celsius") -> dict[str, Any]:
    """Get the current weather for a city.

    Args:
        city: The name of the city
        unit: Temperature unit (celsius or fahrenheit)
    """
    return {"temperature": 22, "condition": "sunny"}


SEARCH = {
    "type": "function",
    "function": {
        "name": "search_internet",
        "description": "Search the internet for information",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "The search query"},
                "max_results": {"type": "integer", "description": "Max results"},
            },
            "required": ["query"],
        },
    },
}


def test_a_function_is_a_tool(llm: LLM, server: Server) -> None:
    calls(server, call(get_weather, city="Paris"))

    response = llm.response(messages=MESSAGES, tools=[get_weather])

    assert response["tool_results"] == [
        {"name": "get_weather", "result": {"temperature": 22, "condition": "sunny"}, "id": "call_1", "is_error": False}
    ]
    assert response["answer"] == ""
    function = server.requests[0].json()["tools"][0]["function"]
    assert function["description"] == "Get the current weather for a city."
    assert function["parameters"]["properties"]["city"] == {"type": "string", "description": "The name of the city"}
    assert "celsius" in function["parameters"]["properties"]["unit"]["description"]
    assert function["parameters"]["required"] == ["city"]


def test_functions_and_schemas_stand_in_one_list(llm: LLM, server: Server) -> None:
    calls(server, call("search_internet", query="Paris"), call(get_weather, city="Paris"))

    response = llm.response(MESSAGES, tools=[get_weather, SEARCH])

    assert server.requests[0].json()["tools"][1] == SEARCH
    assert [each["name"] for each in response["tool_calls"]] == ["search_internet", "get_weather"]
    assert [each["name"] for each in response["tool_results"]] == ["get_weather"]


def test_calls_are_returned_without_being_run(llm: LLM, server: Server) -> None:
    calls(server, call(get_weather, city="Paris"))

    response = llm.response(MESSAGES, tools=[get_weather], tool_exec=False)

    assert response["tool_calls"] == [{"id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}]
    assert "tool_results" not in response


@pytest.mark.parametrize(("decision", "type"), [("approve", "tool_result"), ("reject", "tool_error")])
def test_a_generator_waits_for_the_decision_that_is_sent(llm: LLM, server: Server, decision: str, type: str) -> None:
    calls(server, call(get_weather, city="Paris"))
    gen = llm.stream_response(
        messages=MESSAGES, tools=[get_weather], tool_interceptor=tool_interceptor("get_weather", "delete_file")
    )

    after = None
    for event in gen:
        if event["type"] == "review_request":
            assert event["content"] == {"id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
            after = gen.send(decision)

    assert after is not None
    assert after["type"] == type
    if type == "tool_error":
        assert after["content"]["error"] == "Rejected: reject"


def test_an_async_stream_takes_decisions_by_asend(llm: LLM, server: Server) -> None:
    calls(server, call(get_weather, city="Paris"))

    async def needs_review(tool_name: str, arguments: dict[str, Any]) -> bool:
        return tool_name in {"delete_file", "get_weather"}

    async def main() -> list[str]:
        types = []
        gen = llm.async_stream_response(MESSAGES, tools=[get_weather], tool_interceptor=needs_review)
        async for event in gen:
            types.append(event["type"])
            if event["type"] == "review_request":
                types.append((await gen.asend("approve"))["type"])
        await llm.aclose()
        return types

    assert asyncio.run(main()) == ["tool_call", "review_request", "tool_result", "done"]


def test_an_agent_without_anybody_to_ask_rejects(llm: LLM, server: Server) -> None:
    deleted = []

    def get_current_time() -> str:
        """Get the current time."""
        return "12:00:00"

    def delete_file(path: str) -> str:
        """Delete a file at the given path.

        Args:
            path: File path to delete
        """
        deleted.append(path)
        return f"Deleted {path}"

    calls(server, call(get_current_time), call(delete_file, path="/tmp/test.txt"))

    response = llm.response(
        messages=MESSAGES, tools=[get_current_time, delete_file], tool_interceptor=tool_interceptor("delete_file")
    )

    assert [(each["name"], each["is_error"]) for each in response.get("tool_results", [])] == [
        ("get_current_time", False), ("delete_file", True),
    ]  # fmt: skip
    assert deleted == []


def test_a_generator_tool_streams_what_it_finds(llm: LLM, server: Server) -> None:
    def search_database(query: str) -> Any:
        """Search database with streaming results."""
        results = []
        for i in range(5):
            result = f"Record {i + 1} matching '{query}'"
            results.append(result)
            yield {"type": "answer", "content": result}
        return {"total": len(results), "results": results}

    calls(server, call(search_database, query="python"))
    shown, final = [], None

    for event in llm.stream_response(MESSAGES, tools=[search_database]):
        if event["type"] == EventType.TOOL_STREAM:
            assert event["depth"] == 1
            shown.append(event["content"])
        elif event["type"] == "tool_result":
            final = event["content"]["result"]

    assert shown[0] == {"type": "answer", "content": "Record 1 matching 'python'"}
    assert final["total"] == len(shown) == 5


def test_an_async_generator_tool_streams_too(llm: LLM, server: Server) -> None:
    async def async_streaming_tool(query: str) -> Any:
        """Async generator tool."""
        for i in range(3):
            yield {"type": "answer", "content": f"Result {i + 1}"}

    calls(server, call(async_streaming_tool, query="x"))

    assert (
        llm.response(MESSAGES, tools=[async_streaming_tool])["tool_results"][0]["result"] == "Result 1Result 2Result 3"
    )


class Address:
    city: str


class PersonInfo:
    """Information about a person."""

    name: str = "Unknown"
    age: int
    hobbies: List[str]  # noqa: UP006 - users write it so
    email: Optional[str]  # noqa: UP045 - as above
    status: Literal["active", "inactive"]
    address: Optional[Address]  # noqa: UP045 - as above
    scores: Dict[str, Union[int, str]] = {}  # noqa: UP006, UP007 - as above


def test_a_class_is_the_shape_of_the_answer(llm: LLM, server: Server) -> None:
    says(
        server, '{"name": "Alice", "age": 28, "hobbies": ["coding", "reading"], ',
        '"email": null, "status": "active", "address": {"city": "Paris"}}',
    )  # fmt: skip

    response = llm.response(MESSAGES, output_format=PersonInfo)

    assert response["answer"] == {
        "name": "Alice", "age": 28, "hobbies": ["coding", "reading"], "email": None, "status": "active",
        "address": {"city": "Paris"}, "scores": {},
    }  # fmt: skip
    assert isinstance(response["parsed"], PersonInfo)
    assert isinstance(response["parsed"].address, Address)
    schema = server.requests[0].json()["response_format"]["json_schema"]["schema"]
    assert schema["description"] == "Information about a person."


def test_a_schema_passes_through(llm: LLM, server: Server) -> None:
    schema = {
        "type": "json_schema",
        "json_schema": {
            "name": "person_info",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
                "additionalProperties": False,
            },
        },
    }
    says(server, '{"name": "Alice"}')

    assert llm.response(MESSAGES, output_format=schema)["answer"] == {"name": "Alice"}
    assert server.requests[0].json()["response_format"] == schema


def test_pictures_come_from_files_pil_addresses_and_base64(llm: LLM, server: Server, tmp_path: Path) -> None:
    from PIL import Image

    image = Image.new("RGB", (2, 2))
    image.save(tmp_path / "image.jpg")
    file = io.BytesIO()
    image.save(file, format="PNG")
    parts = [
        {"type": "text", "text": "What's in this image?"},
        {"type": "image", "image_path": str(tmp_path / "image.jpg")},
        {"type": "image", "image_pil": image},
        {"type": "image", "image_url": "https://example.com/image.jpg"},
        {"type": "image", "image_url": {"url": "https://example.com/image.jpg"}},
        {"type": "image", "image_base64": base64.b64encode(file.getvalue()).decode()},
    ]
    says(server, "Black.")

    llm.response([{"role": "user", "content": parts}])

    sent = server.requests[0].json()["messages"][0]["content"]
    assert [part["type"] for part in sent] == ["text", *["image_url"] * 5]
    assert [part["image_url"]["url"][:15] for part in sent[1:]] == [
        "data:image/jpeg", "data:image/png;", "https://example", "https://example", "data:image/png;",
    ]  # fmt: skip
