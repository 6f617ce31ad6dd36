"""What a token may do with approvals, over HTTP and by MCP alike."""

from __future__ import annotations

from contextlib import suppress

from bot.http.api.approval_models import Approval, CardUrl
from bot.http.api.commands import raise_refusal
from bot.http.api.endpoint import actor_of, checked_id
from bot.http.api.fulfilment_models import FulfilmentView
from bot.http.api.long_polling import LongPolling, is_final
from bot.http.api.models import NewApproval
from bot.http.api.problems import Problem
from bot.http.api.responding import admitted_receiver, check_notified
from bot.security.tokens import REQUEST, Token
from orchestration.domain.commands import Progress, Reason, Verdict
from orchestration.domain.errors import HubUnavailableError, UnknownRequestError
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest
from orchestration.service.approvals import ApprovalService
from orchestration.service.fulfilments import FulfilmentService
from orchestration.service.operations import Operations
from orchestration.service.tickets import Ticket


class ApprovalAccess:
    """Asks for approvals, reads, awaits and withdraws them for a token, within its rights.

    The caller has checked that the token is good and has the scope for the operation. Each method raises `Problem` or
    `CountersignError`.
    """

    def __init__(
        self,
        service: ApprovalService,
        operations: Operations,
        fulfilments: FulfilmentService,
        card_url: CardUrl,
    ) -> None:
        self._service = service
        self._operations = operations
        self._fulfilments = fulfilments
        self._card_url = card_url
        self.long_polling = LongPolling(self.look, is_final)

    async def ask(self, token: Token, ask: NewApproval, key: str | None) -> str:
        """Starts an approval and returns its ID. A repeat with the same key and token starts nothing new."""
        if ask.notify_instance is not None:
            await check_notified(token, ask.notify_instance, self._operations)
        responds_to, responds_since = None, None
        if ask.respond is not None:
            responds_to, responds_since = await admitted_receiver(token, ask.respond, self._operations)
        request = ApprovalRequest(
            **ask.model_dump(),
            responds_to=responds_to,
            responds_since=responds_since,
            requester=token.owner,
            asked_with=token.name,
            idempotency_key=key,
        )
        return await self._service.start(request)

    async def visible(self, token: Token, given: str) -> str:
        """Returns the ID if the token may see the request: it sees all, its owner asked, or it decides the policy."""
        request_id = checked_id(given)
        if token.sees_all:
            return request_id
        progress = await self._service.status(request_id)
        own = token.may(REQUEST) and progress.requester == token.owner
        if not own and progress.policy not in token.policies:
            raise Problem("forbidden", "This token sees only what its owner asked or it may decide.")
        return request_id

    async def look(self, request_id: str) -> Progress:
        """Returns the progress. An approval that was stopped has the outcome that `reconcile` wrote."""
        return await self._operations.with_reconciled(await self._service.status(request_id))

    async def shown(self, progress: Progress) -> Approval:
        """Returns the approval with its card's address and its fulfilment. A purged fulfilment is left out."""
        fulfilment = None
        if progress.fulfilment is not None:
            with suppress(UnknownRequestError):
                fulfilment = FulfilmentView.of(await self._fulfilments.progress(progress.fulfilment))
        return Approval.of(progress, fulfilment, self._card_url(progress.cards))

    async def card_url(self, request_id: str) -> str | None:
        """Returns the address of the newest card; None where there is none or the hub cannot be reached."""
        try:
            return self._card_url((await self._service.status(request_id)).cards)
        except (HubUnavailableError, UnknownRequestError):
            return None

    async def cancel(self, token: Token, given: str, reason: str, command_id: str | None) -> Verdict:
        """Withdraws and returns the verdict: accepted, or on disk and not handled yet (`NO_ANSWER_YET`)."""
        ticket = await self._service.cancel(
            checked_id(given), actor_of(token), reason=reason, command_id=command_id
        )
        return await self.settled(ticket)

    async def settled(self, ticket: Ticket) -> Verdict:
        """Returns the verdict on a command. Raises `Problem` if the command was refused."""
        verdict = await self._service.verdict(ticket)
        if not verdict.accepted and verdict.reason is not Reason.NO_ANSWER_YET:
            raise_refusal(verdict)
        return verdict

    def policies(self) -> list[Policy]:
        """Returns the policies that may be asked under now, sorted by name."""
        return [policy for _, policy in sorted(self._service.book().askable().items())]
