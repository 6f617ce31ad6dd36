"""Takes `NAME=VALUE` from the end of a slash command, for the fields of a policy. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from bot.slack.text import mentioned, safe, typed
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import FieldSpec, FieldType, read_value
from orchestration.domain.text import keyword, line

USAGE: Final = "[FIELD=VALUE…]"
TWICE: Final = "{name} is there twice. Please give one value."
MISTYPED: Final = "There is no field {word} here. Did you mean {name}?"
WHOM: Final = "I cannot tell who “{word}” is. Please type @ and choose the person from Slack's list."

# Phones type curved quotation marks.
_MARKS: Final = '"“”'
_NEAR: Final = 0.8  # as `difflib` measures it: one letter wrong in six
_LAST: Final = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z0-9_]{0,39})=(\"[^\"]*\"|[“”][^“”]*[“”]|[^\s\"“”]*)$")


def split_fields(text: str, fields: Sequence[FieldSpec]) -> tuple[str, dict[str, str]]:
    """Returns the text before the fields, and the fields' values as they are stored. `text` is as Slack sent it.

    A `NAME=VALUE` that is no field of the policy belongs to the title, with all before it. So does one inside a
    quotation: a pasted text sets no field. Raises `InvalidRequestError` for a value that does not fit, and for a name
    that is nearly that of a field.
    """
    known = {field.name: field for field in fields}
    rest, found = line(text), dict[str, str]()
    while (last := _LAST.search(rest)) is not None:
        before = rest[: last.start()].rstrip()
        field = known.get(keyword(last[1]))
        if sum(map(before.count, _MARKS)) % 2:
            break
        if field is None:
            _check_spelling(last[1], list(known))
            break
        if field.name in found:
            raise InvalidRequestError(TWICE.format(name=field.name), field=field.name)
        found[field.name] = _read(field, last[2].strip(_MARKS))
        rest = before
    return rest, {name: value for name, value in found.items() if value}


def _check_spelling(word: str, names: list[str]) -> None:
    for name in get_close_matches(keyword(word), names, 1, _NEAR):
        raise InvalidRequestError(MISTYPED.format(word=word, name=name), field=name)


def _read(field: FieldSpec, word: str) -> str:
    if field.type is not FieldType.PERSON or not word:
        return read_value(field, typed(word))
    person = mentioned(word)
    if person is None:
        raise InvalidRequestError(WHOM.format(word=safe(typed(word), 40)), field=field.name)
    return person
