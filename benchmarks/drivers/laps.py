"""What all drivers share: how they are called, what is measured, and what they print.

A driver is run as `python driver.py WORK URL COUNT`. It does its work twice, once to warm up and once measured, and
prints the figures of the second time as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator

MODEL = "benchmark"
MESSAGES = [{"role": "user", "content": "Say token, again and again."}]
KEY = "no-key"


class Lap:
    """One time through the work. A driver counts in `events` what came: proof that the work was done."""

    def __init__(self) -> None:
        self.events = 0


def laps() -> Iterator[Lap]:
    """Yield the warm-up, then the lap whose figures are printed: CPU of the whole process and time, in seconds."""
    yield Lap()
    gc.collect()
    lap, cpu, wall = Lap(), time.process_time(), time.perf_counter()
    yield lap
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps({"events": lap.events, "cpu": cpu, "wall": wall}))


def arguments() -> tuple[str, str, int]:
    """Return what is to be done, the server's address, and how many events or requests it takes."""
    work, url, count = sys.argv[1:]
    return work, url, int(count)
