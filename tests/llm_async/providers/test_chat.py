"""Lists of models and embeddings, as every server that speaks OpenAI Chat has them."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from llm_async import ConfigurationError, WireFormatError
from scripts import run, scripted, sent, whole


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b"}]},
        [{"id": "a"}, {"id": "b"}],  # Together
        {"models": [{"id": "a"}, {"id": "b"}, {"name": "no id"}, "?"]},
    ],
)
def test_the_models_of_a_server_are_listed(answer: Any) -> None:
    provider, script = scripted(whole(answer))

    assert run(provider.models()) == ["a", "b"]
    assert (script.requests[0].method, script.requests[0].url) == ("GET", "http://test/v1/models")


def test_an_answer_that_is_no_list_of_models_is_an_error() -> None:
    provider, _ = scripted(whole({"data": "none"}))

    with pytest.raises(WireFormatError, match=r"^openai: cannot read \$\.data in"):
        run(provider.models())


def vectors(*entries: Any) -> Any:
    return whole({"object": "list", "data": list(entries), "model": "m"})


def test_vectors_come_in_the_order_of_the_texts() -> None:
    provider, script = scripted(vectors({"index": 1, "embedding": [3.0]}, {"index": 0, "embedding": [1, 2.5]}))

    assert run(provider.embed("m", ["a", "b"])) == [[1.0, 2.5], [3.0]]
    assert script.requests[0].url == "http://test/v1/embeddings"
    assert sent(script.requests[0]) == {"model": "m", "input": ["a", "b"]}


def test_vectors_without_a_number_come_in_the_order_they_came() -> None:
    provider, _ = scripted(vectors({"embedding": [1.0]}, {"embedding": [2.0]}))

    assert run(provider.embed("m", ["a", "b"])) == [[1.0], [2.0]]


def test_vectors_may_be_base64() -> None:
    provider, _ = scripted(vectors({"index": 0, "embedding": base64.b64encode(struct.pack("<2f", 0.5, -2)).decode()}))

    assert run(provider.embed("m", "a")) == [[0.5, -2.0]]


def test_many_texts_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [vectors({"embedding": [1]}, {"embedding": [2]}), vectors({"embedding": [3]})]
    provider, script = scripted(*batches)
    monkeypatch.setattr(type(provider), "embedding_batch", 2)

    assert run(provider.embed("m", ["a", "b", "c"])) == [[1.0], [2.0], [3.0]]
    assert [sent(request)["input"] for request in script.requests] == [["a", "b"], ["c"]]


def test_no_texts_need_no_request() -> None:
    provider, script = scripted()

    assert (run(provider.embed("m", [])), script.requests) == ([], [])


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        (vectors({"index": 0, "embedding": [1]}), "$.data[1].embedding"),
        (vectors({"index": 0, "embedding": [1]}, {"index": 1, "embedding": None}), "$.data[1].embedding"),
        (vectors({"index": 0, "embedding": "?"}, {"index": 1, "embedding": [1]}), "$.data[0].embedding"),
        (vectors({"index": 0, "embedding": "AAAAAAA="}, {"index": 1, "embedding": [1]}), "$.data[0].embedding"),
        (vectors({"index": 0, "embedding": {}}), "$.data[0].embedding"),
        (whole({"data": 5}), "$.data"),
        (whole({}), "$"),
        (whole(b""), "$"),
    ],
)
def test_an_answer_that_lacks_a_vector_says_which(answer: Any, path: str) -> None:
    provider, _ = scripted(answer)

    with pytest.raises(WireFormatError) as caught:
        run(provider.embed("m", ["a", "b"]))
    assert caught.value.path == path


def test_what_is_no_text_is_refused() -> None:
    provider, _ = scripted()

    with pytest.raises(ConfigurationError, match=r"^texts\[1\] must be a string; it is a int$"):
        run(provider.embed("m", ["a", 5]))  # type: ignore[list-item] # on purpose
