"""The I/O of the gathering workflow. Activities run at least once, on worker threads; each is safe to repeat."""

from __future__ import annotations

from collections.abc import Callable

from durabletask.task import ActivityContext

from orchestration.domain import rules
from orchestration.domain.effects import Delivery
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.gathering import (
    AskedGathering,
    AskSystemInput,
    GatheringEditInput,
    GatheringPostInput,
    GatheringRequest,
    ReadGatheringInput,
    RecordGatheringInput,
)
from orchestration.domain.ids import IdReader
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import CardRef, new_nonce, new_salt
from orchestration.durable.delivery import deliver
from orchestration.durable.once import Once
from orchestration.gathering.state import GatheringInput, TakenGathering
from orchestration.ports import GatheringAskers, GatheringNotifier, GatheringRecords, Intents, Systems


class GatheringActivities:
    """Reaches the outside through ports. `book` gives the policies as they are now; `ids` checks who asks."""

    def __init__(
        self,
        notifier: GatheringNotifier,
        systems: Systems,
        records: GatheringRecords,
        askers: GatheringAskers,
        book: Callable[[], PolicyBook],
        ids: IdReader,
        intents: Intents,
    ) -> None:
        self._notifier = notifier
        self._systems = systems
        self._records = records
        self._askers = askers
        self._book = book
        self._ids = ids
        self._once = Once(intents)

    def post_gathering(self, ctx: ActivityContext, given: GatheringPostInput) -> Delivery:
        """Posts one message once, however often it is called.

        An earlier post is remembered in this process, or looked for in the chat system.
        """
        view = given.view
        attempt = self._once.attempt(ctx, given, f"gathering {view.nonce} {given.message_id}")
        found: CardRef | None = None

        def is_there() -> bool:
            nonlocal found
            found = self._notifier.find_gathering(given)
            return found is not None

        def post() -> Delivery:
            if given.only_if_found:
                attempt.begin(is_there)
                return Delivery(card=found)
            posted = self._notifier.post_gathering(given, lambda: attempt.begin(is_there))
            return Delivery(card=posted or found)

        key = ("gathering", view.request_id, view.nonce, given.message_id)
        return self._once.run(key, attempt, post, looks=given.only_if_found)

    def edit_gathering(self, _: ActivityContext, given: GatheringEditInput) -> Delivery:
        """Edits a posted message to what is true now. Idempotent."""

        def edit() -> Delivery:
            self._notifier.edit_gathering(given)
            return Delivery()

        return deliver(edit)

    def ask_system(self, _: ActivityContext, given: AskSystemInput) -> Delivery:
        """POSTs the question to a system.

        Its ID is the same for all tries, so that the receiver can recognise a repeat.
        """
        return deliver(lambda: Delivery(answer=self._systems.ask_system(given)))

    def record_gathering(self, _: ActivityContext, given: RecordGatheringInput) -> Delivery:
        """Puts the result on record. The same result again gets the same entry."""
        return deliver(lambda: Delivery(answer=self._records.record_gathering(given)))

    def take_gathering_policy(self, _: ActivityContext, given: GatheringRequest) -> TakenGathering:
        """Gives an orchestration that asks directly what the service adds for a person or a program."""
        try:
            known = taken_gathering(rules.unstamped(given), self._book(), self._ids)
            return TakenGathering(given=known.model_copy(update={"asked_without_seal": True}))
        except InvalidRequestError as error:
            return TakenGathering(problem=str(error))

    def read_gathering(self, _: ActivityContext, given: ReadGatheringInput) -> AskedGathering | None:
        """Reads the result for the orchestration that asked: see `request_gathering`."""
        return self._askers.read_gathering(given)


def taken_gathering(request: GatheringRequest, book: PolicyBook, ids: IdReader) -> GatheringInput:
    """The input of `gathering`: the request, a copy of its policy, and a nonce of this start.

    Raises `InvalidRequestError` naming the field.
    """
    policy = book.gatherings.get(request.policy)
    if policy is None:
        known = ", ".join(sorted(book.gatherings)) or "none"
        other = " It is decided by approvers: ask for an approval." if request.policy in book.policies else ""
        raise InvalidRequestError(
            f"policy: there is no gathering {request.policy!r}; there is {known}.{other}", field="policy"
        )
    rules.check_receivers(request)
    try:
        ids.person(request.requester)
    except ValueError as error:
        raise InvalidRequestError(f"requester: {error}.", field="requester") from error
    return GatheringInput(
        nonce=new_nonce(), salt=new_salt(), request=request, policy=policy, people=book.absences()
    )
