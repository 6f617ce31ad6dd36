"""Whatever people do in whichever order: what is approved is what each level approved, as it says at the end."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from hypothesis import event, given, settings
from hypothesis import strategies as st

from orchestration.domain.commands import Decision, Reason
from orchestration.domain.edits import with_edits
from orchestration.domain.request import Choice, Outcome, Status
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest
from tests.support.people import enrolled

PEOPLE: Final = ["U0ADA", "U0FAY", "U0BOB", "U0FIN", "U0DIRK", "U0CY", "U0RITA", "U0SAM"]
BOOK = parsed(
    """
[policies.any]
title = "Any"
channel = "C0ANY"
currency = "USD"
edit = ["amount", "fields.note"]
fields = [{ name = "note" }]
[[policies.any.levels]]
name = "Buyers"
approvers = ["U0ADA", "U0FAY", "U0BOB"]
quorum = 2
reject_quorum = 2
timeout = "1d"
on_timeout = "escalate"
[[policies.any.levels]]
name = "Finance"
approvers = ["U0FIN", "U0DIRK"]
timeout = "1d"
above = 1000
sms_above = 2000
[policies.any.escalation]
channel = "C0ESCALATIONS"
approvers = ["U0CY", "U0DIRK"]
quorum = 2
timeout = "1d"
""",
    enrolled(*PEOPLE[:6]),
)
ASKED: Final[dict[str, Any]] = {"amount": Decimal(4200), "fields": {"note": "as asked"}}
ESCALATION: Final = ["U0CY", "U0DIRK"]
PROOF: Final = bool(os.environ.get("COUNTERSIGN_PROOF"))

# Mostly somebody who may decide just now, by their place; else anybody.
anybody = st.one_of(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.sampled_from(PEOPLE))
approvals = st.tuples(st.just("approve"), anybody, st.sampled_from(["", "", "", "old"]))
changes = st.one_of(
    st.tuples(st.just("amount"), anybody, st.integers(1, 4200)),
    st.tuples(st.just("note"), anybody, st.sampled_from(["a", "b", "as asked"])),
)
codes = st.tuples(st.just("code"), st.just("right"), st.just(None))
rare = st.sampled_from(
    [
        ("reject", 0, ""),
        *[("code", "wrong", None), ("wait", None, None), ("new generation", None, None)] * 2,
    ]
)
acts = st.one_of(approvals, approvals, approvals, codes, changes, rare)


@settings(max_examples=300 if PROOF else 30, deadline=None)
@given(st.lists(acts, min_size=4, max_size=16))
def test_what_is_approved_is_what_every_level_approved_as_it_says_at_the_end(
    course: list[tuple[str, Any, Any]],
) -> None:
    with DirectRequest(BOOK, "any", **ASKED) as it:
        seen: list[Decision] = []
        for what, who, more in course:
            if it.run.over or it.run.progress.status.ended:
                break
            _act(it, seen, what, who, more)
        _finish(it)
        outcome = it.run.progress.outcome
        event(f"{it.run.progress.status}, {min(len(it.run.progress.edits), 2)} changes")
        _check(it, outcome)


def _act(it: DirectRequest, seen: list[Decision], what: str, who: Any, more: Any) -> None:
    progress = it.run.progress
    round_ = progress.round
    if isinstance(who, int):
        may_decide = ESCALATION if progress.status is Status.ESCALATED else it.level.approvers
        who = may_decide[who % len(may_decide)]
    match what:
        case "code" if progress.confirming:
            it.run.code(next(iter(progress.confirming.values())), right=who == "right")
        case "wait":
            it.run.advance(it.run.now + timedelta(hours=13))
        case "new generation":
            it.run.continue_as_new()
        case "approve" if more and seen:  # an old card, or an event that comes late
            old = seen[-1].model_copy(update={"command_id": f"late{len(seen)}", "actor": who})
            reason = it.press(old)
            if old.digest != progress.digest:
                assert reason not in {Reason.RECORDED, Reason.RESTARTED, Reason.CODE_SENT}
        case "approve" | "reject":
            choice = Choice(what)
            seen.append(it.decision(who, choice, "Because." if choice is Choice.REJECT else "", round_))
            it.press(seen[-1])
        case "amount" | "note":
            _change(it, who, {"amount" if what == "amount" else "fields.note": more})


def _finish(it: DirectRequest) -> None:
    """Everybody who may decide approves, until it has ended."""
    for turn in range(12):
        progress = it.run.progress
        if it.run.over or progress.status.ended:
            return
        people = ESCALATION if progress.status is Status.ESCALATED else it.level.approvers
        if progress.confirming:
            it.run.code(next(iter(progress.confirming.values())), right=True)
        else:
            it.press(it.decision(people[turn % len(people)], round_=progress.round))


def _change(it: DirectRequest, who: str, edits: dict[str, Any]) -> None:
    before = it.run.progress
    reason = it.press(it.decision(who, round_=before.round, edits=edits))
    if reason in {Reason.RECORDED, Reason.RESTARTED}:
        assert who not in {"U0RITA", "U0SAM"}
        assert it.run.progress.digest != before.digest
    elif not it.run.over:
        assert it.run.progress.edits == before.edits


def _check(it: DirectRequest, outcome: Outcome | None) -> None:
    progress = it.run.progress
    digest = progress.asked_digest
    amount = ASKED["amount"]
    for edit in progress.edits:
        assert (edit.digest_before, edit.digest != digest) == (digest, True)
        digest = edit.digest
        lowered = [Decimal(str(change.after)) for change in edit.changes if change.path == "amount"]
        assert all(0 < one < amount for one in lowered)
        amount = min([amount, *lowered])
    assert digest == progress.digest
    for level in progress.levels:
        for vote in level.decisions:
            assert vote.choice is Choice.REJECT or vote.digest == digest
    if outcome is None or outcome.status is not Status.APPROVED:
        return
    assert [level.name for level in outcome.levels] == ["Buyers", "Finance"], "no change goes past a level"
    for level, takes in zip(outcome.levels, (2, 1), strict=True):
        yes = [vote for vote in level.decisions if vote.choice is Choice.APPROVE]
        by_round = Counter(vote.round for vote in yes)
        assert max(by_round.values()) >= takes
        assert len({vote.actor for vote in yes}) == len(yes)
    assert all(
        vote.factor is not None for vote in outcome.levels[1].decisions if vote.choice is Choice.APPROVE
    )
    card = list(it.run.cards.values())[-1]
    assert (card.digest, card.amount) == (outcome.digest, amount)
    people = {vote.actor for level in outcome.levels for vote in level.decisions}
    assert people.isdisjoint({"U0RITA", "U0SAM"})


def test_the_changes_of_an_outcome_lead_from_what_was_asked_to_what_was_approved() -> None:
    with DirectRequest(BOOK, "any", **ASKED) as it:
        asked = it.run.progress.asked_digest
        it.press(it.decision("U0ADA", edits={"amount": 3000, "fields.note": "b"}))
        it.press(it.decision("U0FAY", edits={"fields.note": "as asked"}))
        edits = it.run.progress.edits
        request = it.asked.model_copy(update={"currency": "USD"})
        assert request.digest() == asked
        assert with_edits(request, edits).digest() == it.run.progress.digest
