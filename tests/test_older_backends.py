"""The table for people of the older backends leads only to what there is, and to every route of theirs."""

import re
from pathlib import Path

import pytest

from server.rest.table import ROUTES
from server.settings import VARIABLES, Settings
from storage.tables import metadata

TEXT = (Path(__file__).parents[1] / "docs" / "older-backends.md").read_text()
ROUTE_NAMES = {f"{route.method} {route.path}" for route in ROUTES}
OTHER_ROUTES = {"GET /ws"}
"""Those that are not of the REST API's table."""
TABLES = {
    *metadata.tables,
    *(f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns),
}
NAMES = {VARIABLES.get(field, field.upper()) for field in Settings.__struct_fields__}
# Whatever the older backends had no route for.
NEW = (
    "/health",
    "/ready",
    "/metrics",
    "/asyncapi.json",
    "/search",
    "/files",
    "/auth/audit",
    "/agents",
    "/auth/me/",
    "/channels/me",
    "/hooks",
    "/reactions/images",
    "/twilio_status",
    "/telegram_webhook",
)
NEW_ENDS = ("/agents/{name}", "/replies", "/history", "/changes", "/webhooks", "/{webhook_id}", "/replay")


def here(section: str) -> list[str]:
    """What the second column of a section's table says, name by name."""
    body = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in body.splitlines() if line.startswith("| ")]
    return re.findall(r"`([^`]+)`", " ".join(rows[2:]))


@pytest.mark.parametrize(
    ("section", "known"),
    [
        ("Endpoints", ROUTE_NAMES | OTHER_ROUTES),
        ("Tables and models", TABLES),
        ("Fields", TABLES),
        ("Environment variables", NAMES),
    ],
)
def test_every_name_leads_to_something(section: str, known: set[str]) -> None:
    names = here(section)
    assert len(names) > 5
    assert set(names) <= known


def test_every_route_that_is_not_new_is_found() -> None:
    paths = {name: name.partition(" ")[2] for name in ROUTE_NAMES}
    old = {name for name, path in paths.items() if not path.startswith(NEW) and not path.endswith(NEW_ENDS)}
    assert old <= set(re.findall(r"`([A-Z]+ /[^`]*)`", TEXT))
