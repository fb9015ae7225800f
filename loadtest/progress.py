"""How a run is getting on, for whoever watches: one line kept current, or plain lines now and then."""

import time
from typing import Final, TextIO

from loadtest.histogram import TICKS_PER_S
from loadtest.plan import Progress

PLAIN_EVERY_S: Final = 5.0


class ProgressLine:
    """Writes to a terminal in place, to anything else a line every few seconds."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._quiet = quiet
        self._written_at = float("-inf")
        self._width = 0

    def show(self, text: str, *, last: bool = False) -> None:
        """`last` of a series is always written."""
        now = time.monotonic()
        if self._quiet or not (last or self._live or now - self._written_at >= PLAIN_EVERY_S):
            return
        self._written_at = now
        if self._live:
            self._stream.write(f"\r{text:<{self._width}}" + ("\n" if last else ""))
            self._width = 0 if last else len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def end(self) -> None:
        """What is written next begins on a line of its own."""
        if self._live and self._width:
            self._stream.write("\n")
            self._width = 0

    def step(self, what: str, done: int, total: int) -> None:
        if total:
            filled = 24 * done // total
            self.show(
                f"{what:<12} [{'#' * filled}{'.' * (24 - filled)}] {done:,}/{total:,}", last=done == total
            )


class Rates:
    """Turns the reports of several processes into one line of rates."""

    def __init__(self, processes: int) -> None:
        self._latest: list[Progress | None] = [None] * processes
        self._before = (0.0, 0, 0)

    def take(self, process: int, progress: Progress) -> None:
        self._latest[process] = progress

    def line(self, elapsed_s: float) -> str:
        known = [progress for progress in self._latest if progress is not None]
        acknowledged = sum(progress.acknowledged for progress in known)
        delivered = sum(progress.delivered for progress in known)
        before_s, acknowledged_before, delivered_before = self._before
        passed_s = max(elapsed_s - before_s, 0.001)
        self._before = (elapsed_s, acknowledged, delivered)
        worst_p99 = max((progress.ack_p99 for progress in known), default=0)
        return (
            f"{elapsed_s:5.1f} s  {sum(progress.connected for progress in known):,} connected  "
            f"{(acknowledged - acknowledged_before) / passed_s:,.0f} acks/s  "
            f"{(delivered - delivered_before) / passed_s:,.0f} deliveries/s  "
            f"ack p99 {worst_p99 * 1000 / TICKS_PER_S:.1f} ms  "
            f"{sum(progress.wrong for progress in known)} wrong"
        )
