"""Sends at a fixed rate that nothing slows down: what is late is still sent, and timed from when it was due.

An event loop's own timers are a millisecond coarse, which would show as latency. Where the kernel has timers
that are files (Linux), those are used.
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from typing import Final

from loadtest.histogram import TICKS_PER_S, clock

WAKE_EVERY_S: Final = 0.0005
_CLOCK_MONOTONIC: Final = 1
_NS_PER_S: Final = 1_000_000_000


class Pacer:
    """Calls `due(tick)` `rate` times a second, with the tick at which each call was due."""

    def __init__(self, rate: float, due: Callable[[int], None]) -> None:
        self._interval = TICKS_PER_S / rate
        self._due = due
        self._next = float(clock())
        self._alarm = _alarm(max(WAKE_EVERY_S, 1 / rate), self._wake)

    def stop(self) -> None:
        self._alarm.stop()

    def _wake(self) -> None:
        now = clock()
        while self._next <= now:
            self._due(int(self._next))
            self._next += self._interval


class _LoopAlarm:
    """The loop's own timer, where there is nothing better."""

    def __init__(self, every_s: float, wake: Callable[[], None]) -> None:
        self._every_s = every_s
        self._wake = wake
        self._handle = asyncio.get_running_loop().call_soon(self._ring)

    def _ring(self) -> None:
        self._wake()
        self._handle = asyncio.get_running_loop().call_later(self._every_s, self._ring)

    def stop(self) -> None:
        self._handle.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("first", _Timespec))


class _FileAlarm:
    """`timerfd` of Linux: some 50 µs late. Python has it since 3.13; before, it is reached through libc."""

    def __init__(self, every_s: float, wake: Callable[[], None]) -> None:
        self._wake = wake
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        every = _Timespec(*divmod(round(every_s * _NS_PER_S), _NS_PER_S))
        if self._file < 0 or libc.timerfd_settime(
            self._file, 0, ctypes.byref(_Itimerspec(every, every)), None
        ):
            raise OSError(ctypes.get_errno(), "no timer file")
        asyncio.get_running_loop().add_reader(self._file, self._ring)

    def _ring(self) -> None:
        os.read(self._file, 8)
        self._wake()

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._file)
        os.close(self._file)


def _alarm(every_s: float, wake: Callable[[], None]) -> _LoopAlarm | _FileAlarm:
    return _FileAlarm(every_s, wake) if sys.platform == "linux" else _LoopAlarm(every_s, wake)
