"""The blocking connections that are kept for the next request, by where they lead."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

KEPT_FOR = 30.0
"""Seconds after which an idle connection is closed: servers and firewalls forget them too."""

KEPT_PER_ORIGIN = 20


class Keepable(Protocol):
    """A connection, as far as a pool deals with it."""

    idle_since: float
    """When it was last put by."""

    def is_quiet(self) -> bool:
        """Say whether nothing has come since the last answer."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


K = TypeVar("K", bound=Keepable)


class Pool(Generic[K]):
    """Idle connections, shared by the threads of one process; a forked child begins with none.

    Attributes:
        lent: the connections that carry an answer.
    """

    _kept: dict[Hashable, list[K]]
    lent: set[K]

    def __init__(self) -> None:
        self._start_over()

    def take(self, origin: Hashable) -> K | None:
        """Return the connection used last, or None."""
        self._check_process()
        while True:
            with self._lock:
                kept = self._kept.get(origin)
                if not kept:
                    return None
                connection = kept.pop()
            if time.monotonic() - connection.idle_since < KEPT_FOR and connection.is_quiet():
                return connection
            connection.close()

    def put(self, origin: Hashable, connection: K) -> None:
        """Keep a connection whose answer was read to its end."""
        self._check_process()
        now = connection.idle_since = time.monotonic()
        with self._lock:
            self._kept.setdefault(origin, []).append(connection)
            superfluous = self._remove_superfluous(now)
        for old in superfluous:
            old.close()

    def clear(self) -> None:
        """Close them all."""
        self._check_process()
        with self._lock:
            kept, self._kept = self._kept, {}
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def close(self) -> None:
        """Close them all, those that carry an answer included."""
        self.clear()
        while self.lent:
            self.lent.pop().close()

    def _remove_superfluous(self, now: float) -> list[K]:
        superfluous = []
        for origin, kept in list(self._kept.items()):
            fresh = [each for each in kept if now - each.idle_since < KEPT_FOR][-KEPT_PER_ORIGIN:]
            if len(fresh) < len(kept):
                superfluous += [each for each in kept if each not in fresh]
                self._kept[origin] = fresh
            if not fresh:
                del self._kept[origin]
        return superfluous

    def _start_over(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()  # a new one: the old may have been held by a thread that the fork left behind
        self._kept, self.lent = {}, set()

    def _check_process(self) -> None:
        if self._process != os.getpid():
            inherited = self._kept
            self._start_over()
            for connections in inherited.values():
                for connection in connections:
                    connection.close()  # our copy only: nothing is sent, the parent's stays open
