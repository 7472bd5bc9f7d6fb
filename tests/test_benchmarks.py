"""The benchmarks run, and write their table; what they measure is not for tests to judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parent.parent / "benchmarks" / "run.py"

OURS = [
    ("streamed event", "dragoman: bytes, async"),
    ("streamed event", "dragoman: + dialect, blocking"),
    ("streamed event", "dragoman: llm_async"),
    ("streamed event", "dragoman: llm, async"),
    ("streamed event", "dragoman: llm, blocking"),
    ("whole request", "dragoman: llm_async"),
    ("import", "dragoman: llm"),
]


def test_a_quick_benchmark_of_our_own_layers_writes_a_table_with_a_cost_for_each(tmp_path: Path) -> None:
    output = tmp_path / "results.md"
    options = ["--quick", "--events", "200", "--only", "dragoman", "--output", str(output)]

    subprocess.run([sys.executable, str(RUN), *options], check=True, stdout=subprocess.DEVNULL)

    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in output.read_text().splitlines() if "|" in line]
    costs = {(group, name): float(cost.split()[0]) for group, name, cost, *_ in rows[2:]}
    assert all(costs[line] > 0 for line in OURS)
