"""Which numbers are enrolled, and which may be sent to."""

from __future__ import annotations

from collections.abc import Callable

from bot.twilio.settings import countries_of
from orchestration.domain.policy_book import PolicyBook


class EnrolledPhones:
    """The numbers in the policy file; see `Phones`. `book` is called each time, so that the file may be reloaded."""

    def __init__(self, book: Callable[[], PolicyBook], countries: frozenset[str]) -> None:
        """`countries`: the two-letter codes that may be sent to; none given means those of the enrolled numbers."""
        self._book = book
        self._countries = countries

    def number_of(self, user: str) -> str | None:
        """See `Phones`."""
        person = self._book().people.get(user)
        return person.phone if person else None

    def allowed(self, number: str) -> bool:
        """See `Phones`."""
        enrolled = (person.phone for person in self._book().people.values() if person.phone)
        return bool(countries_of([number]) & (self._countries or countries_of(enrolled)))
