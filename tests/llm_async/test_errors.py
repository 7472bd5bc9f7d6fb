from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import llm_async
from llm_async import (
    ConfigurationError,
    LLMError,
    LLMTimeoutError,
    Message,
    ModelRequestError,
    OutputTruncatedError,
    RateLimitError,
    Response,
    SchemaConversionError,
    StatusError,
    StreamInterruptedError,
    StructuredOutputError,
    ToolCall,
    ToolExecutionError,
    TransportError,
    WireFormatError,
)

PARTIAL = Response(
    main_response=Message("assistant", "half", tool_calls=(ToolCall("1", "f", {"a": 1}),)), original={"choices": []}
)


def with_partial(error: LLMTimeoutError | ModelRequestError) -> LLMError:
    error.partial, error.attempts = PARTIAL, 3
    return error


FACTS = {"status_code": 429, "code": "slow", "request_id": "req_1", "retryable": True, "retry_after": 2.5}
ERRORS = [
    ConfigurationError("no model"),
    SchemaConversionError("no schema"),
    ToolExecutionError("f", "it broke", ValueError("why")),
    StructuredOutputError("does not fit", text="{}", problems=("$.a is missing",)),
    OutputTruncatedError("cut off", text="{"),
    with_partial(LLMTimeoutError("idle", 5, doing="here")),
    LLMTimeoutError("tool"),
    with_partial(ModelRequestError("no", **FACTS)),  # type: ignore[arg-type] # of mixed types
    TransportError("refused"),
    with_partial(RateLimitError("slow down", body="{}", **FACTS)),
    StreamInterruptedError("cut"),
    with_partial(WireFormatError("openai_chat", "$.a", b"{" * 300)),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_errors_travel_with_all_they_carry(error: LLMError, travel: object) -> None:
    arrived = travel(error)  # type: ignore[operator] # one of the three above

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.args == error.args
    told, expected = dict(vars(arrived)), dict(vars(error))
    if "original_error" in expected:
        assert repr(told.pop("original_error")) == repr(expected.pop("original_error"))
    assert told == expected


def test_every_error_of_the_package_is_an_llm_error() -> None:
    kinds = [kind for name in llm_async.__all__ if name.endswith("Error") and (kind := getattr(llm_async, name))]

    assert len(kinds) == 18
    assert all(inspect.isclass(kind) and issubclass(kind, LLMError) for kind in kinds)


def test_a_timeout_is_a_timeout_error_of_python_too() -> None:
    with pytest.raises(TimeoutError, match="the tool limit ran out"):
        raise LLMTimeoutError("tool")


def test_what_is_not_known_is_none() -> None:
    error = ModelRequestError("no")

    facts = (error.status_code, error.code, error.request_id, error.retry_after, error.attempts, error.partial)
    assert facts == (None,) * 6
    assert error.retryable is False
    assert StatusError("no").body is None


def test_long_bodies_are_cut() -> None:
    assert StatusError("no", body="x" * 5000).body == "x" * 2000
    error = WireFormatError("openai_chat", "$.choices", b"x" * 5000)
    assert error.excerpt == b"x" * 200
    assert str(error) == f"openai_chat: cannot read $.choices in {b'x' * 200!r}"


def test_a_tool_error_names_its_tool() -> None:
    cause = ValueError("why")
    error = ToolExecutionError("plan", "ValueError: why", cause)

    assert str(error) == "tool 'plan': ValueError: why"
    assert (error.tool_name, error.original_error) == ("plan", cause)
