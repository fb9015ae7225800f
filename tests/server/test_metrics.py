"""Metrics: everything that the contract names, from a real server, and nothing that grows with its users."""

import asyncio
from ipaddress import ip_network

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from protocol.rates import Rate
from server.metrics import Metrics, counter, gauge
from server.settings import Settings
from tests.server.talking import Place, place


async def read(home: Place) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them."""
    text = await home.nobody.get("/metrics")
    return {
        f"{sample.name}{''.join(f' {label}' for _, label in sorted(sample.labels.items()))}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_happens_is_counted(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    talk, other = await home.live(alice), await home.live(bob)
    send = {"type": "send", "channel_id": channel_id, "content": "hello", "nonce": "1"}
    assert (await talk.ask(send))["type"] == "ack"
    await other.hear("new_message")
    assert (await talk.ask(send | {"channel_id": 999, "nonce": "2"}))["code"] == "not_found"
    assert (await talk.ask({"type": "send"}))["code"] == "invalid"
    await alice.refused("GET", "/channels/999", expect=404)
    told = await read(home)
    assert told["parley_connections"] == 2
    assert told["parley_lagging_sockets"] == 0
    assert told["parley_commands_total send"] == 2
    assert told["parley_events_total new_message"] == 1
    assert told["parley_deliveries_total"] >= 2
    assert told["parley_messages_total"] == 1
    assert told["parley_committed_changes_total written"] >= 2
    assert told["parley_commit_seconds_count"] == told["parley_commit_changes_count"] >= 2
    assert told["parley_commit_seconds_bucket +Inf"] == told["parley_commit_seconds_count"]
    assert told["parley_fanout_seconds_count"] >= 1
    assert told["parley_refusals_total not_found websocket"] == 1
    assert told["parley_refusals_total invalid websocket"] == 1
    assert told["parley_refusals_total not_found http"] == 1
    assert told["parley_http_requests_total GET 404"] == 1
    assert told["parley_http_requests_total GET 101"] == 2
    assert told["parley_actors channel"] >= 1
    assert told["parley_actors user"] == 2
    assert told["parley_mailbox_depth channel"] == told["parley_mailbox_depth_max user"] == 0


async def test_resumes_are_told_apart_by_where_they_come_from(home: Place) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    for number in range(3):
        await alice.post(f"/channels/{channel_id}/messages", {"content": str(number)})
    before = await read(home)
    talk = await home.resumed(alice, (channel_id, 1))
    await talk.hear("sync")
    told = await read(home)
    sources = [f"parley_resumes_total {source}" for source in ("memory", "database")]
    assert sum(told[source] - before[source] for source in sources) >= 1


async def test_sockets_that_the_server_closes_are_counted_by_code(home: Place) -> None:
    alice = await home.person("alice")
    talk = await home.live(alice)
    talk.say(b"{")
    assert await talk.ended() == 4400
    assert (await read(home))["parley_closes_total 4400"] == 1


async def test_labels_do_not_grow_with_what_clients_invent(home: Place) -> None:
    for method in ("PATCH", "PROPFIND", "MKCOL", "SEARCH"):
        async with home.nobody.session.request(method, f"/nowhere/{method}") as answer:
            assert answer.status == 404
    told = await read(home)
    assert told["parley_http_requests_total other 404"] == 4
    assert not [name for name in told if "nowhere" in name]


@pytest.mark.parametrize(
    ("audience", "headers", "proxies", "is_shown"),
    [
        ("local", {}, "", True),
        ("all", {}, "", True),
        ("nobody", {}, "", False),
        ("local", {"X-Forwarded-For": "127.0.0.1"}, "", False),
        ("local", {"Forwarded": "for=127.0.0.1"}, "", False),
        ("local", {"X-Forwarded-For": "8.8.8.8"}, "127.0.0.1", False),
        ("local", {"X-Forwarded-For": "10.1.2.3"}, "127.0.0.1", True),
        ("all", {"X-Forwarded-For": "8.8.8.8"}, "127.0.0.1", True),
    ],
)
async def test_the_setting_says_who_may_read_them(
    quick_settings: Settings, audience: str, headers: dict[str, str], proxies: str, is_shown: bool
) -> None:
    trusted = (ip_network(proxies),) if proxies else ()
    async with place(quick_settings, metrics=audience, trusted_proxies=trusted) as home:
        if is_shown:
            await home.nobody.get("/metrics", headers=headers)
            assert home.nobody.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        else:
            refused = await home.nobody.refused("GET", "/metrics", expect=404, headers=headers)
            assert refused == ("not_found",)


async def test_refusals_of_rates_are_counted(quick_settings: Settings) -> None:
    async with place(quick_settings, command_rate=Rate(per_s=0.001, burst=1)) as home:
        talk = await home.live(await home.person("alice"))
        for _ in range(3):
            await talk.ask({"type": "ping"})
        assert (await read(home))["parley_refusals_total rate_limited websocket"] == 2


# Other parts' numbers.


async def test_other_parts_add_their_own_numbers() -> None:
    metrics = Metrics()
    metrics.add(lambda: [counter("parley_runs", "Runs.", "agent", {"b": 2, "a": 1})])

    async def depth() -> list[Metric]:
        return [gauge("parley_depth", "Depth.", 3)]

    metrics.add_probe(depth)
    lines = (await metrics.text()).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'parley_runs_total{agent="a"} 1.0',
        'parley_runs_total{agent="b"} 2.0',
        "parley_depth 3.0",
    ]


async def test_a_number_that_cannot_be_read_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.metrics.PROBE_WITHIN_S", 0.01)

    async def fail() -> list[Metric]:
        raise RuntimeError("away")

    async def stall() -> list[Metric]:
        await asyncio.Event().wait()
        return []

    metrics = Metrics()
    metrics.add_probe(fail)
    metrics.add_probe(stall)
    metrics.add(lambda: [gauge("parley_depth", "Depth.", 3)])
    assert b"parley_depth 3.0" in await metrics.text()
    assert len(caplog.records) == 2
