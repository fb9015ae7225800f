"""LiteLLM as the model: what is asked, what its answers are made of, and that it speaks to nobody else."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.agents.ports import ModelFailed, Said
from protocol.agents import ToolRequest
from server.model_wire import asked_pause_s, clean, failure_of, in_openai, provider_of

PROVIDERS = [SimpleNamespace(value="openai"), "anthropic"]

ALONE = """
import asyncio, socket, sys
from msgspec import structs
from pathlib import Path
from actors.agents.ports import Said
from server.model import LiteLlm
from tests.server.rest.client import settings_for
from tests.stand_ins.openai import openai, Says

sought = []
getaddrinfo = socket.getaddrinfo

def spy(host, *more, **named):
    sought.append(host)
    return getaddrinfo(host, *more, **named)

socket.getaddrinfo = spy

async def main():
    async with openai() as model:
        settings = settings_for("sqlite:///nothing.db", Path("."))
        for name in ("stand-in", "openai/stand-in", "meta-llama/Llama-3", "claude-3-5-sonnet"):
            changed = structs.replace(settings, litellm_model=name, litellm_baseurl=model.url)
            llm = LiteLlm(changed)
            model.will(Says(["Hello."], tokens=None))
            pieces = [piece async for piece in llm.stream([Said("user", "Hi")], ())]
            assert pieces[0] == "Hello.", pieces
            await llm.close()
        print([asked["model"] for asked in model.requests], set(model.keys))
    print(sorted({str(host) for host in sought} - {"127.0.0.1", "None"}))

asyncio.run(main())
"""


def test_it_speaks_to_the_models_endpoint_and_nobody_else(tmp_path: Path) -> None:
    """No price list, no tokenizer, no telemetry; and a key from the environment is not given away."""
    root = Path(__file__).parents[2]
    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-a-file\n")
    ran = subprocess.run(
        [sys.executable, "-c", ALONE],
        env=os.environ | {"PYTHONPATH": str(root), "OPENAI_API_KEY": "from-the-environment"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "['stand-in', 'stand-in', 'meta-llama/Llama-3', 'claude-3-5-sonnet'] {'Bearer none'}",
        "[]",
    ]


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
    assert (str(failure), failure.is_retryable) == ("ValueError: first line", is_retryable)
    assert failure_of(failure) is failure


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"retry-after": "7"}, 7.0),
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
