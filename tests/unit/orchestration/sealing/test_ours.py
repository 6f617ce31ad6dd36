"""`OURS` names everything that the worker registers: a missing name would be unsealed and open to everybody."""

from __future__ import annotations

from durabletask.worker import TaskHubGrpcWorker

from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.asker_activities import AskerActivities
from orchestration.approval.document_activities import DocumentActivities
from orchestration.call_lists.activities import CallListActivities
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.codes import Codes
from orchestration.digest.activities import DigestActivities
from orchestration.fulfilment.activities import FulfilmentActivities
from orchestration.grants.activities import GrantActivities
from orchestration.people.activities import PeopleActivities
from orchestration.people.answer_activities import AnswerActivities
from orchestration.runtime.ours import OPEN_ACTIVITIES, OURS
from orchestration.runtime.worker import register
from tests.support.board import (
    AllNew,
    Board,
    BoardActions,
    BoardPhones,
    NoAnswers,
    NoAskers,
    NoCallLists,
    NoDigests,
    NoFulfilments,
    NoGrants,
    NoPreviews,
)
from tests.support.book import CORE
from tests.support.core_world import outcome_activities, unbound_gathering_activities


def test_everything_that_the_worker_registers_is_sealed() -> None:
    worker, board, phones = TaskHubGrpcWorker(), Board(), BoardPhones()
    register(
        worker,
        ApprovalActivities(board, board, BoardActions(board), AllNew()),
        outcome_activities(board),
        PeopleActivities(board),
        AskerActivities(NoAskers()),
        AnswerActivities(NoAnswers(), board),
        FulfilmentActivities(NoFulfilments(), NoFulfilments()),
        DigestActivities(NoDigests(), board, AllNew()),
        ChallengeActivities(Codes([b"s" * 32]), phones, phones, phones),
        unbound_gathering_activities(),
        DocumentActivities(NoPreviews(), AllNew()),
        GrantActivities(NoGrants(), NoGrants(), board, lambda: CORE, AllNew()),
        CallListActivities(NoCallLists(), AllNew()),
    )
    registry = worker._registry
    assert set(registry.orchestrators) == OURS.orchestrations
    assert set(registry.activities) == OURS.activities | OPEN_ACTIVITIES
    assert not OURS.activities & OPEN_ACTIVITIES
    assert set(registry.entities) == OURS.entities
