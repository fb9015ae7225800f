"""The model's process as the server sees it: real processes, with calls that need no model."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from actors.agents.ports import ModelFailed, Said
from protocol.agents import Completion, Used
from server.model import LiteLlm
from server.model_pipe import Setup
from server.model_process import GONE, ModelProcess, environment
from server.settings import Settings

SETUP = Setup("stand-in", "http://127.0.0.1:1", "the-secret-key", 60.0)
HELLO = (Said("user", "Hello!"),)
PATIENCE_S = 30.0
"""Only ever waited for when a promise is broken."""

# What each call does is what is said in it.
CHILD = """
import asyncio, os, sys, time
from protocol.agents import Completion, Used
from server import model_child
from server.model_pipe import Failure, News

class Calls:
    def __init__(self, setup):
        print("words of a library", flush=True)
        self.setup = setup

    async def news(self, ask):
        what = ask.said[-1].text
        yield News(ask.number, "I ", Used(5, 1))
        if what == "stay":
            await asyncio.Event().wait()
        if what == "hang":
            try:
                await asyncio.Event().wait()
            finally:
                time.sleep(600)
        if what == "rave":
            model_child.framed = lambda _: b"\\xff" * 100
            yield News(ask.number, "raving")
        if what == "fail":
            yield News(ask.number, failure=Failure("no", False, 3.0))
            return
        told = [self.setup.api_key, *sys.argv, str(os.nice(0))]
        yield News(ask.number, "am.", Used(5, 2), Completion(" ".join(told)))

model_child.LiteLlmCalls = Calls
model_child.main()
"""


@pytest.fixture(autouse=True)
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, CHILD)


def run(monkeypatch: pytest.MonkeyPatch, child: str) -> None:
    monkeypatch.setattr("server.model_process.COMMAND", (sys.executable, "-P", "-c", child))


@pytest.fixture
async def process() -> AsyncIterator[ModelProcess]:
    process = await ModelProcess.start(SETUP)
    yield process
    await process.close()


@pytest.fixture
async def model(quick_settings: Settings) -> AsyncIterator[LiteLlm]:
    model = LiteLlm(quick_settings)
    yield model
    await model.close()


async def pieces(model: LiteLlm, text: str = "hello") -> list[str | Used | Completion]:
    async with asyncio.timeout(PATIENCE_S):
        return [piece async for piece in model.stream([Said("user", text)], ())]


def begun(process: ModelProcess, text: str) -> AsyncGenerator[Any]:
    return process.call((Said("user", text),), ())


async def begin(process: ModelProcess, text: str) -> AsyncGenerator[Any]:
    """A call that has told its first news."""
    call = begun(process, text)
    assert (await anext(call)).text == "I "
    return call


async def test_a_call_is_answered_with_text_what_it_cost_and_the_whole(model: LiteLlm) -> None:
    *heard, completion = await pieces(model)
    assert "".join(piece for piece in heard if isinstance(piece, str)) == "I am."
    assert [piece for piece in heard if isinstance(piece, Used)][-1] == Used(5, 2)
    assert isinstance(completion, Completion)


async def test_the_key_is_handed_over_unseen_and_people_come_first(
    process: ModelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the command line, which everybody on the machine may read."""
    async with aclosing(begun(process, "hello")) as call:
        heard = [news async for news in call]
    key, argument, nice = heard[-1].completion.text.split()
    assert (key, argument, int(nice)) == ("the-secret-key", "-c", min(os.nice(0) + 10, 19))


def test_the_environment_has_no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "DB_URL", "LITELLM_API_KEY", "AI_MESSAGE_HOST"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    given = environment()
    assert "secret" not in given.values()
    assert given["HTTPS_PROXY"] == "http://proxy"
    assert given["PYTHONPATH"] == f"{Path(__file__).parents[2]}{os.pathsep}/elsewhere"
    monkeypatch.delenv("PYTHONPATH")
    assert environment()["PYTHONPATH"] == str(Path(__file__).parents[2])


async def test_calls_run_at_once_and_end_by_themselves(process: ModelProcess) -> None:
    staying = await begin(process, "stay")
    async with aclosing(begun(process, "hello")) as call:
        assert [news.completion async for news in call][-1] is not None
    await staying.aclose()


async def test_a_process_that_is_killed_fails_its_calls_and_the_next_one_is_started_later(
    model: LiteLlm, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.INFO, "orchestrator"):
        await pieces(model)
        (pid,) = pids(caplog)
        staying = model.stream([Said("user", "stay")], ())
        assert await anext(staying) == Used(5, 1)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ModelFailed) as failed:
            [piece async for piece in staying]
        assert failed.value.is_retryable
        with pytest.raises(ModelFailed, match="just ended") as failed:
            await pieces(model)
        assert failed.value.is_retryable
        assert 0 < (failed.value.after_s or 0) <= 1
        monkeypatch.setattr(model, "_not_before_s", 0)
        await pieces(model)
    assert len(set(pids(caplog))) == 2
    assert [line for line in lines(caplog) if "ended by itself" in line]


def pids(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.__dict__["pid"] for record in caplog.records if "has started" in record.getMessage()]


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    found = [record for record in caplog.records if record.name == "orchestrator" and record.levelno >= level]
    return [record.getMessage() for record in found]


async def test_one_that_cannot_start_is_tried_ever_more_rarely(
    model: LiteLlm, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "raise ImportError('no library')")
    pauses = []
    for _ in range(7):
        with pytest.raises(ModelFailed, match="its process has ended") as failed:
            await pieces(model)
        assert failed.value.is_retryable
        with pytest.raises(ModelFailed, match="just ended") as failed:
            await pieces(model)
        pauses.append(round(failed.value.after_s or 0))
        monkeypatch.setattr(model, "_not_before_s", 0)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert "exit code 1: ImportError: no library" in lines(caplog, logging.ERROR)[0]
    run(monkeypatch, CHILD)
    await pieces(model)


async def test_what_is_not_there_cannot_be_started(model: LiteLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.model_process.COMMAND", ("/nowhere/python",))
    with pytest.raises(ModelFailed, match="cannot be started") as failed:
        await pieces(model)
    assert failed.value.is_retryable
    with pytest.raises(ModelFailed, match="just ended"):
        await pieces(model)


async def test_a_model_that_was_never_started_closes(
    quick_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await LiteLlm(quick_settings).close()
    monkeypatch.setattr("server.model_process.COMMAND", ("/nowhere/python",))
    model = LiteLlm(quick_settings)
    with pytest.raises(ModelFailed):
        await pieces(model)
    await model.close()


async def test_a_start_is_one_for_all_and_outlives_whoever_asked_first(
    model: LiteLlm, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "orchestrator"):
        first = asyncio.create_task(pieces(model))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(*(pieces(model) for _ in range(5)))
    assert len(pids(caplog)) == 1


async def test_a_failure_comes_as_what_it_means(model: LiteLlm) -> None:
    with pytest.raises(ModelFailed) as failed:
        await pieces(model, "fail")
    assert (str(failed.value), failed.value.is_retryable, failed.value.after_s) == ("no", False, 3.0)


async def test_one_that_hangs_is_ended_when_a_call_cannot_be_cancelled(
    process: ModelProcess, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.model_process.HANGS_AFTER_S", 0.01)
    staying = await begin(process, "stay")
    hanging = await begin(process, "hang")
    await hanging.aclose()
    assert (await anext(staying)).failure == GONE
    await process.ended()
    assert any("hangs" in line for line in lines(caplog))


async def test_one_that_does_not_come_to_its_start_is_ended(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "import time; time.sleep(600)")
    monkeypatch.setattr("server.model_process.READY_WITHIN_S", 0.01)
    process = await ModelProcess.start(SETUP)
    assert [news.failure async for news in begun(process, "hello")] == [GONE]
    await process.ended()
    assert any("cannot start" in line for line in lines(caplog))


async def test_one_that_talks_nonsense_is_ended(
    process: ModelProcess, caplog: pytest.LogCaptureFixture
) -> None:
    assert [news.failure async for news in begun(process, "rave")] == [GONE]
    await process.ended()
    assert any("not understood" in line for line in lines(caplog))
    assert [news.failure async for news in begun(process, "hello")] == [GONE]


async def test_what_it_prints_is_for_debugging_only(
    process: ModelProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """A library may print what people have written."""
    with caplog.at_level(logging.DEBUG, "orchestrator"):
        await (await begin(process, "stay")).aclose()
        await process.close()
    assert any("words of a library" in line for line in lines(caplog, logging.DEBUG))
    assert not any("words of a library" in line for line in lines(caplog))


async def test_closing_ends_it_and_its_calls(process: ModelProcess) -> None:
    call = await begin(process, "stay")
    await process.close()
    assert (await anext(call)).failure == GONE
    assert process.ended_at_s is not None


async def test_one_that_does_not_end_by_itself_is_ended_by_force(
    process: ModelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.model_process.CLOSE_WITHIN_S", 0.01)
    call = await begin(process, "hang")
    async with asyncio.timeout(PATIENCE_S):
        await process.close()
    await call.aclose()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_that_stops_the_server_does_not_stop_it_before(
    process: ModelProcess, number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    """A terminal and a supervisor tell every process: what is under way is finished first."""
    staying = await begin(process, "stay")
    os.kill(process.pid, number)
    async with aclosing(begun(process, "hello")) as call:
        assert [news.completion async for news in call][-1] is not None
    await staying.aclose()
    assert process.ended_at_s is None
