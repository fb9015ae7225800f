"""The model that agents speak by: any that LiteLLM speaks to, at `LITELLM_BASEURL`.

LiteLLM costs seconds and 180 MB where it is imported, and tens of milliseconds of processor time for a call:
it runs in a process of its own (`model_process.py`), which starts with the first call, and anew when it died.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Final

from actors.agents.ports import ModelFailed, Said
from actors.agents.tools import Tool
from protocol.agents import Completion, Used
from server.model_pipe import Failure, Offer, Setup
from server.model_process import ModelProcess
from server.settings import Settings

RESTART_AFTER_S: Final = 1.0
RESTART_AFTER_MAX_S: Final = 30.0


class LiteLlm:
    """The model of these settings. `close` it in the loop that used it."""

    def __init__(self, settings: Settings) -> None:
        self._setup = Setup(
            settings.litellm_model,
            settings.litellm_baseurl,
            settings.litellm_api_key,
            settings.agent_timeout_s,
        )
        self._starting: asyncio.Task[ModelProcess] | None = None
        self._failures = 0
        self._not_before_s = float("-inf")

    async def stream(
        self, said: Sequence[Said], tools: Sequence[Tool]
    ) -> AsyncGenerator[str | Used | Completion]:
        """As `Model.stream`."""
        offers = [Offer(tool.name, tool.description, tool.schema) for tool in tools]
        process = await self._running()
        async with aclosing(process.call(said, offers)) as call:
            async for news in call:
                if news.used is not None:
                    yield news.used
                if news.text:
                    yield news.text
                if news.failure is not None:
                    raise _raised(news.failure)
                if news.completion is not None:
                    yield news.completion

    async def close(self) -> None:
        """End its process, if there ever was one."""
        if self._starting is not None:
            with suppress(OSError):
                await (await self._starting).close()

    async def _running(self) -> ModelProcess:
        """Its process, started where there is none. Raises ModelFailed."""
        self._forget_if_ended()
        loop = asyncio.get_running_loop()
        if self._starting is None:
            wait_s = self._not_before_s - loop.time()
            if wait_s > 0:
                raise ModelFailed("its process has just ended", is_retryable=True, after_s=wait_s)
            self._starting = loop.create_task(ModelProcess.start(self._setup), name="model-start")
        try:
            return await asyncio.shield(self._starting)
        except OSError as error:
            raise ModelFailed(f"its process cannot be started: {error}", is_retryable=True) from None

    def _forget_if_ended(self) -> None:
        """One that never answered is followed by the next one later each time: it may be in vain."""
        if self._starting is None or not self._starting.done():
            return
        ended_at_s: float | None = asyncio.get_running_loop().time()
        has_answered = False
        if self._starting.exception() is None:
            process = self._starting.result()
            ended_at_s, has_answered = process.ended_at_s, process.has_answered
        if ended_at_s is not None:
            self._starting = None
            self._failures = 1 if has_answered else self._failures + 1
            after_s = min(RESTART_AFTER_MAX_S, RESTART_AFTER_S * 2.0 ** (self._failures - 1))
            self._not_before_s = ended_at_s + after_s


def _raised(failure: Failure) -> ModelFailed:
    return ModelFailed(failure.reason, is_retryable=failure.is_retryable, after_s=failure.after_s)
