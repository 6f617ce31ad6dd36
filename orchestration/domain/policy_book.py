"""The whole policy file, as a model: its policies, and the people whom the operator entered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from orchestration.domain.gathering_policy import GatheringPolicy
from orchestration.domain.ids import PersonId
from orchestration.domain.people import Away, EnrolledPerson, KnownPerson, PersonEntry
from orchestration.domain.policy import Policy
from orchestration.domain.request import Recorded


@dataclass(frozen=True)
class Outlook:
    """What an absence does not change.

    If a decision needs a code, the person is still asked (`still_asked`), or the delegate whom the operator entered
    (`delegate_with_code`, if that is not their present delegate). While their delegate is away too (`delegate_away`),
    the person is asked.
    """

    still_asked: bool = False
    delegate_with_code: str | None = None
    delegate_away: Away | None = None


class PolicyBook(Recorded):
    """The whole file: the policies by name, and the people the operator enrolled."""

    policies: dict[str, Policy] = Field(default_factory=dict)
    gatherings: dict[str, GatheringPolicy] = Field(
        default_factory=dict, description='Those of `policies` in the file with `kind = "gathering"`'
    )
    people: dict[PersonId, EnrolledPerson] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_confirm(self) -> Self:
        """Checks that everybody who is named where a code is needed has a phone."""
        for policy in self.policies.values():
            for person in policy.confirmers():
                if not self._phone(person):
                    raise ValueError(
                        f"policies.{policy.key} needs a code by SMS, but {person} has no phone; "
                        f"add one under [people.{person}]"
                    )
        return self

    def names(self) -> list[str]:
        """The names of all policies, of every kind."""
        return sorted([*self.policies, *self.gatherings])

    def askable(self) -> dict[str, Policy]:
        """The policies that people and programs may ask by. Reviews of documents start by themselves."""
        return {key: policy for key, policy in self.policies.items() if policy.documents is None}

    def shared_phones(self) -> Iterator[tuple[str, str]]:
        """People whose phone an earlier person has too, each with a sentence about it that holds no number.

        The phone's holder could confirm for both people, and so count twice in a quorum. Which people share a quorum,
        through groups or as delegates, is not known here.
        """
        owners: dict[str, str] = {}
        for person, entry in self.people.items():
            if entry.phone is not None and (owner := owners.setdefault(entry.phone, person)) != person:
                yield (
                    person,
                    f"is also the phone of {owner}, who could confirm for both; give each a phone of their own",
                )

    def enrolled(self) -> list[str]:
        """The people whose phone the operator enrolled."""
        return [person for person in self.people if self._phone(person)]

    def _phone(self, person: str) -> str | None:
        found = self.people.get(person)
        return found.phone if found else None

    def revoked(self) -> frozenset[str]:
        """The people who may decide nothing any more, under any policy of an open request."""
        return frozenset(person for person, entry in self.people.items() if entry.revoked)

    @model_validator(mode="after")
    def _nobody_needs_the_revoked(self) -> Self:
        """Refuses policies that name revoked people, so that no new request waits for them."""
        revoked = self.revoked()
        for policy in self.policies.values():
            named = {*policy.delegates, *(policy.escalation.approvers if policy.escalation else [])}
            named.update(*(level.approvers for level in policy.levels))
            for person in sorted(named & revoked):
                raise ValueError(
                    f"policies.{policy.key} names {person}, who is revoked; strike them out there"
                )
        for gathering in self.gatherings.values():
            for person in sorted({*gathering.people(), *(gathering.delegates or ())} & revoked):
                what = "asks" if person in gathering.people() else "has as a delegate"
                raise ValueError(
                    f"policies.{gathering.key} {what} {person}, who is revoked; strike them out there"
                )
        for person, entry in self.people.items():
            if entry.delegate in revoked:
                raise ValueError(
                    f"people.{person}.delegate is {entry.delegate}, who is revoked; name somebody else"
                )
        return self

    @model_validator(mode="after")
    def _delegates_are_others(self) -> Self:
        alone = [person for person, entry in self.people.items() if entry.delegate == person]
        if alone:
            raise ValueError(f"{', '.join(alone)} cannot be their own delegate; name somebody else")
        return self

    def outlook(self, person: str, own: PersonEntry | None, delegates_own: PersonEntry | None) -> Outlook:
        """What somebody should know before an absence. `delegates_own` is what their delegate set for themselves."""
        entered = self.people.get(person)
        entry = own if own is not None else entered
        if entry is None or entry.away is None or entry.delegate is None:
            return Outlook()
        code = any(person in policy.confirmers() for policy in self.policies.values())
        sure = entered.delegate if entered and entered.delegate and self._phone(entered.delegate) else None
        theirs = delegates_own if delegates_own is not None else self.people.get(entry.delegate)
        both = theirs is not None and theirs.away is not None and theirs.away.overlaps(entry.away)
        return Outlook(
            still_asked=code and sure is None,
            delegate_with_code=sure if code and sure != entry.delegate else None,
            delegate_away=theirs.away if theirs is not None and both else None,
        )

    def people_of(self, policy: Policy) -> dict[str, KnownPerson]:
        """The entries that can matter to a request of this policy. Its instance carries a copy.

        They are not only of the people whom it names: members of groups and delegates decide too. A phone matters only
        where codes are needed.
        """
        return {
            person: enrolled.known()
            for person, enrolled in self.people.items()
            if enrolled.delegate or enrolled.away or (policy.confirms and enrolled.phone)
        }

    def absences(self) -> dict[str, PersonEntry]:
        """The absences and delegates that the operator entered. A gathering carries a copy."""
        return {
            person: PersonEntry(delegate=entry.delegate, away=entry.away)
            for person, entry in self.people.items()
            if entry.delegate or entry.away
        }
