"""Who may decide a request now, who has, and whether the votes are enough. No I/O, no durable calls."""

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

# The hub takes a status, input or output of at most 1 MiB, and each contains the votes (a status twice). Past this many
# bytes of comments, a vote keeps only the beginning of its comment; the thread has all of it.
COMMENT_BYTES_KEPT: Final = 100_000
COMMENT_BEGINNING: Final = 100


class Voting:
    """The open rounds, their votes and delegates. They are stored in `state`, which the record shares."""

    def __init__(
        self,
        request: ApprovalRequest,
        policy: Policy,
        people: Mapping[str, KnownPerson],
        state: State,
        salt: str = "",
        asked: ApprovalRequest | None = None,
    ) -> None:
        """`salt` is the salt of the start, from which the salt of each comment is derived.

        `asked` is the request before any change. It settles who has to decide, and whether they need a code.
        """
        self.request = request
        self.asked = asked or request
        self.policy = policy
        self.people = people
        self.state = state
        self._digest = request.digest()
        self._salt = salt

    def about(self, request: ApprovalRequest) -> None:
        """Sets the request that votes are about from now on."""
        self.request, self._digest = request, request.digest()

    @property
    def level(self) -> Level:
        """The open level, or the last one."""
        return self.policy.levels[self.state.level_index]

    def ask(self, people: list[str]) -> None:
        """Stores who is asked when the level opens. A quorum of all means these people, and nobody who joins later."""
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
        """The rounds in which a delegate named now votes: the open ones, and the escalation's if it can still open."""
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
        """The approvals that later levels still need, once this level has these votes."""
        state, policy = self.state, self.policy
        if policy.allow_repeat_approver:
            return []
        barred = {*state.counted, *(() if policy.allow_self_approval else (self.request.requester,))}
        for vote in votes:
            if vote.choice is Choice.APPROVE:
                barred |= {vote.actor, vote.holder}
        return policy.later_demands(state.level_index + 1, barred)

    def needs_code(self, round_number: int) -> bool:
        """Whether an approval in that round needs a code. An escalation needs one if any level so far did."""
        return any(round_.code for round_ in self.rounds() if round_.number == round_number)

    def code_to_delegate(self, holder: str, members: Members) -> bool:
        """Whether this person needs a code to delegate their vote: any round that the delegation reaches needs one.

        A delegation reaches each round in which they have a seat, also the escalation's before it opens.
        """
        return any(round_.code and round_.seats(holder, members) for round_ in self.reached())

    def enrolled(self, person: str) -> bool:
        """Whether the operator has enrolled a phone for them."""
        known = self.people.get(person)
        return known is not None and known.enrolled

    def is_confirmed(self, decision: Decision) -> bool:
        """Whether their vote in this round already says exactly this, confirmed by a code."""
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
        """Stores a decision that `actor` made from the seat of `holder`.

        `members` are the present members of the groups. A person has one vote in a round, and can change it while the
        round is open.
        """
        state, digest = self.state, self._digest
        before = next(
            (vote for vote in state.votes if (vote.round, vote.actor) == (decision.round, decision.actor)),
            None,
        )
        same = before is not None and self._says_the_same(before, decision)
        # The same vote repeated with a code replaces the earlier one, so that it counts as confirmed.
        if before is not None and same and (factor is None or before.factor is not None):
            return Reason.UNCHANGED
        comment = self._kept(decision.comment)
        # The time makes the salt differ from that of an earlier comment which the person has taken back.
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
        """The groups of that round that this person belongs to."""
        round_ = self.voters().round(round_number)
        return [group for group in (round_.groups if round_ else ()) if holder in members.get(group, ())]

    def seat_for(self, decision: Decision, members: Members) -> str | None:
        """The seat from which an allowed decision is made; None for an approval that a later level forbids.

        A later level forbids an approval after which this round could no longer be approved, because the later level
        needs the people who are left.
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
        """Whether the round can be approved now, but after this approval could no longer be approved by others."""
        # A vote from one's own seat takes one of the places of the quorum. If no later level needs that person, as many
        # people as before can fill the rest. So only these two cases have to be checked.
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
            at=self.state.asked_at,  # no rule uses the time
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
        """The vote that settles that round for `choice`; None if it is not settled."""
        round_ = self.voters().round(round_number)
        if round_ is None:
            return None
        return settling_vote(round_, self.state.votes, choice, self._digest)

    def approvable(self, members: Members, number: int | None = None) -> bool:
        """Whether any open round can still be approved; with `number`, whether that one can."""
        voters, digest = self.voters(), self._digest
        looked_at = [one for one in voters.rounds if number is None or one.number == number]
        return any(reachable(round_, self.state.votes, voters, members, digest) for round_ in looked_at)

    def seated(self) -> list[str]:
        """The people and groups with a seat in an open round."""
        return list(dict.fromkeys(name for round_ in self.rounds() for name in round_.named))

    def seated_in_reach(self) -> list[str]:
        """The people and groups with a seat in a round that a delegate named now reaches."""
        return list(dict.fromkeys(name for round_ in self.reached() for name in round_.named))

    def leaves_too_few(self, holder: str, delegate: str, members: Members, *, confirmed: bool) -> bool:
        """Whether a round can be approved now, but no longer with this delegate for `holder`.

        Checks every round that the delegation reaches, since the delegate votes in each of them in which they count.
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
        """The people who have voted from this person's seat instead of them."""
        return [vote.actor for vote in self.state.votes if vote.holder == holder != vote.actor]

    def absent(self, holder: str, delegate: str, *, confirmed: bool = False) -> None:
        """Makes `delegate` vote instead of the absent holder, for this level.

        `confirmed`: also in a round that needs a code, because the operator entered the delegate.
        """
        self._put_in_place(holder, delegate, confirmed=confirmed)

    def _put_in_place(self, holder: str, delegate: str, *, confirmed: bool) -> None:
        after = _with_delegate(self.voters(), holder, delegate, confirmed=confirmed)
        self.state.delegates, self.state.confirmed = dict(after.delegates), list(after.confirmed)

    def _votes_without(self, person: str) -> list[Vote]:
        """The votes, without those that this person gave or that were given from their seat."""
        return [vote for vote in self.state.votes if person not in {vote.actor, vote.holder}]

    def standing(self) -> dict[str, int]:
        """How many approvals each open round needs and how many it has, as fields of `LevelState`."""
        votes, digest = self.state.votes, self._digest
        own, *escalation = self.rounds()
        found = {"needed": rounds.needed(own), "approvals": rounds.approvals(own, votes, digest)}
        for round_ in escalation:
            found["escalation_needed"] = rounds.needed(round_)
            found["escalation_approvals"] = rounds.approvals(round_, votes, digest)
        return found

    def delegate(self, delegation: Delegation, *, confirmed: bool = False) -> None:
        """Makes `to` decide instead of `actor`, for this level. Votes by `actor`, or from their seat, are withdrawn.

        `confirmed`: also in a round that needs a code, because it was delegated with one.
        """
        state, actor = self.state, delegation.actor
        state.votes = self._votes_without(actor)
        self._put_in_place(actor, delegation.to, confirmed=confirmed)
        state.delegated = [*state.delegated, actor]

    def _now_for(self, principals: Iterable[str], at: int = 0) -> list[str]:
        """These people and groups, with delegates in place, for the open round `at`: 0 the level's, 1 the escalation's.

        Leaves out people who may not vote at this level, because they made the request or decided an earlier level.
        """
        voters = self.voters()
        rounds = voters.rounds
        delegates = voters.delegates_in(rounds[at]) if at < len(rounds) else voters.delegates
        return list(dict.fromkeys(delegates.get(one, one) for one in principals if not voters.barred(one)))

    def approvers(self) -> list[str]:
        """Who may decide in the level's own round, as the level names them, with delegates in place.

        Includes the delegates of people who have a seat only through a group.
        """
        approvers = self._now_for(self.level.approvers)
        if self.policy.groups_in(approvers):
            named = {one for round_ in self.rounds() for one in round_.named}
            approvers += [to for holder, to in self.state.delegates.items() if holder not in named]
        return list(dict.fromkeys(approvers))

    def named(self) -> list[str]:
        """The people and groups who may decide now and have not, as named by the level and its escalation."""
        voters, voted = self.voters(), {vote.actor for vote in self.state.votes}
        found: list[str] = []
        for at, round_ in enumerate(voters.rounds):
            found += self._now_for(round_.named, at)
            # It is not known here which groups their holders belong to.
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
        """The people who were asked, or their delegates, and have not voted."""
        voted = {vote.actor for vote in self.state.votes}
        return [person for person in self._now_for(self.state.asked or ()) if person not in voted]

    def may_be_seated(self, person: str, members: Members | None) -> bool:
        """Whether they may have a seat in an open round. If `members` is None, that is unknown: True."""
        voters = self.voters()
        return members is None or any(voters.seat(person, one, members) for one in voters.rounds)

    def to_remind(self, members: Members) -> list[str]:
        """The people to remind: those who were asked, or their delegates, and have not voted.

        If the quorum is not all, and the level's `notify` names any of them, by name or by a group of approvers, only
        those are reminded. A quorum of all needs everybody.
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
