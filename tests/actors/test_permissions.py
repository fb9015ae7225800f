"""Who may do what."""

import pytest

from actors.permissions import NOT_A_MEMBER, NOT_FOUND, may_delete, may_remove, require
from protocol.errors import Code
from protocol.resources import Role

ROLES: tuple[Role, ...] = ("member", "admin", "owner")
PAIRS = [(mine, other) for mine in ROLES for other in ROLES]


@pytest.mark.parametrize("needed", ROLES)
def test_a_private_channel_hides_from_strangers_and_a_public_one_asks_them_in(needed: Role) -> None:
    assert require(None, needed, is_private=True) == NOT_FOUND
    assert require(None, needed, is_private=False) == NOT_A_MEMBER


@pytest.mark.parametrize("is_private", [False, True])
@pytest.mark.parametrize(("role", "needed"), PAIRS)
def test_each_role_may_do_what_those_below_it_may(role: Role, needed: Role, *, is_private: bool) -> None:
    refusal = require(role, needed, is_private=is_private)
    if ROLES.index(role) >= ROLES.index(needed):
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.code == Code.FORBIDDEN
        assert f"{needed}s" in refusal.message


@pytest.mark.parametrize(("actor", "member"), PAIRS)
def test_only_those_above_a_member_remove_them(actor: Role, member: Role) -> None:
    allowed = {("owner", "admin"), ("owner", "member"), ("admin", "member")}
    assert may_remove(actor, member) == ((actor, member) in allowed)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("is_direct", [False, True])
def test_authors_delete_their_messages_everywhere(role: Role, *, is_direct: bool) -> None:
    assert may_delete(role, is_author=True, is_direct=is_direct)


@pytest.mark.parametrize("role", ROLES)
def test_messages_of_others_are_deleted_by_admins_and_never_in_a_direct_channel(role: Role) -> None:
    assert may_delete(role, is_author=False, is_direct=False) == (role != "member")
    assert not may_delete(role, is_author=False, is_direct=True)
