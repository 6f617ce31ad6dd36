"""Whoever a step concerns is told of it: who asked a question, and whose vote was withdrawn by somebody else."""

from __future__ import annotations

from typing import Final

from orchestration.domain.commands import Reason
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import RemarkKind
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest
from tests.support.people import ALWAYS, enrolled

POLICIES = """
[policies.both]
title = "A code in the first level, so in the escalation too"
channel = "C0BOTH"
delegates = ["U0MAL", "U0SAM"]
[[policies.both.levels]]
name = "First"
approvers = ["U0DIRK"]
sms = true
timeout = "1d"
[[policies.both.levels]]
name = "Second"
approvers = ["U0ADA", "U0FAY"]
quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.both.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "U0FAY"]
timeout = "1d"
"""
BOOK: Final = parsed(POLICIES, enrolled("U0DIRK", "U0ADA", "U0FAY", "U0MAL", "U0SAM"))


def second_level(**entries: PersonEntry) -> DirectRequest:
    request = DirectRequest(BOOK, "both", entries=entries)
    request.press(request.decision("U0DIRK"))
    request.code_of("U0DIRK")
    assert request.level.name == "Second"
    return request


def test_an_answer_is_told_to_everybody_who_has_asked_since_the_last_one() -> None:
    with second_level() as request:
        for asker in ("U0ADA", "U0FAY"):
            assert request.press(request.remark(asker, RemarkKind.QUESTION, "Why?")) is Reason.RECORDED
        request.press(request.remark("U0RITA", RemarkKind.COMMENT, "One moment."))
        request.press(request.remark("U0RITA", RemarkKind.ANSWER, "So."))
        assert [len(request.told(asker)) for asker in ("U0ADA", "U0FAY")] == [1, 1]
        request.press(request.remark("U0RITA", RemarkKind.ANSWER, "And so."))
        assert [len(request.told(asker)) for asker in ("U0ADA", "U0FAY")] == [1, 2], "who asked last"
        request.press(request.remark("U0ADA", RemarkKind.QUESTION, "How?"))
        request.press(request.remark("U0RITA", RemarkKind.ANSWER, "Thus."))
        assert [len(request.told(asker)) for asker in ("U0ADA", "U0FAY")] == [2, 2]


def test_whose_vote_another_withdraws_is_told_so() -> None:
    """Ada is away, and votes herself where a code is needed: from there she hands the vote to somebody else."""
    with second_level(U0ADA=PersonEntry(delegate="U0MAL", away=ALWAYS)) as request:
        assert request.level.delegates == {"U0ADA": "U0MAL"}
        assert request.press(request.decision("U0MAL", round_=2)) is Reason.RECORDED
        request.run.advance(request.run.next_timer() or request.run.now)
        assert request.run.progress.round == 3
        assert request.press(request.delegation("U0ADA", "U0SAM", round_=3)) is Reason.CODE_SENT
        request.code_of("U0ADA")
        assert request.level.decisions == []
        assert request.told("U0MAL")[-1].startswith(
            "<@U0ADA> handed their vote on *“Steel”* to <@U0SAM>, so what you decided for them does not count any more."
        )
