from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_async import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitError,
    StatusError,
)
from llm_async.dialects.failures import error_in_text, error_inside_answer, status_error


def read(envelope: Any, status: int = 400, headers: dict[str, str] | None = None) -> StatusError:
    return status_error(status, headers or {}, json.dumps(envelope).encode())


def inside(envelope: dict[str, Any]) -> StatusError:
    return error_inside_answer(envelope, json.dumps(envelope).encode())


@pytest.mark.parametrize(
    ("envelope", "message", "code"),
    [
        ({"error": {"message": "no", "type": "invalid", "param": None, "code": "bad"}}, "no", "bad"),
        ({"error": {"message": "no", "type": "invalid", "code": None}}, "no", "invalid"),
        ({"error": {"message": "no", "code": ""}}, "no", None),
        ({"error": {"message": "no", "type": "invalid", "code": 400}}, "no", "invalid"),
        ({"error": {"message": "no", "code": "401"}}, "no", "401"),
        ({"error": {"message": "no", "code": True}}, "no", None),
        ({"type": "error", "error": {"type": "bad_error", "message": "no"}, "request_id": "req_1"}, "no", "bad_error"),
        (
            {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": []}},
            "no",
            "INVALID_ARGUMENT",
        ),
        ({"code": "bad words", "error": "no"}, "no", "bad words"),
        ({"detail": "no"}, "no", None),
        ({"object": "error", "message": "no", "type": "bad", "code": None}, "no", "bad"),
        ({"message": "no"}, "no", None),
        ({"error": None, "message": "no"}, "no", None),
        ({"error": {}, "message": "no"}, "no", None),
        ({"error": {"error": "no"}}, "no", None),
        ({"detail": [{"loc": ["body"], "msg": "no"}]}, '[{"loc":["body"],"msg":"no"}]', None),
        ({"error": {}}, '{"error":{}}', None),
        ({"error": ["no"]}, '["no"]', None),
        ({"strange": 1}, '{"strange":1}', None),
    ],
)
def test_every_envelope_is_read(envelope: Any, message: str, code: str | None) -> None:
    error = read(envelope)

    assert str(error) == f"{message} (HTTP 400)"
    assert error.code == code


def test_what_the_provider_behind_a_router_says_is_shown() -> None:
    raw = json.dumps({"error": {"message": "overheated", "code": "hot"}})

    def routed(raw: object) -> str:
        return str(read({"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": raw}}}, 502))

    assert routed(raw) == "Provider returned error: overheated (HTTP 502)"
    assert routed("upstream timeout") == "Provider returned error: upstream timeout (HTTP 502)"
    assert routed(None) == routed("") == routed("Provider returned error") == "Provider returned error (HTTP 502)"
    assert str(read({"error": {"message": "no", "metadata": "none"}})) == "no (HTTP 400)"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html><h1>502 Bad\n Gateway</h1><hr>nginx</html>", "502 Bad Gateway nginx"),
        (b"upstream connect error", "upstream connect error"),
        (b"", "no explanation"),
        (b"  \n", "no explanation"),
        (b'["a"]', '["a"]'),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 5000, "x" * 300),
        (b"[" * 100_000, "[" * 300),
    ],
    ids=["page", "text", "nothing", "blank", "list", "no text", "long", "deep"],
)
def test_an_answer_that_is_no_json_says_what_it_says(body: bytes, message: str) -> None:
    error = status_error(502, {}, body)

    assert str(error) == f"{message} (HTTP 502)"
    assert error.code is None
    assert type(error) is OverloadedError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (402, InvalidRequestError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (413, InvalidRequestError),
        (422, InvalidRequestError),
        (429, RateLimitError),
        (500, OverloadedError),
        (503, OverloadedError),
        (529, OverloadedError),
    ],
)
def test_the_status_says_what_kind_of_error_it_is(status: int, kind: type[StatusError]) -> None:
    error = read({"error": {"message": "no"}}, status)

    assert type(error) is kind
    assert error.status_code == status
    assert error.retryable == (status == 429 or status >= 500)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_api_key", AuthenticationError),
        ("authentication_error", AuthenticationError),
        ("rate_limit_exceeded", RateLimitError),
        ("rate_limit_error", RateLimitError),
        ("insufficient_quota", RateLimitError),
        ("overloaded_error", OverloadedError),
        ("context_length_exceeded", ContextLengthError),
        ("whatever", InvalidRequestError),
    ],
)
def test_the_code_counts_where_the_status_says_little(code: str, kind: type[StatusError]) -> None:
    assert type(read({"error": {"message": "no", "code": code}}, 400)) is kind


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens",
        "the request exceeds the available context size",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Input is too long for requested model",
        "The input token count (1200000) exceeds the maximum number of tokens allowed",
        "too many input tokens",
        "Requested tokens exceed context window of 512",
    ],
)
@pytest.mark.parametrize("status", [400, 413, 429])
def test_a_conversation_that_is_too_long_is_one_whatever_the_status(message: str, status: int) -> None:
    error = read({"error": {"message": message}}, status)

    assert type(error) is ContextLengthError
    assert not error.retryable


@pytest.mark.parametrize(
    "message",
    [
        "Too many tokens, please wait before trying again.",
        "This request would exceed your rate limit of 40,000 input tokens per minute: too many input tokens",
        "too many tokens per min (TPM)",
    ],
)
def test_too_many_tokens_in_too_short_a_time_pass(message: str) -> None:
    error = read({"error": {"message": message}}, 429)

    assert type(error) is RateLimitError
    assert error.retryable


def test_a_missing_key_stays_one_whatever_is_said_of_contexts() -> None:
    assert type(read({"error": {"message": "your plan's context length needs a key"}}, 401)) is AuthenticationError


def test_headers_name_the_request_and_say_whether_to_try_again() -> None:
    assert read({"detail": "no"}, headers={"x-request-id": "a", "request-id": "b"}).request_id == "a"
    assert read({"detail": "no"}, headers={"request-id": "b"}).request_id == "b"
    assert read({"detail": "no"}).request_id is None
    assert not read({"detail": "no"}, 503, {"x-should-retry": "false"}).retryable


def test_the_body_is_kept_as_text() -> None:
    assert status_error(400, {}, b' {"detail": "no"}\n').body == '{"detail": "no"}'
    assert inside({"error": "no"}).body == '{"error": "no"}'


@pytest.mark.parametrize(
    ("envelope", "status"),
    [
        ({"error": {"message": "no", "code": 502}}, 502),
        ({"error": {"message": "no", "code": "502"}}, 502),
        ({"error": {"message": "no", "status_code": 502, "code": "hot"}}, 502),
        ({"error": {"message": "no", "status": 502}}, 502),
        ({"error": "no", "code": 502}, 502),
        ({"error": "no", "status_code": 502}, 502),
        ({"error": {"message": "no", "code": "hot"}}, None),
        ({"error": {"message": "no", "code": 200}}, None),
        ({"error": {"message": "no", "code": 600}}, None),
        ({"error": {"message": "no", "code": "9" * 5000}}, None),
        ({"error": {"message": "no", "code": [502]}}, None),
        ({"message": "no"}, None),
    ],
)
def test_an_error_inside_an_answer_has_the_status_it_claims(envelope: dict[str, Any], status: int | None) -> None:
    error = inside(envelope)

    assert error.status_code == status
    assert type(error) is (OverloadedError if status else StatusError)
    assert str(error) == ("no (HTTP 502)" if status else "no")


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("server_error", OverloadedError, True),
        ("rate_limit_exceeded", RateLimitError, True),
        ("insufficient_quota", RateLimitError, False),
        ("context_length_exceeded", ContextLengthError, False),
        ("invalid_prompt", StatusError, False),
    ],
)
def test_an_error_inside_an_answer_without_status_is_known_by_its_code(
    code: str, kind: type[StatusError], retryable: bool
) -> None:
    error = inside({"error": {"message": "no", "code": code}})

    assert type(error) is kind
    assert error.retryable == retryable


def test_an_error_event_may_say_anything() -> None:
    assert str(error_in_text(b"internal <b>error</b>")) == "internal error"
    assert str(error_in_text(b'{"message": "no", "code": 503}')) == "no (HTTP 503)"


@given(st.integers(400, 599), st.binary(max_size=80))
def test_any_answer_at_all_becomes_an_error(status: int, body: bytes) -> None:
    assert status_error(status, {}, body).status_code == status


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "status", "detail", "metadata", "raw", "type"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["error", "code", "message", "detail", "status_code"]), json_values))
def test_any_envelope_at_all_becomes_an_error(envelope: dict[str, Any]) -> None:
    assert isinstance(inside(envelope), StatusError)
    assert isinstance(read(envelope), StatusError)


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.074824224s"}], 34.074824224),
        ([{"@type": "type.googleapis.com/google.rpc.Help"}, "?", {"retryDelay": "2s"}], 2.0),
        ([{"retryDelay": "soon"}], None),
        ([{"retryDelay": 5}], None),
        ("none", None),
        (None, None),
    ],
)
def test_the_wait_that_google_asks_for_is_in_its_error(details: Any, seconds: float | None) -> None:
    error = read({"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED", "details": details}}, 429)

    assert error.retry_after == seconds
