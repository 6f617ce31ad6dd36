"""A notice board: a minimal chat system behind the same ports as Slack."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestration.domain.answers import OwedAnswer
from orchestration.domain.call_lists import CallListEditInput, CallListPostInput
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
from orchestration.domain.errors import DeliveryError, SmsRefusedError
from orchestration.domain.grant_effects import (
    GrantCheckInput,
    GrantEditInput,
    GrantPostInput,
    StartGrantInput,
    TellUseInput,
)
from orchestration.domain.request import CardRef, Status

Begin = Callable[[], bool]


def at_once() -> bool:
    """Allows every post at once."""
    return True


class AllNew:
    """Says of everything that no other process has begun it."""

    def begun_before(self, instance_id: str, task_id: int, what: str) -> bool:
        return False


class Board:
    """Holds what was posted. The next calls of a method raise its `problems` in turn; None lets one call pass."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.cards: dict[tuple[str, str], Card] = {}
        self.messages: list[SendMessageInput] = []
        self.message_edits: list[SendMessageInput] = []
        self.changes: list[DelegateChange] = []
        self.digests: list[PostDigestInput] = []
        self.said: list[tuple[str, str | None, str]] = []
        self.inactive = {"U0APP", "U0GONE"}
        self.replies: list[tuple[str, Step]] = []
        self.acted: list[tuple[str, str, Any]] = []
        self.pinged: list[str] = []
        self.purged: list[tuple[str, str, str]] = []
        self.edits = 0
        self.posts = 0
        self.lookups = 0
        self.copy_lookups = 0
        self.groups: dict[str, list[str]] = {
            "S0MANAGERS": ["U0ADA", "U0FAY"],
            "S0DIRECTORS": ["U0DIRK"],
            "S0AUDITORS": ["U0SAM"],
        }
        self.problems: defaultdict[str, list[Exception | None]] = defaultdict(list)

    def _maybe_fail(self, method: str) -> None:
        with self.lock:
            problems = self.problems[method]
            problem = problems.pop(0) if problems else None
        if problem is not None:
            raise problem

    def post_card(
        self, channel: str, card: Card, notify: Sequence[str], begin: Begin = at_once
    ) -> CardRef | None:
        self._maybe_fail("post_card")
        if not begin():
            return None
        with self.lock:
            self.posts += 1
            self.pinged += notify
            ts = f"1.{self.posts:06}"
            self.cards[channel, ts] = card
        # A reply that is lost after the post was made.
        self._maybe_fail("after post_card")
        return CardRef(channel=channel, ts=ts, round=card.round)

    def find_card(self, channel: str, card: Card) -> CardRef | None:
        self._maybe_fail("find_card")
        with self.lock:
            self.lookups += 1
            for (place, ts), posted in self.cards.items():
                if (place, posted.nonce, posted.round) == (channel, card.nonce, card.round):
                    return CardRef(channel=channel, ts=ts, round=card.round)
        return None

    def edit_card(self, ref: CardRef, card: Card) -> None:
        self._maybe_fail("edit_card")
        with self.lock:
            self.edits += 1
            self.cards[ref.channel, ref.ts] = card

    def post_reply(
        self, ref: CardRef, request_id: str, steps: Sequence[Step], begin: Begin = at_once
    ) -> None:
        self._maybe_fail("post_reply")
        if not begin():
            return
        with self.lock:
            self.replies += [(ref.ts, step) for step in steps]
        self._maybe_fail("after post_reply")

    def has_reply(self, ref: CardRef, request_id: str, steps: Sequence[Step]) -> bool:
        with self.lock:
            self.lookups += 1
            said = {step.number for ts, step in self.replies if ts == ref.ts}
            return {step.number for step in steps} <= said

    def send_message(self, message: SendMessageInput, begin: Begin = at_once) -> CardRef | None:
        self._maybe_fail("send_message")
        if not begin():
            return None
        with self.lock:
            self.messages.append(message)
        self._maybe_fail("after send_message")
        return _place_of(message)

    def find_message(self, message: SendMessageInput) -> CardRef | None:
        self._maybe_fail("find_message")
        with self.lock:
            self.lookups += 1
            return _place_of(message) if any(_same(message, sent) for sent in self.messages) else None

    def edit_message(self, ref: CardRef, message: SendMessageInput) -> None:
        self._maybe_fail("edit_message")
        assert ref == _place_of(message)
        with self.lock:
            self.message_edits.append(message)

    def remove_copies(self, given: RemoveCopiesInput) -> None:
        self._maybe_fail("remove_copies")
        with self.lock:
            self.copy_lookups += 1
            for (place, ts), card in list(self.cards.items()):
                same = (place, card.nonce, card.round) == (given.place, given.identity.nonce, given.round)
                if same and given.ref and ts != given.ref.ts:
                    del self.cards[place, ts]
            ref = given.ref.ts if given.ref is not None else ""
            for number in given.steps:
                same_line = [one for one in self.replies if (one[0], one[1].number) == (ref, number)]
                for extra in same_line[1:]:
                    self.replies.remove(extra)
            if given.message_id is not None:
                same_message = [
                    one
                    for one in self.messages
                    if (one.card.identity, one.message_id) == (given.identity, given.message_id)
                ]
                for again in same_message[1:]:
                    self.messages.remove(again)

    def post_digest(self, digest: PostDigestInput, begin: Begin = at_once) -> None:
        self._maybe_fail("post_digest")
        if not begin():
            return
        with self.lock:
            self.digests.append(digest)
        self._maybe_fail("after post_digest")

    def has_digest(self, digest: PostDigestInput) -> bool:
        with self.lock:
            self.lookups += 1
            return any(one.digest_id == digest.digest_id for one in self.digests)

    def remove_digest_copies(self, digest: PostDigestInput) -> None:
        self._maybe_fail("remove_digest_copies")
        with self.lock:
            self.copy_lookups += 1
            same = [
                one for one in self.digests if (one.digest_id, one.place) == (digest.digest_id, digest.place)
            ]
            for copy in same[1:]:
                self.digests.remove(copy)

    def tell_privately(self, person: str, place: str | None, words: str) -> None:
        self._maybe_fail("tell_privately")
        with self.lock:
            self.said.append((person, place, words))

    def tell_delegate_change(self, change: DelegateChange) -> None:
        self._maybe_fail("tell_delegate_change")
        with self.lock:
            self.changes.append(change)

    @property
    def told(self) -> list[tuple[str, Status]]:
        """Whom the board has told how a request stands, in turn."""
        with self.lock:
            return [(m.user, m.card.status) for m in self.messages if m.notice == "progress"]

    def steps(self) -> list[str]:
        """The kinds of the thread's lines, in turn."""
        with self.lock:
            return [step.kind.value for _, step in self.replies]

    def members(self, group: str) -> list[str]:
        self._maybe_fail("members")
        if group not in self.groups:
            raise DeliveryError(f"There is no group {group}.")
        return self.groups[group]

    def is_active(self, person: str) -> bool:
        self._maybe_fail("is_active")
        return person not in self.inactive

    def act(self, where: str, key: str, event: Any) -> str:
        self._maybe_fail("run_action")
        with self.lock:
            self.acted.append((where, key, event))
        return f"ok {len(self.acted)}"

    def card(self, channel: str) -> Card:
        """The one card of a channel."""
        with self.lock:
            found = [card for (place, _), card in self.cards.items() if place == channel]
        assert len(found) == 1, found
        return found[0]

    def has(self, channel: str) -> bool:
        with self.lock:
            return any(place == channel for place, _ in self.cards)


class NoAnswers:
    """For a world in which no owed answer is looked up."""

    def find(self, owed: OwedAnswer) -> str:
        raise AssertionError(owed)


class NoFulfilments:
    """For a world without fulfilments."""

    def hand_over(self, given: HandOverInput) -> str:
        raise NotImplementedError

    def record_step(self, given: RecordStepInput) -> None:
        raise NotImplementedError


class NoGrants:
    """For a world without grants."""

    def start(self, given: StartGrantInput) -> str:
        raise NotImplementedError

    def tell_use(self, given: TellUseInput) -> str:
        raise NotImplementedError

    def stands(self, given: GrantCheckInput) -> bool:
        raise NotImplementedError

    def doubt(self, grant: str) -> None:
        raise NotImplementedError

    def post_grant(self, given: GrantPostInput, begin: Callable[[], bool]) -> CardRef | None:
        raise NotImplementedError

    def find_grant(self, given: GrantPostInput) -> CardRef | None:
        raise NotImplementedError

    def edit_grant(self, given: GrantEditInput) -> None:
        raise NotImplementedError


class NoCallLists:
    """For a world without lists of calls."""

    def post_call_list(self, given: CallListPostInput, begin: Callable[[], bool]) -> CardRef | None:
        raise NotImplementedError

    def find_call_list(self, given: CallListPostInput) -> CardRef | None:
        raise NotImplementedError

    def edit_call_list(self, given: CallListEditInput) -> None:
        raise NotImplementedError


class NoDigests:
    """For a world without digests."""

    def add(self, channel: str, line: DigestLine) -> None:
        raise NotImplementedError


class NoAskers:
    """For a replay, which runs no activity."""

    def notify_instance(self, given: NotifyInstanceInput) -> str:
        raise NotImplementedError

    def read_outcome(self, given: ReadOutcomeInput) -> AskedOutcome | None:
        raise NotImplementedError


class NoPreviews:
    """For a world without documents."""

    def post_preview(self, preview: PostPreviewInput, begin: Begin) -> None:
        raise AssertionError(preview)

    def has_preview(self, preview: PostPreviewInput) -> bool:
        raise AssertionError(preview)


class BoardOutcomes:
    """Signs with a stamp, and calls back by writing on the board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def sign_receipt(self, given: SignReceiptInput) -> str:
        self._board._maybe_fail("sign_receipt")
        return f"stamped {given.outcome.request_id} {given.outcome.status}"

    def purged(self, request_id: str, nonce: str, by: str) -> None:
        self._board._maybe_fail("purged")
        with self._board.lock:
            self._board.purged.append((request_id, nonce, by))

    def send_callback(self, callback: SendCallbackInput) -> str:
        self._board._maybe_fail("send_callback")
        return self._board.act(callback.url, callback.id, callback.event)


class BoardActions:
    """The outside systems of the same world: they too write on the board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def run_action(self, action: RunActionInput) -> str:
        return self._board.act(action.post or action.activity or "", action.key, action.event)


class BoardPhones:
    """The phone number of each person, and every message that was sent to it."""

    def __init__(self, numbers: Mapping[str, str] | None = None) -> None:
        self.lock = threading.Lock()
        self.numbers = dict(numbers or {})
        self.texts: list[tuple[str, str, str]] = []
        self.problems: list[Exception] = []
        self.alerts: list[tuple[str, str, str | None]] = []
        self.undeliverable: list[tuple[str, str, str | None, str]] = []
        self.quotas: list[tuple[str, str, str]] = []

    def number_of(self, user: str) -> str | None:
        return self.numbers.get(user)

    def allowed(self, number: str) -> bool:
        return number.startswith("+1")

    def send(self, number: str, text: str, challenge_id: str | None = None) -> None:
        with self.lock:
            if self.problems:
                raise self.problems.pop(0)
            self.texts.append((number, text, challenge_id or ""))

    def locked(self, channel: str, masked: str, user: str | None) -> None:
        with self.lock:
            self.alerts.append((channel, masked, user))

    def quota(self, owner: str, token: str, limit: str) -> None:
        with self.lock:
            self.quotas.append((owner, token, limit))

    def remedy(self, code: int | None, trouble: str) -> str:
        return f"{trouble} {code}"

    def undelivered(self, channel: str, masked: str, user: str | None, remedy: str) -> None:
        with self.lock:
            self.undeliverable.append((channel, masked, user, remedy))

    def code(self, user: str) -> str:
        """The digits of the last code that was sent to a person."""
        with self.lock:
            texts = [text for number, text, _ in self.texts if number == self.numbers[user]]
        codes = [found.group(1) for text in texts if (found := re.search(r"reply (\d+) to", text))]
        assert codes, texts
        return codes[-1]

    def texts_to(self, user: str) -> int:
        with self.lock:
            return sum(number == self.numbers[user] for number, _, _ in self.texts)


def refusal(trouble: str) -> SmsRefusedError:
    return SmsRefusedError(trouble)


def _place_of(message: SendMessageInput) -> CardRef:
    return CardRef(channel=f"D{message.user}", ts=message.message_id, round=message.card.round)


def _same(one: SendMessageInput, other: SendMessageInput) -> bool:
    return (one.card.identity, one.message_id) == (other.card.identity, other.message_id)
