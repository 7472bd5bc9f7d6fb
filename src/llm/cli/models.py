"""`dragoman models`: which models there are to ask."""

from __future__ import annotations

from llm.cli.outcome import one_line
from llm.cli.servers import model_names
from llm.cli.settings import server
from llm.local import MODELS, LocalModel, cache_folder, cached


def show_models(base_url: str | None) -> int:
    """List the embedded models, and those of the server at `base_url` or `OPENAI_BASE_URL`; return the exit code.

    Raises:
        ModelRequestError, LLMTimeoutError: the server could not be asked.
    """
    print(f"embedded (cache: {cache_folder()})")
    for model in MODELS:
        print(f"  {described(model)}")
    provider = server(base_url)
    if provider is not None:
        print(f"\nat {provider.base_url}", flush=True)  # before what it may take to ask it
        names = model_names(provider)
        for name in names:
            print(f"  {one_line(name)}")
        if not names:
            print("  none")
    return 0


def described(model: LocalModel) -> str:
    """Return an embedded model in one line: name, size, licence, and whether it is here."""
    here = "in the cache" if cached(model) else "fetched at its first use"
    return f"local:{model.name:<20} {model.size / 1e6:5.0f} MB  {model.licence}  {here}"
