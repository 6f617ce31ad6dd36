"""`/request-approval away until DATE [from DATE] delegate @person`. Pure: words in, an entry out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from bot.slack.input.field_words import WHOM
from bot.slack.text import mention, mentioned, safe
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.policy_book import Outlook

USAGE: Final = "`away until 2026-12-24 [from 2026-12-20] delegate @person`"
# In a user group the others can decide meanwhile, and only Slack decides who is in it.
WHERE: Final = "where a policy names you, not through a user group"
STAYS: Final = "What waits for you already stays with you: hand that over from its card, under ⋯ Delegate."
SET: Final = f"From {{since}} to {{until}} (UTC), {{delegate}} is asked in your place {WHERE}. {STAYS}"
DELEGATE_AWAY: Final = (
    "{delegate} is away too, from {since} to {until}. "
    "On the days when both of you are away, you are still asked."
)
STILL_ASKED: Final = (
    "Where a decision needs a code, you are still asked; only your operator can name a delegate there."
)
WITH_CODE: Final = "Where a decision needs a code, {delegate} is asked, as your operator entered it."
BACK: Final = "Welcome back: from now on you are asked again."
NOT_AWAY: Final = "You are not away."

YOURSELF: Final = "You cannot be your own delegate. Please name somebody else."

SINCE, UNTIL, DELEGATE = "since", "until", "delegate"  # the fields of the form


def read_away(words: Sequence[str], *, person: str, today: date) -> PersonEntry:
    """The entry for `person`. Raises `InvalidRequestError` with what to write instead."""
    said = _pairs(words)
    if "until" not in said or "delegate" not in said:
        raise InvalidRequestError(f"Please say until when, and who decides for you: {USAGE}.")
    since, until = _day(said["from"]) if "from" in said else today, _day(said["until"])
    entry = checked(since, until, None, person=person, today=today)
    return entry.model_copy(update={"delegate": _delegate(said["delegate"], person)})


def checked(since: date, until: date, delegate: str | None, *, person: str, today: date) -> PersonEntry:
    """The entry for `person`, both days included. Raises `InvalidRequestError` naming the field to mend."""
    if until < today:
        raise InvalidRequestError(
            f"{until} is over. Please give the last day on which you are away.", field=UNTIL
        )
    if until < since:
        raise InvalidRequestError(
            f"{until} is before {since}. Please give the first day after “from”.", field=UNTIL
        )
    if delegate == person:
        raise InvalidRequestError(YOURSELF, field=DELEGATE)
    return PersonEntry(delegate=delegate, away=Away(since=since, until=until))


def standing(own: PersonEntry | None, listed: PersonEntry | None, today: date) -> PersonEntry | None:
    """The present or coming absence: the person's own entry, else the operator's. None if there is no absence."""
    entry = own if own is not None else listed
    if entry is None or entry.away is None or entry.delegate is None or entry.away.until < today:
        return None
    return entry


def back_again(listed: PersonEntry | None, today: date) -> PersonEntry | None:
    """The entry that ends an absence: None, or an empty entry if that has to override the operator's entry."""
    return PersonEntry() if standing(None, listed, today) else None


def told(entry: PersonEntry, outlook: Outlook) -> str:
    """What to tell the person once their absence is recorded (mrkdwn)."""
    if entry.away is None or entry.delegate is None:
        return BACK
    delegate = mention(entry.delegate)
    said = [SET.format(since=entry.away.since, until=entry.away.until, delegate=delegate)]
    if (away := outlook.delegate_away) is not None:
        said.append(DELEGATE_AWAY.format(delegate=delegate, since=away.since, until=away.until))
    if outlook.still_asked:
        said.append(STILL_ASKED)
    elif outlook.delegate_with_code is not None:
        said.append(WITH_CODE.format(delegate=mention(outlook.delegate_with_code)))
    return "\n".join(said)


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """`until X from Y delegate Z`, in any order."""
    said: dict[str, str] = {}
    rest = list(words)
    while rest:
        key = rest.pop(0).lower()
        if key not in {"until", "from", "delegate"} or key in said or not rest:
            raise InvalidRequestError(f"“{safe(key, 40)}” is not clear here. Please write {USAGE}.")
        said[key] = rest.pop(0)
    return said


def _day(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise InvalidRequestError(
            f"“{safe(word, 20)}” is no date. Please write it as year-month-day, such as 2026-12-24."
        ) from None


def _delegate(word: str, person: str) -> str:
    found = mentioned(word)
    if found is None:
        raise InvalidRequestError(WHOM.format(word=safe(word, 40)))
    if found == person:
        raise InvalidRequestError(YOURSELF)
    return found
