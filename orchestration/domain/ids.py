"""The IDs of people, groups and places. They are the chat system's own and opaque here: compared, never taken apart.

A person decides, a group stands for its members, a place is where cards are shown (a channel). `IdReader` is the chat
system's way to check how an ID is written. Where a file or a program is read, it is given to pydantic as the context of
the validation; what was recorded is read without one, for it was checked when it came in.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import AfterValidator, Field, ValidationInfo


class IdReader(Protocol):
    """Reads IDs as operators and programs write them. Each method but the last returns the ID, or raises `ValueError`.

    The error says what is wrong, as the end of a sentence that begins with the field's name.
    """

    def person(self, text: str) -> str:
        """The ID of a person."""
        ...

    def place(self, text: str) -> str:
        """The ID of a place."""
        ...

    def principal(self, text: str) -> str:
        """The ID of a person or of a group."""
        ...

    def recipient(self, text: str) -> str:
        """The ID of a person or of a place."""
        ...

    def is_group(self, text: str) -> bool:
        """Whether this is the ID of a group."""
        ...


def _read(kind: str) -> AfterValidator:
    def read(text: str, info: ValidationInfo) -> str:
        reader: IdReader | None = info.context
        if reader is None:
            return text
        checked: str = getattr(reader, kind)(text)
        return checked

    return AfterValidator(read)


# Printable ASCII, and short enough for the key of an entity.
_OPAQUE = Field(pattern=r"^[!-~]{1,80}$")
PersonId = Annotated[str, _OPAQUE, _read("person")]
GroupId = Annotated[str, _OPAQUE]
PlaceId = Annotated[str, _OPAQUE, _read("place")]
PrincipalId = Annotated[str, _OPAQUE, _read("principal"), Field(description="A person or a group")]
RecipientId = Annotated[str, _OPAQUE, _read("recipient"), Field(description="A person or a place")]


def entity_key(principal: str) -> str:
    """The key of the entity that belongs to a person or a group. The SDK takes no `@` in a key."""
    return principal.replace("%", "%25").replace("@", "%40")
