"""Posts, finds and edits cards, keeps their threads, and sends messages. Sync: activities run on worker threads."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import blocks
from bot.slack.api.answer_buttons import AnswerButtons
from bot.slack.api.codes import GONE
from bot.slack.api.edit_turns import EditRank
from bot.slack.api.errors import SLACK_FAILURES, as_delivery_errors, code_of
from bot.slack.api.health import SlackHealth, WatchedWebClient
from bot.slack.api.history import Found
from bot.slack.api.own_account import Account
from bot.slack.api.poster import Poster, at_once
from bot.slack.input import target
from bot.slack.input.target import Target, message_metadata, steps_metadata
from bot.slack.messages import digests, thread
from bot.slack.messages.cards import render
from bot.slack.messages.notice_words import NoticeMessage
from bot.slack.messages.notices import LISTED, delegate_change, notice, recorded
from bot.slack.text import mention, safe
from orchestration.domain.cards import Card, Step
from orchestration.domain.digests import PostDigestInput
from orchestration.domain.effects import DelegateChange, RemoveCopiesInput, SendMessageInput
from orchestration.domain.errors import DeliveryError, ThrottledError
from orchestration.domain.request import CardRef, Via

log = logging.getLogger(__name__)

LOCKED: Final = (
    "✗ {whose} was sent ten codes within an hour that did not come back, and is locked for an hour. If nobody there "
    "pressed Approve that often, somebody else does."
)
QUOTA: Final = (
    "✗ Programs have reached the limit on codes for {limit}, so theirs are refused for an hour. The last was asked for "
    "with the token `{token}`, which is yours. `countersign token revoke {token}` stops it."
)
UNDELIVERED: Final = "✗ A code for {whose} could not be delivered. {remedy} This is said once a day."
REMEDY: Final = 600  # characters

SEEN_AS_LATE: Final = 1.0  # seconds; if an edit waits for so long, the voter gets a message at once
JUST_NOW: Final = timedelta(minutes=1)
REMEMBERED: Final = 1000  # votes for which that message was sent

TIMEOUT: Final = 10  # seconds for each call, for which an activity may hold one of the worker's threads


def web_client(token: str, base_url: str, health: SlackHealth | None = None) -> WebClient:
    """Makes a client that does not retry: the outbox does that durably."""
    return WatchedWebClient(health or SlackHealth(), token=token, base_url=base_url, timeout=TIMEOUT)


class SlackNotifier:
    """`orchestration.ports.Notifier` over the Web API. Safe to share between threads."""

    def __init__(
        self,
        poster: Poster,
        shown: Callable[[Card, Sequence[str]], None] | None = None,
    ) -> None:
        """`shown` is called with each card that was posted or edited, and with the IDs that it pings."""
        self._poster = poster
        self._client = poster.client
        self._shown = shown or (lambda _card, _notify: None)
        self._lock = threading.Lock()
        self._answer_buttons = AnswerButtons(poster)
        self._gone: set[tuple[str, str]] = set()
        self._said_recorded: deque[tuple[str, str, str, datetime]] = deque(maxlen=REMEMBERED)

    # ---- cards -------------------------------------------------------------------------------------------

    def post_card(
        self, channel: str, card: Card, notify: Sequence[str], begin: Callable[[], bool] = at_once
    ) -> CardRef | None:
        """Posts `card` to `channel` when it is its turn, pinging `notify`, unless `begin` then returns False."""
        rendered = render(card, notify)
        posted = self._poster.say(
            channel,
            (card.request_id, "card", card.round),
            begin,
            urgent=True,
            text=rendered.text,
            blocks=rendered.blocks,
            metadata=rendered.metadata,
        )
        if posted is None:
            return None
        self._shown(card, notify)
        return CardRef(channel=str(posted["channel"]), ts=str(posted["ts"]), round=card.round)

    def find_card(self, channel: str, card: Card) -> CardRef | None:
        """The copy this app already posted for the card's round, by its metadata.

        None when there is none among the channel's newest 2,000 messages, or where the app may not look.
        """
        wanted = Target.of(card.request_id, card.round, card.identity)
        found = self._poster.history.in_channel(channel, wanted.is_card_of)
        return CardRef(channel=channel, ts=str(found["ts"]), round=card.round) if found else None

    def edit_card(self, ref: CardRef, card: Card) -> None:
        """Redraws the copy at `ref` from `card`. If it is deleted, or its channel is archived, that is only logged."""
        rendered = render(card)
        try:
            # The metadata is sent with each edit, so that it always matches what the copy shows.
            gone = self._poster.edit(
                (ref.channel, ref.ts),
                _rank(card),
                text=rendered.text,
                blocks=rendered.blocks,
                metadata=rendered.metadata,
            )
        except ThrottledError as error:
            if error.retry_after >= SEEN_AS_LATE:
                self._say_recorded(ref, card)
            raise
        if gone is not None:
            self._is_gone(ref, card.request_id, gone)
        self._shown(card, ())
        self._answer_buttons.remove(card)

    def _say_recorded(self, ref: CardRef, card: Card) -> None:
        """Tells the person who has just voted on this copy that the vote counts but is not shown yet. Never raises."""
        vote = card.newest_vote
        if vote is None or vote.via is not Via.CHAT or vote.round != card.round:
            return
        about = (card.request_id, card.nonce, vote.actor, vote.at)
        with self._lock:
            # An older vote is on the card already: this edit was to show something else.
            if about in self._said_recorded or vote.at < datetime.now(UTC) - JUST_NOW:
                return
            self._said_recorded.append(about)
        try:
            self._client.chat_postEphemeral(channel=ref.channel, user=vote.actor, text=recorded(card, vote))
        except SLACK_FAILURES as error:
            log.info(
                "%s: %s is not told that it counts: %s", card.request_id, vote.actor, code_of(error) or error
            )

    # ---- the thread --------------------------------------------------------------------------------------

    def post_reply(
        self, ref: CardRef, request_id: str, steps: Sequence[Step], begin: Callable[[], bool] = at_once
    ) -> None:
        """Adds the steps to the thread under `ref`, in one message. A deleted card has no thread to add to."""
        if self._known_gone(ref):
            return
        lead = f"`{request_id}` " if ref.list_id else ""  # several requests share the thread
        try:
            said = self._poster.say(
                ref.channel,
                (request_id, "step", steps[0].number),
                begin,
                thread_ts=ref.ts,
                text="\n".join(f"{lead}{thread.line(step)}" for step in steps),
                metadata=steps_metadata(request_id, (step.number for step in steps)),
            )
        except SlackApiError as error:
            if code_of(error) not in GONE:
                raise
            self._is_gone(ref, request_id, code_of(error))
            return
        if said is not None and not said["message"].get("thread_ts"):
            # If the card is gone, Slack posts a reply as a message of the channel, where nobody knows what it is about.
            with as_delivery_errors():
                self._client.chat_delete(channel=ref.channel, ts=str(said["ts"]))
            self._is_gone(ref, request_id, "no thread")

    def has_reply(self, ref: CardRef, request_id: str, steps: Sequence[Step]) -> bool:
        """Whether this app has already added those steps to the thread; False also where it may not look."""
        numbers = [step.number for step in steps]
        found = self._poster.history.in_thread(
            ref.channel, ref.ts, lambda message: target.says(message, request_id, numbers)
        )
        return found is not None

    # ---- messages ----------------------------------------------------------------------------------------

    def send_message(self, message: SendMessageInput, begin: Callable[[], bool] = at_once) -> CardRef | None:
        """Sends `message` to the person or the channel that it names, with links to the cards."""
        said = self._drawn(message)
        posted = self._poster.say(
            self._poster.place(message.user),
            (message.card.request_id, message.card.nonce, message.message_id),
            begin,
            text=said.text,
            blocks=said.blocks,
            metadata=_metadata_of(message),
        )
        return _ref_of(posted["channel"], posted["ts"], message) if posted is not None else None

    def find_message(self, message: SendMessageInput) -> CardRef | None:
        """The message that this app has already sent there; None also where it may not look."""
        wanted, place = _metadata_of(message), self._poster.place(message.user)
        found = self._poster.history.in_channel(place, lambda known: known.get("metadata") == wanted)
        return _ref_of(place, found["ts"], message) if found else None

    def edit_message(self, ref: CardRef, message: SendMessageInput) -> None:
        """Redraws the message at `ref` from `message`. If it is deleted, that is only logged."""
        said = self._drawn(message)
        gone = self._poster.edit(
            (ref.channel, ref.ts),
            EditRank.ENDED if message.card.status.ended else EditRank.UNDER_WAY,
            text=said.text,
            blocks=said.blocks or [blocks.section(said.text)],
            metadata=_metadata_of(message),
        )
        if gone is not None:
            self._is_gone(ref, message.card.request_id, gone)

    def _drawn(self, message: SendMessageInput) -> NoticeMessage:
        links = {waiting.request_id: waiting.where for waiting in message.waiting[:LISTED]}
        links[message.card.request_id] = message.where
        own = self._account()
        shown = {request: ref for request, ref in links.items() if ref and not self._known_gone(ref)}
        return notice(message, {request: own.permalink(ref) for request, ref in shown.items()} if own else {})

    def post_digest(self, given: PostDigestInput, begin: Callable[[], bool] = at_once) -> None:
        """Posts what was approved by rule, in its channel or to the person."""
        drawn = digests.digest(given)
        self._poster.say(
            self._poster.place(given.place),
            ("digest", given.digest_id),
            begin,
            text=drawn.text,
            blocks=drawn.blocks,
            metadata=digests.metadata(given.digest_id),
        )

    def has_digest(self, given: PostDigestInput) -> bool:
        """Whether this app has already posted that digest there; False also where it may not look."""
        wanted = digests.metadata(given.digest_id)
        found = self._poster.history.in_channel(
            self._poster.place(given.place), lambda known: known.get("metadata") == wanted
        )
        return found is not None

    # ---- duplicates --------------------------------------------------------------------------------------

    def remove_copies(self, given: RemoveCopiesInput) -> None:
        """Deletes all but one of the messages that are the same card, line or message."""
        place = self._poster.place(given.place)
        found = self._copies(place, given)
        if given.ref is not None and not given.steps:
            stays = given.ref.ts
        else:
            stays = min((str(message["ts"]) for message in found), key=float, default="")
        self._delete(given.request_id, place, [str(one["ts"]) for one in found if one["ts"] != stays])

    def remove_digest_copies(self, given: PostDigestInput) -> None:
        """Deletes all but the first of the messages that are the same digest."""
        place, wanted = self._poster.place(given.place), digests.metadata(given.digest_id)
        found = self._poster.history.all_in_channel(place, lambda one: one.get("metadata") == wanted)
        _, *others = sorted((str(message["ts"]) for message in found), key=float) or [""]
        self._delete(given.digest_id, place, others)

    def _delete(self, whose: str, place: str, copies: list[str]) -> None:
        for ts in copies:
            log.info("%s: the copy %s in %s is removed", whose, ts, place)
            with as_delivery_errors():
                try:
                    self._client.chat_delete(channel=place, ts=ts)
                except SlackApiError as error:
                    if code_of(error) not in GONE:
                        raise

    def _copies(self, place: str, given: RemoveCopiesInput) -> list[Found]:
        if given.round is not None:
            card = Target.of(given.request_id, given.round, given.identity)
            return self._poster.history.all_in_channel(place, card.is_card_of)
        if given.steps and given.ref is not None:
            lines = steps_metadata(given.request_id, given.steps)
            return self._poster.history.all_in_thread(
                given.ref.channel, given.ref.ts, lambda one: one.get("metadata") == lines
            )
        said = message_metadata(given.request_id, given.identity.nonce, given.message_id or "")
        return self._poster.history.all_in_channel(place, lambda one: one.get("metadata") == said)

    # ---- for the operators, and about people -------------------------------------------------------------

    def tell_privately(self, person: str, place: str | None, words: str) -> None:
        """Tells the person in the channel, where only they see it, or by a direct message if that is not possible."""
        if place is not None:
            try:
                with as_delivery_errors():
                    self._client.chat_postEphemeral(channel=place, user=person, text=words)
            except DeliveryError as error:
                log.info("%s cannot be told in %s: %s", person, place, error)
            else:
                return
        self._poster.say(self._poster.place(person), ("answer", person, words), text=words)

    def tell_delegate_change(self, change: DelegateChange) -> None:
        """Tells the person that their delegate has changed."""
        text = delegate_change(change)
        self._poster.say(
            self._poster.place(change.person), ("delegate_change", change.person, text), text=text
        )

    def locked(self, channel: str, masked: str, user: str | None) -> None:
        """Tells the channel of a locked number; see `Alerts`."""
        self._poster.say(
            channel, ("locked", masked, user), text=LOCKED.format(whose=_number(masked, user, "The"))
        )

    def quota(self, owner: str, token: str, limit: str) -> None:
        """Tells a token's owner of a limit on codes; see `Alerts`."""
        self._poster.say(
            self._poster.place(owner), ("quota", token, limit), text=QUOTA.format(token=token, limit=limit)
        )

    def undelivered(self, channel: str, masked: str, user: str | None, remedy: str) -> None:
        """Tells the channel what keeps codes from arriving; see `Alerts`."""
        text = UNDELIVERED.format(whose=_number(masked, user, "the"), remedy=safe(remedy, REMEDY))
        self._poster.say(channel, ("undelivered", masked, remedy), text=text)

    def _known_gone(self, ref: CardRef) -> bool:
        """Whether an edit has found that the card is deleted. The edit of a step comes before its reply."""
        with self._lock:
            return (ref.channel, ref.ts) in self._gone

    def _is_gone(self, ref: CardRef, request_id: str, why: str) -> None:
        with self._lock:
            self._gone.add((ref.channel, ref.ts))
        log.info("%s: the card %s in %s is out of reach (%s)", request_id, ref.ts, ref.channel, why)

    def _account(self) -> Account | None:
        """The app's account; None if Slack does not answer: a message without a link is better than no message."""
        try:
            return self._poster.own.get()
        except SLACK_FAILURES as error:
            log.info("no links to cards: %s", code_of(error) or error)
            return None


def _rank(card: Card) -> EditRank:
    if card.ended_at is None:
        return EditRank.UNDER_WAY
    newest = max((level.round for level in card.levels), default=card.round)
    return EditRank.ENDED_HERE if card.round >= newest else EditRank.ENDED


def _number(masked: str, user: str | None, article: str) -> str:
    return f"{mention(user)}'s number {masked}" if user else f"{article} number {masked}"


def _metadata_of(message: SendMessageInput) -> dict[str, Any]:
    return message_metadata(message.card.request_id, message.card.nonce, message.message_id)


def _ref_of(channel: object, ts: object, message: SendMessageInput) -> CardRef:
    return CardRef(channel=str(channel), ts=str(ts), round=message.card.round)
