"""One completion of the model's, by LiteLLM, in the process that it runs in.

It talks to the model's endpoint and to nobody else.
"""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, Final

from actors.agents.ports import ModelFailed
from server.model_library import import_litellm
from server.model_pipe import Ask, News, Setup
from server.model_wire import CompletionInTheMaking, failure_of, in_openai, provider_of, tool_in_openai

NO_KEY: Final = "none"
"""Sent where no key is set: without one LiteLLM would send whatever it finds in the environment."""


class LiteLlmCalls:
    """Calls of the model of this setup. Making it imports LiteLLM: that takes seconds."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._library = import_litellm()

    async def news(self, ask: Ask) -> AsyncGenerator[News]:
        """Text as it is written, and at last the whole completion, or why there is none."""
        completion = CompletionInTheMaking()
        chunks: Any = None
        try:
            chunks = await begin(self._library, self._request(ask))
            async for chunk in chunks:
                text = completion.add(chunk)
                yield News(ask.number, text, completion.used)
            yield News(ask.number, completion=completion.finish())
        except Exception as error:
            yield News(ask.number, failure=failure_of(error))
        finally:
            await _close_stream(chunks)

    def _request(self, ask: Ask) -> dict[str, Any]:
        setup = self._setup
        request = {
            "model": setup.model,
            "custom_llm_provider": provider_of(setup.model, self._library.provider_list),
            "messages": [in_openai(each) for each in ask.said],
            "stream": True,
            "stream_options": {"include_usage": True},
            "api_base": setup.base_url,
            "api_key": setup.api_key or NO_KEY,
            "timeout": setup.timeout_s,
            "max_retries": 0,
            "num_retries": 0,
            # Its gateway for other people's tools needs a package that we do without.
            "_skip_mcp_handler": True,
        }
        if ask.tools:
            request["tools"] = [tool_in_openai(offer) for offer in ask.tools]
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
