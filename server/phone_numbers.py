"""Phone numbers as they are kept: E.164."""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from protocol.errors import Code, Refusal, Refused


def normal_phone(number: str) -> str:
    """The number as `+4930123456`. Raises Refused `invalid` for what cannot be one, or lacks its country.

    Whether it can be one is a matter of its country's numbering plan; whether anybody has it is not known.
    """
    international = f"+{number[2:]}" if number.startswith("00") else number
    try:
        parsed = phonenumbers.parse(international)
    except NumberParseException:
        raise Refused(NOT_A_NUMBER) from None
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        raise Refused(NOT_A_NUMBER)
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


NOT_A_NUMBER = Refusal(
    Code.INVALID,
    "Give a telephone number with its country's code, for example +49 30 123456.",
    field="phone_number",
)
