"""The public API as type checkers must see it. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

from llm_async.timeouts import Timeouts

assert_type(Timeouts().connect, float | None)
