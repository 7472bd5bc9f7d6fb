"""`make demo`: the embedded model answers in this terminal, and what ran is shown."""

from __future__ import annotations

import sys
from importlib import metadata

from llm import LLM
from llm.cli.outcome import FAILED, end_well
from llm.cli.render import TextView, figures
from llm.local import MODELS
from llm.local.choose import Choice, choose_model

PROMPT = "In one sentence, why is the sky blue?"

YOUR_OWN = """\
With a model of your own:
  dragoman -m NAME --base-url http://localhost:1234 "..."     LM Studio, llama.cpp, Ollama, vLLM, ...
  dragoman -m openai:NAME "..."                               OpenAI, with OPENAI_API_KEY set
  dragoman -m local:/path/model.gguf "..."                    any GGUF file
  LLM("NAME", base_url="http://localhost:1234").response("...")["answer"]     in Python: from llm import LLM"""


def main() -> int:
    """Run the demo and return the exit code: not 0 if no text came."""
    return end_well(lambda: _run(" ".join(sys.argv[1:]).strip() or PROMPT))


def _run(prompt: str) -> int:
    choice = choose_model("")  # fetches it now, so that the bar is gone before the prompt is shown
    if sys.stdout.isatty():
        print(f"> {prompt}")
    view = TextView()
    with (
        LLM("local", extra_body={"temperature": 0}) as llm,
        llm.stream_response(prompt, final=True, verbose=True) as stream,
    ):
        speed = ""
        try:
            for event in stream:
                if event["type"] == "verbose":
                    speed = figures(event["content"])  # said below, not on standard error
                else:
                    view.show(event)
        finally:
            view.end()
    if not stream.final["answer"].strip():
        return FAILED  # the view has said so
    print(f"\nWhat ran: {what_ran(choice)}")
    print(f"Speed: {speed}\n\n{YOUR_OWN}", flush=True)
    return 0


def what_ran(choice: Choice) -> str:
    """Return the model in words: title, licence, size and engine."""
    model = next((model for model in MODELS if model.name == choice.name), None)
    title = f"{model.title} ({model.licence})" if model else f"{choice.name} (a file of your own)"
    size = choice.file.stat().st_size / 1e6
    return f"{title}, {size:.0f} MB, on this machine in llama.cpp (xllamacpp {metadata.version('xllamacpp')})"


if __name__ == "__main__":
    sys.exit(main())
