"""What the words of Gemini's format mean, and what differs between its models; data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_async.models.event import FinishReason

NAME = "gemini"

FINISH_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MALFORMED_RESPONSE": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "CONTINUATION": "pause",  # goes on when it is sent the token that came with it
}

_NUMBERED = (
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "UNEXPECTED_TOOL_CALL",
    "NO_IMAGE",
    "MALFORMED_RESPONSE",
    "CONTINUATION",
    "TOO_MANY_TOOL_CALLS",
)
"""Vertex AI's finish reasons by number; the Gemini API numbers them otherwise, but always sends words."""


def finish_word(value: object) -> str:
    """Return a finish reason as a word: Vertex AI sends numbers where it is asked for `enum-encoding=int`."""
    if isinstance(value, int) and 0 <= value < len(_NUMBERED):
        return _NUMBERED[value]
    return str(value)


GENERATION_CONFIG = frozenset(
    {
        "audioTimestamp",
        "audioTranscriptionConfig",
        "candidateCount",
        "enableAffectiveDialog",
        "enableEnhancedCivicAnswers",
        "frequencyPenalty",
        "imageConfig",
        "logprobs",
        "maxOutputTokens",
        "mediaResolution",
        "modelSelectionConfig",
        "presencePenalty",
        "responseFormat",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "routingConfig",
        "seed",
        "speechConfig",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
        "translationConfig",
    }
)
"""Parameters that belong into `generationConfig`; all others stand beside it."""

SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_tokens": "maxOutputTokens",
    "stop": "stopSequences",
    "seed": "seed",
}


def camel_case(name: str) -> str:
    """Return a parameter's name as the format writes it; the service takes both ways.

    >>> camel_case("top_k")
    'topK'
    """
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_BEFORE_3 = re.compile(r"gemini-(1|2)\b|gemma|learnlm|medlm")


def is_before_3(model: str) -> bool:
    """Return whether a model is older than Gemini 3; one that is called otherwise (`gemini-flash-latest`) is not.

    From Gemini 3 on, function calls must carry a thought signature, function responses may hold pictures, and tools
    go together with a schema for the answer.
    """
    return bool(_BEFORE_3.search(model))


_NO_THOUGHTS = re.compile(r"gemini-1|gemini-2\.0|gemma|learnlm|medlm")
_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
_PRO_BUDGETS = _BUDGETS | {"none": 128, "xhigh": 32768, "max": 32768}
_LEVELS = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",  # there is an XHIGH, which Vertex AI and most models do not know
    "max": "HIGH",
}
_PRO_LEVELS = _LEVELS | {"none": "LOW", "minimal": "LOW"}
_FIRST_PRO_LEVELS = _PRO_LEVELS | {"medium": "HIGH"}

_THINKING: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (r"gemini-2\.5-pro", "thinkingBudget", _PRO_BUDGETS),
    (r"gemini-2\.5|robotics-er-1", "thinkingBudget", _BUDGETS),
    (r"gemini-3-pro", "thinkingLevel", _FIRST_PRO_LEVELS),
    (r"gemini-.*pro", "thinkingLevel", _PRO_LEVELS),
    ("", "thinkingLevel", _LEVELS),
)
"""What each family calls an effort, the first whose pattern is in the model's name counts."""


def thinking_config(model: str, effort: str) -> tuple[dict[str, Any], str]:
    """Return how a model is told of an effort, and a warning where it cannot be told."""
    if _NO_THOUGHTS.search(model):
        return {}, f"reasoning_effort was left out: {model!r} does not reason"
    field, words = next((field, words) for pattern, field, words in _THINKING if re.search(pattern, model))
    if effort not in words:
        return {}, f"reasoning_effort was left out: {effort!r} is none of {', '.join(words)}"
    value = words[effort]
    if effort != "none":
        return {field: value, "includeThoughts": True}, ""
    least = "" if value in (0, "MINIMAL") else f"{model!r} cannot do without reasoning; it was asked for little"
    return {field: value}, least
