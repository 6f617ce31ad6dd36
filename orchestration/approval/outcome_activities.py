"""Activities for programs: take the policy for another orchestration, sign an outcome, and send its callback."""

from __future__ import annotations

from collections.abc import Callable

from durabletask.task import ActivityContext

from orchestration.approval.state import ApprovalInput, Taken
from orchestration.domain import rules
from orchestration.domain.effects import Delivery, SendCallbackInput, SignReceiptInput
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.ids import IdReader
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import ApprovalRequest, new_nonce, new_salt
from orchestration.durable.delivery import deliver
from orchestration.ports import Caller, Signer


class OutcomeActivities:
    """Reaches the outside through ports. `book` gives the policies as they are now; `ids` checks who asks."""

    def __init__(self, signer: Signer, caller: Caller, book: Callable[[], PolicyBook], ids: IdReader) -> None:
        self._signer = signer
        self._caller = caller
        self._book = book
        self._ids = ids

    def take_policy(self, _: ActivityContext, given: ApprovalRequest) -> Taken:
        """Gives an orchestration that asks directly what the service adds for a person or a program."""
        try:
            known = taken(rules.unstamped(given), self._book(), self._ids)
            return Taken(given=known.model_copy(update={"asked_without_seal": True}))
        except InvalidRequestError as error:
            return Taken(problem=str(error))

    def sign_receipt(self, _: ActivityContext, given: SignReceiptInput) -> Delivery:
        """Signs the outcome and puts it on record. The same outcome again gets the same receipt."""
        return deliver(lambda: Delivery(answer=self._signer.sign_receipt(given)))

    def send_callback(self, _: ActivityContext, given: SendCallbackInput) -> Delivery:
        """POSTs the outcome. Its ID is the same for all tries, so that the receiver can recognise a repeat."""
        return deliver(lambda: Delivery(answer=self._caller.send_callback(given)))


def taken(
    request: ApprovalRequest, book: PolicyBook, ids: IdReader, *, reviews: bool = False
) -> ApprovalInput:
    """The input of `approval`: the request under its policy, a copy of that policy, and a nonce of this start.

    `reviews` allows a policy that reviews documents. Only the code that watches for documents sets it, because a review
    moves its document. Raises `InvalidRequestError` naming the field.
    """
    policy = book.policies.get(request.policy)
    if request.policy in book.gatherings:
        raise InvalidRequestError(
            f"policy: {request.policy} gathers answers and decides nothing; start it as a gathering "
            "(POST /api/gatherings, or the command in the chat).",
            field="policy",
        )
    if policy is None:
        known = ", ".join(sorted(book.askable())) or "none that can be asked by"
        raise InvalidRequestError(
            f"policy: there is no {request.policy!r}; there is {known}.", field="policy"
        )
    if policy.documents is not None and not reviews:
        raise InvalidRequestError(
            f"policy: {policy.title} reviews documents. Put the document into the place that it watches, and its "
            "review starts by itself.",
            field="policy",
        )
    written, policy = policy.digest(), policy.for_amount(request.amount)
    rules.check_receivers(request)
    try:
        ids.person(request.requester)
    except ValueError as error:
        raise InvalidRequestError(f"requester: {error}.", field="requester") from error
    return ApprovalInput(
        nonce=new_nonce(),
        salt=new_salt(),
        request=rules.check_request(request, policy, book.enrolled(), ids),
        policy=policy,
        policy_digest=written,
        people=book.people_of(policy),
    )
