"""Who may do what."""

import pytest

from actors.permissions import may_delete, may_remove, require
from protocol.errors import Code
from protocol.resources import Role

ROLES: tuple[Role, ...] = ("member", "admin", "owner")


@pytest.mark.parametrize("needed", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_those_below_it_may(role: Role, needed: Role) -> None:
    refusal = require(role, needed, is_private=True)
    assert (refusal is None) == (ROLES.index(role) >= ROLES.index(needed))
    assert refusal is None or refusal.code is Code.FORBIDDEN


def test_a_private_channel_hides_from_strangers() -> None:
    hidden, closed = require(None, "member", is_private=True), require(None, "member", is_private=False)
    assert hidden is not None
    assert closed is not None
    assert (hidden.code, closed.code) == (Code.NOT_FOUND, Code.FORBIDDEN)


def test_members_are_removed_from_above() -> None:
    allowed = {(actor, member) for actor in ROLES for member in ROLES if may_remove(actor, member)}
    assert allowed == {("owner", "admin"), ("owner", "member"), ("admin", "member")}


@pytest.mark.parametrize("is_direct", [False, True])
def test_messages_are_deleted_by_authors_and_in_channels_by_admins(is_direct: bool) -> None:
    assert all(may_delete(role, is_author=True, is_direct=is_direct) for role in ROLES)
    others = [role for role in ROLES if may_delete(role, is_author=False, is_direct=is_direct)]
    assert others == ([] if is_direct else ["admin", "owner"])
