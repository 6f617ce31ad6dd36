"""Registers every workflow, activity and entity with the worker."""

from __future__ import annotations

from typing import Any, cast

from durabletask.task import Orchestrator
from durabletask.worker import (
    TaskHubGrpcWorker,
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
)

from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.asker_activities import AskerActivities
from orchestration.approval.document_activities import DocumentActivities
from orchestration.approval.outcome_activities import OutcomeActivities
from orchestration.approval.state import ApprovalInput
from orchestration.approval.workflow import approval
from orchestration.call_lists.activities import CallListActivities
from orchestration.call_lists.models import CallListInput, CallListProgress
from orchestration.call_lists.workflow import call_list
from orchestration.challenge.activities import ChallengeActivities
from orchestration.challenge.models import ChallengeInput, ChallengeProgress
from orchestration.challenge.phone import phone
from orchestration.challenge.workflow import sms_challenge
from orchestration.digest.activities import DigestActivities
from orchestration.digest.models import DigestInput, DigestProgress
from orchestration.digest.workflow import channel_digest
from orchestration.domain.effects import DelegateChange
from orchestration.domain.gathering import Gathered
from orchestration.domain.names import OrchestrationName
from orchestration.domain.request import (
    AGENT_RUN,
    GRANT_USES,
    HELD_CALL,
    PERSON,
    PHONE,
    ROSTER,
    VERSION,
    WORKLIST,
    Outcome,
)
from orchestration.fulfilment.activities import FulfilmentActivities
from orchestration.fulfilment.models import FulfilmentInput, FulfilmentProgress
from orchestration.fulfilment.workflow import fulfilment
from orchestration.gathering.activities import GatheringActivities
from orchestration.gathering.state import GatheringInput
from orchestration.gathering.workflow import gathering
from orchestration.grants.activities import GrantActivities
from orchestration.grants.models import GrantInput, GrantProgress
from orchestration.grants.workflow import standing_grant
from orchestration.held_calls.agent_run import agent_run
from orchestration.held_calls.claims import held_call
from orchestration.held_calls.grant_uses import grant_uses
from orchestration.held_calls.result import CallResult, call_result
from orchestration.people.activities import PeopleActivities
from orchestration.people.answer_activities import AnswerActivities
from orchestration.people.delegate_change import delegate_change
from orchestration.people.owed_answer import AnswersUntold, owed_answer
from orchestration.people.person import person
from orchestration.people.worklist import worklist
from orchestration.reconcile.gathering import ReconcileGatheringInput, reconcile_gathering
from orchestration.reconcile.workflow import reconcile
from orchestration.replicas.post_intent import PostIntent, post_intent
from orchestration.replicas.roster import roster


def register(  # noqa: PLR0913, PLR0917 - each is known by its type
    worker: TaskHubGrpcWorker,
    activities: ApprovalActivities,
    outcome_activities: OutcomeActivities,
    people: PeopleActivities,
    askers: AskerActivities,
    answers: AnswerActivities,
    fulfilments: FulfilmentActivities,
    digests: DigestActivities,
    challenges: ChallengeActivities | None = None,
    gatherings: GatheringActivities | None = None,
    documents: DocumentActivities | None = None,
    grants: GrantActivities | None = None,
    call_lists: CallListActivities | None = None,
) -> None:
    """Registers every orchestration, entity and activity. Instances of a newer release are left to a newer worker."""
    # mypy cannot infer a generator's return type from the SDK's union, so it is named here.
    _add(worker, cast("Orchestrator[ApprovalInput, Outcome | None]", approval))
    _add(worker, cast("Orchestrator[ApprovalInput, Outcome]", reconcile))
    _add(worker, cast("Orchestrator[DelegateChange, None]", delegate_change))
    _add(worker, cast("Orchestrator[FulfilmentInput, FulfilmentProgress | None]", fulfilment))
    _add(worker, cast("Orchestrator[PostIntent, None]", post_intent))
    _add(worker, cast("Orchestrator[DigestInput, DigestProgress | None]", channel_digest))
    _add(worker, cast("Orchestrator[AnswersUntold, None]", owed_answer))
    _add(worker, cast("Orchestrator[CallResult, None]", call_result))
    worker.add_entity(person, PERSON)
    worker.add_entity(worklist, WORKLIST)
    worker.add_entity(roster, ROSTER)
    worker.add_entity(held_call, HELD_CALL)
    if challenges is not None:
        _add(worker, cast("Orchestrator[ChallengeInput, ChallengeProgress]", sms_challenge))
        worker.add_entity(phone, PHONE)
        worker.add_activity(challenges.look_up_phone)
        worker.add_activity(challenges.send_code)
        worker.add_activity(challenges.check_code)
        worker.add_activity(challenges.alert_lock)
        worker.add_activity(challenges.alert_quota)
        worker.add_activity(challenges.alert_delivery)
    if gatherings is not None:
        _add(worker, cast("Orchestrator[GatheringInput, Gathered | None]", gathering))
        _add(worker, cast("Orchestrator[ReconcileGatheringInput, Gathered]", reconcile_gathering))
        worker.add_activity(gatherings.post_gathering)
        worker.add_activity(gatherings.edit_gathering)
        worker.add_activity(gatherings.ask_system)
        worker.add_activity(gatherings.record_gathering)
        worker.add_activity(gatherings.take_gathering_policy)
        worker.add_activity(gatherings.read_gathering)
    worker.add_entity(grant_uses, GRANT_USES)
    worker.add_entity(agent_run, AGENT_RUN)
    if call_lists is not None:
        _add(worker, cast("Orchestrator[CallListInput, CallListProgress | None]", call_list))
        worker.add_activity(call_lists.post_call_list)
        worker.add_activity(call_lists.edit_call_list)
    if grants is not None:
        _add(worker, cast("Orchestrator[GrantInput, GrantProgress | None]", standing_grant))
        worker.add_activity(grants.start_grant)
        worker.add_activity(grants.tell_use)
        worker.add_activity(grants.check_grant)
        worker.add_activity(grants.post_grant)
        worker.add_activity(grants.edit_grant)
    if documents is not None:
        worker.add_activity(documents.post_preview)
    for activity in (
        activities.post_card,
        activities.edit_card,
        activities.post_reply,
        activities.send_message,
        activities.edit_message,
        activities.remove_copies,
        activities.run_action,
        activities.members,
        activities.active_people,
        people.tell_delegate_change,
        people.text_delegate_change,
        answers.tell_answer,
        outcome_activities.take_policy,
        outcome_activities.sign_receipt,
        outcome_activities.send_callback,
        askers.notify_instance,
        askers.read_outcome,
        fulfilments.hand_over,
        fulfilments.record_step,
        digests.add_to_digest,
        digests.post_digest,
        digests.remove_digest_copies,
    ):
        worker.add_activity(activity)
    worker.use_versioning(
        VersioningOptions(
            version=VERSION,
            default_version=VERSION,
            match_strategy=VersionMatchStrategy.CURRENT_OR_OLDER,
            failure_strategy=VersionFailureStrategy.REJECT,
        )
    )


def _add(worker: TaskHubGrpcWorker, orchestrator: Orchestrator[Any, Any]) -> None:
    """Raises `ValueError` for one that is not in `OrchestrationName`: events from outside would reach it."""
    OrchestrationName(worker.add_orchestrator(orchestrator))
