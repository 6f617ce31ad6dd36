"""Records what people did on one request, and checks the record of its approval against that alone.

This knows nothing of how votes are counted. It notes what was sent, which codes came and who was let act for whom, and
holds the record of an approved request against it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestration.challenge.models import ChallengeInput
from orchestration.domain.commands import Decision, Delegation
from orchestration.domain.request import Choice, Identity, LevelState, Vote
from tests.support.decision_model import Case, ModelWorld

Act = tuple[int, str]  # a round, and who acted in it


@dataclass
class Witness:
    """Sees every command, code and absence of one request."""

    case: Case
    shown: Identity
    sent: set[Act] = field(default_factory=set)
    codes: set[tuple[int, str, str]] = field(default_factory=set)
    delegated: set[tuple[int, str, str]] = field(default_factory=set)
    absences: set[tuple[str, str]] = field(default_factory=set)

    def sees(self, act: Decision | Delegation, rounds: Sequence[int]) -> None:
        """Notes an act that somebody sends. Acts on another nonce or digest never count."""
        if Identity(nonce=act.nonce, digest=act.digest) != self.shown:
            return
        if isinstance(act, Delegation):
            self.delegated.add((act.round, act.actor, act.to))
        elif act.choice is Choice.APPROVE:
            self.sent |= {(one, act.actor) for one in ([act.round] if act.round_named else rounds)}

    def sees_code(self, challenge: ChallengeInput, act: Decision | Delegation) -> None:
        """Notes that the right code came. It has to be bound to this request, person, round and act alone."""
        bound = json.loads(challenge.bound)
        assert challenge.target.user == bound["person"] == act.actor
        assert Identity(nonce=bound["nonce"], digest=bound["digest"]) == self.shown
        assert bound["act"] == ("delegate" if isinstance(act, Delegation) else act.choice)
        self.codes.add((bound["round"], act.actor, bound["act"]))

    def sees_absences(self, world: ModelWorld) -> None:
        """Notes who is away now, and the delegates that they or the operator named."""
        for entries in (world.own, self.case.entered):
            self.absences |= {(who, entry.delegate) for who, entry in entries.items() if entry.delegate}

    # ---- an approved request -----------------------------------------------------------------------------

    def bears_out(self, levels: Sequence[LevelState]) -> None:
        """Fails unless each level has enough people with their codes, and nobody counts at two levels."""
        assert len(levels) == len(self.case.levels)
        before: set[str] = set()
        for at, level in enumerate(levels):
            approvals = [vote for vote in level.decisions if vote.choice is Choice.APPROVE]
            for vote in approvals:
                self._cast_in_truth(vote, level, at)
            assert self._people_enough(approvals, level, at), (
                f"level {level.name} was passed without its quorum"
            )
            words = {name for vote in approvals for name in (vote.actor, vote.holder)}
            if not self.case.allow_self:
                assert self.case.requester not in words, "the requester had a word"
            if not self.case.allow_repeat:
                assert not words & before, f"{words & before} had a word at two levels"
            before |= words

    def _coded(self, number: int, level: LevelState, at: int) -> bool:
        needs = [one.needs_code(self.case.amount) for one in self.case.levels[: at + 1]]
        return needs[-1] if number == level.round else any(needs)

    def _cast_in_truth(self, vote: Vote, level: LevelState, at: int) -> None:
        assert (vote.round, vote.actor) in self.sent, f"{vote.actor} never approved in round {vote.round}"
        assert vote.digest == self.shown.digest, "a vote on something else"
        coded = self._coded(vote.round, level, at)
        if coded:
            assert (vote.round, vote.actor, "approve") in self.codes, f"no code of {vote.actor} came"
            assert vote.actor in self.case.enrolled
        if vote.actor == vote.holder:
            return
        assert vote.actor != self.case.requester, "the requester decided for somebody else"
        rounds = (level.round, level.round + 1)
        handed = {one for one in rounds if (one, vote.holder, vote.actor) in self.delegated}
        entered = self.case.entered.get(vote.holder)
        if coded:
            handed = {one for one in handed if (one, vote.holder, "delegate") in self.codes}
            assert handed or (entered and entered.delegate == vote.actor), (
                f"{vote.actor} decides for {vote.holder} by a session alone"
            )
        else:
            assert handed or (vote.holder, vote.actor) in self.absences, (
                f"nobody let {vote.actor} decide for {vote.holder}"
            )

    def _people_enough(self, approvals: Sequence[Vote], level: LevelState, at: int) -> bool:
        stages = [(level.round, self.case.levels[at])]
        if level.escalated_at is not None and self.case.escalation is not None:
            stages.append((level.round + 1, self.case.escalation))
        for number, stage in stages:
            counted = [
                vote
                for vote in approvals
                if vote.round == number and (vote.factor or not self._coded(number, level, at))
            ]
            people = min(len({vote.actor for vote in counted}), len({vote.holder for vote in counted}))
            if people >= stage.people(0):
                return True
        return False
