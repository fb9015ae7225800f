"""The process that LiteLLM runs in, as a thread of the test's: seconds faster, and its branches are measured.

All else is as it is between processes: one socket, and what is said over it. `test_model_process.py` is where
there are two processes.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

from server.model_child import serve
from server.model_completion import LiteLlmCalls


class ThreadProcess:
    """What `ModelProcess` needs of an `asyncio.subprocess.Process`.

    `kill` takes its socket away, and nobody waits for what the library still does.
    """

    pid = 0

    def __init__(self, theirs: socket.socket) -> None:
        self.returncode: int | None = None
        self.stdout = asyncio.StreamReader()
        self.stdout.feed_eof()
        self._socket = theirs.dup()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    async def wait(self) -> int:
        await asyncio.to_thread(self._ended.wait)
        self.returncode = 0
        return 0

    def kill(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._ended.set()

    def _run(self) -> None:
        try:
            asyncio.run(serve(self._socket.dup(), LiteLlmCalls))
        finally:
            self._socket.close()
            self._ended.set()


async def spawn(theirs: socket.socket) -> Any:
    return ThreadProcess(theirs)
