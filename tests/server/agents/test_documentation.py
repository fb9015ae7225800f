"""`docs/agents.md` adds an agent in 20 lines: they are run as they stand."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from server.agents import team
from server.settings import Settings
from tests.server.agents.asking import LITELLM_WARNS, agents_at
from tests.stand_ins.openai import OpenAI, Says, Use

pytestmark = LITELLM_WARNS

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"


@pytest.fixture
def dice(tmp_path: Path) -> ModuleType:
    """The module that the page shows."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) == 20
    path = tmp_path / "dice.py"
    path.write_text(found[1])
    spec = importlib.util.spec_from_file_location("dice", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_agent_of_the_page_answers(
    quick_settings: Settings, model: OpenAI, dice: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = team.agents_of
    monkeypatch.setattr("server.app.agents_of", lambda desk: (*shipped(desk), dice.DiceAgent()))
    async with agents_at(quick_settings, model) as agents:
        alice = await agents.home.person("alice")
        assert (await alice.get("/agents"))["items"][0]["name"] == "dice"
        model.will(Says([], [Use("roll", {"sides": 1}), Use("roll", {"sides": 20})]), Says(["There."]))
        assert await agents.ask(alice, "Roll.", "dice") == "There."
        model.will(Says([], [Use("hand_over", {"agent": "dice"})]), Says([], [Use("roll")]), Says(["Again."]))
        assert await agents.ask(alice, "Roll again.") == "Again."
    refused, rolled = (json.loads(each["content"]) for each in model.requests[1]["messages"][-2:])
    assert refused["error"]["code"] == "invalid"
    assert 1 <= rolled <= 20
    assert 1 <= json.loads(model.requests[-1]["messages"][-1]["content"]) <= 6


def test_every_file_that_the_page_names_exists() -> None:
    root = PAGE.parents[1]
    named = set(re.findall(r"\b(?:actors|server|storage)/[\w/]+\.py", PAGE.read_text()))
    assert {name for name in named if not (root / name).exists()} == {"actors/agents/dice.py"}
