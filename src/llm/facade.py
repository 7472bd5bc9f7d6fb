"""`LLM`: checks what it is given, picks the runtime, and hands over to the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

from llm.answer import Answer
from llm.conversation import converse
from llm.events import Events, FinalResponse, Pending
from llm.layers import model_stream
from llm.options import (
    DEFAULT_API_KEY,
    DEFAULT_BASE_URL,
    CallOptions,
    LLMConfig,
    check_count,
    check_extra_body,
    merged_parameters,
    stop_sequences,
)
from llm.review import OnReview, ToolInterceptor
from llm.runtime import Runtime
from llm.runtime.blocking import BlockingRuntime
from llm.runtime.drive import drive, finish
from llm.source import source_for
from llm.stream import AsyncEventStream, EventStream
from llm.structured import output_format as read_output_format
from llm.thinking import CustomThinkingToken
from llm.tools.introspect import toolset
from llm_async import BaseProvider, ConfigurationError, RetryPolicy, Timeouts, Tool
from llm_async.models import ModelRequest
from llm_async.providers.base import Messages
from llm_async.timeouts import Limits


class LLM:
    """A language model to talk to: blocking or async, streamed or whole.

    >>> from llm import LLM
    >>> llm = LLM("local")  # the embedded model: no server, no key
    >>> llm.response("In one sentence, why is the sky blue?")["answer"]  # doctest: +SKIP

    One may be shared by threads and event loops. It opens nothing until the first call, pickles and copies (the key
    goes along), and closes with `with`, `async with`, `close()` or `aclose()`.
    """

    def __init__(
        self,
        model: str,
        api_key: str = DEFAULT_API_KEY,
        base_url: str = DEFAULT_BASE_URL,
        custom_thinking_token: CustomThinkingToken | None = None,
        default_stop_sequences: list[str] | None = None,
        timeout: float | None = 300.0,
        extra_body: Mapping[str, Any] | None = None,
        tool_exec: bool = True,
        *,
        provider: BaseProvider | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        max_tool_rounds: int = 1,
        max_parallel_tools: int | None = None,
    ) -> None:
        """Check the configuration; nothing is opened.

        Args:
            model: its name at the server; `provider:name` for a registered provider; `local` for the embedded model,
                or `local:` and the name of one or the path of a GGUF file.
            api_key: with a provider's prefix the default means "from the environment".
            base_url: address of an OpenAI-compatible server; without a path it gets `/v1`.
            custom_thinking_token: how the model marks its reasoning, if not as is usual.
            default_stop_sequences: texts at which every answer ends.
            timeout: limit of a whole call in seconds; None means none.
            extra_body: parameters of every request, such as `{"temperature": 0.7}`.
            provider: where to ask, instead of `base_url` and `api_key`.
            tool_exec: whether tools are run, or their calls only shown.
            timeouts: limits within a call.
            retry: when a failed request is made again.
            max_tool_rounds: how often tools run in one call; from the second round on their results have gone back
                to the model.
            max_parallel_tools: how many tools run at once; by default one after the other in blocking calls, in the
                caller's thread, and 32 in async ones.

        Raises:
            ConfigurationError: an argument can never work.
        """
        self.config = LLMConfig(
            model=model,
            api_key=api_key,
            base_url=base_url,
            custom_thinking_token=custom_thinking_token,
            default_stop_sequences=stop_sequences(default_stop_sequences),
            timeout=timeout,
            timeouts=timeouts if timeouts is not None else Timeouts(),
            retry=retry if retry is not None else RetryPolicy(),
            extra_body=check_extra_body(extra_body),
            tool_exec=tool_exec,
            max_tool_rounds=max_tool_rounds,
            max_parallel_tools=max_parallel_tools,
        )
        self._source = source_for(self.config, provider)

    # ------------------------------------------------------------------------------------------ the four methods

    def response(
        self,
        messages: Messages,
        output_format: object = None,
        tools: Sequence[Callable[..., Any] | Tool | Mapping[str, Any]] | None = None,
        lm_studio_unload_model: bool = False,
        verbose: bool = False,
        hide_thinking: bool = True,
        reasoning_effort: str | None = None,
        max_tokens: int | None = None,
        tool_interceptor: ToolInterceptor | None = None,
        extra_body: Mapping[str, Any] | None = None,
        tool_exec: bool | None = None,
        *,
        on_review: OnReview | None = None,
        max_tool_rounds: int | None = None,
        max_parallel_tools: int | None = None,
        output_retries: int = 0,
    ) -> FinalResponse:
        """Return the whole answer.

        Args:
            messages: the conversation, or a plain text, which is one user message.
            verbose: whether figures of speed come with it.
            hide_thinking: whether reasoning is left out.
            reasoning_effort: how hard the model is to think, in its provider's words.
            max_tokens: the longest answer.
            extra_body: parameters of this request, over the instance's, key by key.

        Raises:
            ConfigurationError: the call can never work; nothing was sent.
            ModelRequestError: the request failed; `.partial` holds what had arrived.
            LLMTimeoutError: a time limit ran out; the same.
        """
        _not_yet("lm_studio_unload_model", given=bool(lm_studio_unload_model))
        options = self._options(
            verbose=verbose,
            hide_thinking=hide_thinking,
            tools=tools,
            interceptor=tool_interceptor,
            tool_exec=tool_exec,
            on_review=on_review,
            max_tool_rounds=max_tool_rounds,
            max_parallel_tools=max_parallel_tools,
            output=output_format,
            output_retries=output_retries,
        )
        request = self._request(messages, options, extra_body, max_tokens, reasoning_effort)
        return finish(self._fold(request, options, BlockingRuntime()))

    def stream_response(
        self,
        messages: Messages,
        output_format: object = None,
        final: bool = False,
        tools: Sequence[Callable[..., Any] | Tool | Mapping[str, Any]] | None = None,
        lm_studio_unload_model: bool = False,
        hide_thinking: bool = True,
        reasoning_effort: str | None = None,
        max_tokens: int | None = None,
        verbose: bool = False,
        tool_interceptor: ToolInterceptor | None = None,
        extra_body: Mapping[str, Any] | None = None,
        tool_exec: bool | None = None,
        *,
        on_review: OnReview | None = None,
        max_tool_rounds: int | None = None,
        max_parallel_tools: int | None = None,
        output_retries: int = 0,
    ) -> EventStream:
        """Return the answer as a stream of events. Nothing is sent before its first step.

        Args:
            final: whether the whole answer comes as the last event but one.

        The other arguments are those of `response`; the stream raises what `response` raises.
        """
        _not_yet("lm_studio_unload_model", given=bool(lm_studio_unload_model))
        options = self._options(
            final=final,
            verbose=verbose,
            hide_thinking=hide_thinking,
            tools=tools,
            interceptor=tool_interceptor,
            tool_exec=tool_exec,
            on_review=on_review,
            max_tool_rounds=max_tool_rounds,
            max_parallel_tools=max_parallel_tools,
            output=output_format,
            output_retries=output_retries,
        )
        request = self._request(messages, options, extra_body, max_tokens, reasoning_effort)
        answer, pending = Answer(), Pending()
        events = self._events(request, options, BlockingRuntime(), answer)
        return EventStream(drive(events, pending), answer, pending)

    async def async_response(
        self,
        messages: Messages,
        output_format: object = None,
        tools: Sequence[Callable[..., Any] | Tool | Mapping[str, Any]] | None = None,
        lm_studio_unload_model: bool = False,
        verbose: bool = False,
        hide_thinking: bool = True,
        reasoning_effort: str | None = None,
        max_tokens: int | None = None,
        tool_interceptor: ToolInterceptor | None = None,
        extra_body: Mapping[str, Any] | None = None,
        tool_exec: bool | None = None,
        *,
        on_review: OnReview | None = None,
        max_tool_rounds: int | None = None,
        max_parallel_tools: int | None = None,
        output_retries: int = 0,
    ) -> FinalResponse:
        """Return the whole answer; `response` for asyncio."""
        from llm.runtime.asynchronous import AsyncioRuntime  # loads asyncio, which blocking users need not

        _not_yet("lm_studio_unload_model", given=bool(lm_studio_unload_model))
        options = self._options(
            verbose=verbose,
            hide_thinking=hide_thinking,
            tools=tools,
            interceptor=tool_interceptor,
            tool_exec=tool_exec,
            on_review=on_review,
            max_tool_rounds=max_tool_rounds,
            max_parallel_tools=max_parallel_tools,
            output=output_format,
            output_retries=output_retries,
        )
        request = self._request(messages, options, extra_body, max_tokens, reasoning_effort)
        return await self._fold(request, options, AsyncioRuntime())

    def async_stream_response(
        self,
        messages: Messages,
        output_format: object = None,
        final: bool = False,
        tools: Sequence[Callable[..., Any] | Tool | Mapping[str, Any]] | None = None,
        lm_studio_unload_model: bool = False,
        hide_thinking: bool = True,
        reasoning_effort: str | None = None,
        max_tokens: int | None = None,
        verbose: bool = False,
        tool_interceptor: ToolInterceptor | None = None,
        extra_body: Mapping[str, Any] | None = None,
        tool_exec: bool | None = None,
        *,
        on_review: OnReview | None = None,
        max_tool_rounds: int | None = None,
        max_parallel_tools: int | None = None,
        output_retries: int = 0,
    ) -> AsyncEventStream:
        """Return the answer as a stream of events for `async for`; `stream_response` for asyncio."""
        from llm.runtime.asynchronous import AsyncioRuntime, unpack  # as in async_response

        _not_yet("lm_studio_unload_model", given=bool(lm_studio_unload_model))
        options = self._options(
            final=final,
            verbose=verbose,
            hide_thinking=hide_thinking,
            tools=tools,
            interceptor=tool_interceptor,
            tool_exec=tool_exec,
            on_review=on_review,
            max_tool_rounds=max_tool_rounds,
            max_parallel_tools=max_parallel_tools,
            output=output_format,
            output_retries=output_retries,
        )
        request = self._request(messages, options, extra_body, max_tokens, reasoning_effort)
        answer, pending = Answer(), Pending()
        events = self._events(request, options, AsyncioRuntime(), answer)
        return AsyncEventStream(unpack(events, pending), answer, pending)

    # -------------------------------------------------------------------------------------------------- closing

    def close(self) -> None:
        """Close the connections kept for blocking calls. The LLM may be used again afterwards."""
        for provider in self._source.providers():
            provider.close()

    async def aclose(self) -> None:
        """Close the connections kept for this event loop. The LLM may be used again afterwards."""
        for provider in self._source.providers():
            await provider.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"LLM({self.config.model!r})"

    # ------------------------------------------------------------------------------------------------- the calls

    def _request(
        self,
        messages: Messages,
        options: CallOptions,
        extra_body: Mapping[str, Any] | None,
        max_tokens: int | None,
        reasoning_effort: str | None,
    ) -> ModelRequest:
        parameters = merged_parameters(
            self.config, extra_body=extra_body, max_tokens=max_tokens, reasoning_effort=reasoning_effort
        )
        return ModelRequest.build(
            self._source.model,
            messages,
            tools=options.tools.specs or None,
            tool_choice=parameters.pop("tool_choice", None),
            response_schema=options.output.wire if options.output is not None else None,
            parameters=parameters,
        )

    def _options(
        self,
        *,
        final: bool = False,
        verbose: bool,
        hide_thinking: bool,
        tools: object,
        interceptor: ToolInterceptor | None,
        tool_exec: bool | None,
        on_review: OnReview | None,
        max_tool_rounds: int | None,
        max_parallel_tools: int | None,
        output: object,
        output_retries: int,
    ) -> CallOptions:
        config = self.config
        flags = {"final": final, "verbose": verbose, "hide_thinking": hide_thinking}
        if tool_exec is not None:
            flags["tool_exec"] = tool_exec
        for name, flag in flags.items():
            if not isinstance(flag, bool):
                raise ConfigurationError(f"{name} must be True or False; it is {flag!r}")
        counts = {"max_tool_rounds": max_tool_rounds, "max_parallel_tools": max_parallel_tools}
        for name, count in counts.items():
            if count is not None:
                check_count(name, count)
        if not isinstance(output_retries, int) or isinstance(output_retries, bool) or output_retries < 0:
            raise ConfigurationError(f"output_retries must be a whole number from 0; it is {output_retries!r}")
        for name, function in (("tool_interceptor", interceptor), ("on_review", on_review)):
            if function is not None and not callable(function):
                raise ConfigurationError(f"{name} must be a function; it is a {type(function).__name__}")
        return CallOptions(
            final=final,
            verbose=verbose,
            hide_thinking=hide_thinking,
            thinking_token=config.custom_thinking_token,
            tools=toolset(tools),
            tool_exec=config.tool_exec if tool_exec is None else tool_exec,
            interceptor=interceptor,
            on_review=on_review,
            max_tool_rounds=config.max_tool_rounds if max_tool_rounds is None else max_tool_rounds,
            max_parallel_tools=config.max_parallel_tools if max_parallel_tools is None else max_parallel_tools,
            output=read_output_format(output),
            output_retries=output_retries,
            tool_limit=config.timeouts.tool,
        )

    def _events(self, request: ModelRequest, options: CallOptions, runtime: Runtime, answer: Answer) -> Events:
        stream = model_stream(
            partial(self._source.connect, runtime), partial(Limits, self.config.timeouts, self.config.timeout)
        )
        return converse(request, options, stream=stream, runtime=runtime, answer=answer)

    async def _fold(self, request: ModelRequest, options: CallOptions, runtime: Runtime) -> FinalResponse:
        answer = Answer()
        async with aclosing(self._events(request, options, runtime, answer)) as batches:
            async for _ in batches:
                pass
        return cast(FinalResponse, answer.final)  # a stream that ends without an error has one


def _not_yet(what: str, *, given: bool) -> None:
    if given:
        raise ConfigurationError(f"{what} is not supported by dragoman 0.1: LM Studio's own functions come later")
