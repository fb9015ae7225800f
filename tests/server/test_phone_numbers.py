"""Phone numbers become E.164 or are refused."""

import pytest

from protocol.errors import Code, Refused
from server.phone_numbers import normal_phone


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("+4930123456", "+4930123456"),
        ("+49 30 123456", "+4930123456"),
        ("0049 (30) 12-34.56", "+4930123456"),
        ("+49/30/123456", "+4930123456"),
        ("+49 (0)30 123456", "+4930123456"),
        ("+39 06 698 12345", "+390669812345"),
        ("+1 (202) 555-0143", "+12025550143"),
        ("+800 1234 5678", "+80012345678"),
    ],
)
def test_a_number_with_its_country_is_kept_as_the_world_dials_it(number: str, kept: str) -> None:
    assert normal_phone(number) == kept
    assert normal_phone(kept) == kept


@pytest.mark.parametrize(
    "number",
    [
        "",
        "+",
        "00",
        "030123456",
        "+0301234567",
        "+49",
        "+1 555 0100",
        "+999123456789",
        "+1234567890123456",
        "people",
    ],
)
def test_anything_else_is_refused_by_field(number: str) -> None:
    with pytest.raises(Refused) as caught:
        normal_phone(number)
    assert (caught.value.refusal.code, caught.value.refusal.field) == (Code.INVALID, "phone_number")
