"""The examples of the documentation run as they stand.

Blocks of README.md and docs/ that say ```python are run; ```python server ones talk to a loopback server in place of
the address they name, the others to the embedded model where they name it. The examples in docstrings are doctests.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import llm
import llm_async
from llm_async.providers import registry
from server import Reply, Request, Server, chat, completion, reply, sse

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ADDRESS = re.compile(r"http://localhost:\d+")
ANSWER = "Sunlight is scattered."


@dataclass(frozen=True)
class Example:
    """One block of code in a page."""

    page: Path
    line: int
    code: str
    words: tuple[str, ...]  # behind ```python

    def run(self, code: str) -> str:
        """Run it as a script; return what it printed."""
        printed = io.StringIO()
        # The line numbers of a traceback are those of the page.
        program = compile("\n" * self.line + code, str(self.page), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(printed):
            exec(program, {"__name__": "__main__"})
        return printed.getvalue()


def examples_in(page: Path) -> Iterator[Example]:
    text = page.read_text(encoding="utf-8")
    for block in re.finditer(r"(?ms)^```python([^\n]*)\n(.*?)^```", text):
        yield Example(page, text.count("\n", 0, block.start()) + 1, block[2], tuple(block[1].split()))


def label(example: Example) -> str:
    return f"{example.page.relative_to(ROOT)}:{example.line}"


@pytest.fixture(autouse=True)
def _no_provider_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an example registers is gone with it."""
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))


EXAMPLES = [example for page in PAGES for example in examples_in(page)]
WITH_SERVER = [example for example in EXAMPLES if "server" in example.words]
WITHOUT_SERVER = [
    pytest.param(example, id=label(example), marks=[pytest.mark.local_model] * ('LLM("local' in example.code))
    for example in EXAMPLES
    if example not in WITH_SERVER
]


def model(request: Request) -> Reply:
    """Answer as a chat server does, streamed or whole."""
    if request.json().get("stream"):
        return reply(headers={"Content-Type": "text/event-stream"}, body=sse(*chat("Sunlight", " is scattered.")))
    return reply(headers={"Content-Type": "application/json"}, body=completion(ANSWER))


@pytest.mark.parametrize("example", WITH_SERVER, ids=label)
def test_an_example_with_a_server_runs(example: Example) -> None:
    with Server(model) as server:
        code, count = ADDRESS.subn(server.url, example.code)
        assert count, "the block names no server at http://localhost"

        printed = example.run(code)

    assert ANSWER in printed
    assert server.requests[0].json()["messages"][-1]["role"] == "user"


@pytest.mark.parametrize("example", WITHOUT_SERVER)
def test_an_example_without_a_server_runs(example: Example) -> None:
    assert example.run(example.code).strip(), "an example shows something"


def test_the_readme_starts_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    quick_start = re.split(r"(?m)^## ", text)[1]

    assert quick_start.startswith("Quick start\n")
    assert re.findall(r"(?ms)^```sh\n(.*?)^```", quick_start)[:2] == ["make demo\n", "make test\n"]


def test_the_readmes_first_example_needs_no_server() -> None:
    assert "server" not in EXAMPLES[0].words


NAMED_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    tests = ROOT / "tests"
    for path, name in NAMED_TEST.findall(page.read_text(encoding="utf-8")):
        found = tests / path if path.startswith("conformance/") else tests / "llm_async" / path
        assert re.search(rf"(?m)^ *(async )?def {name}\(", found.read_text(encoding="utf-8")), f"{path}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


MODULES = sorted(
    module.name
    for package in (llm, llm_async)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["llm", "llm_async", *MODULES])
def test_examples_in_docstrings_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)

    assert found.failed == 0
