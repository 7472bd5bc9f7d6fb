"""One model reply in the making: model events in, events for the user out."""

from __future__ import annotations

from llm.events import StreamEvent, reasoning
from llm.thinking import CustomThinkingToken, ThinkingParser
from llm_async.models.event import Closed, ModelEvent, ReasoningDelta, TextDelta
from llm_async.models.response import Response


class Turn:
    """Splits a reply into answer and reasoning while it comes, and keeps the whole of it."""

    def __init__(self, token: CustomThinkingToken | None, *, hide_thinking: bool, hide_answer: bool = False) -> None:
        """`hide_answer` is for structured output, which is shown as a whole or not at all."""
        self._parser = ThinkingParser(token)
        self._hide_thinking, self._hide_answer = hide_thinking, hide_answer
        self._answer: list[str] = []
        self._reasoning: list[str] = []
        self.pieces = 0
        """How many events brought text or reasoning."""

        self.response: Response | None = None
        """The reply as its provider made it, once it is whole."""

    def show(self, events: list[ModelEvent]) -> list[StreamEvent]:
        """Take in what the model says and return what the user sees of it."""
        is_answer, keep = self._parser.is_answer, self._answer.append
        shown: list[StreamEvent] = []
        for event in events:
            kind = type(event)
            if kind is TextDelta:
                text: str = event.text  # type: ignore[union-attr] # mypy does not narrow by `type(x) is`
                self.pieces += 1
                if is_answer(text):
                    keep(text)
                    # Written out: this line runs for every token, and a call would double its cost.
                    shown.append({"type": "answer", "content": text, "depth": 0})
                else:
                    self._show_split(self._parser.feed(text), shown)
            elif kind is ReasoningDelta and event.text:  # type: ignore[union-attr] # as above
                self.pieces += 1
                self._show_reasoning(event.text, shown)  # type: ignore[union-attr] # as above
            elif kind is Closed:
                self.response = event.response  # type: ignore[union-attr] # as above
        return [event for event in shown if event["type"] != "answer"] if self._hide_answer else shown

    def flush(self) -> list[StreamEvent]:
        """Return what was held back in case a thinking tag would come."""
        shown: list[StreamEvent] = []
        self._show_split(self._parser.flush(), shown)
        return [event for event in shown if event["type"] != "answer"] if self._hide_answer else shown

    def whole(self) -> Response:
        """Return the reply, which has come to its end."""
        if self.response is None:
            raise AssertionError("a model stream that raises nothing ends with Closed")
        return self.response

    @property
    def answer(self) -> str:
        """The answer so far, without reasoning."""
        return "".join(self._answer)

    @property
    def reasoning(self) -> str:
        """The reasoning so far, whether it came in tags or in a field of its own."""
        return "".join(self._reasoning)

    def _show_split(self, pieces: list[tuple[bool, str]], shown: list[StreamEvent]) -> None:
        for is_reasoning, text in pieces:
            if is_reasoning:
                self._show_reasoning(text, shown)
            else:
                self._answer.append(text)
                shown.append({"type": "answer", "content": text, "depth": 0})

    def _show_reasoning(self, text: str, shown: list[StreamEvent]) -> None:
        self._reasoning.append(text)
        if not self._hide_thinking:
            shown.append(reasoning(text))
