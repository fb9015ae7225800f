"""Who may do what in a channel: the one place that authorises."""

from protocol.errors import Code, Refusal
from protocol.resources import Role

RANK: dict[Role | None, int] = {None: 0, "member": 1, "admin": 2, "owner": 3}

NOT_FOUND = Refusal(Code.NOT_FOUND, "There is no such channel, or you cannot see it.")
NO_MESSAGE = Refusal(Code.NOT_FOUND, "There is no such message in this channel.")
NOT_A_MEMBER = Refusal(Code.FORBIDDEN, "Join the channel first.")
NOT_THE_AUTHOR = Refusal(Code.FORBIDDEN, "Only its author may do this with a message.")
ARCHIVED = Refusal(Code.CHANNEL_ARCHIVED, "The channel is archived: nobody can write to it.")


def require(role: Role | None, needed: Role, *, is_private: bool) -> Refusal | None:
    """Whether somebody with `role` may do what needs `needed`; a private channel hides from strangers."""
    if role is None:
        return NOT_FOUND if is_private else NOT_A_MEMBER
    if RANK[role] < RANK[needed]:
        return Refusal(Code.FORBIDDEN, f"Only the channel's {needed}s may do this.")
    return None


def may_remove(actor: Role, member: Role) -> bool:
    """Members are removed by those above them."""
    return RANK[actor] >= RANK["admin"] and RANK[actor] > RANK[member]


def may_delete(role: Role, *, is_author: bool, is_direct: bool) -> bool:
    """Messages are deleted by their authors, and in channels by admins."""
    return is_author or (not is_direct and RANK[role] >= RANK["admin"])
