"""What runs in the engine's process: one model, served on loopback until standard input ends.

Started as a script by `llm.local.engine`, so it imports nothing of this package. It is told what to serve by one line
of JSON on standard input and answers with one line of JSON on standard output: `{"address": …}` or `{"error": …}`.
Standard input then stays open as long as the parent lives, however that ends.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from typing import Any, TextIO


def main() -> None:
    """Serve what standard input names, and end with it."""
    settings = json.loads(sys.stdin.buffer.readline())
    say = private_output()
    threading.Thread(target=end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    sys.path[:] = settings["path"]  # the parent's, which found the engine there
    try:
        server = serve(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent makes an error of it
        tell(say, {"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    tell(say, {"address": server.listening_address})
    threading.Event().wait()  # `end_with` ends the process


def private_output() -> TextIO:
    """Return standard output for ourselves; what the engine prints there goes to standard error."""
    say = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return say


def tell(say: TextIO, message: dict[str, str]) -> None:
    """Send one line to the parent."""
    print(json.dumps(message), file=say, flush=True)


def end_with(parent: int) -> None:
    """End this process when the parent has closed its end of a pipe, without waiting for requests."""
    # Not through sys.stdin: a thread that holds its lock makes Python abort at the end of the process.
    while os.read(parent, 4096):
        pass
    os._exit(0)


def serve(settings: dict[str, Any]) -> Any:
    """Start the server and return it; it has an address when this returns.

    Any: `xllamacpp` carries no types, and need not be installed where this is checked.
    """
    engine = importlib.import_module("xllamacpp")
    params = engine.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["name"]}  # otherwise answers name the file, folders and all
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [settings["key"]]
    params.cors_origins, params.cors_origins_explicit = "", True  # by default any origin is reflected
    params.ui = params.endpoint_slots = False
    params.verbosity = 1  # errors
    params.use_jinja, params.chat_template = True, settings["template"]
    # One pool of context for all slots: each request may take the model's whole window while the others are short.
    params.n_parallel, params.n_ctx, params.kv_unified = settings["slots"], settings["context"], True
    params.cache_ram_mib = 256  # of old prompts; the engine's own limit is 8 GB
    if settings["threads"]:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    return engine.Server(params)


if __name__ == "__main__":  # pragma: no cover - runs in the child, where every test with the model goes
    main()
