"""Every route of the REST API."""

from typing import Final

from server.rest.accounts import accounts
from server.rest.me import me
from server.rest.status import status
from server.rest.users import users
from server.routing import Route

ROUTES: Final[tuple[Route, ...]] = tuple(
    route for part in (status, accounts, me, users) for route in part.routes
)
