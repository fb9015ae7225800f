"""What the description says is true: schemathesis runs all its checks and finds nothing.

`python -m tests.server.described.campaign` searches for longer, and from other seeds.
"""

from pathlib import Path

from server.rest.table import ROUTES
from tests.server.described.campaign import campaign
from tests.server.described.exceptions import EXEMPTIONS

SEED = 1
EXAMPLES = 2
"""For each operation and phase, beside the fixed cases of the coverage phase."""


async def test_no_request_is_answered_otherwise_than_described(tmp_path: Path) -> None:
    outcome = await campaign(tmp_path, seed=SEED, examples=EXAMPLES)
    assert not outcome.has_found, outcome.text


def test_what_is_forgiven_is_forgiven_of_routes_that_there_are() -> None:
    names = {f"{route.method} {route.path}" for route in ROUTES}
    assert {each.operation for each in EXEMPTIONS} <= names
    assert len({(each.operation, each.field) for each in EXEMPTIONS}) == len(EXEMPTIONS)
