"""Putting a question to the model that the arguments name, and showing the answer."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from llm import FinalResponse
from llm.cli.arguments import Arguments
from llm.cli.outcome import note
from llm.cli.render import JsonView, TextView, View
from llm.cli.settings import choose
from llm_async import ConfigurationError


class Asker:
    """A model, and a view that shows its answers."""

    def __init__(self, arguments: Arguments) -> None:
        """Find the model, and say which one it is where the user left it open.

        Raises:
            ConfigurationError, ModelRequestError: see `settings.choose`.
        """
        self._arguments = arguments
        self.said = ""
        """The text of the last answer as far as it came."""
        choice = choose(arguments.model, arguments.base_url)
        if choice.reason:
            note(choice.reason)
        options: dict[str, Any] = {}  # Any: the parameters of LLM
        if arguments.timeout is not None:
            options["timeout"] = arguments.timeout
        if arguments.temperature is not None:
            options["extra_body"] = {"temperature": arguments.temperature}
        self._llm = choice.llm(**options)
        self._view: View = JsonView() if arguments.json else TextView()

    def ask(self, messages: list[dict[str, Any]]) -> FinalResponse:
        """Show the model's answer to `messages` and return it.

        Raises:
            ConfigurationError, ModelRequestError, LLMTimeoutError: as `LLM.response`.
        """
        if self._arguments.system:
            messages = [{"role": "system", "content": self._arguments.system}, *messages]
        _check_text(messages)
        self.said = ""
        try:
            return self._streamed(messages) if self._arguments.stream else self._whole(messages)
        finally:
            self._view.end()

    def _streamed(self, messages: list[dict[str, Any]]) -> FinalResponse:
        arguments = self._arguments
        stream = self._llm.stream_response(
            messages,
            final=True,
            verbose=arguments.verbose,
            hide_thinking=not arguments.show_thinking,
            max_tokens=arguments.max_tokens,
        )
        with stream:
            for event in stream:
                if event["type"] == "answer":
                    self.said += event["content"]
                self._view.show(event)
        return stream.final

    def _whole(self, messages: list[dict[str, Any]]) -> FinalResponse:
        arguments = self._arguments
        response = self._llm.response(
            messages,
            verbose=arguments.verbose,
            hide_thinking=not arguments.show_thinking,
            max_tokens=arguments.max_tokens,
        )
        if not arguments.json:  # there, all of this is in the one event
            if thought := response.get("reasoning"):
                self._view.show({"type": "reasoning", "content": thought, "depth": 0})
            self._view.show({"type": "answer", "content": response["answer"], "depth": 0})
            if measured := response.get("verbose"):
                self._view.show({"type": "verbose", "content": measured, "depth": 0})
        self._view.show({"type": "final", "content": response, "depth": 0})
        return response

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._llm.close()


def _check_text(messages: list[dict[str, Any]]) -> None:
    for message in messages:
        try:
            str(message["content"]).encode()
        except UnicodeEncodeError as error:  # bytes of the command line that the locale cannot read
            raise ConfigurationError(f"the {message['role']} message holds bytes that are no text") from error
