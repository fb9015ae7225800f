"""The report: processes added up, and what is wrong said aloud."""

import msgspec

from loadtest.plan import Outcome
from loadtest.report import Check, Idle, Latency, Result, ServerUse, as_text, check, latency

OUTCOME = Outcome(
    measured_s=10.0,
    sent=100,
    acknowledged=100,
    delivered=1000,
    total_sent=110,
    total_acknowledged=110,
    total_delivered=1100,
    repeated_acks=0,
    reconnects=0,
    resent=0,
    refused={},
    retried={},
    ack_latency={200: 1},
    delivery_latency={},
    lateness={},
    wrong={},
    examples=[],
    digests={1: "a", 2: "b"},
    cpu_s=1.0,
)
NO_LATENCY = Latency(0.0, 0.0, 0.0, 0.0, 0.0)
RESULT = Result(
    scenario="chat",
    run="r1",
    url="http://localhost:8000",
    machine="a machine",
    users=200,
    channels=20,
    processes=1,
    rate=0.0,
    window=4,
    content_chars=100,
    measured_s=10.0,
    sent=100,
    acknowledged=100,
    delivered=1000,
    acknowledged_per_s=10.0,
    delivered_per_s=100.0,
    ack=Latency(1.0, 2.0, 3.0, 4.0, 5.0),
    delivery=NO_LATENCY,
    lateness=NO_LATENCY,
    reconnects=0,
    resent=0,
    repeated_acks=0,
    retried={},
    client_cpu_s=1.0,
    check=Check(True, 110, 1100, {}, []),
)


def with_changes(outcome: Outcome, **changes: object) -> Outcome:
    return msgspec.structs.replace(outcome, **changes)


def test_processes_that_agree_pass() -> None:
    assert check([OUTCOME, with_changes(OUTCOME, digests={2: "b"})]) == Check(True, 220, 2200, {}, [])


def test_processes_that_saw_different_messages_fail() -> None:
    found = check([OUTCOME, with_changes(OUTCOME, digests={2: "x"})])
    assert (found.ok, found.wrong) == (False, {"order": 1})
    assert found.examples == ["order: processes saw different messages in channel 2"]


def test_what_any_process_found_wrong_fails() -> None:
    bad = with_changes(OUTCOME, wrong={"gap": 2}, examples=["gap: here"])
    found = check([OUTCOME, bad, bad])
    assert (found.ok, found.wrong, found.examples) == (False, {"gap": 4}, ["gap: here", "gap: here"])


def test_latencies_of_processes_are_put_together_in_milliseconds() -> None:
    merged = latency([{100: 98}, {100: 1, 5000: 1}])
    assert (merged.p50_ms, merged.p99_ms, merged.max_ms) == (1.0, 1.0, 50.0)


def test_the_text_tells_what_was_measured() -> None:
    server = ServerUse(5.0, 100 * 2**20, 5.0)
    text = as_text(msgspec.structs.replace(RESULT, server=server))
    assert "200 users in 20 channels, 1 client process, 4 unacknowledged sends each" in text
    assert "p50 1.00  p90 2.00  p99 3.00  p99.9 4.00  max 5.00 ms" in text
    assert "5.00 s of processor time (5.00 µs per delivery), 100.0 MiB" in text
    assert "passed: 110 acknowledged messages" in text


def test_the_text_tells_what_went_wrong() -> None:
    failed = Check(False, 110, 1100, {"lost": 3, "gap": 1}, ["lost: message 7"])
    result = msgspec.structs.replace(
        RESULT, rate=500.0, check=failed, reconnects=9, kills=2, retried={"overloaded": 4}, processes=2
    )
    text = as_text(result)
    assert "FAILED: 1 gap, 3 lost\n    lost: message 7" in text
    assert "9 (2 kills)" in text
    assert "4 overloaded" in text
    assert "2 client processes, 500 messages/s" in text


def test_the_text_tells_what_silent_users_cost() -> None:
    idle = Idle(1000, 2**20, 11 * 2**20, 10 * 2**20 / 1000)
    text = as_text(msgspec.structs.replace(RESULT, idle=idle, check=Check(True, 0, 0, {}, [])))
    assert "10.24 KiB per user (1.0 MiB before, 11.0 MiB with 1000 users)" in text
    assert "passed: nothing was sent" in text


def test_the_result_is_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(RESULT), type=Result) == RESULT
