"""What the user sees on standard error while a model is fetched: one line, and on a terminal a bar."""

from __future__ import annotations

import sys
import time
from types import TracebackType

WIDTH = 30
INTERVAL = 0.1
"""Seconds between two drawings of the bar."""


def say(text: str) -> None:
    """Write one line to standard error, where there is one."""
    if sys.stderr is not None:  # programs without a console have none
        sys.stderr.write(f"dragoman: {text}\n")
        sys.stderr.flush()


class Progress:
    """Show how much of something has come: a bar on a terminal, a plain line elsewhere."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._drawn = -INTERVAL
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        say(f"fetching {self._title} ({self._total / 1e6:.0f} MB)")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, size: int) -> None:
        """Draw the bar for `size` bytes, unless it was drawn a moment ago."""
        now = time.monotonic()
        if not self._terminal or now - self._drawn < INTERVAL:
            return
        self._drawn = now
        sys.stderr.write("\r" + bar(size, self._total))
        sys.stderr.flush()


def bar(size: int, total: int) -> str:
    """Return the bar for `size` of `total` bytes.

    >>> bar(50_000_000, 100_000_000)
    '[###############---------------]  50 %  50 of 100 MB'
    """
    share = min(size / total, 1.0)
    filled = int(share * WIDTH)
    return f"[{'#' * filled}{'-' * (WIDTH - filled)}] {share * 100:3.0f} %  {size / 1e6:.0f} of {total / 1e6:.0f} MB"
