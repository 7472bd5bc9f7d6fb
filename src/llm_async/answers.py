"""Whether an answer has the shape that was asked for."""

from __future__ import annotations

import msgspec

from llm_async.errors import ConfigurationError, OutputTruncatedError, StructuredOutputError
from llm_async.models.response import Response
from llm_async.models.response_schema import ResponseSchema
from llm_async.schema_check import problems, restored

_SHOWN = 5


def check_answer(response: Response, wanted: ResponseSchema) -> None:
    """Refuse an answer that does not fit: what could not be said to the server is made good for here.

    Only an answer is checked, and not a refusal, tool calls, or what a filter left. What `compile_schema` does to a
    schema is allowed for: null as an optional property, and the property `value` around a root that is no object.

    Raises:
        OutputTruncatedError: it was cut off.
        StructuredOutputError: it does not fit; like the other it holds the whole reply as `.partial`.
    """
    text = response.main_response.content
    if not isinstance(text, str):
        return
    if response.finish_reason in ("length", "context_window"):
        raise OutputTruncatedError(
            f"the answer was cut off after {len(text)} characters ({response.finish_reason}), before it was whole; "
            "a larger max_tokens may help",
            text=text,
            problems=("it was cut off",),
            partial=response,
        )
    # `other` is what servers amount to that give no reason.
    if response.finish_reason not in ("stop", "other"):
        return
    found = _problems(text, wanted)
    if found:
        more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
        raise StructuredOutputError(
            f"the answer does not fit the schema {wanted.name!r}: {'; '.join(found[:_SHOWN])}{more}",
            text=text,
            problems=found,
            partial=response,
        )


def _problems(text: str, wanted: ResponseSchema) -> tuple[str, ...]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return (f"$: is not JSON: {error}",)
    try:
        return tuple(problems(wanted.schema, restored(wanted.schema, value)))
    except (ConfigurationError, TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        # The schema is at fault, which the server let pass; the answer is paid for and must not be lost with it.
        return (f"$: the schema cannot be applied: {error}",)
