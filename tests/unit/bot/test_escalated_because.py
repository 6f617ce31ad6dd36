"""Every surface shows why a request was escalated: silence, or too few people who may decide."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bot.cli.summary import standing
from bot.http.api.approval_models import Approval
from bot.http.pages.page import Viewer, record_page
from bot.http.pages.record import RequestRecord
from bot.slack.messages.cards import render
from bot.slack.messages.notices import notice
from bot.slack.messages.thread import line
from bot.slack.views.details import details_view
from bot.slack.views.request_form import Origin
from orchestration.approval import projection
from orchestration.domain.cards import StepKind
from orchestration.domain.request import ActionState, Status
from tests.support.story import RequestStory

FEW = "Too few people are left who may decide the level Manager."
VIEWER = Viewer("U0RITA", datetime(2026, 12, 2, tzinfo=UTC), "https://approvals.example")


def escalated(*, undecidable: bool) -> RequestStory:
    told = RequestStory()
    told.record.state.undecidable = undecidable
    told.record.escalate(told.at(60))
    return told


def on_card(told: RequestStory) -> str:
    return str(render(told.card(1)).blocks)


def in_thread(told: RequestStory) -> str:
    few = told.record.levels()[-1].escalated_because == "too_few_left"
    return line(told.step(StepKind.ESCALATED, place="C0ESCALATIONS", text=FEW if few else ""))


def in_message(told: RequestStory) -> str:
    return notice(told.tell(), {}).text


def in_details(told: RequestStory) -> str:
    record = told.record
    view = details_view(record.request, record.policy, projection.progress(record), Origin(channel="C0"))
    return str(view)


def page_of(told: RequestStory) -> str:
    record = told.record
    found = RequestRecord(record.request, record.policy, projection.progress(record), [], [])
    return record_page(found, {"U0ADA": "Ada"}, VIEWER)


def on_terminal(told: RequestStory) -> str:
    return standing(Approval.of(projection.progress(told.record)).model_dump(mode="json"))


@pytest.mark.parametrize(
    ("surface", "silence", "few"),
    [
        (on_card, "no decision by", "too few people left,"),
        (in_thread, "→ Nobody decided in time: escalated", f"→ {FEW[:-1]}: escalated"),
        (in_message, "Nobody decided it in time.", "Too few people were left who may decide it."),
        (
            in_details,
            "Nobody decided it in time: escalated",
            "Too few people were left who may decide it: escalated",
        ),
        (
            page_of,
            "Nobody decided it in time: escalated",
            "Too few people were left who may decide it: escalated",
        ),
        (
            on_terminal,
            "C0ESCALATIONS, not decided in time",
            "C0ESCALATIONS, too few people were left to decide it",
        ),
    ],
)
def test_the_reason_is_the_true_one(surface: Callable[[RequestStory], str], silence: str, few: str) -> None:
    shown = surface(escalated(undecidable=False)), surface(escalated(undecidable=True))
    assert [(silence in one, few in one) for one in shown] == [(True, False), (False, True)], shown


def test_a_card_does_not_offer_a_level_that_too_few_can_decide() -> None:
    assert "can still be decided here" in on_card(escalated(undecidable=False))
    assert "can still be decided here" not in on_card(escalated(undecidable=True))


def test_who_asked_is_told_the_reason_of_an_end_without_a_decision() -> None:
    told = RequestStory()
    told.record.end(Status.TIMED_OUT, told.at(1), reason=FEW)
    assert in_message(told).endswith(f"ended without a decision.\n{FEW}")


def test_the_record_names_where_an_action_went_in_words() -> None:
    told = RequestStory()
    told.record.end(Status.TIMED_OUT, told.at(1), reason=FEW)
    told.record.state.actions = [
        ActionState(label=label, status="done")
        for label in ("C0GENERAL", "U0ADA", "https://erp.example/o?key=s")
    ]
    shown = page_of(told)
    assert "<li>the channel <code>C0GENERAL</code> · done</li>" in shown
    assert '<li><span class="who"><bdi>Ada</bdi> <code>U0ADA</code></span> · done</li>' in shown
    assert "<li>erp.example · done</li>" in shown
    assert "&lt;#" not in shown
