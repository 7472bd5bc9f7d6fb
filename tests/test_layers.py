"""The walls of the house: who may import whom, what importing loads, and the rules that hold for every file of src/.

The rules are functions from a folder to the problems found in it, so that each is also shown a folder that breaks it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"

Rule = Callable[[Path], list[str]]

MAY_TOUCH_THE_WORLD = ("llm_async/transport/", "llm/runtime/", "llm/local/", "llm/cli/", "llm/lm_studio.py")

OUTSIDE_WORLD = (
    "_thread", "aiohttp", "anyio", "asyncio", "concurrent", "http.client", "http.server", "httpx", "httpx2",
    "lmstudio", "multiprocessing", "queue", "requests", "select", "selectors", "signal", "socket", "socketserver",
    "ssl", "subprocess", "threading", "trio", "urllib.request", "urllib3", "xllamacpp",
)  # fmt: skip # a word list, not a column of thirty lines

EXTRAS = ("PIL", "httpx2", "lmstudio", "rich", "typer", "xllamacpp")

LOADED_ONLY_WHEN_USED = ("aiohttp", "asyncio", "http.client", "socket", "ssl", *EXTRAS)

MOST_MODULES = 350
MOST_LINES = 600

SUPPRESSION = re.compile(
    r"noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|(?:type|pyright):\s*ignore(?:\[[\w, -]*\])?"
    r"|pragma:\s*no\s*\w+|fmt:\s*(?:off|skip)"
)


def test_only_transport_and_runtime_touch_the_outside_world() -> None:
    assert touching_the_world(SRC) == [], "it belongs behind the Transport or Runtime port"


def test_only_transport_and_runtime_sleep() -> None:
    assert sleeping(SRC) == [], "await transport.sleep() instead"


def test_llm_async_never_imports_llm() -> None:
    assert llm_async_looking_up(SRC) == [], "llm is built on llm_async, never the other way"


def test_values_import_no_other_layer() -> None:
    assert values_looking_around(SRC) == [], "models/ may use each other, the errors and the time limits"


def test_wire_formats_import_nothing_that_sends() -> None:
    assert dialects_looking_around(SRC) == [], "a dialect is pure functions from values to values"


def test_transports_import_no_wire_format() -> None:
    assert transports_looking_up(SRC) == [], "a transport moves bytes; it knows neither formats nor providers"


def test_nothing_is_built_on_the_command() -> None:
    assert built_on_the_command(SRC) == [], "llm.cli is a leaf: the library must work without it"


def test_extras_are_loaded_by_name() -> None:
    assert extras_by_statement(SRC) == [], "importlib.import_module: type checks must not depend on what is installed"


def test_files_stay_readable() -> None:
    assert too_long(SRC) == [], f"more than {MOST_LINES} lines: make it two rooms with plain names"


def test_every_suppression_says_why() -> None:
    assert unexplained(SRC) == [], "write the reason behind it: # noqa: X001 # because …"


@pytest.mark.parametrize("package", ["llm", "llm_async"])
def test_importing_loads_neither_http_library_nor_extra(package: str) -> None:
    modules = loaded_by(package)

    assert sorted(set(LOADED_ONLY_WHEN_USED) & modules) == []
    assert len(modules) <= MOST_MODULES


def test_loading_is_seen_when_it_happens() -> None:
    assert {"aiohttp", "asyncio"} <= set(LOADED_ONLY_WHEN_USED) & loaded_by("aiohttp")


def test_src_is_where_the_rules_look() -> None:
    assert {"llm_async/errors.py", "llm/__init__.py"} <= {name_of(file, SRC) for file in files_of(SRC)}


BREAKS: list[tuple[str, str, str]] = [
    ("touching_the_world", "llm/facade.py", "import asyncio"),
    ("touching_the_world", "llm/facade.py", "from asyncio import sleep"),
    ("touching_the_world", "llm_async/client.py", "def f():\n    import socket"),
    ("touching_the_world", "llm_async/client.py", "from urllib import request"),
    ("touching_the_world", "llm_async/client.py", "from http import client"),
    ("touching_the_world", "llm_async/providers/base.py", "import aiohttp.client"),
    ("touching_the_world", "llm/local.py", "import threading"),
    ("touching_the_world", "llm/facade.py", "import importlib\nimportlib.import_module('socket')"),
    ("touching_the_world", "llm/facade.py", "__import__('ssl')"),
    ("sleeping", "llm/facade.py", "import time\ntime.sleep(1)"),
    ("sleeping", "llm/facade.py", "from time import sleep"),
    ("llm_async_looking_up", "llm_async/client.py", "from llm.facade import LLM"),
    ("llm_async_looking_up", "llm_async/transport/blocking.py", "import llm"),
    ("values_looking_around", "llm_async/models/message.py", "from llm_async.dialects import openai_chat"),
    ("values_looking_around", "llm_async/models/message.py", "from ..client import Client"),
    ("values_looking_around", "llm_async/models/message.py", "from llm_async import client"),
    ("dialects_looking_around", "llm_async/dialects/gemini.py", "from llm_async.transport import HttpRequest"),
    ("dialects_looking_around", "llm_async/dialects/gemini.py", "from llm_async import providers"),
    ("dialects_looking_around", "llm_async/dialects/gemini.py", "from .. import client"),
    ("transports_looking_up", "llm_async/transport/blocking.py", "from llm_async.dialects import openai_chat"),
    ("built_on_the_command", "llm/facade.py", "from llm.cli import app"),
    ("extras_by_statement", "llm/cli/app.py", "from rich.console import Console"),
    ("extras_by_statement", "llm/local/child.py", "def f():\n    import xllamacpp"),
    ("too_long", "llm/facade.py", "\n" * (MOST_LINES + 1)),
    ("unexplained", "llm/facade.py", "x = y  # noqa: F821"),
    ("unexplained", "llm/facade.py", "x: int = ''  # type: ignore[assignment]"),
    ("unexplained", "llm/facade.py", "if x:  # pragma: no cover\n    pass"),
]


@pytest.mark.parametrize(("rule", "file", "code"), BREAKS, ids=[f"{rule}-{code[:40]}" for rule, _, code in BREAKS])
def test_each_rule_finds_what_breaks_it(rule: str, file: str, code: str, tmp_path: Path) -> None:
    write(tmp_path, file, code)

    problems = RULES[rule](tmp_path)

    assert problems
    assert all(problem.startswith(file) for problem in problems)


LEGAL: list[tuple[str, str]] = [
    ("llm_async/transport/blocking.py", "import http.client, socket, ssl, threading, time\ntime.sleep(1)"),
    ("llm/runtime/asynchronous.py", "import asyncio"),
    ("llm/local/engine.py", "import importlib, subprocess\nimportlib.import_module('xllamacpp')"),
    ("llm/cli/app.py", "import signal\nfrom llm.cli import doctor"),
    ("llm/__main__.py", "from llm.cli.app import main"),
    ("llm/facade.py", "import time\nfrom urllib.parse import urlsplit\nfrom http import HTTPStatus\ntime.monotonic()"),
    ("llm/facade.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ssl import SSLContext"),
    ("llm/facade.py", "async def f(t):\n    await t.sleep(1)\n"),
    ("llm/facade.py", "x = y  # noqa: F821 # the test injects it"),
    ("llm_async/models/message.py", "from llm_async.errors import LLMError\nfrom .tool import Tool"),
]


@pytest.mark.parametrize(("file", "code"), LEGAL, ids=[file for file, _ in LEGAL])
def test_no_rule_finds_fault_with_what_is_legal(file: str, code: str, tmp_path: Path) -> None:
    write(tmp_path, file, code)

    assert {name: found for name, rule in RULES.items() if (found := rule(tmp_path))} == {}


# The rules.


def touching_the_world(root: Path) -> list[str]:
    return [
        f"{name}:{line} imports {module}"
        for name, line, module in imports(root, executed_only=True)
        if not name.startswith(MAY_TOUCH_THE_WORLD) and is_within(module, *OUTSIDE_WORLD)
    ]


def sleeping(root: Path) -> list[str]:
    problems = []
    for file in files_of(root):
        name = name_of(file, root)
        if name.startswith(MAY_TOUCH_THE_WORLD):
            continue
        for node in ast.walk(parsed(file)):
            match node:
                case ast.Attribute(value=ast.Name(id="time" | "asyncio"), attr="sleep", lineno=line):
                    problems.append(f"{name}:{line} sleeps")
                case ast.ImportFrom(module="time", names=names, lineno=line) if any(n.name == "sleep" for n in names):
                    problems.append(f"{name}:{line} imports time.sleep")
    return problems


def llm_async_looking_up(root: Path) -> list[str]:
    return imported(root, by="llm_async/", forbidden=("llm",))


def values_looking_around(root: Path) -> list[str]:
    legal = ("llm_async.models", "llm_async.errors", "llm_async.timeouts")
    return imported(root, by="llm_async/models/", forbidden=("llm_async", "llm"), legal=legal)


def dialects_looking_around(root: Path) -> list[str]:
    above = ("llm_async.transport", "llm_async.client", "llm_async.providers", "llm")
    return imported(root, by="llm_async/dialects/", forbidden=above)


def transports_looking_up(root: Path) -> list[str]:
    above = ("llm_async.dialects", "llm_async.client", "llm_async.providers", "llm_async.models", "llm")
    return imported(root, by="llm_async/transport/", forbidden=above)


def built_on_the_command(root: Path) -> list[str]:
    found = imported(root, by="", forbidden=("llm.cli",))
    return [problem for problem in found if not problem.startswith(("llm/cli/", "llm/__main__.py"))]


def extras_by_statement(root: Path) -> list[str]:
    return [
        f"{name_of(file, root)}:{node.lineno} imports an extra"
        for file in files_of(root)
        for node in ast.walk(parsed(file))
        if (isinstance(node, ast.Import) and any(is_within(alias.name, *EXTRAS) for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and not node.level and is_within(node.module or "", *EXTRAS))
    ]


def too_long(root: Path) -> list[str]:
    lengths = {name_of(file, root): len(file.read_text(encoding="utf-8").splitlines()) for file in files_of(root)}
    return [f"{name} has {lines} lines" for name, lines in lengths.items() if lines > MOST_LINES]


def unexplained(root: Path) -> list[str]:
    problems = []
    for file in files_of(root):
        with file.open("rb") as lines:
            for token in tokenize.tokenize(lines.readline):
                if token.type != tokenize.COMMENT or not SUPPRESSION.search(token.string):
                    continue
                words = re.findall(r"\w+", SUPPRESSION.sub("", token.string))
                if not words:
                    problems.append(f"{name_of(file, root)}:{token.start[0]} says {token.string!r} and no reason")
    return problems


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        touching_the_world,
        sleeping,
        llm_async_looking_up,
        values_looking_around,
        dialects_looking_around,
        transports_looking_up,
        built_on_the_command,
        extras_by_statement,
        too_long,
        unexplained,
    )
}


# What the rules read.


def imported(root: Path, *, by: str, forbidden: tuple[str, ...], legal: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name}:{line} imports {module}"
        for name, line, module in imports(root)
        if name.startswith(by) and is_within(module, *forbidden) and not is_within(module, *legal)
    ]


def imports(root: Path, *, executed_only: bool = False) -> Iterator[tuple[str, int, str]]:
    """Yield file, line and full name of everything imported, wherever in the file it is."""
    for file in files_of(root):
        name = name_of(file, root)
        package = name.split("/")[:-1]
        for node in executed(parsed(file)) if executed_only else ast.walk(parsed(file)):
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        yield name, node.lineno, alias.name
                case ast.ImportFrom(module=module, names=names, level=level):
                    start = package[: len(package) - level + 1] if level else []
                    base = ".".join([*start, *([module] if module else [])])
                    # `from a import b`: b is a module or a name in one, and a is only its parent where b is a module.
                    for alias in names:
                        yield name, node.lineno, base if is_name_in(base, alias.name, root) else f"{base}.{alias.name}"
                case ast.Call(func=ast.Name(id="__import__" | "import_module"), args=[ast.Constant(value=str(module))]):
                    yield name, node.lineno, module
                case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module))]):
                    yield name, node.lineno, module


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs, which `if TYPE_CHECKING:` does not."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=otherwise):
                for statement in otherwise:
                    yield from executed(statement)
            case _:
                yield node
                yield from executed(node)


def is_name_in(base: str, name: str, root: Path) -> bool:
    """Whether `from base import name` brings a name of ours rather than a module."""
    folder = root.joinpath(*base.split("."))
    return (folder / "__init__.py").exists() and not (folder / name).exists() and not (folder / f"{name}.py").exists()


def is_within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def loaded_by(module: str) -> set[str]:
    """Return the modules that a fresh interpreter has after importing this one and touching all its public names."""
    code = (
        f"import sys, {module} as it\n"
        "for name in getattr(it, '__all__', ()): getattr(it, name)\n"
        "import json; print(json.dumps(sorted(sys.modules)))"
    )
    # Without what measures coverage in child processes: it loads modules of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment["PYTHONPATH"] = str(SRC)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def files_of(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def name_of(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def write(root: Path, name: str, code: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code, encoding="utf-8")
