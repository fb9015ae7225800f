"""Twilio's REST API on this machine: it accepts and lists messages, and fails as it is told to."""

import asyncio
import base64
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Any, Final

from aiohttp import web
from twilio.request_validator import RequestValidator

from tests.stand_ins.serving import serving

ACCOUNT: Final = "AC00000000000000000000000000000001"
TOKEN: Final = "twilio-auth-token"
OURS: Final = "+15005550006"
Json = Any
Fault = Callable[[web.Request, "StandIn"], Any]


class StandIn:
    """The account. `sent` are the messages that it has, oldest first; each of `faults` hits one request."""

    def __init__(self) -> None:
        self.url = ""
        self.now = time.time
        self.sent: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.faults: deque[str | Json] = deque()
        self.list_faults: deque[str] = deque()
        self.is_listed = True
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self._numbers = itertools.count(1)

    @property
    def texts(self) -> list[str]:
        return [message["body"] for message in self.sent]

    def accept(self, form: dict[str, str], created_at: float | None = None) -> dict[str, Any]:
        """A message as Twilio shows it."""
        number = next(self._numbers)
        date = formatdate(self.now() if created_at is None else created_at)
        message = {
            "sid": f"SM{number:032d}",
            "account_sid": ACCOUNT,
            "to": form["To"],
            "from": form["From"],
            "body": form["Body"],
            "status": "queued",
            "num_segments": "1",
            "date_created": date,
            "date_sent": None,
            "date_updated": date,
            "error_code": None,
            "callback": form.get("StatusCallback"),
        }
        self.sent.append(message)
        return message

    async def create(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(("create", form))
        self.asked.set()
        fault = self.faults.popleft() if self.faults else None
        match fault:
            case None:
                return web.json_response(self.accept(form), status=201)
            case "stall":
                # It has it already, and does not say so.
                self.accept(form)
                await self.may_answer.wait()
                return web.Response(status=201)
            case "stall before":
                await self.may_answer.wait()
                self.accept(form)
                return web.Response(status=201)
            case "cut":
                self.accept(form)
                return _cut(request)
            case "cut before":
                return _cut(request)
            case "garbage":
                self.accept(form)
                return web.Response(status=201, text="<html>not JSON</html>")
            case "odd":
                self.accept(form)
                return web.json_response(["what is this"], status=201)
            case (status, body, headers):
                return web.json_response(body, status=status, headers=headers)
            case _:
                raise ValueError(fault)

    async def list(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(("list", dict(request.query)))
        fault = self.list_faults.popleft() if self.list_faults else None
        if fault == "garbage":
            return web.Response(text="<html>")
        if fault == "stall":
            await self.may_answer.wait()
        elif fault is not None:
            return web.json_response({"message": "no", "code": 20500}, status=int(fault))
        to, sender = request.query.get("To"), request.query.get("From")
        found = [each for each in self.sent if (each["to"], each["from"]) == (to, sender)][::-1]
        start, size = int(request.query.get("Page", "0")), int(request.query.get("PageSize", "50"))
        page = found[start * size : (start + 1) * size] if self.is_listed else []
        path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        more = len(found) > (start + 1) * size
        query = f"To={to}&From={sender}&PageSize={size}&Page={start + 1}".replace("+", "%2B")
        answer = {
            "messages": page,
            "page": start,
            "page_size": size,
            "next_page_uri": f"{path}?{query}" if more else None,
        }
        return web.json_response(answer)

    async def account(self, request: web.Request) -> web.StreamResponse:
        expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"message": "Authenticate", "code": 20003}, status=401)
        return web.json_response({"sid": ACCOUNT, "status": "active"})


def refusal(status: int, code: int, **headers: str) -> Json:
    """What Twilio answers for a request that it does not take."""
    return status, {"code": code, "message": "No.", "status": status}, headers


def signature(url: str, fields: Any, token: str = TOKEN) -> dict[str, str]:
    """As Twilio signs a webhook, by the SDK itself."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, fields)}


def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@contextlib.asynccontextmanager
async def twilio() -> AsyncIterator[StandIn]:
    """An account on a free port of this machine."""
    stand_in = StandIn()
    app = web.Application()
    path = f"/2010-04-01/Accounts/{ACCOUNT}"
    app.router.add_post(f"{path}/Messages.json", stand_in.create)
    app.router.add_get(f"{path}/Messages.json", stand_in.list)
    app.router.add_get(f"{path}.json", stand_in.account)
    async with serving(app, stand_in.may_answer.set) as stand_in.url:
        yield stand_in
