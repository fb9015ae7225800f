"""Text of a request's head, which may hold any bytes: those that are no UTF-8 come as lone surrogates."""


def readable(text: str) -> str:
    """With U+FFFD in their place: no database takes them, and no answer can hold them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_readable(text: str) -> bool:
    return readable(text) == text
