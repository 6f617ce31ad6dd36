"""The form that approves a call and calls like it, and the view that shows all of a grant. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.messages import grants
from bot.slack.text import bold, code_pieces, mention, safe, when
from bot.slack.views.decision_forms import CardOrigin
from bot.slack.views.request_form import Origin, modal, values_of
from orchestration.approval.status import RequestView
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.grant_effects import GrantView
from orchestration.domain.granting import GrantOffer
from orchestration.domain.grants import GrantTerms
from orchestration.domain.request import ApprovalRequest

ID: Final = "grant_form"
SHOWN: Final = "grant_shown"
UNTIL: Final = "grant_until"
USES: Final = "grant_uses"
PARAGRAPH: Final = 2900  # characters; Slack takes 3,000 in one block
TIMES: Final = (
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=8),
)
NUMBERS: Final = (1, 3, 5, 10, 20, 50)
LEAD: Final = "You approve this call now, and in advance every call like it:"
TOLD: Final = (
    "Nobody is asked about these calls. Each is told in the thread of the grant's card and put on record. Whoever may "
    "decide can revoke the grant there, on Home or by the API; the next call is then asked about."
)


def grant_form(item: RequestView, offer: GrantOffer, origin: CardOrigin, now: datetime) -> Json:
    """The form: all that is granted, word for word, and the choice of a time and a number that the policy allows."""
    request = item.request
    if request.call is None:
        raise AssertionError("a call is granted")
    fixed = offer.pattern.fixed
    parts = [blocks.section(LEAD), blocks.section(grants.call_line(request.call))]
    if fixed:
        parts.append(blocks.section("With just these values:"))
        parts += map(blocks.code, code_pieces(fixed, PARAGRAPH))
        parts += grants.masked_note(fixed)
    else:
        parts.append(blocks.section(grants.NOTHING_FIXED))
    parts.append(blocks.section(grants.varies(offer.pattern.vary)))
    parts.append(blocks.context(_asker(request)))
    if offer.pattern.vary:
        parts.append(blocks.section(f"{bold('This call')} has:"))
        parts += map(blocks.code, code_pieces(request.description, PARAGRAPH))
    parts.append(
        blocks.select_input(UNTIL, "Until", _times(offer.longest, now), initial=_first_time(offer, now))
    )
    numbers = _numbers(offer.most_uses)
    parts.append(blocks.select_input(USES, "For at most", numbers, initial=next(reversed(numbers))))
    parts.append(blocks.context(TOLD))
    return modal(ID, "Approve calls like this", "Approve and grant", parts, origin)


def read_grant_form(view: Mapping[str, Any]) -> GrantTerms:
    """The terms that were chosen. Raises `InvalidRequestError` for terms that the form does not offer."""
    values = values_of(view)
    try:
        return GrantTerms.model_validate({"until": values.get(UNTIL), "uses": int(values.get(USES, ""))})
    except (ValidationError, ValueError) as error:
        raise InvalidRequestError("Please choose a time and a number.", field=UNTIL) from error


def shown_grant(view: GrantView, origin: Origin) -> Json:
    """Draws all of a grant, only to be read."""
    facts = view.facts
    parts = [blocks.section(grants.standing(view)), blocks.section(grants.call_line(facts.call))]
    if facts.pattern.fixed:
        parts.append(blocks.section("With just these values:"))
        parts += map(blocks.code, code_pieces(facts.pattern.fixed, PARAGRAPH))
        parts += grants.masked_note(facts.pattern.fixed)
    else:
        parts.append(blocks.section(grants.NOTHING_FIXED))
    parts.append(blocks.section(grants.varies(facts.pattern.vary)))
    parts.append(blocks.context(f"Given {when(facts.granted_at)}", grants.small_print(facts)))
    return modal(SHOWN, "Standing grant", None, parts, origin)


def _asker(request: ApprovalRequest) -> str:
    token = f", with the token {safe(request.asked_with, 60)} alone" if request.asked_with else ""
    return f"Asked by the agent of {mention(request.requester)}{token}"


def _times(longest: timedelta, now: datetime) -> dict[str, str]:
    """Labels of the times at which the grant may end, by the ISO time. The last is the latest that is allowed."""
    lasting = sorted({*(one for one in TIMES if one < longest), longest})
    ends = {one: (now + one).astimezone(UTC).replace(microsecond=0) for one in lasting}
    return {end.isoformat(): f"{_span(one)}, until {end:%Y-%m-%d %H:%M:%S} UTC" for one, end in ends.items()}


def _first_time(offer: GrantOffer, now: datetime) -> str:
    """The choice at first: an hour, or the policy's longest time if that is shorter."""
    times = _times(min(offer.longest, timedelta(hours=1)), now)
    return next(reversed(times))


def _numbers(most: int) -> dict[str, str]:
    numbers = sorted({*(one for one in NUMBERS if one < most), most})
    return {str(one): f"{one} more {'call' if one == 1 else 'calls'}" for one in numbers}


def _span(one: timedelta) -> str:
    minutes, seconds = divmod(int(one.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "hour"), (minutes, "minute"), (seconds, "second")]
    return " ".join(f"{number} {name}{'' if number == 1 else 's'}" for number, name in parts if number)
