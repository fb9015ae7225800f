"""What the report agent understands without a model."""

import time

import pytest

from actors.agents.report_requests import FileReport, ListReports, Request, ShowReport, understand


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("list my reports", ListReports(None)),
        ("List reports.", ListReports(None)),
        ("  LIST MY OPEN REPORTS  ", ListReports("open")),
        ("list my in progress reports", ListReports("in_progress")),
        ("@report_agent list my reports", ListReports(None)),
        ("@report_agent: show report 3", ShowReport(3)),
        ("show report #3", ShowReport(3)),
        ("show my report no. 12", ShowReport(12)),
        ("report: No heating — It is cold.", FileReport("No heating", "It is cold.")),
        ("report: No heating - It is cold.", FileReport("No heating", "It is cold.")),
        ("Report:No heating–off – It is — cold.", FileReport("No heating–off", "It is — cold.")),
        ("report: No heating\nIt is cold.\nVery.", FileReport("No heating", "It is cold.\nVery.")),
        ("report: e-mail is down", FileReport("e-mail is down", "e-mail is down")),
        ("report: Title —", FileReport("Title", "Title")),
        ("help", None),
        ("report:", None),
        ("show report", None),
        ("show report three", None),
        ("list everybody's reports", None),
        ("", None),
    ],
)
def test_requests_are_understood_and_nothing_else_is(text: str, request_: Request | None) -> None:
    assert understand(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        "report: x" + " " * 15_000 + "y",
        "report: x" + "\n " * 7_500 + "y",
        "report: x" + " -" * 7_500,
        "report" + " " * 15_000 + "y",
        "@a " * 5_000,
        "@a" + " " * 15_000 + "y",
        "list" + " my" * 5_000,
    ],
)
def test_hostile_text_takes_no_time(text: str) -> None:
    began = time.process_time()
    understand(text)
    assert time.process_time() - began < 0.1
