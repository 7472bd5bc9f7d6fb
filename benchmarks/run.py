"""Measure us beside others, in one run: CPU time of the client's process, the clients taking turns.

The machine's other work disturbs every figure; it disturbs them alike, because each round runs every client once. The
table has medians over the rounds, and as a ratio the median of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SRC = HERE.parent / "src"
PACKAGES = ["aiohttp", "msgspec", "openai", "llm-async"]
FOREIGN = ["PYTHONDONTWRITEBYTECODE", "PYTHONPATH"]  # imports are measured as they are from the second time on
SURPLUS = 8  # events that are no piece of text: the role, the end, the usage, its marks


class Contender(NamedTuple):
    """One line of the table: a driver, and what it is told to do."""

    group: str
    name: str
    driver: str
    work: str
    needs: str = ""
    """A distribution; without it the line is left out. None of ours: those run with our src on the path."""

    is_reference: bool = False
    """The line that the others of its group are compared with."""


STREAM, REQUESTS, IMPORT = "streamed event", "whole request", "import"

CONTENDERS = [
    Contender(STREAM, "by hand, aiohttp", "by_hand", "stream aiohttp", "aiohttp"),
    Contender(STREAM, "by hand, http.client", "by_hand", "stream http.client", "aiohttp"),
    Contender(STREAM, "openai, async", "openai_sdk", "stream async", "openai", is_reference=True),
    Contender(STREAM, "openai, blocking", "openai_sdk", "stream blocking", "openai"),
    Contender(STREAM, "llm-async (PyPI)", "published_llm_async", "stream", "llm-async"),
    Contender(STREAM, "dragoman: bytes, async", "layers", "bytes async"),
    Contender(STREAM, "dragoman: + sse, async", "layers", "sse async"),
    Contender(STREAM, "dragoman: + dialect, async", "layers", "dialect async"),
    Contender(STREAM, "dragoman: client, async", "layers", "client async"),
    Contender(STREAM, "dragoman: llm_async", "ours", "stream llm_async"),
    Contender(STREAM, "dragoman: llm, async", "ours", "stream llm asyncio"),
    Contender(STREAM, "dragoman: bytes, blocking", "layers", "bytes blocking"),
    Contender(STREAM, "dragoman: + sse, blocking", "layers", "sse blocking"),
    Contender(STREAM, "dragoman: + dialect, blocking", "layers", "dialect blocking"),
    Contender(STREAM, "dragoman: client, blocking", "layers", "client blocking"),
    Contender(STREAM, "dragoman: llm, blocking", "ours", "stream llm blocking"),
    Contender(REQUESTS, "by hand, aiohttp", "by_hand", "requests aiohttp", "aiohttp"),
    Contender(REQUESTS, "openai, async", "openai_sdk", "requests", "openai", is_reference=True),
    Contender(REQUESTS, "llm-async (PyPI)", "published_llm_async", "requests", "llm-async"),
    Contender(REQUESTS, "dragoman: llm_async", "ours", "requests llm_async"),
    Contender(IMPORT, "openai", "importing", "openai", "openai", is_reference=True),
    Contender(IMPORT, "llm-async (PyPI)", "importing", "llm_async", "llm-async"),
    Contender(IMPORT, "dragoman: llm_async", "importing", "llm_async"),
    Contender(IMPORT, "dragoman: llm", "importing", "llm"),
]


class Run(NamedTuple):
    """What one driver printed, in seconds."""

    events: int
    cpu: float
    wall: float


Results = dict[Contender, list[Run]]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    contenders = _chosen(options.only)
    rounds = 1 if options.quick else options.rounds
    counts = {STREAM: options.events, REQUESTS: max(options.events // 40, 1), IMPORT: 1}
    results: Results = {contender: [] for contender in contenders}
    with _server() as address:
        for number in range(1, rounds + 1):
            for contender in contenders:
                _progress(f"round {number} of {rounds}: {contender.name}, {contender.group}")
                results[contender].append(_run(contender, address, counts[contender.group]))
    _progress("")
    report = f"{_preface(rounds, counts)}\n{_table(results, counts)}"
    options.output.write_text(report, encoding="utf-8")
    print(report)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure us beside others.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each client runs (5)")
    parser.add_argument("--events", type=int, default=20_000, help="pieces of text in a stream (20000)")
    parser.add_argument("--quick", action="store_true", help="one round: does it work at all")
    parser.add_argument("--only", default="", metavar="WORD", help="clients with this word in their name")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md", metavar="FILE", help="where the table goes")
    return parser.parse_args(arguments)


def _chosen(word: str) -> list[Contender]:
    """Return those with `word` in their names, without those that need what is not installed."""
    named = [each for each in CONTENDERS if word in each.name]
    missing = {each.needs for each in named if each.needs and _version(each.needs) is None}
    if missing:
        print(f"left out, because not installed: {', '.join(sorted(missing))}", file=sys.stderr)
    return [each for each in named if each.needs not in missing]


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@contextmanager
def _server() -> Iterator[str]:
    """Run the server and give its address."""
    command = [sys.executable, str(HERE / "server.py")]
    # It ends when its standard input does, however this process ends.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or not (address := process.stdout.readline().strip()):
            raise SystemExit("the benchmark's server did not start; what it said is above")
        yield address


def _run(contender: Contender, address: str, count: int) -> Run:
    """Run one driver once."""
    command = [sys.executable, str(HERE / "drivers" / f"{contender.driver}.py"), contender.work]
    if contender.group != IMPORT:
        command += [f"{address}/{count}/v1", str(count)]
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    if not contender.needs:
        environment["PYTHONPATH"] = str(SRC)
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"{contender.name}, {contender.group}: the driver failed; what it said is above")
    run = Run(**json.loads(process.stdout))
    if contender.group != IMPORT and not count <= run.events <= count + SURPLUS:
        raise SystemExit(f"{contender.name}, {contender.group}: {run.events} events came, not {count}")
    return run


def _preface(rounds: int, counts: dict[str, int]) -> str:
    versions = [f"{package} {found}" for package in PACKAGES if (found := _version(package)) is not None]
    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"""# What a client costs

CPU time of the client's process: medians, the clients taking turns (rounds: {rounds}). The server is a process of its
own and sends what it has in store. A stream has {counts[STREAM]} events, 64 a write, each an HTTP chunk of its own;
there are {counts[REQUESTS]} whole requests, one after the other. Each layer of ours is measured with all it stands on.
Made by `make bench`.

- {machine}
- {", ".join(versions)}
- {datetime.now(UTC):%Y-%m-%d}
"""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _table(results: Results, counts: dict[str, int]) -> str:
    lines = ["| a | with | CPU | lowest to highest | beside openai |", "|---|---|---:|---:|---:|"]
    references = {each.group: runs for each, runs in results.items() if each.is_reference}
    for contender, runs in results.items():
        scale, unit = (1e3, "ms") if contender.group == IMPORT else (1e6 / counts[contender.group], "µs")
        costs = [run.cpu * scale for run in runs]
        modules = f", {runs[0].events} modules" if contender.group == IMPORT else ""
        lines.append(
            f"| {contender.group} | {contender.name} | {median(costs):.2f} {unit}{modules} "
            f"| {min(costs):.2f} to {max(costs):.2f} | {_ratio(runs, references.get(contender.group))} |"
        )
    return "\n".join(lines) + "\n"


def _ratio(runs: list[Run], references: list[Run] | None) -> str:
    if references is None:
        return ""
    ratio = median([reference.cpu / run.cpu for run, reference in zip(runs, references, strict=True)])
    return f"1/{ratio:.1f}" if ratio > 1 else f"{1 / ratio:.2f}"


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
