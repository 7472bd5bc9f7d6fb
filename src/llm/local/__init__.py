"""The embedded model: `serve` gives the address of a server that runs in a child process on this machine.

Nothing here is imported by `import llm`, and the engine itself is loaded by the child process only.
"""

from llm.local.cache import cache_folder, cached
from llm.local.choose import choose_model
from llm.local.engine import LocalServer, check_installed, close, run
from llm.local.fetch import fetch_model
from llm.local.models import MODELS, LocalModel

__all__ = [
    "MODELS",
    "LocalModel",
    "LocalServer",
    "cache_folder",
    "cached",
    "check_installed",
    "close",
    "fetch_model",
    "serve",
]


def serve(name: str = "") -> LocalServer:
    """Return a server that answers with the model, fetching it and starting the engine as needed.

    Blocks: for a download the first time, for seconds when the engine starts, for microseconds afterwards.

    Args:
        name: what stands after `local:`: a name of `MODELS`, the path of a GGUF file, or "" for the best at hand.

    Raises:
        ConfigurationError: no such model, the extra is not installed, the disk is full; the text says what to do.
        TransportError: the model could not be downloaded.
    """
    choice = choose_model(name)
    return run(choice.file, name=choice.name, template=choice.template)
