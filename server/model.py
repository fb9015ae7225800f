"""The model that agents speak by: any that LiteLLM speaks to, at `LITELLM_BASEURL`.

LiteLLM takes some 25 ms of processor time for a question, and seconds when it is imported for the first one:
it has a loop of its own for that (`side_loop.py`). It talks to the model's endpoint and to nobody else.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final

from actors.agents.ports import ModelFailed, Said
from actors.agents.tools import Tool
from protocol.agents import Completion
from server.model_library import import_litellm
from server.model_wire import CompletionInTheMaking, failure_of, in_openai, provider_of, tool_in_openai
from server.settings import Settings
from server.side_loop import SideLoop

NO_KEY: Final = "none"
"""Sent where no key is set: without one LiteLLM would send whatever it finds in the environment."""


class LiteLlm:
    """The model of these settings. `close` it in the loop that used it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._library: Any = None
        self._side = SideLoop("model")

    async def stream(self, said: Sequence[Said], tools: Sequence[Tool]) -> AsyncGenerator[str | Completion]:
        """Text as it is written, and at last the whole completion. Raises ModelFailed."""
        try:
            async with aclosing(self._side.batches(lambda: self._written(said, tools))) as batches:
                async for pieces in batches:
                    if text := "".join(piece for piece in pieces if isinstance(piece, str)):
                        yield text
                    if isinstance(pieces[-1], Completion):
                        yield pieces[-1]
        except Exception as error:
            raise failure_of(error) from error

    async def close(self) -> None:
        """Close its connections and its loop, if it ever had any."""
        await self._side.close(self._close)

    # Over there.

    async def _written(self, said: Sequence[Said], tools: Sequence[Tool]) -> AsyncGenerator[str | Completion]:
        completion = CompletionInTheMaking(said)
        chunks: Any = None
        try:
            library = self._imported()
            chunks = await begin(library, self._request(library, said, tools))
            async for chunk in chunks:
                if text := completion.add(chunk):
                    yield text
        finally:
            await _close_stream(chunks)
        yield completion.finish()

    async def _close(self) -> None:
        if self._library is not None:
            with suppress(Exception):
                await self._library.close_litellm_async_clients()
                self._library.in_memory_llm_clients_cache.flush_cache()

    def _imported(self) -> Any:
        if self._library is None:
            self._library = import_litellm()
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


async def _close_stream(chunks: Any) -> None:
    """Tell the endpoint that nobody listens any more."""
    close = getattr(chunks, "aclose", None)
    if close is not None:
        with suppress(Exception):
            await close()
