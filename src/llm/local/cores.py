"""How many cores this process may really use.

The engine counts the machine's. In a container with less it would start too many threads, which then wait for each
other at every step.
"""

from __future__ import annotations

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def confined_cores(quota: Path = QUOTA) -> int:
    """Return how many cores there are for this process if they are fewer than the machine has, else 0.

    Args:
        quota: the control group's file: microseconds of CPU time, and the period they are for.
    """
    machine = os.cpu_count() or 1
    allowed = min(_by_affinity(machine), _by_quota(quota, machine))
    return allowed if allowed < machine else 0


def _by_affinity(machine: int) -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine


def _by_quota(quota: Path, machine: int) -> int:
    try:
        time, period = quota.read_text().split()
        return max(1, int(time) // int(period))
    except (OSError, ValueError):  # no such file outside Linux; "max" where there is no limit
        return machine
