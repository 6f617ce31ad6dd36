"""A request in this process under a test's own policy: what people press, and what they are told."""

from __future__ import annotations

import itertools
from types import TracebackType
from typing import Any, Self

from bot.slack.ids import SlackIds
from bot.slack.messages.notices import notice
from orchestration.approval.outcome_activities import taken
from orchestration.domain.commands import Comment, Decision, Delegation, Reason
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import ApprovalRequest, Choice, LevelState, RemarkKind, Via
from tests.support.direct import DirectRun, Neighbours

_COUNT = itertools.count(1)


class DirectRequest:
    """One request, by Rita, who takes it as it is approved. `asked` says what else is asked.

    `groups` are as the directory has them, `entries` what people said of being away, `inactive` who has left. All of it
    is in `people`.
    """

    def __init__(
        self,
        book: PolicyBook,
        policy: str,
        groups: dict[str, list[str]] | None = None,
        *,
        entries: dict[str, PersonEntry] | None = None,
        silent: bool = False,
        inactive: set[str] | None = None,
        **asked: Any,
    ) -> None:
        self.people = Neighbours()
        self.people.groups.update(groups or {})
        self.people.entries.update(entries or {})
        self.people.failing = silent
        self.people.inactive |= inactive or set()
        self.asked = ApprovalRequest(
            **{"policy": policy, "title": "Steel", "requester": "U0RITA", "accepts_edits": True, **asked}
        )
        self.run = DirectRun(taken(self.asked, book, SlackIds()), self.people)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.run.close()

    # ---- commands ----------------------------------------------------------------------------------------

    def decision(
        self,
        actor: str,
        choice: Choice = Choice.APPROVE,
        comment: str = "",
        round_: int = 1,
        edits: dict[str, Any] | None = None,
    ) -> Decision:
        return Decision(**self._stamp(actor), round=round_, choice=choice, comment=comment, edits=edits or {})

    def delegation(self, actor: str, to: str, round_: int = 1) -> Delegation:
        return Delegation(**self._stamp(actor), round=round_, to=to)

    def remark(
        self, actor: str, kind: RemarkKind = RemarkKind.COMMENT, text: str = "Please look at this."
    ) -> Comment:
        return Comment(**self._stamp(actor), kind=kind, text=text)

    def _stamp(self, actor: str) -> dict[str, Any]:
        progress = self.run.progress
        return {
            "command_id": f"c{next(_COUNT)}",
            "actor": actor,
            "via": Via.CHAT,
            "nonce": progress.identity.nonce,
            "digest": progress.identity.digest,
            "answered": progress.answered,
        }

    def press(self, command: Decision | Delegation | Comment) -> Reason | None:
        """Sends the command, and returns the verdict on it."""
        self.run.send(command)
        return self.run.verdict(command.command_id)

    def code_of(self, actor: str) -> None:
        """Sends the right code from the person's phone."""
        self.run.code(self.run.progress.confirming[actor], right=True)

    # ---- what came of it ---------------------------------------------------------------------------------

    @property
    def level(self) -> LevelState:
        """The newest level."""
        return self.run.progress.levels[-1]

    def waited_for(self) -> set[str]:
        """The people and groups on whose Home the request waits."""
        return {who for who, waiting in self.run.worklists.items() if waiting}

    def told(self, person: str) -> list[str]:
        """What the person was told by message, in words."""
        return [notice(message, {}).text for message in self.run.messages if message.user == person]

    def steps(self) -> list[str]:
        """The kinds of the thread's lines, in turn."""
        return [step.kind.value for step in self.run.lines]
