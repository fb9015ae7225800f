"""A message as plain text, for where nothing else is understood: text messages, and models. Pure."""

from protocol.resources import Attachment, Message


def text_of(message: Message, public_url: str = "") -> str:
    """What it says, and behind that its files by name and link."""
    said = [message.content] if message.content else []
    return "\n".join([*said, *(f"{file.name}: {_address(file, public_url)}" for file in message.attachments)])


def _address(file: Attachment, public_url: str) -> str:
    return file.url if "://" in file.url else public_url + file.url
