"""The I/O of standing grants. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from durabletask.task import ActivityContext

from orchestration.domain.effects import Delivery
from orchestration.domain.errors import CountersignError, DeliveryError
from orchestration.domain.grant_effects import (
    GrantCheckInput,
    GrantEditInput,
    GrantPostInput,
    GrantStanding,
    StartGrantInput,
    TellUseInput,
)
from orchestration.domain.policy import Policy
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import CardRef
from orchestration.durable.delivery import deliver
from orchestration.durable.once import Once
from orchestration.ports import Directory, GrantNotifier, Intents, StandingGrants

log = logging.getLogger(__name__)

CHANGED: Final = "The policy has changed."
REVOKED: Final = "Whoever gave it may not decide any more: the right was taken from them."
GONE: Final = "Whoever gave it is no active member of the workspace any more."
NOT_ASKED: Final = "Whoever gave it is none of those whom the policy asks any more."


class GrantActivities:
    """Reaches the outside through ports. `book` gives the policies as they are now."""

    def __init__(
        self,
        notifier: GrantNotifier,
        grants: StandingGrants,
        directory: Directory,
        book: Callable[[], PolicyBook],
        intents: Intents,
    ) -> None:
        self._notifier = notifier
        self._grants = grants
        self._directory = directory
        self._book = book
        self._once = Once(intents)

    def start_grant(self, _: ActivityContext, given: StartGrantInput) -> Delivery:
        """Starts the grant once, however often it is called."""
        return deliver(lambda: Delivery(answer=self._grants.start(given)))

    def tell_use(self, _: ActivityContext, given: TellUseInput) -> Delivery:
        """Tells the grant of a use. A repeated use is shown once on its card."""
        return deliver(lambda: Delivery(answer=self._grants.tell_use(given)))

    def post_grant(self, ctx: ActivityContext, given: GrantPostInput) -> Delivery:
        """Posts the card once, however often it is called.

        An earlier post is remembered in this process, or looked for in the chat system.
        """
        facts = given.view.facts
        what = "trouble" if given.trouble else "card"
        attempt = self._once.attempt(ctx, given, f"{facts.id} {what}")
        found: CardRef | None = None

        def is_there() -> bool:
            nonlocal found
            found = self._notifier.find_grant(given)
            return found is not None

        def post() -> Delivery:
            posted = self._notifier.post_grant(given, lambda: attempt.begin(is_there))
            return Delivery(card=posted or found)

        return self._once.run(("grant", facts.id, what), attempt, post)

    def edit_grant(self, _: ActivityContext, given: GrantEditInput) -> Delivery:
        """Edits the card to what is true now. Idempotent."""

        def edit() -> Delivery:
            self._notifier.edit_grant(given)
            return Delivery()

        return deliver(edit)

    def check_grant(self, _: ActivityContext, given: GrantCheckInput) -> GrantStanding:
        """Whether the grant counts, given the policy, the people and the grant itself as they are now.

        Raises if that cannot be found out: then the grant approves nothing.
        """
        if given.before_use and not self._grants.stands(given):
            return GrantStanding(stands=False)
        reason = self._against(given)
        if reason and given.before_use:
            try:
                self._grants.doubt(given.grant)
            except CountersignError as error:  # it still counts for nothing, and the sweep will tell it
                log.info("%s was not told that it counts no more: %s", given.grant, error)
        return GrantStanding(stands=not reason, reason=reason)

    def _against(self, given: GrantCheckInput) -> str:
        book = self._book()
        policy = book.policies.get(given.policy)
        if policy is None or policy.grants is None or policy.digest() != given.policy_digest:
            return CHANGED
        if given.granted_by in book.revoked():
            return REVOKED
        if not self._directory.is_active(given.granted_by):
            return GONE
        return "" if self._is_asked(given.granted_by, policy) else NOT_ASKED

    def _is_asked(self, person: str, policy: Policy) -> bool:
        """Whether the policy's single level asks this person, by name or through a group."""
        approvers = policy.levels[0].approvers
        groups = policy.groups_in(approvers)
        if person in approvers and person not in groups:
            return True
        return any(person in self._members(group) for group in groups)

    def _members(self, group: str) -> list[str]:
        try:
            return self._directory.members(group)
        except DeliveryError:  # the group no longer exists
            return []
