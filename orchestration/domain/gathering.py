"""The data types of a gathering: the question, the answers, the commands, the progress and the result."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from orchestration.domain.commands import SealedCommand, Verdict
from orchestration.domain.fields import FieldType, date_in_words
from orchestration.domain.ids import PersonId
from orchestration.domain.names import EventName
from orchestration.domain.posting import Posting
from orchestration.domain.request import (
    ApprovalRequest,
    CallbackUrl,
    CardRef,
    Duration,
    EventFormat,
    Identity,
    Model,
    Nonce,
    Notified,
    Recorded,
    TokenName,
    to_json,
)
from orchestration.domain.responses import GatheringResponse
from orchestration.domain.text import Line, Prose, line


class GatheringRequest(Model):
    """What is asked of everybody. `timeout` may shorten the policy's, never lengthen it."""

    policy: Line = Field(min_length=1, max_length=40)
    title: Line = Field(min_length=1, max_length=150)
    description: Prose = Field(default="", max_length=10_000)
    requester: PersonId
    asked_with: TokenName | None = Field(default=None, description="The API token it was asked by, if it was")
    timeout: Duration | None = None
    callback_url: CallbackUrl | None = Field(default=None, description="Where the result is POSTed, signed")
    callback_format: EventFormat | None = None
    notify_instance: Notified | None = None
    respond: GatheringResponse | None = Field(
        default=None, description="Who else gets the result, and in which form"
    )
    responds_to: str | None = Field(
        default=None,
        description="Whom the service found `respond` to name, and admitted: an orchestration, or the origin of a URL",
    )
    responds_since: datetime | None = Field(
        default=None,
        description="When the instance that `respond` names was made; a later one of its ID is another",
    )
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)

    def digest(self) -> str:
        """SHA-256 (hex) over canonical JSON of what was asked."""
        asked = self.model_dump(mode="json", include={"policy", "title", "description"})
        return hashlib.sha256(to_json(asked).encode()).hexdigest()


AnyRequest = ApprovalRequest | GatheringRequest


class GatheringStatus(StrEnum):
    """The status of a gathering: the first value while it runs, the others when it has ended."""

    COLLECTING = "collecting"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TERMINATED = "terminated"

    @property
    def ended(self) -> bool:
        """Whether no answer is taken any more."""
        return self is not GatheringStatus.COLLECTING


class AnswerWay(StrEnum):
    """The way by which an answer came in."""

    CHAT = "chat"
    API = "api"
    HOOK = "hook"


# ---- commands --------------------------------------------------------------------------------------------


class GatheringAnswer(SealedCommand):
    """Payload of `GatheringAnswered`. `actor` is None where a system answers, by its event."""

    nonce: Nonce
    source: str = Field(max_length=40)
    actor: PersonId | None = None
    way: AnswerWay
    token: TokenName | None = None
    values: dict[str, Annotated[str, Field(max_length=500)]] = Field(max_length=10)


class GatheringWithdrawal(SealedCommand):
    """Payload of `GatheringWithdrawn`: the requester wants no more answers."""

    actor: PersonId
    way: AnswerWay
    token: TokenName | None = None
    reason: Prose = Field(default="", max_length=2000)


GatheringCommand = GatheringAnswer | GatheringWithdrawal

GATHERING_EVENTS: Final[dict[type[GatheringCommand], EventName]] = {
    GatheringAnswer: EventName.GATHERING_ANSWERED,
    GatheringWithdrawal: EventName.GATHERING_WITHDRAWN,
}
GATHERING_COMMANDS: Final[dict[str, type[GatheringCommand]]] = {
    name: model for model, name in GATHERING_EVENTS.items()
}


# ---- what is known ---------------------------------------------------------------------------------------


class SourceAnswer(Recorded):
    """The answer that counts for a source: who gave it, when, by which way, and the values by field.

    `holder` is the person who was asked: not `actor` if a delegate answered for them, and None for a system.
    `corrections` counts the answers that it has replaced. `seal` is that of the command, which the service made.
    """

    actor: str | None = None
    holder: str | None = None
    at: datetime
    way: AnswerWay
    token: TokenName | None = None
    values: dict[str, str]
    corrections: int = 0
    salt: str = Field(default="", description="With it the record's digest of the values can be checked")
    seal: str = ""


class SourceState(Recorded):
    """The state of one source. `delegate` is asked in the place of `person`, who is away.

    `problem` says why it could not be asked.
    """

    name: str
    title: str
    person: str | None = None
    delegate: str | None = None
    event: str | None = None
    answer: SourceAnswer | None = None
    problem: str = ""


class Gathered(Recorded):
    """The output of `gathering`. `sources` has an answer for each source that gave one; `missing` names the others.

    `record` is the signed entry of the server's records, a compact JWS.
    """

    request_id: str
    status: GatheringStatus
    sources: dict[str, SourceAnswer] = Field(default_factory=dict)
    missing: list[str] = Field(default_factory=list)
    collected_at: datetime
    is_complete: bool
    ended_by: str | None = None
    reason: str = ""
    digest: str
    nonce: str = ""
    asked_without_seal: bool = False
    record: str | None = None


class GatheringPost(Recorded):
    """One posted message of a gathering: the card, or the question to one source.

    `person` is the person who was asked: the source's own, or their delegate.
    """

    message_id: str
    source: str | None = None
    person: str | None = None
    ref: CardRef


class GatheringProgress(Recorded):
    """The custom status of a `gathering`: what the service, the API and the sweep read."""

    request_id: str
    status: GatheringStatus
    policy: str
    title: str
    requester: str
    asked_at: datetime
    asked_without_seal: bool = False
    nonce: str = ""
    digest: str = ""
    deadline: datetime | None = None
    sources: list[SourceState] = Field(default_factory=list)
    posts: list[GatheringPost] = Field(default_factory=list)
    steps: int = 0
    reminded: int = 0
    escalated_at: datetime | None = None
    answered: int = 0
    result: Gathered | None = None
    record_pending: bool = False
    callback_failed: bool = False
    verdicts: list[Verdict] = Field(default_factory=list)

    @property
    def identity(self) -> Identity:
        """Identifies the gathering's start and its question."""
        return Identity(nonce=self.nonce, digest=self.digest)


# ---- what is shown ---------------------------------------------------------------------------------------


class Labelled(Recorded):
    """A value with the label of its field."""

    label: str
    value: str
    # What an older release wrote stays as it wrote it.
    type: FieldType = Field(default=FieldType.TEXT, exclude_if=lambda kind: kind is FieldType.TEXT)

    @property
    def lead(self) -> str:
        """The label as it stands before its value."""
        return f"{self.label}{' ' if self.label.endswith('?') else ': '}"

    def on_one_line(self) -> str:
        """Label and value on one line. A line end in the value could begin a line that looks like another field."""
        value = date_in_words(self.value) if self.type is FieldType.DATE else self.value
        return f"{self.lead}{line(value)}"


class SourceShown(Recorded):
    """One source as its card shows it. `answer` is None until it has answered."""

    state: SourceState
    values: list[Labelled] = Field(default_factory=list)


class GatheringView(Recorded):
    """Everything that a message about a gathering shows. Rendering it twice gives the same message."""

    request_id: str
    nonce: str
    digest: str
    status: GatheringStatus
    policy_title: str
    title: str
    description: str = ""
    requester: str
    asked_without_seal: bool = False
    asked_at: datetime
    deadline: datetime | None
    sources: list[SourceShown]
    notify: list[str] = Field(default_factory=list, description="Who is named where it escalates to")
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str = ""

    @property
    def missing(self) -> list[SourceShown]:
        """The sources that have not answered."""
        return [one for one in self.sources if one.state.answer is None]


class Purpose(StrEnum):
    """What a message of a gathering is for."""

    CARD = "card"  # in the policy's channel
    ASK = "ask"  # to one person
    REMIND = "remind"  # to one person who has not answered
    ESCALATION = "escalation"  # in the channel that hears of missing answers
    ENDED = "ended"  # to the requester
    TROUBLE = "trouble"  # to the owner or the requester: something cannot be done


# ---- effects ---------------------------------------------------------------------------------------------


class GatheringPostInput(Posting):
    """Input of `post_gathering`. `message_id` is unique among the messages of this start of the gathering.

    `person` is asked, for `source`.
    """

    place: str
    message_id: str
    purpose: Purpose
    source: str | None = None
    person: str | None = None
    text: str = ""
    only_if_found: bool = False
    view: GatheringView


class GatheringEditInput(Recorded):
    """Input of `edit_gathering`: make the posted message say what is true."""

    ref: CardRef
    message_id: str
    purpose: Purpose
    source: str | None = None
    person: str | None = None
    view: GatheringView
    attempt: int = Field(ge=1)


class AskSystemInput(Recorded):
    """Input of `ask_system`: POST the question to a system. The activity makes the address to answer at."""

    request_id: str
    nonce: str
    policy: str
    source: str
    event: str
    url: str
    id: str
    body: dict[str, object]
    until: datetime
    attempt: int = Field(ge=1)


class RecordGatheringInput(Recorded):
    """Input of `record_gathering`: the result, and what the record says beside it."""

    result: Gathered
    policy: str
    policy_digest: str
    requester: str
    asked_with: str | None = None
    asked_at: datetime
    attempt: int = Field(ge=1)


class ReadGatheringInput(Recorded):
    """Input of `read_gathering`: the gathering, and the orchestration that asked it by `notify_instance`."""

    request_id: str
    asker: Notified


class AskedGathering(Recorded):
    """Result of `read_gathering`: what was asked, as it is on record, and its result."""

    request: GatheringRequest
    result: Gathered
