"""Bytes and strings from outside as structs, or a refusal that names the field."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from protocol.errors import Code, Refusal, Refused
from server.fields import PATTERN_WORDS

_WELL_FORMED: Final = msgspec.json.Decoder()
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_json(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """The body as the decoder's struct.

    Raises Refused: `malformed` for what is not JSON, `invalid` for what does not fit.
    """
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError:
        value = _read_again(decoder.type, body)
    except _NOT_JSON:
        raise malformed() from None
    refuse_nul(value)
    return value


def decode_strings(values: Mapping[str, str], kind: Any) -> Any:
    """Strings from a path or query as the struct `kind`. Raises Refused `invalid`."""
    try:
        value = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    refuse_nul(value)
    return value


def invalid(error: msgspec.ValidationError) -> Refused:
    """The refusal for what msgspec objects to: "Expected `int`, got `str` - at `$.seq`"."""
    text, _, path = str(error).partition(" - at `$")
    field = _join(path.rstrip("`").lstrip("."), _named_field(text))
    return Refused(Refusal(Code.INVALID, in_words(text), field=field or None))


def in_words(text: str) -> str:
    """What msgspec says, with words for the pattern: "Expected `str` matching regex '^[0-9]+$'"."""
    for pattern, words in PATTERN_WORDS.items():
        if text.endswith(f"matching regex {pattern!r}"):
            return f"Expected {words}"
    return text


def malformed() -> Refused:
    return Refused(Refusal(Code.MALFORMED, "The body is not valid JSON in UTF-8."))


def refuse_nul(value: Any) -> None:
    """Databases disagree on NUL, so no text may hold one. Raises Refused `invalid`."""
    for path, text in _texts("", value):
        if "\0" in text:
            raise Refused(Refusal(Code.INVALID, f"`{path}` must not contain NUL characters.", field=path))


def _read_again(kind: Any, body: bytes) -> Any:
    """A body that does not fit at first sight, with 7.0 for 7 as JSON Schema allows (validation, 6.1.1).

    A wrong type may come before a missing bracket: what is no JSON at all is told first.
    """
    try:
        return msgspec.convert(_with_whole_numbers(_WELL_FORMED.decode(body)), kind)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except _NOT_JSON:
        raise malformed() from None


def _with_whole_numbers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_with_whole_numbers(each) for each in value]
        case dict():
            return {name: _with_whole_numbers(each) for name, each in value.items()}
        case _:
            return value


def _texts(path: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _texts(_join(path, name), getattr(value, name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(f"{path}[{index}]", item)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _named_field(text: str) -> str:
    """The field in "Object missing required field `nonce`", whose path is that of the object around it."""
    parts = text.split("`")
    return parts[1] if " field `" in text and len(parts) == 3 else ""
