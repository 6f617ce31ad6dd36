"""How App Home looks: the order, Slack's limits, and what an empty list says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from bot.simulator.slack_api.views_check import checked_view
from bot.slack.views import away_form, home
from bot.slack.views.home import home_view
from orchestration.approval import projection
from orchestration.approval.status import RequestView
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.policy_book import Outlook
from orchestration.domain.request import Choice, Status
from orchestration.service.worklists import Worklist
from tests.support.story import RequestStory

TODAY = date(2026, 12, 1)
AWAY = PersonEntry(delegate="U0FAY", away=Away(since=TODAY, until=date(2026, 12, 24)))

Stories = Callable[..., RequestStory]


def item(story: RequestStory) -> RequestView:
    return RequestView(
        projection.progress(story.record), story.record.request, story.record.policy, story.record.asked
    )


def texts(view: dict[str, Any]) -> list[str]:
    """All texts that are no buttons, in order."""
    found = []
    for block in view["blocks"]:
        part: dict[str, Any] = block.get("text") or next(iter(block.get("elements", [])), {})
        found.append(part["text"] if isinstance(part.get("text"), str) else "")
    return [text for text in found if text]


def buttons(view: dict[str, Any]) -> list[str]:
    rows = [block.get("elements", []) for block in view["blocks"] if block["type"] == "actions"]
    return [element["action_id"] for row in rows for element in row]


def test_an_empty_home_says_what_will_be_there() -> None:
    view = home_view(Worklist(), None, TODAY, Outlook())
    checked_view(view, "home")
    assert texts(view) == [
        home.WAITING_TITLE,
        home.NOTHING_WAITS,
        home.ASKED_TITLE,
        home.NOTHING_ASKED,
        home.DECIDED_TITLE,
        home.NOTHING_DECIDED,
        home.AWAY_TITLE,
        home.THERE,
    ]
    assert buttons(view) == [home.ASK, home.AWAY]


def test_a_row_says_what_and_who_and_how_long(story: Stories) -> None:
    waiting, passed = story(title="A <!channel> & more"), story()
    passed.vote("U0ADA", Choice.APPROVE, 12)
    passed.next_level(12)
    passed.vote("U0FIN", Choice.APPROVE, 20)
    ended = story()
    ended.vote("U0ADA", Choice.REJECT, 30, "No.")
    ended.record.end(Status.REJECTED, ended.at(30), by="U0ADA", comments="No.")
    view = home_view(
        Worklist(waits=[item(waiting)], asked=[item(passed)], decided=[item(ended)]), None, TODAY, Outlook()
    )
    checked_view(view, "home")
    said = texts(view)
    assert said[1].startswith(
        "*“A &lt;!channel&gt; &amp; more”* · 4,200.00 USD\n<@U0RITA> asks · until <!date^"
    )
    assert said[1].endswith(" · Manager · purchase-k7m2x9qd")
    assert "\n○ Waiting for Finance, 1 of 2 · until <!date^" in said[3]
    assert "\n✗ Rejected by <@U0ADA> · <!date^" in said[5]
    assert said[5].endswith(" · asked for by <@U0RITA> · purchase-k7m2x9qd")


@pytest.mark.parametrize("title", ["x", "😀" * 150, "&" * 150, "https://a.example/?" + "&" * 120])
def test_however_much_there_is_it_fits_and_the_rest_is_counted(story: Stories, title: str) -> None:
    one = item(story(title=title))
    worklist = Worklist(waits=[one] * 60, asked=[one] * 20, decided=[one] * 40, unseen=2)
    view = home_view(worklist, None, TODAY, Outlook())
    checked_view(view, "home")
    assert len(view["blocks"]) <= 100
    shown = [block for block in view["blocks"] if "accessory" in block]
    more = [int(text.split()[1]) for text in texts(view) if text.startswith("and ")]
    assert len(shown) + sum(more) == 62 + 20 + 40
    if title == "x":
        assert more == [12, 5, 25]


@pytest.mark.parametrize(
    ("own", "listed", "said", "can"),
    [
        (None, None, home.THERE, [home.AWAY]),
        (AWAY, None, "From 2026-12-01 to 2026-12-24 (UTC), <@U0FAY> is asked", [home.AWAY, home.BACK]),
        (None, AWAY, "From 2026-12-01 to 2026-12-24 (UTC), <@U0FAY> is asked", [home.AWAY, home.BACK]),
        (PersonEntry(), AWAY, home.THERE, [home.AWAY]),
        (AWAY.model_copy(update={"delegate": None}), None, home.THERE, [home.AWAY]),
    ],
    ids=["there", "away", "by the operator", "back all the same", "no delegate"],
)
def test_being_away(own: PersonEntry | None, listed: PersonEntry | None, said: str, can: list[str]) -> None:
    view = home_view(Worklist(entry=own), listed, TODAY, Outlook())
    checked_view(view, "home")
    assert buttons(view)[1:] == can
    assert any(text.startswith(said) for text in texts(view))
    assert (home.LISTED in texts(view)) == (own is None and listed is not None)


def test_an_absence_that_is_over_is_none() -> None:
    assert home.THERE in texts(home_view(Worklist(entry=AWAY), None, TODAY + timedelta(days=24), Outlook()))


def test_the_form_for_being_away() -> None:
    form = away_form.away_form(AWAY, TODAY + timedelta(days=3))
    checked_view(form, "modal")
    dates = [block["element"].get("initial_date") for block in form["blocks"] if block["type"] == "input"]
    assert dates == ["2026-12-04", "2026-12-24", None]
    values = {
        "since": {"value": {"type": "datepicker", "selected_date": "2026-12-04"}},
        "until": {"value": {"type": "datepicker", "selected_date": "2026-12-03"}},
        "delegate": {"value": {"type": "users_select", "selected_user": "U0FAY"}},
    }
    with pytest.raises(InvalidRequestError) as error:
        away_form.read_away_form({"state": {"values": values}}, person="U0ADA", today=TODAY)
    assert error.value.field == "until"
