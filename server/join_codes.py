"""Codes that let people into a channel."""

import secrets


def new_join_code() -> str:
    """Ninety-six random bits: a code is all it takes to join."""
    return secrets.token_urlsafe(12)
