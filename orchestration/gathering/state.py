"""The data of the `gathering` orchestration: its input, and the state that the next generation continues from."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from orchestration.domain.cards import Step
from orchestration.domain.commands import Verdict
from orchestration.domain.gathering import GatheringPost, GatheringRequest, GatheringStatus, SourceAnswer
from orchestration.domain.gathering_policy import GatheringPolicy
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import Recorded
from orchestration.durable.outbox import Lane
from orchestration.gathering.outbox_items import AnyGatheringItem


class GatheringState(BaseModel):
    """Everything that changes while answers come in. Mutable: one orchestration owns it."""

    model_config = ConfigDict(extra="ignore")

    asked_at: datetime
    deadline: datetime
    status: GatheringStatus = GatheringStatus.COLLECTING
    remind_at: datetime | None = None
    reminded: int = 0
    escalate_at: datetime | None = None
    escalated_at: datetime | None = None
    delegates: dict[str, str] = Field(
        default_factory=dict, description="Who is asked in whose place: absent to delegate"
    )
    answers: dict[str, SourceAnswer] = Field(default_factory=dict)
    problems: dict[str, str] = Field(
        default_factory=dict, description="Which source could not be asked, and why"
    )
    handled: dict[str, str] = Field(
        default_factory=dict, description="The commands that took effect: ID to fingerprint, the oldest first"
    )
    posts: list[GatheringPost] = Field(default_factory=list)
    verdicts: list[Verdict] = Field(default_factory=list)
    answered: int = 0
    steps: int = 0
    held_replies: list[Step] = Field(default_factory=list, description="Lines that wait for the card")
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str = ""
    record_pending: bool = False
    record: str | None = None
    callback_failed: bool = False
    lanes: dict[str, Lane[AnyGatheringItem]] = Field(default_factory=dict)


class GatheringInput(Recorded):
    """The input of the `gathering` orchestration. The service sets the requester; no message body does."""

    request: GatheringRequest
    nonce: str = ""
    salt: str = ""
    policy: GatheringPolicy | None = Field(
        default=None, description="Taken first, where another orchestration asks"
    )
    people: dict[str, PersonEntry] | None = Field(
        default=None,
        description="Absences that the operator entered. None in what was started by an earlier version, which has no "
        "delegates and is on no worklist",
    )
    asked_without_seal: bool = False
    state: GatheringState | None = Field(
        default=None, description="Where an earlier generation stopped; none at start"
    )


class TakenGathering(Recorded):
    """Result of `take_gathering_policy`: the input to continue with, or why there is none."""

    given: GatheringInput | None = None
    problem: str = ""
