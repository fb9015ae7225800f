"""LiteLLM as the model: what is asked, what its answers are made of, and that it speaks to nobody else."""

import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from actors.agents.ports import ModelFailed, Said
from protocol.agents import ToolRequest, Used
from server.model import LiteLlm
from server.model_pipe import Failure
from server.model_wire import (
    CompletionInTheMaking,
    asked_pause_s,
    clean,
    failure_of,
    in_openai,
    provider_of,
)
from server.settings import Settings
from tests.stand_ins.openai import OpenAI, Says, openai

PATIENCE_S = 60.0
"""Only ever waited for when a promise is broken."""

PROVIDERS = [SimpleNamespace(value="openai"), "anthropic"]

# The model's process, with what it seeks in the network written down.
SPIED_ON = """
import asyncio, os, socket
from server import model_child

getaddrinfo = socket.getaddrinfo

def spy(host, *more, **named):
    with open(os.environ["SOUGHT"], "a") as sought:
        sought.write(f"{host} ")
    return getaddrinfo(host, *more, **named)

socket.getaddrinfo = spy
# Its own loop would ask the system without being seen.
model_child.uvloop.run = asyncio.run
model_child.main()
"""


async def answers(model: OpenAI, settings: Settings, *names: str) -> None:
    """Have models of these names say hello."""
    url = model.url.replace("127.0.0.1", "localhost")
    for name in names:
        llm = LiteLlm(structs.replace(settings, litellm_model=name, litellm_baseurl=url))
        model.will(Says(["Hello."], tokens=None))
        async with asyncio.timeout(PATIENCE_S):
            pieces = [piece async for piece in llm.stream([Said("user", "Hi")], ())]
            await llm.close()
        assert "Hello." in pieces


async def test_it_speaks_to_the_models_endpoint_and_nobody_else(
    quick_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No price list, no tokenizer, no telemetry; and a key from the environment is not given away."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-a-file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    monkeypatch.setenv("SOUGHT", str(tmp_path / "sought"))
    monkeypatch.setattr("server.model_process.COMMAND", (sys.executable, "-P", "-c", SPIED_ON))
    async with openai() as model:
        await answers(model, quick_settings, "openai/stand-in", "meta-llama/Llama-3")
    assert [asked["model"] for asked in model.requests] == ["stand-in", "meta-llama/Llama-3"]
    assert set(model.keys) == {"Bearer none"}
    assert set((tmp_path / "sought").read_text().split()) == {"localhost"}


async def test_it_starts_in_any_folder_and_the_server_never_imports_the_library(
    quick_settings: Settings, tmp_path: Path
) -> None:
    """Whatever lies in the folder that the server was started in."""
    for decoy in ("server", "litellm"):
        (tmp_path / decoy).mkdir()
        (tmp_path / decoy / "__init__.py").write_text("raise ImportError('this is not it')\n")
    async with openai() as model:
        ran = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", ANSWERS, model.url),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await ran.communicate()
    assert told.decode().splitlines() == ["Hello, you.", "[]"]


ANSWERS = """
import asyncio, sys
from pathlib import Path
from msgspec import structs
from actors.agents.ports import Said
from server.model import LiteLlm
from server.settings import Settings

async def main():
    model = LiteLlm(Settings(litellm_model="stand-in", litellm_baseurl=sys.argv[1]))
    pieces = [piece async for piece in model.stream([Said("user", "Hi")], ())]
    print(pieces[-1].text)
    await model.close()

asyncio.run(main())
print(sorted({"litellm", "openai", "tiktoken"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("model", "provider"),
    [("gpt-4o", "openai"), ("openai/gpt-4o", None), ("anthropic/claude", None), ("meta/llama", "openai")],
)
def test_the_protocol_is_the_providers_whom_the_name_begins_with(model: str, provider: str | None) -> None:
    assert provider_of(model, PROVIDERS) == provider


def test_tool_calls_and_their_answers_are_told_as_the_model_made_them() -> None:
    request = ToolRequest("c1", "show", "")
    function = {"name": "show", "arguments": "{}"}
    calls = [{"id": "c1", "type": "function", "function": function}]
    said = in_openai(Said("assistant", "", (request,)))
    assert said == {"role": "assistant", "content": None, "tool_calls": calls}
    answer = in_openai(Said("tool", "3", answers="c1"))
    assert answer == {"role": "tool", "content": "3", "tool_call_id": "c1"}


@pytest.mark.parametrize(
    ("status", "is_retryable"),
    [
        (400, False),
        (401, False),
        (404, False),
        (408, True),
        (429, True),
        (500, True),
        (503, True),
        (None, True),
    ],
)
def test_asking_again_helps_unless_the_request_was_refused(status: int | None, is_retryable: bool) -> None:
    error = ValueError("first line\nsecond line")
    error.__dict__["status_code"] = status
    failure = failure_of(error)
    assert failure == Failure("ValueError: first line", is_retryable)
    own = ModelFailed("no", is_retryable=is_retryable, after_s=3)
    assert failure_of(own) == Failure("no", is_retryable, 3)


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "9" * 400}, 86_400.0),
        ({"retry-after": "²"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_pause_is_understood_in_seconds(headers: Any, pause_s: float | None) -> None:
    error = ModelFailed("x", is_retryable=True)
    error.__dict__["response"] = SimpleNamespace(headers=headers)
    assert asked_pause_s(error) == pause_s
    error.__dict__["litellm_response_headers"] = {"retry-after": "9"}
    assert asked_pause_s(error) == 9.0


def test_text_is_cleaned_of_what_databases_cannot_keep() -> None:
    assert clean("plain") == "plain"
    assert clean("Grüße 🎈") == "Grüße 🎈"
    assert clean("a\0b") == "ab"
    assert clean("a\ud83db").encode()


def chunk(content: str = "", usage: Any = None, **delta: Any) -> Any:
    choices = [SimpleNamespace(delta=SimpleNamespace(content=content, **delta))]
    return SimpleNamespace(choices=choices, usage=usage)


def wanted(arguments: str, name: str = "") -> Any:
    return SimpleNamespace(index=0, id=None, function=SimpleNamespace(name=name, arguments=arguments))


def test_what_a_completion_costs_is_known_while_it_is_written() -> None:
    """Text, tools wanted and thoughts, by estimate; then what the endpoint tells."""
    making = CompletionInTheMaking()
    assert making.used == Used(0, 0)
    making.add(chunk("x" * 400))
    assert making.used == Used(0, 100)
    making.add(chunk(tool_calls=[wanted("y" * 40, "show")], reasoning_content="z" * 400))
    assert making.used == Used(0, 210)
    making.add(chunk(usage=SimpleNamespace(prompt_tokens=30, completion_tokens=70)))
    assert making.used == Used(30, 70)
    assert making.finish().used == Used(30, 70)


@pytest.mark.parametrize("nonsense", [-5, 1 << 40, "many", None, 1.5])
def test_nonsense_that_an_endpoint_tells_of_cost_is_not_believed(nonsense: Any) -> None:
    making = CompletionInTheMaking()
    making.add(chunk("x" * 8, SimpleNamespace(prompt_tokens=nonsense, completion_tokens=nonsense)))
    assert making.used == Used(0, 2)


@pytest.mark.parametrize("endless", [chunk("x" * 1000), chunk(tool_calls=[wanted("x" * 1000)])])
def test_a_completion_that_does_not_end_is_cut_off(endless: Any) -> None:
    """Whoever does not listen for a while holds so much of it, and no more."""
    making = CompletionInTheMaking()
    for _ in range(64):
        making.add(endless)
    with pytest.raises(ModelFailed, match="more than anybody takes"):
        making.add(endless)
