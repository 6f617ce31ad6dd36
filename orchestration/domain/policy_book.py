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
    """What an absence does not do.

    Where a decision needs a code the person is still asked (`still_asked`), or else whom the operator entered
    (`delegate_with_code`, where that is somebody else than their delegate). While their delegate is away too
    (`delegate_away`), the person is asked.
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
        """Whoever is named where a code is needed has a phone to get it on."""
        for policy in self.policies.values():
            for person in policy.confirmers():
                if not self._phone(person):
                    raise ValueError(
                        f"policies.{policy.key} needs a code by SMS, but {person} has no phone; "
                        f"add one under [people.{person}]"
                    )
        return self

    def names(self) -> list[str]:
        """Of every policy, whatever its kind."""
        return sorted([*self.policies, *self.gatherings])

    def askable(self) -> dict[str, Policy]:
        """The policies that people and programs may ask by. Reviews of documents start by themselves."""
        return {key: policy for key, policy in self.policies.items() if policy.documents is None}

    def shared_phones(self) -> Iterator[tuple[str, str]]:
        """Who has a phone that somebody before them has too, with what is wrong about it. No sentence holds a number.

        Whoever holds that phone would confirm for both, and so be two of a quorum. Who meets in one, by groups or as
        somebody's delegate, is not known here.
        """
        owners: dict[str, str] = {}
        for person, entry in self.people.items():
            if entry.phone is not None and (owner := owners.setdefault(entry.phone, person)) != person:
                yield (
                    person,
                    f"is also the phone of {owner}, who could confirm for both; give each a phone of their own",
                )

    def enrolled(self) -> list[str]:
        """Whose phone the operator enrolled."""
        return [person for person in self.people if self._phone(person)]

    def _phone(self, person: str) -> str | None:
        found = self.people.get(person)
        return found.phone if found else None

    def revoked(self) -> frozenset[str]:
        """Who decides nothing any more, whatever policy an open request was made with."""
        return frozenset(person for person, entry in self.people.items() if entry.revoked)

    @model_validator(mode="after")
    def _nobody_needs_the_revoked(self) -> Self:
        """New requests are not to wait for somebody who may not decide them."""
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
        """What somebody who is to be away should know. `delegates_own` is what their delegate said of being away."""
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
        """The entries that can matter to a request of this policy: what an instance takes along.

        They are not only those of the people whom it names: members of groups decide too, or are delegates. A phone
        matters only where codes are needed.
        """
        return {
            person: enrolled.known()
            for person, enrolled in self.people.items()
            if enrolled.delegate or enrolled.away or (policy.confirms and enrolled.phone)
        }

    def absences(self) -> dict[str, PersonEntry]:
        """Who is away, and who is asked in their place, as the operator entered it: what a gathering takes along."""
        return {
            person: PersonEntry(delegate=entry.delegate, away=entry.away)
            for person, entry in self.people.items()
            if entry.delegate or entry.away
        }
