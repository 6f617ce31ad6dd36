"""Everything registered or waited for is protected from outside callers, without a list to keep by hand."""

from __future__ import annotations

import ast

import pytest
from durabletask.worker import TaskHubGrpcWorker

from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.asker_activities import AskerActivities
from orchestration.call_lists.activities import CallListActivities
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.codes import Codes
from orchestration.digest.activities import DigestActivities
from orchestration.domain.names import (
    EntityName,
    EventName,
    OrchestrationName,
    is_own_event,
    is_own_orchestration,
    nudge_of,
)
from orchestration.fulfilment.activities import FulfilmentActivities
from orchestration.grants.activities import GrantActivities
from orchestration.people.activities import PeopleActivities
from orchestration.people.answer_activities import AnswerActivities
from orchestration.runtime import worker as registration
from tests.support import ROOT
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
)
from tests.support.book import CORE
from tests.support.core_world import outcome_activities, unbound_gathering_activities


def registered() -> TaskHubGrpcWorker:
    worker, board, phones = TaskHubGrpcWorker(), Board(), BoardPhones()
    registration.register(
        worker,
        ApprovalActivities(board, board, BoardActions(board), AllNew()),
        outcome_activities(board),
        PeopleActivities(board, phones, phones),
        AskerActivities(NoAskers()),
        AnswerActivities(NoAnswers(), board),
        FulfilmentActivities(NoFulfilments(), NoFulfilments()),
        DigestActivities(NoDigests(), board, AllNew()),
        ChallengeActivities(Codes([b"a secret of at least thirty-two bytes"]), phones, phones, phones),
        unbound_gathering_activities(),
        grants=GrantActivities(NoGrants(), NoGrants(), board, lambda: CORE, AllNew()),
        call_lists=CallListActivities(NoCallLists(), AllNew()),
    )
    return worker


def test_every_orchestration_and_entity_of_the_worker_has_a_name_of_ours_and_no_other_has() -> None:
    found = registered()._registry
    assert set(found.orchestrators) == set(OrchestrationName)
    assert set(found.entities) == set(EntityName)
    assert all(is_own_orchestration(name) for name in found.orchestrators)


def test_an_orchestration_without_such_a_name_cannot_be_registered() -> None:
    def newcomer(_ctx: object, _given: object) -> None:
        """A new workflow that nobody has added to the names of ours."""

    with pytest.raises(ValueError, match="newcomer"):
        registration._add(TaskHubGrpcWorker(), newcomer)


def test_every_event_is_waited_for_through_the_inbox_which_takes_names_of_ours_alone() -> None:
    """The types see to the inbox's arguments; nobody else may wait but the helper for those who ask."""
    waiting = set()
    for path in (ROOT / "orchestration").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "wait_for_external_event":
                waiting.add(str(path.relative_to(ROOT / "orchestration")))
    assert waiting == {"durable/inbox.py", "approval/subworkflow.py"}
    assert is_own_event(nudge_of("deploy-k7m2x9qd"))
    assert all(is_own_event(event) for event in EventName)
