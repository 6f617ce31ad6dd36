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
from orchestration.models import PERSON, VERSION, Outcome
from orchestration.outlet import Outlet
from orchestration.people import person
from orchestration.settle import settle
from orchestration.state import ApprovalInput


def register(worker: TaskHubGrpcWorker, activities: Activities, outlet: Outlet) -> None:
    """Registers every orchestration, entity and activity. Instances of a newer release are left to a newer worker."""
    # mypy cannot tell a generator's return type apart in the SDK's union, so it is named here.
    worker.add_orchestrator(cast("Orchestrator[ApprovalInput, Outcome | None]", approval))
    worker.add_orchestrator(cast("Orchestrator[ApprovalInput, Outcome]", settle))
    worker.add_entity(person, PERSON)
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
