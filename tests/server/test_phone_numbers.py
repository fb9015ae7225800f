"""Phone numbers become E.164 or are refused."""

import pytest

from protocol.errors import Code, Refused
from server.phone_numbers import normal_phone


@pytest.mark.parametrize("number", ["+4930123456", "+49 30 123456", "0049 (30) 12-34.56", "+49/30/123456"])
def test_a_number_with_its_country_is_kept_bare(number: str) -> None:
    assert normal_phone(number) == "+4930123456"


@pytest.mark.parametrize(
    "number", ["", "030123456", "+0301234567", "+49", "+1234567890123456", "+49x30123456", "++4930123456"]
)
def test_anything_else_is_refused_by_field(number: str) -> None:
    with pytest.raises(Refused) as caught:
        normal_phone(number)
    assert (caught.value.refusal.code, caught.value.refusal.field) == (Code.INVALID, "phone_number")
