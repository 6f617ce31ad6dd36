"""The policies, as models: what an operator writes. `policy_file` reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    StrictBool,
    model_validator,
)

from orchestration.domain import decidability
from orchestration.domain.actions import Action, Actions
from orchestration.domain.arguments import path_fault
from orchestration.domain.decidability import Impossible, PolicyLevel, PolicyRound
from orchestration.domain.digests import AutoApprovalNotice
from orchestration.domain.documents import Documents
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import FieldSpec, read_value
from orchestration.domain.fulfilment import Fulfilment
from orchestration.domain.granting import Grants
from orchestration.domain.guards import guard_faults
from orchestration.domain.ids import GroupId, PersonId, PlaceId, PrincipalId
from orchestration.domain.matching import Demand
from orchestration.domain.request import ApprovalRequest, Duration, Recorded, Status, to_json


class OnTimeout(StrEnum):
    """What happens if nobody decides in time. That is never an approval."""

    ESCALATE = "escalate"
    EXPIRE = "expire"
    REJECT = "reject"


def _quorum(value: object) -> object:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 50):
        return value
    raise ValueError('a quorum is a number from 1 to 50, or "all"')


class Level(Recorded):
    """One stage of deciding: who, how many of them, and for how long."""

    name: str = Field(min_length=1, max_length=40)
    approvers: list[PrincipalId] = Field(min_length=1, max_length=50)
    notify: list[PrincipalId] = Field(default_factory=list, max_length=20)
    quorum: Annotated[int | Literal["all"], PlainValidator(_quorum)] = 1
    reject_quorum: int = Field(default=1, ge=1, le=50)
    at_least: int | None = Field(
        default=None, ge=1, le=50, description="How many different people must approve in any case"
    )
    timeout: Duration
    remind_every: Duration | None = None
    above: Annotated[Decimal, Field(ge=0)] | None = Field(
        default=None, description="Asked only above this amount, and where the amount is not known"
    )
    sms: StrictBool = Field(
        default=False, description="Whether an approval needs a code sent to the approver's phone"
    )
    sms_above: Annotated[Decimal, Field(ge=0)] | None = Field(
        default=None, description="The same, above this amount"
    )
    channel: PlaceId | None = Field(
        default=None, description="Where this level's card goes, if not the policy's"
    )
    on_timeout: OnTimeout = OnTimeout.EXPIRE

    @property
    def confirms(self) -> bool:
        """Whether this level may need a code."""
        return self.sms or self.sms_above is not None

    def needs_code(self, amount: Decimal | None) -> bool:
        """Whether an approval of that amount needs a code at this level. An unknown amount may be any amount."""
        return self.sms or (self.sms_above is not None and (amount is None or amount > self.sms_above))

    def is_asked(self, amount: Decimal | None) -> bool:
        """Whether a request of that amount is asked at this level. An unknown amount may be any amount."""
        return self.above is None or amount is None or amount > self.above

    def people_needed(self, asked: int) -> int:
        """How many different people must have approved. With a quorum of "all", `asked` is how many were asked."""
        if self.at_least is not None:
            return self.at_least
        if self.quorum == "all":
            return max(asked, min(2, len(set(self.approvers))))
        return self.quorum


class Escalation(Recorded):
    """The escalation if nobody decides in time: another channel, other people and one more wait."""

    channel: PlaceId
    approvers: list[PrincipalId] = Field(min_length=1, max_length=50)
    notify: list[PrincipalId] = Field(default_factory=list, max_length=20)
    quorum: int = Field(default=1, ge=1, le=50)
    reject_quorum: int = Field(default=1, ge=1, le=50)
    timeout: Duration


Ending = Literal[
    Status.APPROVED,
    Status.AUTO_APPROVED,
    Status.REJECTED,
    Status.TIMED_OUT,
    Status.CANCELLED,
    Status.FAILED,
    Status.TERMINATED,
]


class Policy(Recorded):
    """How one kind of request is decided. A copy travels in each instance, so a later edit changes no open request."""

    key: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: str = Field(min_length=1, max_length=60)
    channel: PlaceId
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    fields: list[FieldSpec] = Field(default_factory=list, max_length=10)
    levels: list[Level] = Field(min_length=1, max_length=10)
    escalation: Escalation | None = None
    groups: list[GroupId] = Field(
        default_factory=list, description="Which of its approvers are groups; not written, but worked out"
    )
    auto_approve_below: Annotated[Decimal, Field(gt=0)] | None = None
    auto_approve_when: dict[str, list[str]] = Field(
        default_factory=dict, description="A field's name, and the values that need nobody's yes"
    )
    allow_self_approval: StrictBool = False
    allow_repeat_approver: StrictBool = Field(
        default=False, description="Whether one person may count at several levels"
    )
    delegates: list[PrincipalId] = Field(
        default_factory=list, max_length=50, description="Who may be a delegate; else whom the policy names"
    )
    require_reason: StrictBool = Field(default=True, description="Whether a rejection needs a reason")
    confirm: StrictBool | None = Field(
        default=None,
        description="Whether Approve asks again in a dialog; else where an approval needs a code",
    )
    require_amount: StrictBool = Field(default=False, description="Whether a request must say its amount")
    notify: AutoApprovalNotice = Field(
        default=AutoApprovalNotice.EACH, description="How the channel is told of auto-approvals"
    )
    edit: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=list,
        max_length=20,
        description="What an approver may change before they approve: `amount`, `fields.NAME`, `arguments.PATH`",
    )
    owner: PersonId | None = Field(
        default=None, description="Who is told if something keeps failing, and may have it tried again"
    )
    on: dict[Ending, Actions] = Field(default_factory=dict)
    fulfilment: Fulfilment | None = Field(default=None, description="What follows once it is approved")
    documents: Documents | None = Field(
        default=None, description="Which documents are reviewed; a policy with it is asked in no other way"
    )
    grants: Grants | None = Field(
        default=None, description="Which calls of an agent may be approved in advance; without it none"
    )
    edits_retried_for: Duration = timedelta(days=3)
    actions_retried_for: Duration = timedelta(days=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = [*self._timeout_faults(), *self._field_faults()]
        faults += self.documents.faults() if self.documents else []
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def edit_faults(self) -> Iterator[tuple[int, str]]:
        """The faults of `edit`: each place in the list, and a sentence without a full stop."""
        fields = [field.name for field in self.fields]
        for number, place in enumerate(self.edit):
            kind, _, rest = place.partition(".")
            if place in self.edit[:number]:
                yield number, f"{place} is there twice"
            elif place == "amount":
                continue
            elif kind == "fields" and rest not in fields:
                yield number, f"the policy has no field {rest!r}; it has: {', '.join(fields) or 'none'}"
            elif kind == "arguments" and path_fault(rest) is not None:
                yield number, f"{rest!r} {path_fault(rest)}"
            elif kind not in {"fields", "arguments"}:
                known = '"amount", "fields.NAME" or "arguments.PATH"'
                yield number, f"{place!r} is nothing that can be changed; write {known}"
        if self.edit and self.documents:
            yield (
                0,
                "a document is reviewed as it is, so nothing of its review can be changed; leave edit out",
            )

    def field_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Which values of `auto_approve_when` no request can have: each place, and a sentence without a full stop."""
        for spec in self.fields:
            for number, value in enumerate(self.auto_approve_when.get(spec.name, ())):
                try:
                    kept = read_value(spec, value)
                except InvalidRequestError as error:
                    words = f"no request can have this value: {str(error).removesuffix('.')}"
                else:
                    words = "" if kept == value else f'no request can have this value; write "{kept}"'
                if words:
                    yield ("auto_approve_when", spec.name, number), words

    def fulfilment_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong with its fulfilment: each place within it, and a sentence without a full stop."""
        if self.fulfilment is None:
            return
        yield from self.fulfilment.faults(self.owner)
        required = [field.name for field in self.fields if field.required]
        known = {"amount": self.require_amount, "currency": self.currency is not None}
        for place, guard in self.fulfilment.guards():
            for part, words in guard_faults(guard, required, **known):
                yield (*place, part), words

    def grants_faults(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong with its grants: each place within them, and a sentence without a full stop."""
        if self.grants is None:
            return
        first = self.levels[0]
        people = first.people_needed(1)
        yield from self.grants.faults(len(self.levels), first.quorum, people)
        if self.documents is not None:
            yield (), "a policy that reviews documents decides no calls; remove it"

    def actions(self) -> Iterator[tuple[tuple[str | int, ...], list[Action]]]:
        """The actions of its outcomes and of its fulfilment's states: each list, with its place in the policy."""
        for ending, actions in self.on.items():
            yield ("on", str(ending)), actions
        for number, state in enumerate(self.fulfilment.states if self.fulfilment else ()):
            yield ("fulfilment", "states", number, "on_enter"), state.on_enter

    def digest(self) -> str:
        """SHA-256 (hex) over canonical JSON of the policy without the fields at their default.

        So a release that adds a key with a default changes no policy's digest.
        """
        written = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(to_json(written).encode()).hexdigest()

    def asks_again(self, *, code: bool) -> bool:
        """Whether Approve asks for confirmation first, in a round whose approvals need a `code` or not."""
        return code if self.confirm is None else self.confirm

    def for_amount(self, amount: Decimal | None) -> Policy:
        """The policy with the levels that a request of that amount is asked at, and the escalation if they reach it."""
        levels = [level for level in self.levels if level.is_asked(amount)]
        escalates = any(level.on_timeout is OnTimeout.ESCALATE for level in levels)
        return self.model_copy(
            update={"levels": levels, "escalation": self.escalation if escalates else None}
        )

    @property
    def confirms(self) -> bool:
        """Whether any of its levels may need a code by SMS."""
        return any(level.confirms for level in self.levels)

    def confirmers(self) -> list[str]:
        """The named people who may need a phone, to get a code.

        An escalation needs a code where its level or one before it does.
        """
        named: list[str] = []
        code = False
        for level in self.levels:
            code = code or level.confirms
            named += level.approvers if level.confirms else []
            if code and self.escalation and level.on_timeout is OnTimeout.ESCALATE:
                named += self.escalation.approvers
        return [person for person in dict.fromkeys(named) if person not in self.groups]

    def _timeout_faults(self) -> list[str]:
        escalates = [level.name for level in self.levels if level.on_timeout is OnTimeout.ESCALATE]
        if escalates and self.escalation is None:
            return [
                f'level {escalates[0]} has on_timeout = "escalate", but there is no [policies.{self.key}.escalation]'
            ]
        if self.escalation and not escalates:
            return ['the escalation is never reached; set on_timeout = "escalate" on a level, or remove it']
        return []

    def _field_faults(self) -> list[str]:
        names = [field.name for field in self.fields]
        faults = [
            f"the field {name} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})
        ]
        faults += [
            f"auto_approve_when names {name}, which is no field"
            for name in self.auto_approve_when
            if name not in names
        ]
        if self.auto_approve_below is not None and self.currency is None:
            faults.append("auto_approve_below needs a currency")
        if self.notify is AutoApprovalNotice.DIGEST and not (
            self.auto_approve_below or self.auto_approve_when
        ):
            faults.append(
                'notify = "digest" gathers what is approved by rule; add auto_approve_below or auto_approve_when'
            )
        if self.require_amount and self.currency is None:
            faults.append("require_amount needs a currency")
        if self.currency is None and any(level.sms_above is not None for level in self.levels):
            faults.append("sms_above needs a currency")
        if self.currency is None and any(level.above is not None for level in self.levels):
            faults.append("above needs a currency")
        if all(level.above is not None for level in self.levels):
            faults.append("every level has above, so nobody would be asked below; leave it out of one level")
        return faults

    def principals(self) -> list[str]:
        """Every person and group that a level or the escalation names, each once, in order."""
        named = [principal for level in self.levels for principal in level.approvers]
        return list(dict.fromkeys([*named, *(self.escalation.approvers if self.escalation else [])]))

    def delegate_pool(self) -> list[str]:
        """The people and groups who may decide for somebody else.

        Without such a list, a delegate whom the operator entered may also decide for their person.
        """
        return self.delegates or self.principals()

    def groups_in(self, principals: Collection[str]) -> list[str]:
        """Those of the principals that are groups, each once, in order."""
        return list(dict.fromkeys(principal for principal in principals if principal in self.groups))

    def impossible(
        self,
        barred: Collection[str] = (),
        *,
        escalations: bool = True,
        enrolled: Collection[str] | None = None,
        request: ApprovalRequest | None = None,
    ) -> list[Impossible]:
        """The rounds that can never be decided once nobody of `barred` may: see `decidability`. Empty if all can.

        `enrolled` have a phone for codes; None where that is not known. Without a `request` a level needs a code if it
        may need one for some amount.
        """
        return decidability.find_impossible(
            self._levels(enrolled, request),
            repeat=self.allow_repeat_approver,
            barred=barred,
            escalations=escalations,
        )

    def warnings(self) -> list[str]:
        """What leads to a round that nobody can decide, in some course of a request. Sentences without a full stop."""
        levels, repeat = self._levels(), self.allow_repeat_approver
        needs = decidability.needs_of_groups(levels, repeat=repeat)
        found = [need.sentence() for need in needs if need.spent]
        if crowded := decidability.crowded_escalations(levels, repeat=repeat):
            then = (
                "where all of these escalate, the last one is left to its level's own approvers"
                if crowded.round.escalation
                else f"where these escalate, {crowded.round.label} cannot be decided by its own approvers"
            )
            found.append(f"nobody may decide two levels, and {crowded.missing()}: {then}")
        return found

    def depends_on_groups(self) -> str | None:
        """How many members its groups have to have, as a sentence without a full stop; None if it needs none."""
        repeat = self.allow_repeat_approver
        needs = decidability.needs_of_groups(self._levels(enrolled=()), repeat=repeat)
        told = [need.sentence() for need in needs if not need.spent]
        others = [] if self.allow_self_approval else ["whoever asks"]
        others += [] if repeat or len(self.levels) == 1 else ["whoever decides another level"]
        besides = f", not counting {' and '.join(others)}" if others else ""
        return f"{'; '.join(told)}{besides}" if told else None

    def later_demands(self, start: int, barred: Collection[str]) -> list[Demand]:
        """For each level from `start` on: the people it names who could decide it, and how many it takes.

        Nobody of `barred` could. Levels with a group are left out, and so is what an escalation takes.
        """
        return decidability.demands([self._own_round(level) for level in self.levels[start:]], barred)

    def _levels(
        self, enrolled: Collection[str] | None = None, request: ApprovalRequest | None = None
    ) -> list[PolicyLevel]:
        found: list[PolicyLevel] = []
        code = False
        for level in self.levels:
            own_code = level.confirms if request is None else level.needs_code(request.amount)
            code = code or own_code  # an escalation inherits what any level so far asks for
            own, escalation = self._own_round(level), self._escalation_of(level)
            if enrolled is not None and own_code:
                own = replace(own, eligible=tuple(enrolled))
            if enrolled is not None and code and escalation is not None:
                escalation = replace(escalation, eligible=tuple(enrolled))
            found.append((own, escalation))
        return found

    def _own_round(self, level: Level) -> PolicyRound:
        needed = level.people_needed(0)
        return PolicyRound(
            level.name,
            *self._people_and_groups(level.approvers),
            approvals=needed if level.quorum == "all" else max(level.quorum, needed),
            rejections=level.reject_quorum,
            everybody=level.quorum == "all",
        )

    def _escalation_of(self, level: Level) -> PolicyRound | None:
        escalation = self.escalation
        if escalation is None or level.on_timeout is not OnTimeout.ESCALATE:
            return None
        return PolicyRound(
            level.name,
            *self._people_and_groups(escalation.approvers),
            approvals=escalation.quorum,
            rejections=escalation.reject_quorum,
            escalation=True,
        )

    def _people_and_groups(self, principals: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        groups = tuple(self.groups_in(principals))
        return tuple(one for one in dict.fromkeys(principals) if one not in groups), groups
