"""Every surface shows that an approver changed the request: who, the changed lines, and both digests."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bot.cli.summary import ending, standing
from bot.http.api.approval_models import Approval
from bot.http.pages.page import Viewer, record_page
from bot.http.pages.record import RequestRecord
from bot.slack.messages.cards import render
from bot.slack.views.details import details_view
from bot.slack.views.request_form import Origin
from orchestration.approval import projection
from orchestration.domain.edits import edited
from orchestration.domain.request import Choice, Factor, RequestEdit, Status, Via
from tests.support.story import PURCHASE, RequestStory

VIEWER = Viewer("U0RITA", datetime(2026, 12, 2, tzinfo=UTC), "https://approvals.example")
POLICY = PURCHASE.model_copy(update={"edit": ["amount", "fields.vendor"]})


def changed(*, ended: bool = False) -> RequestStory:
    """A request that Ada changed after Fin had voted."""
    told = RequestStory(POLICY, accepts_edits=True, fields={"vendor": "<b>Acme</b>"})
    told.vote("U0FIN", Choice.APPROVE, 5)
    record = told.record
    found = edited(record.request, POLICY, {"amount": "3000", "fields.vendor": "<i>Bolt</i>"})
    edit = RequestEdit(
        number=1,
        actor="U0ADA",
        at=told.at(10),
        level="Manager",
        round=1,
        via=Via.CHAT,
        factor=Factor.SMS,
        changes=found.changes,
        digest_before=record.identity.digest,
        digest=found.request.digest(),
        voided=["U0FIN"],
    )
    record.edit(found.request, edit)
    if ended:
        record.end(Status.APPROVED, told.at(20), by="U0ADA")
    return told


def in_details(told: RequestStory) -> str:
    record = told.record
    return str(details_view(record.request, record.policy, projection.progress(record), Origin(channel="C0")))


def page_of(told: RequestStory) -> str:
    record = told.record
    found = RequestRecord(record.request, record.policy, projection.progress(record), [], [])
    return record_page(found, {"U0ADA": "Ada"}, VIEWER)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("surface", "lines"),
    [
        (lambda told: str(render(told.card(1)).blocks), r"-4200\n+3000"),
        (in_details, r"-4200\n+3000"),
        (page_of, "-4200\n+3000"),
    ],
    ids=["card", "details", "page"],
)
def test_who_changed_what_and_both_digests_are_there(
    surface: Callable[[RequestStory], str], lines: str, ended: bool
) -> None:
    told = changed(ended=ended)
    shown = surface(told)
    for words in ("U0ADA", lines, told.record.asked.digest(), told.record.identity.digest):
        assert words in shown
    assert surface is not page_of or "<i>Bolt" not in shown, "a page escapes what people wrote"
    assert told.record.asked.digest() != told.record.identity.digest


def test_the_terminal_names_who_changed_it() -> None:
    def approval(told: RequestStory) -> dict[str, object]:
        return Approval.of(projection.progress(told.record)).model_dump(mode="json")

    assert "changed by U0ADA" in standing(approval(changed()))
    assert "approved by U0ADA, changed by U0ADA" in ending(approval(changed(ended=True)))


def test_nothing_of_a_change_stands_where_there_was_none() -> None:
    told = RequestStory(POLICY)
    for surface in (page_of, in_details):
        assert "changed" not in surface(told).lower()
    card = str(render(told.card(1)).blocks)
    assert ("Changed by" in card, "edit_and_approve" in card) == (False, False)
