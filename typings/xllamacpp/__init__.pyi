# What of the extra `local` is used, so that type checks do not depend on what is installed.
from typing import Any

def __getattr__(name: str) -> Any: ...
