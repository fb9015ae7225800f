"""Phone numbers as they are kept: E.164."""

import re
from typing import Final

from protocol.errors import Code, Refusal, Refused

_SEPARATORS: Final = re.compile(r"[ ()./-]")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def normal_phone(number: str) -> str:
    """The number as `+4930123456`. Raises Refused `invalid` without a country's code."""
    bare = _SEPARATORS.sub("", number)
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    if not _E164.fullmatch(bare):
        message = "Give the number with its country's code, for example +49 30 123456."
        raise Refused(Refusal(Code.INVALID, message, field="phone_number"))
    return bare
