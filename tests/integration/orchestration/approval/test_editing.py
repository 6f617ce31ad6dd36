"""An approver changes what is asked and approves that: what it voids, who decides anew, and what stops it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from orchestration.approval.editing import EDITS_KEPT
from orchestration.domain.commands import Cancellation, Reason
from orchestration.domain.request import Choice, Status, Via
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest
from tests.support.people import enrolled

POLICIES = """
[policies.two]
title = "Two of three"
channel = "C0TWO"
currency = "USD"
edit = ["amount", "fields.vendor"]
fields = [{ name = "vendor", required = true }, { name = "note" }]
[[policies.two.levels]]
name = "Buyers"
approvers = ["U0ADA", "U0FAY", "U0BOB"]
quorum = 2
reject_quorum = 2
timeout = "1d"

[policies.levels]
title = "Levels"
channel = "C0LEVELS"
currency = "USD"
edit = ["amount"]
[[policies.levels.levels]]
name = "Manager"
approvers = ["U0ADA", "U0FAY"]
timeout = "1d"
[[policies.levels.levels]]
name = "Finance"
approvers = ["U0FIN", "U0CY"]
timeout = "1d"
above = 1000
sms_above = 5000
on_timeout = "escalate"
[policies.levels.escalation]
channel = "C0ESCALATIONS"
approvers = ["U0DIRK"]
timeout = "1d"

[policies.escalates]
title = "Escalates"
channel = "C0LEVELS"
currency = "USD"
edit = ["amount"]
[[policies.escalates.levels]]
name = "Manager"
approvers = ["U0ADA", "U0FAY"]
timeout = "1d"
on_timeout = "escalate"
[policies.escalates.escalation]
channel = "C0ESCALATIONS"
approvers = ["U0DIRK", "U0BOB"]
quorum = 2
timeout = "1d"

[policies.code]
title = "With a code"
channel = "C0CODE"
currency = "USD"
edit = ["amount"]
[[policies.code.levels]]
name = "Treasury"
approvers = ["U0ADA", "U0FAY"]
timeout = "1d"
sms_above = 1000

[policies.codes]
title = "With two codes"
channel = "C0CODE"
currency = "USD"
edit = ["amount"]
[[policies.codes.levels]]
name = "Treasury"
approvers = ["U0ADA", "U0FAY"]
quorum = 2
sms = true
timeout = "1d"
"""
BOOK = parsed(POLICIES, enrolled("U0ADA", "U0FAY", "U0FIN", "U0DIRK", "U0CY", "U0BOB"))
LOWER: dict[str, Any] = {"amount": "3000"}


def asked(policy: str, **more: Any) -> DirectRequest:
    fields = {"vendor": "Acme"} if policy == "two" else {}
    return DirectRequest(BOOK, policy, **{"amount": Decimal(4200), "fields": fields, **more})


def test_a_change_voids_the_approvals_and_the_quorum_decides_on_what_it_says_now() -> None:
    with asked("two") as it:
        before = it.run.progress.digest
        assert it.press(it.decision("U0FAY")) is Reason.RECORDED
        stale = it.decision("U0BOB")
        assert it.press(it.decision("U0ADA", edits={**LOWER, "fields.vendor": "Bolt"})) is Reason.RECORDED
        [edit] = it.run.progress.edits
        assert (edit.digest_before, edit.digest, edit.voided) == (before, it.run.progress.digest, ["U0FAY"])
        assert [vote.actor for vote in it.level.decisions] == ["U0ADA"]
        assert "U0FAY" in it.waited_for(), "she is asked anew"
        assert it.press(stale) is Reason.OUTDATED
        [card] = it.run.cards.values()
        assert (card.amount, card.digest, card.asked_digest) == (Decimal(3000), edit.digest, before)
        told = (
            "<@U0ADA> changed *“Steel”* (3,000.00 USD). Your decision on it does not count any more, so please look "
            "at it again. You can decide it from my Home tab, or with `/request-approval status model-00000001`.\n"
            "> amount:\n> -4200\n> +3000\n> fields.vendor:\n> -Acme\n> +Bolt"
        )
        assert it.told("U0FAY") == [told]
        assert it.told("U0RITA")[0].startswith(
            "<@U0ADA> changed what you asked for: *“Steel”* (3,000.00 USD)."
        )
        assert it.press(it.decision("U0FAY")) is Reason.RECORDED
        outcome = it.run.output
        assert outcome is not None
        assert (outcome.status, outcome.digest, outcome.asked_digest) == (
            Status.APPROVED,
            edit.digest,
            before,
        )
        assert {vote.digest for vote in outcome.levels[0].decisions} == {edit.digest}
        assert it.steps()[:3] == ["voted", "edited", "voted"]


def test_a_change_at_a_later_level_has_all_of_them_decide_anew() -> None:
    """Also if the new amount is below the later level's limit: what was asked first settled who has to decide."""
    with asked("levels") as it:
        it.press(it.decision("U0ADA"))
        assert it.level.name == "Finance"
        assert it.press(it.decision("U0FIN", round_=2, edits={"amount": 500})) is Reason.RESTARTED
        assert [(level.name, level.round) for level in it.run.progress.levels] == [("Manager", 3)]
        assert {"U0ADA", "U0FAY"} <= it.waited_for()
        assert "U0FIN" not in it.waited_for()
        assert it.press(it.decision("U0FIN", round_=2)) is Reason.ROUND_OVER
        assert it.press(it.decision("U0ADA", round_=3)) is Reason.RECORDED
        assert it.level.name == "Finance", "an amount that was lowered goes past no level"
        assert it.press(it.decision("U0FIN", round_=4)) is Reason.RECORDED
        assert it.run.output is not None
        assert (it.run.output.status, len(it.run.output.levels)) == (Status.APPROVED, 2)
        assert len(it.run.cards) == 4


def test_a_lowered_amount_needs_the_code_that_the_amount_asked_needs() -> None:
    with asked("levels", amount=Decimal(9000)) as it:
        it.press(it.decision("U0FAY"))
        assert it.press(it.decision("U0FIN", round_=2, edits={"amount": 4000})) is Reason.CODE_SENT
        assert it.run.progress.edits == [], "nothing is changed before the code has come"
        it.code_of("U0FIN")
        assert it.press(it.decision("U0FAY", round_=3)) is Reason.RECORDED
        assert it.press(it.decision("U0CY", round_=4)) is Reason.CODE_SENT


def test_the_code_confirms_the_change_and_another_change_voids_it() -> None:
    with asked("code") as it:
        assert it.press(it.decision("U0ADA")) is Reason.CODE_SENT
        assert it.press(it.decision("U0FAY", edits=LOWER)) is Reason.CODE_SENT
        [ada, fay] = [it.run.challenges[it.run.progress.confirming[who]][0] for who in ("U0ADA", "U0FAY")]
        assert it.run.progress.digest in ada.bound
        assert it.run.progress.digest not in fay.bound
        assert fay.subject == 'change and approve model-00000001, 3,000.00 USD: "Steel"'
        again = it.decision("U0ADA", edits={"amount": 2000})
        assert it.press(again) is Reason.CODE_SENT, "the code for approving it as it was is withdrawn"
        assert len(it.run.challenges) == 2
        it.code_of("U0FAY")
        outcome = it.run.output
        assert outcome is not None
        assert outcome.digest in fay.bound
        assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0FAY")
        assert it.run.challenges == {}, "nobody's older code counts"


def test_of_two_changes_at_once_the_second_is_refused_whatever_it_says() -> None:
    with asked("two") as it:
        first, second = it.decision("U0ADA", edits=LOWER), it.decision("U0FAY", edits={"amount": 1000})
        it.run.send(first, second)
        verdicts = [it.run.verdict(one.command_id) for one in (first, second)]
        assert verdicts == [Reason.RECORDED, Reason.OUTDATED]
        assert it.run.progress.edits[0].changes[0].after == "3000"


def test_a_code_that_came_before_somebody_elses_change_confirms_nothing() -> None:
    with asked("codes") as it:
        it.press(it.decision("U0FAY", edits=LOWER))
        it.press(it.decision("U0ADA"))
        it.run.codes_at_once(*(it.run.progress.confirming[who] for who in ("U0FAY", "U0ADA")))
        assert [vote.actor for vote in it.level.decisions] == ["U0FAY"]
        assert "This request has changed" in it.told("U0ADA")[0]


def test_who_may_not_decide_changes_nothing() -> None:
    with asked("two") as it:
        for actor, reason in (("U0RITA", Reason.SELF_APPROVAL), ("U0SAM", Reason.NOT_AN_APPROVER)):
            assert it.press(it.decision(actor, edits=LOWER)) is reason
        for edits in ({"amount": "5000"}, {"fields.note": "x"}, {"fields.vendor": " "}):
            assert it.press(it.decision("U0ADA", edits=edits)) is Reason.EDIT_NOT_ALLOWED
        assert it.run.progress.edits == []
    with asked("two", accepts_edits=False) as it:
        assert it.run.progress.editable == []
        assert it.press(it.decision("U0ADA", edits=LOWER)) is Reason.EDIT_NOT_ALLOWED


def test_no_change_undoes_a_rejection() -> None:
    with asked("two") as it:
        assert it.press(it.decision("U0FAY", Choice.REJECT, "Too dear.")) is Reason.RECORDED
        assert it.press(it.decision("U0ADA", edits=LOWER)) is Reason.REJECTION_STANDS
        assert it.press(it.decision("U0FAY")) is Reason.RECORDED
        assert it.press(it.decision("U0ADA", edits=LOWER)) is Reason.RECORDED


def test_it_can_be_changed_only_so_often() -> None:
    with asked("two") as it:
        for number in range(EDITS_KEPT):
            assert it.press(it.decision("U0ADA", edits={"amount": 4000 - number})) is Reason.RECORDED
        assert it.press(it.decision("U0ADA", edits={"amount": 1})) is Reason.EDITED_TOO_OFTEN
        long = {"fields.vendor": "ß" * 500}
        assert it.press(it.decision("U0ADA", edits=long)) is Reason.EDITED_TOO_OFTEN


def test_a_change_gives_no_more_time_and_ends_with_the_request() -> None:
    with asked("two") as it:
        deadline = it.run.progress.deadline
        assert it.press(it.decision("U0ADA", edits={"amount": 3500})) is Reason.RECORDED
        assert it.run.progress.deadline == deadline
        it.run.advance(it.run.now + timedelta(days=1))
        assert it.run.progress.status is Status.TIMED_OUT
        assert len(it.run.progress.edits) == 1
    with asked("two") as it:
        late = it.decision("U0FAY", edits=LOWER)
        withdrawn = Cancellation(command_id="w", actor="U0RITA", via=Via.CHAT)
        it.run.send(withdrawn, late)
        assert it.run.progress.status is Status.CANCELLED
        assert it.run.progress.edits == []


def test_an_escalation_of_the_first_level_changes_and_approves_at_once() -> None:
    """It is the same level, and its own approvers decide beside the escalation."""
    with asked("escalates") as it:
        stale = it.decision("U0ADA")
        it.run.advance(it.run.now + timedelta(days=1))
        assert it.press(it.decision("U0DIRK", round_=2, edits=LOWER)) is Reason.RECORDED
        assert it.press(stale) is Reason.OUTDATED
        assert [vote.actor for vote in it.level.decisions] == ["U0DIRK"]
        assert {"U0ADA", "U0FAY", "U0BOB"} <= it.waited_for()
        assert it.press(it.decision("U0BOB", round_=2)) is Reason.RECORDED
        assert it.run.progress.status is Status.APPROVED


def test_an_escalation_of_a_later_level_starts_at_the_first_one() -> None:
    with asked("levels") as it:
        it.press(it.decision("U0ADA"))
        it.run.advance(it.run.now + timedelta(days=1))
        assert it.press(it.decision("U0DIRK", round_=3, edits=LOWER)) is Reason.RESTARTED
        assert (it.run.progress.status, it.level.name) == (Status.PENDING, "Manager")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_change_outlives_the_generation_it_was_made_in(when: str) -> None:
    with asked("levels") as it:
        it.press(it.decision("U0ADA"))
        if when == "before":
            it.run.continue_as_new()
        assert it.press(it.decision("U0FIN", round_=2, edits=LOWER)) is Reason.RESTARTED
        it.run.continue_as_new()
        repeated = it.decision("U0FAY", round_=3)
        assert it.press(repeated) is Reason.RECORDED
        assert it.run.generations > 1
        digest = it.run.progress.digest
        assert it.press(it.decision("U0CY", round_=4)) is Reason.RECORDED
        assert it.run.output is not None
        assert (it.run.output.digest, it.run.output.edits[0].digest) == (digest, digest)
