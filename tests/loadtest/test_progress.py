"""Progress: in place on a terminal, now and then elsewhere, not at all when asked to be quiet."""

import io

from loadtest.plan import Progress
from loadtest.progress import ProgressLine, Rates


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_is_overwritten() -> None:
    terminal = Terminal()
    progress = ProgressLine(terminal)
    progress.show("a long line")
    progress.show("short")
    progress.end()
    progress.end()
    assert terminal.getvalue() == "\ra long line\rshort      \n"


def test_a_file_gets_the_first_line_and_the_last() -> None:
    file = io.StringIO()
    progress = ProgressLine(file)
    for done in range(1, 5):
        progress.step("joining", done, 4)
    progress.step("nothing", 0, 0)
    progress.end()
    assert file.getvalue().splitlines() == [
        "joining      [######..................] 1/4",
        "joining      [########################] 4/4",
    ]


def test_quiet_is_quiet() -> None:
    file = io.StringIO()
    ProgressLine(file, quiet=True).step("joining", 1, 1)
    assert file.getvalue() == ""


def test_rates_are_of_the_time_since_the_line_before() -> None:
    rates = Rates(2)
    rates.take(0, Progress(10, 100, 100, 1000, 0, 200, 0))
    assert "10 connected  50 acks/s  500 deliveries/s  ack p99 2.0 ms  0 wrong" in rates.line(2.0)
    rates.take(0, Progress(10, 200, 200, 2000, 0, 200, 1))
    rates.take(1, Progress(5, 50, 50, 500, 0, 700, 1))
    assert "15 connected  150 acks/s  1,500 deliveries/s  ack p99 7.0 ms  2 wrong" in rates.line(3.0)
