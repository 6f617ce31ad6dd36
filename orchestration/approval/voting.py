"""Who may decide a request now, who has, and what the votes amount to. No I/O, no durable calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from orchestration.approval.state import State
from orchestration.domain import rounds
from orchestration.domain.commands import Decision, Delegation, Reason
from orchestration.domain.matching import Demand
from orchestration.domain.people import KnownPerson
from orchestration.domain.policy import Level, OnTimeout, Policy
from orchestration.domain.request import ApprovalRequest, Choice, Factor, Vote
from orchestration.domain.rounds import EligibleVoters, Members, Round, reachable, settling_vote
from orchestration.domain.salts import text_salt

# The hub takes no status, input or output of more than 1 MiB, and the votes are in each of them (twice in a status).
# Past this many bytes of comments a vote keeps the beginning of its own; the thread has all of it.
COMMENT_BYTES_KEPT: Final = 100_000
COMMENT_BEGINNING: Final = 100


class Voting:
    """The rounds that are open, their votes and delegates. They lie in `state`, which the record shares."""

    def __init__(
        self,
        request: ApprovalRequest,
        policy: Policy,
        people: Mapping[str, KnownPerson],
        state: State,
        salt: str = "",
        asked: ApprovalRequest | None = None,
    ) -> None:
        """`salt` is the start's own, from which that of each comment comes.

        `asked` is the request before anybody changed it: who has to decide it, and with what, is settled by that.
        """
        self.request = request
        self.asked = asked or request
        self.policy = policy
        self.people = people
        self.state = state
        self._digest = request.digest()
        self._salt = salt

    def about(self, request: ApprovalRequest) -> None:
        """From now on the votes are about this."""
        self.request, self._digest = request, request.digest()

    @property
    def level(self) -> Level:
        """The level that is open, or was last."""
        return self.policy.levels[self.state.level_index]

    def ask(self, people: list[str]) -> None:
        """Who is asked, as known when the level opened: a quorum of all means these, and nobody who comes later."""
        voters = self.voters()
        self.state.asked = [person for person in people if not voters.barred(person)]

    def rounds(self) -> list[Round]:
        """The open rounds: the level's own, and the escalation's beside it."""
        state, level = self.state, self.level
        if not state.level_open:
            return []
        found = [
            self._round(
                state.open_rounds[0],
                level.approvers,
                quorum=level.quorum,
                reject_quorum=level.reject_quorum,
                at_least=level.people_needed(len(state.asked or ())),
                code=level.needs_code(self.asked.amount),
                asked=state.asked,
            )
        ]
        if state.escalated:
            found += self._escalation(state.open_rounds[-1])
        return found

    def reached(self) -> list[Round]:
        """The rounds that a delegate of now reaches: those that are open, and the escalation's if it can still open."""
        state = self.state
        to_come = self.level.on_timeout is OnTimeout.ESCALATE and state.level_open and not state.escalated
        return [*self.rounds(), *(self._escalation(state.round + 1) if to_come else [])]

    def _escalation(self, number: int) -> list[Round]:
        escalation = self.policy.escalation
        if escalation is None:
            return []
        so_far = self.policy.levels[: self.state.level_index + 1]
        return [
            self._round(
                number,
                escalation.approvers,
                quorum=escalation.quorum,
                reject_quorum=escalation.reject_quorum,
                at_least=escalation.quorum,
                code=any(one.needs_code(self.asked.amount) for one in so_far),
            )
        ]

    def _round(self, number: int, approvers: Sequence[str], **terms: Any) -> Round:
        return Round(number, approvers, self.policy.groups_in(approvers), **terms)

    def voters(self) -> EligibleVoters:
        """Who may decide now."""
        state, policy = self.state, self.policy
        return EligibleVoters(
            rounds=self.rounds(),
            delegates=state.delegates,
            confirmed=state.confirmed,
            counted=frozenset(() if policy.allow_repeat_approver else state.counted),
            requester=None if policy.allow_self_approval else self.request.requester,
            asked_by=self.request.requester,
            later=self._later(state.votes),
            enrolled=frozenset(person for person in self.people if self.enrolled(person)),
        )

    def _later(self, votes: Iterable[Vote]) -> list[Demand]:
        """What the later levels still take, once this one has these votes."""
        state, policy = self.state, self.policy
        if policy.allow_repeat_approver:
            return []
        barred = {*state.counted, *(() if policy.allow_self_approval else (self.request.requester,))}
        for vote in votes:
            if vote.choice is Choice.APPROVE:
                barred |= {vote.actor, vote.holder}
        return policy.later_demands(state.level_index + 1, barred)

    def needs_code(self, round_number: int) -> bool:
        """Whether an approval in that round needs a code. An escalation inherits what any level so far asked for."""
        return any(round_.code for round_ in self.rounds() if round_.number == round_number)

    def code_to_delegate(self, holder: str, members: Members) -> bool:
        """Whether this person hands their vote over with a code only: one round that it reaches needs a code.

        It reaches each in which they have a seat, also the escalation's before it opens.
        """
        return any(round_.code and round_.seats(holder, members) for round_ in self.reached())

    def enrolled(self, person: str) -> bool:
        """Whether the operator has enrolled a phone for them."""
        known = self.people.get(person)
        return known is not None and known.enrolled

    def is_confirmed(self, decision: Decision) -> bool:
        """Whether their vote in this round says just this, confirmed by a code."""
        return any(
            vote.factor is not None and self._says_the_same(vote, decision) for vote in self.state.votes
        )

    def _says_the_same(self, vote: Vote, decision: Decision) -> bool:
        said = (vote.round, vote.actor, vote.choice, vote.comment, vote.digest, vote.grant)
        digest = self._digest
        return said == (
            decision.round,
            decision.actor,
            decision.choice,
            decision.comment,
            digest,
            decision.grant,
        )

    def vote(
        self,
        decision: Decision,
        holder: str,
        now: datetime,
        factor: Factor | None = None,
        members: Members | None = None,
    ) -> Reason:
        """Keeps a decision that `actor` made from the seat of `holder`. `members` are those of the groups now.

        A person has one vote in a round, and can change it while the round is open.
        """
        state, digest = self.state, self._digest
        before = next(
            (vote for vote in state.votes if (vote.round, vote.actor) == (decision.round, decision.actor)),
            None,
        )
        same = before is not None and self._says_the_same(before, decision)
        # The same said again with a code is kept with it: it now counts as confirmed.
        if before is not None and same and (factor is None or before.factor is not None):
            return Reason.UNCHANGED
        comment = self._kept(decision.comment)
        # The time sets a comment apart from the one that its person takes back with it.
        salt = (
            text_salt(self._salt, "vote", decision.round, decision.actor, now.isoformat()) if comment else ""
        )
        vote = Vote(
            round=decision.round,
            holder=holder,
            actor=decision.actor,
            choice=decision.choice,
            comment=comment,
            salt=salt,
            via=decision.via,
            token=decision.token,
            at=now,
            digest=digest,
            factor=factor,
            seal=decision.seal,
            grant=decision.grant,
            groups=None if members is None else self._groups_of(holder, decision.round, members),
        )
        state.votes = [*(one for one in state.votes if one is not before), vote]
        return Reason.RECORDED

    def _groups_of(self, holder: str, round_number: int, members: Members) -> list[str]:
        """The groups of that round in which this person is."""
        round_ = self.voters().round(round_number)
        return [group for group in (round_.groups if round_ else ()) if holder in members.get(group, ())]

    def seat_for(self, decision: Decision, members: Members) -> str | None:
        """Whose seat a decision that the rules allow is made from; None for an approval that a later level forbids.

        That is one after which the round could not be approved any more, since a later level needs who is left.
        """
        voters = self.voters()
        round_ = voters.round(decision.round)
        if round_ is None:
            return None
        seats = voters.seats(decision.actor, round_, members)
        if decision.choice is Choice.APPROVE:
            seats = [
                holder
                for holder in seats
                if not voters.needed_later(decision.actor, holder)
                and not self._strands(decision, holder, round_, members)
            ]
        return next(iter(seats), None)

    def _strands(self, decision: Decision, holder: str, round_: Round, members: Members) -> bool:
        """Whether the round can be approved now, and could not be any more by others after this approval."""
        # Whoever votes from their own seat takes the place of somebody else who would have voted. If no later level
        # needs them, as many can still follow as before. So only these two have to be looked at.
        for_somebody = holder != decision.actor
        not_asked = round_.quorum == "all" and holder not in (round_.asked or ())
        if not for_somebody and not not_asked:
            return False
        votes, digest, now = self.state.votes, self._digest, self.voters()
        approval = Vote(
            round=round_.number,
            holder=holder,
            actor=decision.actor,
            choice=Choice.APPROVE,
            via=decision.via,
            at=self.state.asked_at,  # no rule asks for the time
            digest=digest,
            factor=Factor.SMS if round_.code else None,
        )
        after = [
            *(vote for vote in votes if (vote.round, vote.actor) != (round_.number, decision.actor)),
            approval,
        ]
        then = replace(now, later=self._later(after))
        return reachable(round_, votes, now, members, digest) and not (
            reachable(round_, after, then, members, digest)
        )

    def _kept(self, comment: str) -> str:
        levels = [level.decisions for level in self.state.past_levels]
        votes = [vote for decisions in [*levels, self.state.votes] for vote in decisions]
        size = sum(len(vote.comment.encode()) for vote in votes) + len(comment.encode())
        if size <= COMMENT_BYTES_KEPT or len(comment) <= COMMENT_BEGINNING:
            return comment
        return comment[:COMMENT_BEGINNING] + "…"

    def deciding_vote(self, round_number: int, choice: Choice) -> Vote | None:
        """The vote by which that round is settled for the side of `choice`; None while it is not."""
        round_ = self.voters().round(round_number)
        if round_ is None:
            return None
        return settling_vote(round_, self.state.votes, choice, self._digest)

    def approvable(self, members: Members, number: int | None = None) -> bool:
        """Whether any open round can still be approved, or the one of that number."""
        voters, digest = self.voters(), self._digest
        looked_at = [one for one in voters.rounds if number is None or one.number == number]
        return any(reachable(round_, self.state.votes, voters, members, digest) for round_ in looked_at)

    def seated(self) -> list[str]:
        """The people and groups with a seat in an open round."""
        return list(dict.fromkeys(name for round_ in self.rounds() for name in round_.named))

    def seated_in_reach(self) -> list[str]:
        """The same, of each round that a delegate of now reaches."""
        return list(dict.fromkeys(name for round_ in self.reached() for name in round_.named))

    def leaves_too_few(self, holder: str, delegate: str, members: Members, *, confirmed: bool) -> bool:
        """Whether a round can be approved now, and could not be any more with this delegate for `holder`.

        Every round is looked at that it reaches: the delegate votes instead in each where they count.
        """
        votes, left, digest = self.state.votes, self._votes_without(holder), self._digest
        now = self.voters()
        after = _with_delegate(now, holder, delegate, confirmed=confirmed)
        after = replace(after, later=self._later(left))
        return any(
            reachable(round_, votes, now, members, digest)
            and not reachable(round_, left, after, members, digest)
            for round_ in self.reached()
        )

    def has_voted(self, person: str) -> bool:
        """Whether they have voted at the open level, or somebody has from their seat."""
        return any(person in {vote.actor, vote.holder} for vote in self.state.votes)

    def cast_for(self, holder: str) -> list[str]:
        """Who has voted from this person's seat instead of them."""
        return [vote.actor for vote in self.state.votes if vote.holder == holder != vote.actor]

    def absent(self, holder: str, delegate: str, *, confirmed: bool = False) -> None:
        """The holder is away; `delegate` votes instead, for this level.

        `confirmed`: also in a round that needs a code, as the operator entered them.
        """
        self._put_in_place(holder, delegate, confirmed=confirmed)

    def _put_in_place(self, holder: str, delegate: str, *, confirmed: bool) -> None:
        after = _with_delegate(self.voters(), holder, delegate, confirmed=confirmed)
        self.state.delegates, self.state.confirmed = dict(after.delegates), list(after.confirmed)

    def _votes_without(self, person: str) -> list[Vote]:
        """The votes but for those that this person gave, or that were given from their seat."""
        return [vote for vote in self.state.votes if person not in {vote.actor, vote.holder}]

    def standing(self) -> dict[str, int]:
        """How many approvals each open round takes and how many it has, as a `LevelState` says it."""
        votes, digest = self.state.votes, self._digest
        own, *escalation = self.rounds()
        found = {"needed": rounds.needed(own), "approvals": rounds.approvals(own, votes, digest)}
        for round_ in escalation:
            found["escalation_needed"] = rounds.needed(round_)
            found["escalation_approvals"] = rounds.approvals(round_, votes, digest)
        return found

    def delegate(self, delegation: Delegation, *, confirmed: bool = False) -> None:
        """`to` decides instead of `actor`, for this level. A vote given by `actor`, or from their seat, is withdrawn.

        `confirmed`: also in a round that needs a code, as it was handed over with one.
        """
        state, actor = self.state, delegation.actor
        state.votes = self._votes_without(actor)
        self._put_in_place(actor, delegation.to, confirmed=confirmed)
        state.delegated = [*state.delegated, actor]

    def _now_for(self, principals: Iterable[str], at: int = 0) -> list[str]:
        """These people and groups, each holder replaced by who votes for them in that open round: own, escalation.

        Whoever may not vote at this level, as they asked for it or have decided an earlier one, is left out.
        """
        voters = self.voters()
        rounds = voters.rounds
        delegates = voters.delegates_in(rounds[at]) if at < len(rounds) else voters.delegates
        return list(dict.fromkeys(delegates.get(one, one) for one in principals if not voters.barred(one)))

    def approvers(self) -> list[str]:
        """Who may decide in the level's own round, as it names them, with their delegates in place.

        Also the delegates of those who have a seat through a group only.
        """
        approvers = self._now_for(self.level.approvers)
        if self.policy.groups_in(approvers):
            named = {one for round_ in self.rounds() for one in round_.named}
            approvers += [to for holder, to in self.state.delegates.items() if holder not in named]
        return list(dict.fromkeys(approvers))

    def named(self) -> list[str]:
        """The people and groups who may decide now and have not, as the level and its escalation name them."""
        voters, voted = self.voters(), {vote.actor for vote in self.state.votes}
        found: list[str] = []
        for at, round_ in enumerate(voters.rounds):
            found += self._now_for(round_.named, at)
            # Which groups their holders are in is not known here.
            found += voters.delegates_in(round_).values() if round_.groups else []
        return [who for who in dict.fromkeys(found) if who not in voted]

    def to_ask(self, number: int, members: Members) -> list[str]:
        """The people who may decide that open round now, and have not."""
        voters, voted = self.voters(), {vote.actor for vote in self.state.votes}
        round_ = voters.round(number)
        if round_ is None:
            return []
        delegates = voters.delegates_in(round_)
        found = [delegates.get(one, one) for one in round_.holders(members) if not voters.barred(one)]
        return [who for who in dict.fromkeys(found) if who not in voted and not voters.barred(who)]

    def undecided(self) -> list[str]:
        """Who was asked, or is their delegate, and has not voted."""
        voted = {vote.actor for vote in self.state.votes}
        return [person for person in self._now_for(self.state.asked or ()) if person not in voted]

    def may_be_seated(self, person: str, members: Members | None) -> bool:
        """Whether they have a seat in an open round, as far as anybody can tell: None means that nobody can."""
        voters = self.voters()
        return members is None or any(voters.seat(person, one, members) for one in voters.rounds)

    def to_remind(self, members: Members) -> list[str]:
        """Who is reminded: who was asked, or is their delegate, and has not voted.

        Where one of them is enough or a few are, and the level's `notify` names any of them, by name or by a group of
        approvers, the others are left in peace. A quorum of all needs everybody.
        """
        undecided, level = self.undecided(), self.level
        if level.quorum == "all":
            return undecided
        notified = self._round(self.state.round, level.notify).holders(members)
        chosen = [person for person in self._now_for(notified) if person in undecided]
        return chosen or undecided


def _with_delegate(voters: EligibleVoters, holder: str, delegate: str, *, confirmed: bool) -> EligibleVoters:
    others = [one for one in voters.confirmed if one != holder]
    return replace(
        voters,
        delegates={**voters.delegates, holder: delegate},
        confirmed=[*others, holder] if confirmed else others,
    )
