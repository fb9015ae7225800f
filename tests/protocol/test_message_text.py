"""Messages as plain text."""

from msgspec import structs

from protocol.message_text import text_of
from protocol.resources import Attachment
from tests.actors.making import message

FILE = Attachment(7, "a.pdf", "application/pdf", 3, "/files/7")
LINK = Attachment(8, "image-1.jpeg", "image/jpeg", 0, "https://media.example/ME1")


def test_files_are_named_with_their_links() -> None:
    said = structs.replace(message(content="look"), attachments=(FILE, LINK))
    files = "a.pdf: https://chat.example/files/7\nimage-1.jpeg: https://media.example/ME1"
    assert text_of(said, "https://chat.example") == f"look\n{files}"
    assert text_of(structs.replace(said, attachments=())) == "look"


def test_a_message_may_be_nothing_but_its_files() -> None:
    said = structs.replace(message(content=""), attachments=(LINK,))
    assert text_of(said) == "image-1.jpeg: https://media.example/ME1"
    deleted = structs.replace(said, content=None, attachments=())
    assert text_of(deleted) == ""
