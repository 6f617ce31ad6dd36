"""The one list of what a worker runs."""

from __future__ import annotations

from typing import cast

from durabletask.task import Orchestrator
from durabletask.worker import (
    TaskHubGrpcWorker,
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
)

from orchestration.activities import Activities
from orchestration.approval import approval
from orchestration.challenge import sms_challenge
from orchestration.challenge_activities import ChallengeActivities
from orchestration.challenges import ChallengeInput, ChallengeProgress
from orchestration.desk import desk
from orchestration.models import DESK, PERSON, PHONE, VERSION, Outcome
from orchestration.outlet import Outlet
from orchestration.people import person
from orchestration.phones import phone
from orchestration.settle import settle
from orchestration.state import ApprovalInput


def register(
    worker: TaskHubGrpcWorker,
    activities: Activities,
    outlet: Outlet,
    challenges: ChallengeActivities | None = None,
) -> None:
    """Registers every orchestration, entity and activity. Instances of a newer release are left to a newer worker."""
    # mypy cannot tell a generator's return type apart in the SDK's union, so it is named here.
    worker.add_orchestrator(cast("Orchestrator[ApprovalInput, Outcome | None]", approval))
    worker.add_orchestrator(cast("Orchestrator[ApprovalInput, Outcome]", settle))
    worker.add_entity(person, PERSON)
    worker.add_entity(desk, DESK)
    if challenges is not None:
        worker.add_orchestrator(cast("Orchestrator[ChallengeInput, ChallengeProgress]", sms_challenge))
        worker.add_entity(phone, PHONE)
        worker.add_activity(challenges.look_up_phone)
        worker.add_activity(challenges.send_code)
        worker.add_activity(challenges.check_code)
        worker.add_activity(challenges.alert_lock)
    for activity in (
        activities.post_card,
        activities.edit_card,
        activities.reply,
        activities.tell,
        activities.run_action,
        activities.members,
        outlet.take_policy,
        outlet.seal,
        outlet.call_back,
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
