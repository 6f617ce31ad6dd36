"""The interfaces that the activities need. `bot` implements them; the core knows no chat system.

Every method is called from worker threads, blocks at most about ten seconds, and raises `ThrottledError` (nothing
was done; wait, then try again), `DeliveryError` (never try again), `TryFailedError` (try again; it says whether the
effect may have been done) or, for unforeseen trouble, anything else (try again; the effect may have been done).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from orchestration.domain.answers import OwedAnswer
from orchestration.domain.call_lists import CallListEditInput, CallListPostInput, ListedCall
from orchestration.domain.cards import Card, Step
from orchestration.domain.digests import DigestLine, PostDigestInput
from orchestration.domain.effects import (
    AskedOutcome,
    DelegateChange,
    HandOverInput,
    NotifyInstanceInput,
    PostPreviewInput,
    ReadOutcomeInput,
    RecordStepInput,
    RemoveCopiesInput,
    RunActionInput,
    SendCallbackInput,
    SendMessageInput,
    SignReceiptInput,
)
from orchestration.domain.gathering import (
    AskedGathering,
    AskSystemInput,
    GatheringEditInput,
    GatheringPostInput,
    ReadGatheringInput,
    RecordGatheringInput,
)
from orchestration.domain.grant_effects import (
    GrantCheckInput,
    GrantEditInput,
    GrantPostInput,
    StartGrantInput,
    TellUseInput,
)
from orchestration.domain.request import CardRef


class Notifier(Protocol):
    """Shows cards and messages to people."""

    def post_card(
        self, channel: str, card: Card, notify: Sequence[str], begin: Callable[[], bool]
    ) -> CardRef | None:
        """Post `card` to `channel`, pinging `notify` (people and groups).

        `begin` is called right before the post, after all other preparations. If it returns False, nothing is
        posted and the result is None. What it raises is passed on.
        """
        ...

    def find_card(self, channel: str, card: Card) -> CardRef | None:
        """The copy already posted for the card's round; None when none is found."""
        ...

    def edit_card(self, ref: CardRef, card: Card) -> None:
        """Make the posted copy say what `card` says. A copy that somebody deleted is no error."""
        ...

    def post_reply(
        self, ref: CardRef, request_id: str, steps: Sequence[Step], begin: Callable[[], bool]
    ) -> None:
        """Add a line for each step to the thread under `ref`, in one message. A deleted copy is no error.

        `begin`: see `post_card`.
        """
        ...

    def has_reply(self, ref: CardRef, request_id: str, steps: Sequence[Step]) -> bool:
        """Whether those lines are in the thread already; False also when there is no way to look."""
        ...

    def send_message(self, message: SendMessageInput, begin: Callable[[], bool]) -> CardRef | None:
        """Send a direct message to the person, or a message to the channel, that `message.user` names.

        Returns where the message is. `begin`: see `post_card`.
        """
        ...

    def find_message(self, message: SendMessageInput) -> CardRef | None:
        """The same message, if it was sent already; None when none is found, also when there is no way to look."""
        ...

    def edit_message(self, ref: CardRef, message: SendMessageInput) -> None:
        """Make a message that was sent say what `message` says. One that somebody deleted is no error."""
        ...

    def remove_copies(self, given: RemoveCopiesInput) -> None:
        """Leave one copy of a message that may have been posted twice. It is no error if there is no way to look."""
        ...

    def post_digest(self, digest: PostDigestInput, begin: Callable[[], bool]) -> None:
        """Post what was approved by rule to the channel, or to the person, that `digest.place` names.

        `begin`: see `post_card`.
        """
        ...

    def has_digest(self, digest: PostDigestInput) -> bool:
        """Whether this digest has been posted already; False also when there is no way to look."""
        ...

    def remove_digest_copies(self, digest: PostDigestInput) -> None:
        """Leave one copy of a digest that may have been posted twice. It is no error if there is no way to look."""
        ...

    def tell_privately(self, person: str, place: str | None, words: str) -> None:
        """Send the text to the person alone: in the channel `place`, or directly where that is impossible."""
        ...

    def tell_delegate_change(self, change: DelegateChange) -> None:
        """Tell the person directly what has changed about who is asked in their place."""
        ...


class Intents(Protocol):
    """Knows which tries of a post may have begun already. Holds across processes and kills, without comparing times."""

    def begun_before(self, instance_id: str, task_id: int, what: str) -> bool:
        """Whether that activity may have begun to post `what` before. The call also records on disk that it begins now.

        Call it in the thread that the activity runs in, right before the post.
        May raise `HubUnavailableError`: the answer is not known, and nothing may be posted.
        """
        ...


class AnswerFinder(Protocol):
    """Finds out how what people did was answered."""

    def find(self, owed: OwedAnswer) -> str:
        """The text for the person; empty where there is nothing to say. `TryFailedError` while it is not handled."""
        ...


class Directory(Protocol):
    """Knows the members of groups and the people of the workspace."""

    def members(self, group: str) -> list[str]:
        """The IDs of the group's present members. An unknown group is a `DeliveryError`."""
        ...

    def is_active(self, person: str) -> bool:
        """Whether this is a human, active member of the workspace: not an app, a former member or an outsider."""
        ...


class Signer(Protocol):
    """Signs outcomes."""

    def sign_receipt(self, given: SignReceiptInput) -> str:
        """The receipt, a compact JWS, once it is on record. The same outcome always gives the same receipt.

        `DeliveryError`: this outcome is not to be signed, now or later. Anything else: try again.
        """
        ...


class StepRecorder(Protocol):
    """Puts the steps of fulfilments on record."""

    def record_step(self, given: RecordStepInput) -> None:
        """Returns once the step is on record. A repeat of the same step adds nothing.

        `DeliveryError`: another step of that number is on record. Anything else: try again.
        """
        ...


class Fulfilments(Protocol):
    """Reaches the instances that run fulfilments after an approval."""

    def hand_over(self, given: HandOverInput) -> str:
        """Start the fulfilment if it was not started; otherwise raise the event `FulfilmentHandedOver` on it.

        Safe to repeat. Returns a short answer for the log.
        """
        ...


class StandingGrants(Protocol):
    """Reaches the instances of standing grants."""

    def start(self, given: StartGrantInput) -> str:
        """Start the grant's instance; a repeated call starts it only once. Returns a short answer for the log."""
        ...

    def tell_use(self, given: TellUseInput) -> str:
        """Raise the event `GrantUsed` on the instance, unless it has ended. Returns a short answer for the log."""
        ...

    def stands(self, given: GrantCheckInput) -> bool:
        """Whether the grant reports that it counts now, for exactly this person and policy.

        False for a grant that does not exist.
        """
        ...

    def doubt(self, grant: str) -> None:
        """Have the grant check whether it still counts."""
        ...


class GrantNotifier(Protocol):
    """Shows the cards of standing grants to people."""

    def post_grant(self, given: GrantPostInput, begin: Callable[[], bool]) -> CardRef | None:
        """Post the card to the channel, or the trouble to the person, that `place` names.

        `begin`: see `Notifier.post_card`.
        """
        ...

    def find_grant(self, given: GrantPostInput) -> CardRef | None:
        """The same message, if it was posted already; None when none is found, also when there is no way to look."""
        ...

    def edit_grant(self, given: GrantEditInput) -> None:
        """Make the card show the present state. A card that somebody deleted is no error."""
        ...


class CallLists(Protocol):
    """Reaches the lists of waiting calls, each of which has one card for several requests."""

    def join(self, name: str, run: str, channel: str, call: ListedCall) -> CardRef:
        """Join the list, or begin it; returns where its card is. `TryFailedError` while there is no card."""
        ...

    def change(self, name: str, card: Card) -> bool:
        """Report that the card of a request on the list has changed. Returns once the list has received this.

        False where the list is over and held no other request: the card then belongs to that request alone.
        `TryFailedError` while the answer is not known.
        """
        ...


class CallListNotifier(Protocol):
    """Shows the cards of lists of waiting calls to people."""

    def post_call_list(self, given: CallListPostInput, begin: Callable[[], bool]) -> CardRef | None:
        """Post the card to the channel. `begin`: see `Notifier.post_card`."""
        ...

    def find_call_list(self, given: CallListPostInput) -> CardRef | None:
        """The same card, if it was posted already; None when none is found, also when there is no way to look."""
        ...

    def edit_call_list(self, given: CallListEditInput) -> None:
        """Make the card show the present state. A card that somebody deleted is no error."""
        ...


class Records(Protocol):
    """Keeps what happened for longer than the task hub does."""

    def purged(self, request_id: str, nonce: str, by: str) -> None:
        """Put on record that `by` is about to delete this start of the request from the hub. Safe to repeat.

        Where that fails (`RecordsUnavailableError`), nothing is to be deleted.
        """
        ...


class Caller(Protocol):
    """Tells other programs."""

    def send_callback(self, callback: SendCallbackInput) -> str:
        """POST the event, signed; returns a short answer for people."""
        ...


class Digests(Protocol):
    """Reaches the channels' listeners. Each gathers what is posted together once an hour."""

    def add(self, channel: str, line: DigestLine) -> None:
        """Have the channel's listener count the line; start the listener where none runs. The same line counts once.

        `TryFailedError` while a listener is ending: try again.
        """
        ...


class Askers(Protocol):
    """Reaches the orchestrations that asked, and reads the outcomes of their requests for them."""

    def notify_instance(self, given: NotifyInstanceInput) -> str:
        """Raise the event, unless the instance is one of Countersign's own; returns a short answer for people.

        It is no error if the instance does not exist or has ended: it then needs no event.
        """
        ...

    def read_outcome(self, given: ReadOutcomeInput) -> AskedOutcome | None:
        """The request's outcome, for the orchestration that asked.

        None before the outcome is signed, for an approval that is never signed, and for anybody who did not ask.
        """
        ...


class Actions(Protocol):
    """Runs the actions that a policy attaches to an outcome."""

    def run_action(self, action: RunActionInput) -> str:
        """POST the event as JSON, or call the installed action, with the same `key` over all tries.

        Returns a short answer for people.
        """
        ...


class Previews(Protocol):
    """Shows the documents that are reviewed."""

    def post_preview(self, preview: PostPreviewInput, begin: Callable[[], bool]) -> None:
        """Show the document in the thread of the card, if it is still the one under review.

        `begin`: see `Notifier.post_card`.
        """
        ...

    def has_preview(self, preview: PostPreviewInput) -> bool:
        """Whether the preview is in the thread already; False also when there is no way to look."""
        ...


class Phones(Protocol):
    """Knows the numbers that the operator enrolled, and which numbers may be sent to."""

    def number_of(self, user: str) -> str | None:
        """The enrolled number of a person, in E.164; None when there is none."""
        ...

    def allowed(self, number: str) -> bool:
        """Whether the number's country is one that this installation sends to (a guard against toll fraud)."""
        ...


class SmsSender(Protocol):
    """Sends text messages."""

    def send(self, number: str, text: str, challenge_id: str | None = None) -> None:
        """Hand `text` to the provider. `SmsRefusedError` says why the text will never be sent.

        If the provider reports later that the text did not arrive, its report names the `challenge_id`. Without a
        `challenge_id`, no report is asked for.
        """
        ...

    def remedy(self, code: int | None, trouble: str) -> str:
        """A sentence that tells the operator of this installation what to do. `code` is the provider's error number."""
        ...


class MailSender(Protocol):
    """Sends codes by e-mail."""

    def send(self, address: str, code: str, minutes: int, challenge_id: str) -> None:
        """Hand the code, which is valid for so many minutes, to the mail server.

        `MailRefusedError` says why it will never be sent. No other error holds the address or the code.
        """
        ...


class CodeTally(Protocol):
    """Counts the results of codes. `email` is true where they go by e-mail, not by SMS. It never raises."""

    def code_sent(self, result: Literal["sent", "refused", "failed"], *, email: bool) -> None:
        """The provider took the code, will never take it, or did not take it in this try."""
        ...

    def code_checked(self, result: Literal["right", "wrong", "over"], *, email: bool) -> None:
        """An answer was compared with a code, or came too late to be compared."""
        ...


class Alerts(Protocol):
    """Tells a channel what its operators should know."""

    def locked(self, channel: str, masked: str, user: str | None) -> None:
        """A number had too many challenges and is locked for an hour."""
        ...

    def quota(self, owner: str, token: str, limit: str) -> None:
        """This token of `owner` has reached a limit on codes for programs. `limit` says in words whose limit it is."""
        ...

    def undelivered(self, channel: str, masked: str, user: str | None, remedy: str) -> None:
        """A code could not be sent to a number, or did not arrive there; `remedy` is what can be done about it."""
        ...


class GatheringNotifier(Protocol):
    """Shows the messages of gatherings to people."""

    def post_gathering(self, given: GatheringPostInput, begin: Callable[[], bool]) -> CardRef | None:
        """Post the message to the channel, or directly to the person, that `place` names.

        `begin`: see `Notifier.post_card`.
        """
        ...

    def find_gathering(self, given: GatheringPostInput) -> CardRef | None:
        """The same message, if it was posted already; None when none is found, also when there is no way to look."""
        ...

    def edit_gathering(self, given: GatheringEditInput) -> None:
        """Make the posted message show the present state. A message that somebody deleted is no error."""
        ...


class Systems(Protocol):
    """Sends requests to other systems."""

    def ask_system(self, given: AskSystemInput) -> str:
        """POST the body, signed, with the address for the answer; returns a short answer for people."""
        ...


class GatheringRecords(Protocol):
    """Keeps the results of gatherings for longer than the task hub does."""

    def record_gathering(self, given: RecordGatheringInput) -> str:
        """The signed entry, a compact JWS, once it is on record. The same result always gives the same entry.

        `DeliveryError`: this result is not to be put on record, now or later. Anything else: try again.
        """
        ...


class GatheringAskers(Protocol):
    """Reads the results of gatherings, for the orchestrations that asked them."""

    def read_gathering(self, given: ReadGatheringInput) -> AskedGathering | None:
        """The result; None before it is on record, and for anybody who did not ask."""
        ...
