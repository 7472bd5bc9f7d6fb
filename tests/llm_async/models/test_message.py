from __future__ import annotations

import copy
from types import MappingProxyType
from typing import Any

import pytest

from llm_async import ConfigurationError, Message, ToolCall
from llm_async.models import ToolResult
from llm_async.models.message import Image, Native, Text, as_items


def test_a_plain_text_is_one_user_message() -> None:
    assert as_items("Hello") == (Message("user", "Hello"),)


def test_dicts_become_messages_that_keep_the_dict() -> None:
    given = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hello", "name": "Ann"}]

    system, user = as_items(given)

    assert (system, user) == (
        Message("system", "Be brief", original=given[0]),
        Message("user", "Hello", original=given[1]),
    )
    assert isinstance(user, Message)
    assert user.original is given[1]


def test_messages_and_results_stay_as_they_are() -> None:
    given = (
        Message("user", "Hello"),
        Message("assistant", "", tool_calls=[ToolCall("1", "f", {})]),
        ToolResult("1", "sunny"),
        Message("", original={"parts": []}, issuer="gemini"),
        Message("user", [{"type": "image_url", "image_url": {"url": "https://a.test/b.png", "detail": "low"}}]),
    )

    items = as_items(given)

    assert items == given
    assert all(item is message for item, message in zip(items, given, strict=True))


def test_a_message_without_content_has_the_empty_text() -> None:
    assert as_items([{"role": "assistant", "content": None, "tool_calls": []}])[0].content == ""  # type: ignore[union-attr] # a Message
    assert as_items([Message("assistant", None)]) == (Message("assistant", ""),)  # type: ignore[arg-type] # users do


def test_parts_are_read_and_unknown_ones_kept() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    content = [
        {"type": "text", "text": "What is this?"},
        "a plain text",
        {"type": "image_url", "image_url": {"url": "https://a.test/b.png", "detail": "low"}},
        {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
        sound,
        Text("t"),
        Image("https://a.test"),
        Native({"type": "file"}),
    ]

    (message,) = as_items([{"role": "user", "content": content}])

    assert isinstance(message, Message)
    assert message.content == (
        Text("What is this?"),
        Text("a plain text"),
        Image("https://a.test/b.png", detail="low"),
        Image("data:image/png;base64,AAAA"),
        Native(sound),
        Text("t"),
        Image("https://a.test"),
        Native({"type": "file"}),
    )


def test_items_of_other_formats_pass() -> None:
    item = {"type": "function_call_output", "call_id": "1", "output": "sunny"}
    gemini = MappingProxyType({"role": "user", "parts": [{"text": "Hello"}]})

    assert as_items([item, gemini]) == (
        Message("", original=item, issuer="openai_responses"),
        Message("user", original=gemini, issuer="gemini"),
    )


def test_any_iterable_of_messages_is_a_conversation() -> None:
    assert as_items(Message("user", text) for text in "ab") == (Message("user", "a"), Message("user", "b"))


def test_nothing_that_was_passed_in_is_changed() -> None:
    given: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": "https://a"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
    ]
    before = copy.deepcopy(given)

    as_items(given)

    assert given == before


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        (None, "messages must be a list of messages or a string; it is a NoneType"),
        (5, "messages must be a list of messages or a string; it is a int"),
        (b"Hello", "messages must be a list of messages or a string; it is a bytes"),
        ({"role": "user", "content": "Hello"}, "messages must be a list of messages or a string; it is a dict"),
        (Message("user", "Hello"), "messages must be a list of messages or a string; it is a Message"),
        ([], "messages is empty; a request needs at least one message"),
        (["Hello"], "messages[0] must be a dict or a Message; it is a str"),
        ([{"content": "Hello"}], "messages[0] needs a role, such as 'user'; it has None"),
        ([{"role": "", "content": "Hello"}], "messages[0] needs a role, such as 'user'; it has ''"),
        ([{"role": 1, "content": "Hello"}], "messages[0] needs a role, such as 'user'; it has 1"),
        ([Message("")], "messages[0] needs a role, such as 'user'; it has ''"),
        ([Message(1)], "messages[0] needs a role, such as 'user'; it has 1"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_what_is_no_conversation_is_refused(messages: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        as_items(messages)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (5, "messages[1].content must be text or a list of parts; it is a int"),
        ({"text": "a"}, "messages[1].content must be text or a list of parts; it is a dict"),
        (b"a", "messages[1].content must be text or a list of parts; it is a bytes"),
        (["a", 5], "messages[1].content[1] must be a dict; it is a int"),
        ([{"type": "text"}], "messages[1].content[0].text must be a string; it is a NoneType"),
        ([{"type": "image_url"}], "messages[1].content[0].image_url must be an address or {'url': …}; it is missing"),
        (
            [{"type": "image_url", "image_url": {"url": 5}}],
            "messages[1].content[0].image_url must be an address or {'url': …}; it is a int",
        ),
        (
            [{"type": "image_url", "image_url": {"url": ""}}],
            "messages[1].content[0].image_url must be an address or {'url': …}; it is ''",
        ),
        (
            [{"type": "image_url", "image_url": {"url": "FILE:///etc/passwd"}}],
            "messages[1].content[0].image_url is a file: address; files of this machine are never read",
        ),
        (
            [Image("file:///etc/passwd")],
            "messages[1].content[0] is a file: address; files of this machine are never read",
        ),
    ],
)
@pytest.mark.parametrize("as_dict", [True, False], ids=["dict", "Message"])
def test_content_that_cannot_be_sent_is_refused_by_its_place(content: Any, problem: str, as_dict: bool) -> None:
    message = {"role": "user", "content": content} if as_dict else Message("user", content)

    with pytest.raises(ConfigurationError) as caught:
        as_items([Message("user", "Hello"), message])
    assert str(caught.value) == problem


@pytest.mark.parametrize("calls", [5, None, ["f"], [{"id": "1"}]])
def test_the_calls_of_a_message_must_be_tool_calls(calls: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.tool_calls must be a list of ToolCall$"):
        as_items([Message("assistant", tool_calls=calls)])
