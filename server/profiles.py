"""Users as others see them."""

from msgspec import structs

from actors.chat import Chat
from protocol.resources import PublicProfile, User


def public_profile(user: User) -> PublicProfile:
    """What may be shown of a user to everybody."""
    return PublicProfile(
        id=user.id,
        username=user.username,
        full_name=user.full_name,
        bio=user.bio,
        picture=user.picture,
        is_bot=user.is_bot,
    )


def with_presence(chat: Chat, profile: PublicProfile) -> PublicProfile:
    """The profile, and whether its user is there now."""
    return structs.replace(profile, presence=chat.presence(profile.id))
