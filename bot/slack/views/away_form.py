"""The form that App Home opens for being away: the same entry as `/request-approval away`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input import away
from bot.slack.views.request_form import Origin, UnreadableFormError, modal, values_of
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import PersonEntry

ID: Final = "away"
TITLE: Final = "When you are away"
SINCE_HINT: Final = "The first day, in UTC"
NEEDED: Final = "Please fill this in."
UNTIL_HINT: Final = "The last day, in UTC"


def away_form(entry: PersonEntry | None, today: date) -> Json:
    """The form, filled in with the present or coming absence, if there is one."""
    known = entry.away if entry else None
    parts = [
        blocks.date_input(
            away.SINCE, "Away from", initial=max(known.since, today) if known else today, hint=SINCE_HINT
        ),
        blocks.date_input(away.UNTIL, "Away until", initial=known.until if known else None, hint=UNTIL_HINT),
        blocks.person_input(
            away.DELEGATE, "Who is asked in your place?", initial=entry.delegate if entry else None
        ),
        blocks.context(f"They are asked {away.WHERE}. {away.STAYS}"),
    ]
    return modal(ID, TITLE, "Save", parts, Origin())


def read_away_form(view: Mapping[str, Any], *, person: str, today: date) -> PersonEntry:
    """The entry that was filled in. Raises `InvalidRequestError` naming the field to mend."""
    values = values_of(view)
    for field in (away.SINCE, away.UNTIL, away.DELEGATE):
        if field not in values:
            raise InvalidRequestError(NEEDED, field=field)
    try:
        since, until = date.fromisoformat(values[away.SINCE]), date.fromisoformat(values[away.UNTIL])
    except ValueError as error:
        raise UnreadableFormError from error
    return away.checked(since, until, values[away.DELEGATE], person=person, today=today)
