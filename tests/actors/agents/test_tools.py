"""Tools as models are told of them."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Struct

from actors.agents.agent import Agent
from actors.agents.tools import ToolCall, tool


class Place(Struct, forbid_unknown_fields=True):
    city: str


class Weather(Agent):
    name = "weather"
    description = "Knows the weather."
    prompt = "Be brief."

    @tool
    async def forecast(self, call: ToolCall, place: Place, days: Annotated[int, Meta(ge=1)] = 1) -> str:
        """The forecast
        of a place."""
        return f"{days} days of rain in {place.city}"

    async def not_a_tool(self, call: ToolCall) -> None:
        pass


class Better(Weather):
    @tool
    async def now(self, call: ToolCall) -> str:
        """The weather now."""
        return "sun"


def test_only_marked_methods_are_tools_and_are_inherited() -> None:
    assert Weather.tools.keys() == {"forecast"}
    assert Better.tools.keys() == {"forecast", "now"}


def test_a_tool_is_described_by_its_types_and_docstring() -> None:
    forecast = Weather.tools["forecast"]
    assert forecast.description == "The forecast\nof a place."
    assert forecast.schema["type"] == "object"
    assert forecast.schema["required"] == ["place"]
    assert forecast.schema["properties"]["days"] == {"type": "integer", "minimum": 1, "default": 1}
    assert forecast.schema["properties"]["place"] == {"$ref": "#/$defs/Place"}
    assert forecast.schema["$defs"]["Place"]["required"] == ["city"]
    assert Better.tools["now"].schema["properties"] == {}


def test_arguments_are_decoded_strictly() -> None:
    decoder = Weather.tools["forecast"].arguments
    given = decoder.decode(b'{"place": {"city": "Ulm"}}')
    assert (given.place, given.days) == (Place("Ulm"), 1)
    for wrong in (b"{}", b'{"place": {"city": "Ulm"}, "days": 0}', b'{"place": {"city": "Ulm"}, "by": 1}'):
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(wrong)
