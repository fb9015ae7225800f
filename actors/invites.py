"""When an invite lets somebody in: pure, beside `channel_state.py`."""

from datetime import datetime

from protocol.resources import Invite


def is_usable(invite: Invite | None, now: datetime) -> bool:
    if invite is None or (invite.expires_at is not None and invite.expires_at <= now):
        return False
    return invite.max_uses is None or invite.uses < invite.max_uses


def standing(join_code: str) -> Invite:
    """The one invite that neither expires nor is used up."""
    return Invite(join_code=join_code, expires_at=None, max_uses=None, uses=0)
