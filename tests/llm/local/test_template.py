"""Our chat template for Qwen2.5-Coder, as the engine renders it, whichever model it serves."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llm.local import LocalServer, close
from llm.local.engine import run
from llm.local.models import chat_template, find

pytestmark = pytest.mark.local_model

ADD = {
    "type": "function",
    "function": {"name": "add", "description": "Add", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
ASKED: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}]
ANSWERED = [
    *ASKED,
    {"role": "assistant", "content": "Adding.", "tool_calls": [CALL, CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "2"},
    {"role": "tool", "tool_call_id": "1", "content": "two"},
]


@pytest.fixture(scope="module")
def server(small_model: Path) -> Iterator[LocalServer]:
    close()
    yield run(small_model, name="template", template=chat_template(find("qwen2.5-coder-0.5b")))
    close()


def rendered(server: LocalServer, messages: list[dict[str, Any]], **fields: Any) -> str:
    connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)
    body = json.dumps({"messages": messages, **fields})
    connection.request("POST", "/apply-template", body, {"Authorization": f"Bearer {server.api_key}"})
    prompt: str = json.loads(connection.getresponse().read())["prompt"]
    connection.close()
    return prompt


def test_a_question_without_tools_is_plain_chatml(server: LocalServer) -> None:
    assert rendered(server, ASKED) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_question_without_a_system_message_gets_the_models_own(server: LocalServer) -> None:
    assert rendered(server, ASKED[1:]).startswith("<|im_start|>system\nYou are Qwen, created by Alibaba Cloud.")


def test_tools_are_shown_after_the_system_message_with_the_form_of_a_call(server: LocalServer) -> None:
    prompt = rendered(server, ASKED, tools=[ADD])

    system, _, rest = prompt.partition("<|im_end|>")
    assert system.startswith("<|im_start|>system\nBe brief.\n\n# Tools\n")
    assert f"<tools>\n{json.dumps(ADD)}\n</tools>" in system
    assert '{"name": <function-name>, "arguments": <args-json-object>}' in system
    assert "# Tools" not in rest


def test_calls_are_shown_as_the_model_writes_them_and_results_together(server: LocalServer) -> None:
    call = '{"name": "add", "arguments": {"a": 1}}'

    assert rendered(server, ANSWERED, tools=[ADD]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\n1 + 1?<|im_end|>\n"
        f"<|im_start|>assistant\nAdding.\n{call}\n{call}<|im_end|>\n"
        "<|im_start|>user\nThe functions returned:\n2\ntwo\n"
        "Answer my question in plain words with these results.<|im_end|>\n"
        "<|im_start|>assistant\n"
    ), "with results at the end the tools are not shown again: so small a model would go on calling"


def test_a_later_question_shows_the_tools_again(server: LocalServer) -> None:
    later = [*ANSWERED, {"role": "assistant", "content": "2"}, {"role": "user", "content": "And 2 + 2?"}]

    assert "# Tools" in rendered(server, later, tools=[ADD])
