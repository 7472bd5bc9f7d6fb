"""What is asked of a model, as the body of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_async.dialects import HttpCall, Profile
from llm_async.dialects.anthropic.conversation import encode_conversation
from llm_async.dialects.anthropic.families import Family, family_of
from llm_async.errors import ConfigurationError
from llm_async.models.request import ModelRequest, ToolLike
from llm_async.models.tool import Tool
from llm_async.schemas import compile_schema

NO_SAMPLING = "2026-10-21"
"""The first version that refuses temperature, top_p and top_k."""

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 49_152}
"""Tokens of thinking for models that want a number; 1024 is the least that is taken."""

_LEAST_BUDGET = 1024

_SCALE = ("minimal", "low", "medium", "high", "xhigh", "max")


def encode_request(request: ModelRequest, profile: Profile, *, stream: bool) -> HttpCall:
    """Return the call that says `request`.

    Raises:
        ConfigurationError: a value in it has no JSON, or `tool_choice` is none that there is.
    """
    warnings: list[str] = []
    body = _body(request, profile, warnings)
    if stream:
        body["stream"] = True
    return _call("/messages", body, warnings)


def encode_count(request: ModelRequest, profile: Profile) -> HttpCall:
    """Return the call that counts the tokens of what `request` says."""
    warnings: list[str] = []
    body = _conversation(request, family_of(request.model), profile, warnings)
    return _call("/messages/count_tokens", body, warnings)


def _call(path: str, body: dict[str, Any], warnings: list[str]) -> HttpCall:
    try:
        data = msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from error
    return HttpCall(path=path, body=data, warnings=tuple(dict.fromkeys(warnings)))


def _plain(value: object) -> Any:
    """Return what msgspec can write in place of what it cannot: it knows no mapping but `dict`."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON")


def _body(request: ModelRequest, profile: Profile, warnings: list[str]) -> dict[str, Any]:
    family, extra, sampling = family_of(request.model), dict(request.extra), request.sampling
    body: dict[str, Any] = _conversation(request, family, profile, warnings)
    extra.pop("system", None)  # is in the body by now
    body["max_tokens"] = family.max_tokens if sampling.max_tokens is None else sampling.max_tokens
    if sampling.stop is not None:
        body["stop_sequences"] = [sampling.stop] if isinstance(sampling.stop, str) else sampling.stop
    if sampling.seed is not None:
        warnings.append("seed was left out: Anthropic has none")
    config: dict[str, Any] = {}
    if request.response_schema is not None:
        compiled = compile_schema(request.response_schema.schema, "anthropic")
        warnings += compiled.relaxed
        if compiled.strict:
            config["format"] = {"type": "json_schema", "schema": compiled.schema}
        else:
            body["system"] = _with_schema(body.get("system"), compiled.schema)
    if sampling.reasoning_effort is not None:
        thinking = extra.get("thinking")
        _say_effort(sampling.reasoning_effort, family, body, config, warnings, is_given=thinking is not None)
    if isinstance(given := extra.get("output_config"), Mapping):
        config.update(given)
        del extra["output_config"]
    if config:
        body["output_config"] = config
    _say_sampling(request, family, profile, body, extra, warnings)
    body.update(extra)
    return body


def _with_schema(system: Any, schema: Mapping[str, Any]) -> list[Any]:
    """Return the system text with a schema that the server would refuse; so the model is asked to keep to it."""
    shape = msgspec.json.encode(schema).decode()
    told = f"Answer with nothing but one JSON value that satisfies this JSON Schema:\n{shape}"
    given = [{"type": "text", "text": system}] if isinstance(system, str) else list(system or ())
    return [*given, {"type": "text", "text": told}]


def _conversation(request: ModelRequest, family: Family, profile: Profile, warnings: list[str]) -> dict[str, Any]:
    """Return what of a request counts as its input."""
    is_strict = profile.version >= NO_SAMPLING
    blocks, messages = encode_conversation(request.messages, family, is_strict=is_strict, warnings=warnings)
    body: dict[str, Any] = {"model": request.model, "messages": messages}
    system: Any = request.extra.get("system")
    if blocks:
        given = [{"type": "text", "text": system}] if isinstance(system, str) else list(system or ())
        system = [*given, *blocks]
        if len(system) == 1 and system[0].keys() == {"type", "text"}:
            system = system[0]["text"]
    if system is not None:
        body["system"] = system
    if request.tools:
        body["tools"] = [_encode_tool(tool, warnings) for tool in request.tools]
    choice = _encode_choice(request.tool_choice)
    if choice is not None and (request.tools or choice["type"] not in ("auto", "none")):
        body["tool_choice"] = choice
    return body


# ------------------------------------------------------------------------------------------------- tools


def _encode_tool(tool: ToolLike, warnings: list[str]) -> Any:
    if not isinstance(tool, Tool):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, Mapping):
            return tool  # the format's own
        tool = Tool(
            name=function.get("name", ""),
            description=function.get("description") or "",
            parameters=function.get("parameters"),
            strict=function.get("strict"),
            cache_control=tool.get("cache_control"),
        )
    described: dict[str, Any] = {"name": tool.name}
    if tool.description:
        described["description"] = tool.description
    schema: Mapping[str, Any] = tool.schema
    if tool.strict:
        compiled = compile_schema(schema, "anthropic")
        warnings += compiled.relaxed
        schema, described["strict"] = compiled.schema, compiled.strict
    described["input_schema"] = schema if "type" in schema else {"type": "object", **schema}
    if tool.cache_control is not None:
        described["cache_control"] = tool.cache_control
    return described


_CHOICES = {"auto": "auto", "none": "none", "required": "any", "any": "any"}


def _encode_choice(choice: str | Mapping[str, Any] | None) -> Any:
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _CHOICES:
            words = "auto, none, required or {'type': 'function', 'function': {'name': …}}"
            raise ConfigurationError(f"tool_choice must be {words}; it is {choice!r}")
        return {"type": _CHOICES[choice]}
    function = choice.get("function")
    if choice.get("type") == "function" and isinstance(function, Mapping):
        return {"type": "tool", "name": function.get("name")}
    return {"type": None, **choice}


# ---------------------------------------------------------------------------------------------- thinking


def _say_effort(
    effort: str, family: Family, body: dict[str, Any], config: dict[str, Any], warnings: list[str], *, is_given: bool
) -> None:
    """Put into a request how much the model is to think.

    Args:
        is_given: whether `thinking` is given in the format's own words, which then stay.
    """
    if effort == "none":
        if is_given or family.off == "omit":
            return
        if family.off == "never":
            warnings.append(f"reasoning_effort='none' became 'low': {body['model']} always thinks")
            config["effort"] = "low"
        else:
            body["thinking"] = {"type": family.off}
        return
    if effort not in _SCALE:
        raise ConfigurationError(f"reasoning_effort must be none or one of {', '.join(_SCALE)}; it is {effort!r}")
    if family.thinking == "none":
        warnings.append(f"reasoning_effort was left out: {body['model']} does not think")
        return
    if family.efforts:
        config["effort"] = _nearest(effort, family.efforts)
        if config["effort"] != effort and family.thinking == "adaptive":
            warnings.append(f"reasoning_effort={effort!r} became {config['effort']!r}: {body['model']} has no other")
    if is_given:
        return
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        # Refused together, and the call was asked for in as many words.
        warnings.append("thinking was left out: Anthropic allows none where tool_choice forces a call")
    elif family.thinking == "adaptive":
        body["thinking"] = {"type": "adaptive", **({"display": "summarized"} if family.hides_thinking else {})}
    elif body["max_tokens"] <= _LEAST_BUDGET:
        warnings.append(f"thinking was left out: it takes {_LEAST_BUDGET} tokens, and max_tokens must be more")
    else:
        budget = min(_BUDGETS[effort], max(_LEAST_BUDGET, body["max_tokens"] // 2))
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _nearest(effort: str, known: tuple[str, ...]) -> str:
    """Return the word that asks for as much, or else for the next less; the least one if there is no less."""
    below = [word for word in known if _SCALE.index(word) <= _SCALE.index(effort)]
    return below[-1] if below else known[0]


def _say_sampling(
    request: ModelRequest,
    family: Family,
    profile: Profile,
    body: dict[str, Any],
    extra: dict[str, Any],
    warnings: list[str],
) -> None:
    """Put the sampling parameters into a request, but those that would be refused."""
    thinking = extra.get("thinking", body.get("thinking"))
    thinks = isinstance(thinking, Mapping) and thinking.get("type") in ("enabled", "adaptive")
    given = {
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "top_k": extra.pop("top_k", None),
    }
    for name, value in given.items():
        if value is None:
            continue
        if profile.version >= NO_SAMPLING:
            warnings.append(f"{name} was left out: version {profile.version} of the interface takes none")
        elif not family.sampling:
            warnings.append(f"{name} was left out: {request.model} takes none")
        elif thinks and not _goes_with_thinking(name, value):
            warnings.append(f"{name} was left out: it does not go with thinking")
        else:
            body[name] = value


def _goes_with_thinking(name: str, value: float) -> bool:
    return value == 1 if name == "temperature" else name == "top_p" and value >= 0.95
