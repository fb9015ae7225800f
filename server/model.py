"""The model that agents speak by: any that LiteLLM speaks to, at `LITELLM_BASEURL`.

LiteLLM costs seconds and 160 MB, so it is imported for the first question, in a thread. What it would fetch
or report by itself is off: it talks to the model's endpoint and to nobody else.
"""

import asyncio
import gc
import importlib
import logging
import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from actors.agents.ports import ModelFailed, Said
from actors.agents.tools import Tool
from protocol.agents import Completion, ToolRequest, estimated_tokens
from server.settings import Settings

LOG: Final = logging.getLogger("orchestrator")

# Read while it is imported: no price lists, headers, news or `.env` files from anywhere.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
}
# Counting tokens by itself would fetch tokenizers, and keep the loop from everything else meanwhile.
OPTIONS: Final[Mapping[str, Any]] = {
    "telemetry": False,
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
    "disable_streaming_logging": True,
    "disable_token_counter": True,
    "disable_hf_tokenizer_download": True,
    "drop_params": True,
}
# What its first question would import where everybody waits for it, most of a second.
IMPORTED_LATE: Final = (
    "anyio._backends._asyncio",
    "litellm._service_logger",
    "litellm.litellm_core_utils.streaming_handler",
    "openai.lib.streaming.chat",
    "openai.resources",
)
NO_KEY: Final = "none"
"""Sent where no key is set: without one LiteLLM would send whatever it finds in the environment."""
RETRYABLE: Final = frozenset({408, 409, 425, 429})
TEXT_MAX_CHARS: Final = 64_000
"""How much a model may want tools told, in all: what goes on for ever is cut off."""


class LiteLlm:
    """The model of these settings. `close` it in the loop that used it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._library: Any = None
        self._importing = asyncio.Lock()

    async def stream(self, said: Sequence[Said], tools: Sequence[Tool]) -> AsyncGenerator[str | Completion]:
        """Text as it is written, and at last the whole completion. Raises ModelFailed."""
        library = await self._imported()
        completion = CompletionInTheMaking(said)
        chunks: Any = None
        try:
            chunks = await begin(library, self._request(library, said, tools))
            async for chunk in chunks:
                if text := completion.add(chunk):
                    yield text
        except Exception as error:
            raise failure_of(error) from error
        finally:
            await _close_stream(chunks)
        yield completion.finish()

    async def close(self) -> None:
        """Close its connections, if it ever had any."""
        if self._library is not None:
            with suppress(Exception):
                await self._library.close_litellm_async_clients()
                self._library.in_memory_llm_clients_cache.flush_cache()

    async def _imported(self) -> Any:
        async with self._importing:
            if self._library is None:
                self._library = await asyncio.to_thread(import_litellm)
        return self._library

    def _request(self, library: Any, said: Sequence[Said], tools: Sequence[Tool]) -> dict[str, Any]:
        settings = self._settings
        request = {
            "model": settings.litellm_model,
            "custom_llm_provider": provider_of(settings.litellm_model, library.provider_list),
            "messages": [in_openai(each) for each in said],
            "stream": True,
            "stream_options": {"include_usage": True},
            "api_base": settings.litellm_baseurl,
            "api_key": settings.litellm_api_key or NO_KEY,
            "timeout": settings.agent_timeout_s,
            "max_retries": 0,
            "num_retries": 0,
            # Its gateway for other people's tools needs a package that we do without.
            "_skip_mcp_handler": True,
        }
        if tools:
            request["tools"] = [tool_in_openai(tool) for tool in tools]
        return request


async def begin(library: Any, request: dict[str, Any]) -> Any:
    """The chunks of an answer, as they come."""
    chunks = await library.acompletion(**request)
    if chunks is None:
        # What it makes of a second 422, having left out what it thought the endpoint objected to.
        raise ModelFailed("the endpoint finds the request invalid", is_retryable=False)
    return chunks


class CompletionInTheMaking:
    """Gathers a completion from the chunks of a stream."""

    def __init__(self, said: Sequence[Said]) -> None:
        self._said = said
        self._text: list[str] = []
        self._requests: dict[int, list[str]] = {}
        self._usage: Any = None
        self._chars = 0

    def add(self, chunk: Any) -> str:
        """The text that it adds. Raises ModelFailed when it is too much."""
        self._usage = getattr(chunk, "usage", None) or self._usage
        delta = chunk.choices[0].delta if chunk.choices else None
        for part in getattr(delta, "tool_calls", None) or ():
            self._add_request(part)
        text = clean(getattr(delta, "content", None) or "")
        self._text.append(text)
        return text

    def finish(self) -> Completion:
        """Raises ModelFailed when nothing was said: an endpoint that is no model answers so."""
        text = "".join(self._text)
        requests = tuple(ToolRequest(*parts) for _, parts in sorted(self._requests.items()) if parts[1])
        if not text.strip() and not requests:
            raise ModelFailed("it said nothing", is_retryable=True)
        tokens_in = getattr(self._usage, "prompt_tokens", 0) or sum(
            estimated_tokens(each.text) for each in self._said
        )
        tokens_out = getattr(self._usage, "completion_tokens", 0) or estimated_tokens(
            text + "".join(request.arguments for request in requests)
        )
        return Completion(text, requests, tokens_in, tokens_out)

    def _add_request(self, part: Any) -> None:
        index = part.index or 0
        parts = self._requests.setdefault(index, [f"call_{index}", "", ""])
        if part.id:
            parts[0] = clean(part.id)
        parts[1] += clean(part.function.name or "")
        parts[2] += clean(part.function.arguments or "")
        self._chars += len(part.function.arguments or "")
        if self._chars > TEXT_MAX_CHARS:
            raise ModelFailed("it wants tools told more than they take", is_retryable=False)


def import_litellm() -> Any:
    """Import it with all that it would do by itself off. It takes seconds."""
    os.environ.update(ENVIRONMENT)
    with uncollected():
        library = importlib.import_module("litellm")
        for name in IMPORTED_LATE:
            with suppress(ImportError):
                importlib.import_module(name)
    for name, value in OPTIONS.items():
        setattr(library, name, value)
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    LOG.info("the model's library is imported")
    return library


@contextmanager
def uncollected() -> Iterator[None]:
    """What is made here is here to stay: it is never looked through for garbage, now or later.

    Each look would stop the whole process for a tenth of a second and more.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def provider_of(model: str, providers: Sequence[Any]) -> str | None:
    """Whose protocol is spoken: OpenAI's; None: that of the provider whom the model's name begins with."""
    prefix, slash, _ = model.partition("/")
    known = {str(getattr(provider, "value", provider)) for provider in providers}
    return None if slash and prefix in known else "openai"


def in_openai(said: Said) -> dict[str, Any]:
    """One message as chat completions take it."""
    message: dict[str, Any] = {"role": said.role, "content": said.text}
    if said.requests:
        message["content"] = said.text or None
        message["tool_calls"] = [
            {
                "id": request.id,
                "type": "function",
                "function": {"name": request.name, "arguments": request.arguments or "{}"},
            }
            for request in said.requests
        ]
    if said.answers is not None:
        message["tool_call_id"] = said.answers
    return message


def tool_in_openai(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": function}


def failure_of(error: Exception) -> ModelFailed:
    """What LiteLLM raised, as what it means: asking again helps unless the request itself was refused."""
    if isinstance(error, ModelFailed):
        return error
    status = getattr(error, "status_code", None)
    is_refused = isinstance(status, int) and 400 <= status < 500 and status not in RETRYABLE
    reason = f"{type(error).__name__}: {error}".partition("\n")[0][:500]
    return ModelFailed(reason, is_retryable=not is_refused, after_s=asked_pause_s(error))


def asked_pause_s(error: Exception) -> float | None:
    """How long the endpoint asks us to wait, in whole seconds; dates are not understood."""
    for source in (getattr(error, "litellm_response_headers", None), _response_headers(error)):
        if source is not None and str(source.get("retry-after", "")).strip().isdigit():
            return float(source["retry-after"])
    return None


def clean(text: str) -> str:
    """Without what the databases cannot keep: NUL, and surrogates that stand alone."""
    return (
        text.replace("\0", "").encode("utf-8", "replace").decode()
        if not text.isascii() or "\0" in text
        else text
    )


def _response_headers(error: Exception) -> Any:
    return getattr(getattr(error, "response", None), "headers", None)


async def _close_stream(chunks: Any) -> None:
    """Tell the endpoint that nobody listens any more."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        with suppress(Exception):
            await close()
