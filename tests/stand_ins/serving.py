"""An application on a free port of this machine, for as long as a test needs it."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, release: Callable[[], Any] = lambda: None, *, cancels: bool = False
) -> AsyncIterator[str]:
    """Its URL. `release` lets go at the end of whatever waits in it.

    With `cancels`, a request ends when whoever asked hangs up; otherwise it is answered to the end.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=cancels)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        release()
        await runner.cleanup()
