"""Who schemathesis is, and what it forgives. It is loaded by schemathesis itself, in a process of its own.

A request of a superuser's route is a superuser's. One that ends a session gets a session of its own; whoever
was locked out by what came before is replaced by a newcomer.
"""

import itertools
import os
import sqlite3
from typing import Any, Final

import requests
import schemathesis
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

from server.rest.table import ROUTES
from tests.server.described.exceptions import LEAVING, is_exempt

BASE_URL: Final = os.environ["PARLEY_URL"]
DATABASE: Final = os.environ["PARLEY_DATABASE"]
PASSWORD: Final = "correct-battery"
TIMEOUT_S: Final = 60.0
SUPERUSERS: Final = frozenset(
    f"{route.method} {route.path}" for route in ROUTES if route.access == "superuser"
)
ENDING: Final = ("/auth/logout", "/auth/sessions")

AnyCase = schemathesis.Case[Any]

_numbers = itertools.count(1)
_tokens: dict[str, str] = {}
_left: set[int] = set()


def new_token(*, is_superuser: bool = False) -> str:
    """Of a new account."""
    name = f"somebody.{next(_numbers)}"
    account = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    _post("/auth/register", account)
    if is_superuser:
        with sqlite3.connect(DATABASE, timeout=TIMEOUT_S) as database:
            database.execute("UPDATE users SET is_superuser = 1 WHERE username = ?", (name,))
    token: str = _post("/auth/login", {"username": name, "password": PASSWORD})["access_token"]
    return token


def _post(path: str, body: dict[str, str]) -> Any:
    answer = requests.post(BASE_URL + path, json=body, timeout=TIMEOUT_S)
    answer.raise_for_status()
    return answer.json()


@schemathesis.auth(refresh_interval=None)
class Bearer:
    """The access token of whoever makes a request."""

    def get(self, case: AnyCase, context: schemathesis.AuthContext) -> str:
        if case.operation.path.startswith(ENDING):
            return new_token()
        who = "superuser" if case.operation.label in SUPERUSERS else "user"
        if who not in _tokens:
            _tokens[who] = new_token(is_superuser=who == "superuser")
        return _tokens[who]

    def set(self, case: AnyCase, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: AnyCase, response: schemathesis.Response) -> None:
    """Forget whoever is not let in any more, and note which channels somebody has left."""
    if case.operation.label == LEAVING and response.status_code == 204:
        _left.add(int(case.path_parameters["channel_id"]))
    sent = response.request.headers.get("Authorization", "")
    for who, token in list(_tokens.items()):
        if sent == f"Bearer {token}" and is_locked_out(who, response):
            del _tokens[who]


def is_locked_out(who: str, response: schemathesis.Response) -> bool:
    if response.status_code not in {401, 403}:
        return False
    code = response.json()["code"]
    return code in {"token_revoked", "account_disabled"} or (code == "forbidden" and who == "superuser")


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: AssertionError,
    case: AnyCase,
    response: schemathesis.Response,
) -> bool:
    """Whether this is a failure: not where a request that fits the schema is refused with good reason."""
    if isinstance(failure, EnsureResourceAvailability):
        return case.path_parameters.get("channel_id") not in _left
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 422:
        return True
    fields = [error["field"] for error in response.json()["errors"]]
    return not is_exempt(case.operation.label, fields)
