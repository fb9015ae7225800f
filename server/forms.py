"""Bodies of type application/x-www-form-urlencoded, as other services post them.

A handler takes a struct that derives from `Form`. What it does not name is let through: services add fields
whenever they like, and sign all of them. `Call.form_fields` holds all, for whoever checks a signature.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from msgspec import Struct, convert
from multidict import MultiDict

from protocol.errors import Code, Refusal, Refused

FORM_TYPE: Final = "application/x-www-form-urlencoded"
FORM_FIELDS: Final = web.RequestKey("form_fields", MultiDict[str])
FIELDS_MAX: Final = 1_000


class Form(Struct, frozen=True, kw_only=True):
    """Base. Every field is a text with a default, so that whatever comes can be read."""


class JsonOrForm(Struct, frozen=True, kw_only=True):
    """A body of JSON that may also come, as to Slack, as a form with that JSON in its field `payload`."""


def is_json_or_form(body: Any) -> bool:
    return isinstance(body, type) and issubclass(body, JsonOrForm)


def payload_of(body: bytes) -> bytes:
    """The JSON in such a form. A body that begins like JSON is taken for it: `curl -d` calls that a form too.

    Raises Refused `malformed`.
    """
    if body.lstrip()[:1] == b"{":
        return body
    return parse_form(body).get("payload", "").encode()


def is_form(body: Any) -> bool:
    return isinstance(body, type) and issubclass(body, Form)


def parse_form(body: bytes) -> MultiDict[str]:
    """All fields in their order, empty ones too. Raises Refused `malformed`."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Refused(Refusal(Code.MALFORMED, "The body is not a valid form in UTF-8.")) from None
    return MultiDict(pairs)


def form_of(fields: Mapping[str, str], kind: Any) -> Any:
    """The fields as the struct `kind`: of a repeated one the first, and without NUL, which we never keep."""
    cleaned = {name: fields[name].replace("\0", "") for name in fields}
    return convert(cleaned, kind)
