"""Slack's IDs: the first letter says what kind of thing an ID names."""

from __future__ import annotations

import re
from typing import Final

PERSON: Final = r"^[UW][A-Z0-9]{1,30}$"
_PERSON: Final = re.compile(PERSON)
_GROUP: Final = re.compile(r"^S[A-Z0-9]{1,30}$")
_CHANNEL: Final = re.compile(r"^[CDG][A-Z0-9]{1,30}$")


def is_person(text: str) -> bool:
    """Whether this is the ID of a person."""
    return _PERSON.fullmatch(text) is not None


def is_group(text: str) -> bool:
    """Whether this is the ID of a user group."""
    return _GROUP.fullmatch(text) is not None


def is_channel(text: str) -> bool:
    """Whether this is the ID of a channel or a direct message."""
    return _CHANNEL.fullmatch(text) is not None


class SlackIds:
    """`orchestration.domain.ids.IdReader` for Slack."""

    def person(self, text: str) -> str:
        """`U…` or `W…`."""
        if not is_person(text):
            raise ValueError(f"{text!r} is not a person's ID in Slack, such as U02ALICE")
        return text

    def place(self, text: str) -> str:
        """`C…`, `D…` or `G…`."""
        if not is_channel(text):
            raise ValueError(f"{text!r} is not a channel's ID in Slack, such as C0PURCHASES")
        return text

    def principal(self, text: str) -> str:
        """A person's, or `S…`."""
        if not is_person(text) and not is_group(text):
            raise ValueError(
                f"{text!r} is not the ID of a person or a user group in Slack, such as U02ALICE or S0MANAGERS"
            )
        return text

    def recipient(self, text: str) -> str:
        """A person's or a channel's."""
        if not is_person(text) and not is_channel(text):
            raise ValueError(
                f"{text!r} is not the ID of a person or a channel in Slack, such as U02ALICE or C0PURCHASES"
            )
        return text

    def is_group(self, text: str) -> bool:
        """Whether it is `S…`."""
        return is_group(text)
