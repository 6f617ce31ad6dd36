"""Gives the activity for each outbox item, and its input. The input is made when a try starts, from the state then."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from orchestration.approval import asking, projection, shared_inputs
from orchestration.approval.granted import started_grant
from orchestration.approval.outbox_items import (
    AddToDigest,
    AnyOutboxItem,
    EditCard,
    EditMessage,
    HandOver,
    NotifyInstance,
    PostCard,
    PostPreview,
    PostReply,
    RemoveCopies,
    RunAction,
    SendCallback,
    SendMessage,
    SendResponse,
    SignReceipt,
    StartGrant,
    TellUse,
)
from orchestration.approval.record import Record
from orchestration.domain.cards import Notice
from orchestration.domain.commands import AskMessage
from orchestration.domain.digests import AddToDigestInput, DigestLine
from orchestration.domain.document_reviews import MoveAction
from orchestration.domain.documents import reviewed
from orchestration.domain.effects import (
    EditCardInput,
    EditMessageInput,
    HandOverInput,
    PostCardInput,
    PostPreviewInput,
    RunActionInput,
    SendMessageInput,
    SignReceiptInput,
)
from orchestration.domain.grant_effects import CountedUse, TellUseInput
from orchestration.domain.request import CardRef, EventFormat
from orchestration.held_calls.grant_uses import TITLE as USE_TITLE

DECIDING: Final = frozenset({Notice.ASKED, Notice.REMINDER})


class ActivityInputs:
    """Makes the activity inputs of one request."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def build(  # noqa: C901, PLR0911, PLR0912 - one arm for each kind of item
        self, item: AnyOutboxItem, attempt: int, *, maybe_done: bool
    ) -> tuple[str, BaseModel]:
        """The activity and its input, from the present state."""
        record, cards = self._record, self._record.state.cards
        match item:
            case PostCard(round=round_):
                return "post_card", PostCardInput(
                    channel=item.channel,
                    card=projection.card(record, round_),
                    notify=item.notify,
                    list_id=item.list_id,
                    run=record.run,
                    attempt=attempt,
                    maybe_done=maybe_done,
                )
            case EditCard(ref=ref):
                return "edit_card", EditCardInput(
                    ref=ref, card=projection.card(record, ref.round), attempt=attempt
                )
            case PostReply():
                return shared_inputs.reply(record.request_id, cards[0], item, attempt, maybe_done=maybe_done)
            case PostPreview():
                return self._build_preview(attempt, maybe_done=maybe_done)
            case SendMessage():
                return "send_message", self._build_message(item, attempt, maybe_done=maybe_done)
            case EditMessage(message=message):
                return "edit_message", self._build_edit(message, attempt)
            case RemoveCopies():
                return shared_inputs.removal(record.request_id, record.identity, item, attempt)
            case RunAction(index=index):
                return self._build_action(index, attempt, maybe_done=maybe_done)
            case SignReceipt():
                return self._build_receipt(attempt)
            case SendCallback():
                event = projection.outcome_event(record)
                return shared_inputs.callback(record.request, projection.outcome_id(record), event, attempt)
            case NotifyInstance():
                data = projection.outcome_event(record)["data"]
                return shared_inputs.notification(record.request_id, record.request, data, attempt)
            case SendResponse():
                return shared_inputs.response(
                    record.request_id,
                    record.request,
                    projection.outcome_id(record),
                    projection.response_parts(record),
                    attempt,
                )
            case HandOver():
                return self._build_hand_over(attempt)
            case AddToDigest():
                return self._build_line(attempt)
            case StartGrant():
                return "start_grant", started_grant(record, attempt)
            case TellUse():
                return self._build_use(attempt)

    def _build_use(self, attempt: int) -> tuple[str, BaseModel]:
        record, used = self._record, self._record.state.grant
        if used is None:
            raise AssertionError("a grant was used")
        counted = CountedUse(
            number=used.number,
            request_id=record.request_id,
            nonce=record.identity.nonce,
            title=record.request.title[:USE_TITLE],
            at=record.state.ended_at or record.state.asked_at,
        )
        return "tell_use", TellUseInput(grant=used.grant, use=counted, attempt=attempt)

    def _build_line(self, attempt: int) -> tuple[str, BaseModel]:
        record, request = self._record, self._record.request
        line = DigestLine(
            request_id=record.request_id,
            identity=record.identity,
            policy_title=record.policy.title,
            title=request.title,
            requester=request.requester,
            amount=request.amount,
            currency=request.currency,
            owner=record.policy.owner,
            asked_without_seal=record.asked_without_seal,
        )
        return "add_to_digest", AddToDigestInput(channel=record.policy.channel, line=line, attempt=attempt)

    def _build_message(self, item: SendMessage, attempt: int, *, maybe_done: bool) -> SendMessageInput:
        record = self._record
        return SendMessageInput(
            message_id=item.message_id,
            user=item.user,
            notice=item.notice,
            card=projection.card(record, item.round or record.state.round),
            where=self._link(item),
            step=item.step,
            waiting=item.waiting,
            more=item.more,
            asking=asking.asking(record, item),
            attempt=attempt,
            maybe_done=maybe_done,
        )

    def _build_edit(self, item: AskMessage, attempt: int) -> EditMessageInput:
        record, round_ = self._record, item.ref.round
        message = SendMessageInput(
            message_id=item.message_id,
            user=item.user,
            notice=Notice.REMINDER if item.reminds else Notice.ASKED,
            card=projection.card(record, round_),
            where=self._card_of(round_),
            asking=asking.asking(record, item),
            attempt=attempt,
        )
        return EditMessageInput(ref=item.ref, message=message, attempt=attempt)

    def _card_of(self, round_: int) -> CardRef | None:
        return next((ref for ref in self._record.state.cards if ref.round == round_), None)

    def _link(self, item: SendMessage) -> CardRef | None:
        """The card to link to. A person who is to decide never gets a link to a card on which they may not."""
        cards = self._record.state.cards
        if item.notice in DECIDING:
            return self._card_of(item.round or self._record.state.round)
        if item.notice is Notice.CARD_LATE and item.step is not None:
            return next((ref for ref in cards if ref.round == item.step.round), None)
        return cards[-1] if cards else None

    def _build_preview(self, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        record, documents = self._record, self._record.policy.documents
        if documents is None:
            raise AssertionError("no document is reviewed")
        return "post_preview", PostPreviewInput(
            ref=record.state.cards[0],
            request_id=record.request_id,
            place=documents.place,
            document=reviewed(record.request),
            attempt=attempt,
            maybe_done=maybe_done,
        )

    def _build_action(self, index: int, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        record, cards, action = (
            self._record,
            self._record.state.cards,
            projection.actions(self._record)[index],
        )
        if action.notify:
            card, where = projection.card(record, record.state.round), cards[0] if cards else None
            return "send_message", SendMessageInput(
                message_id=f"action:{index}",
                user=action.notify,
                notice=Notice.OUTCOME,
                card=card,
                where=where,
                attempt=attempt,
                maybe_done=maybe_done,
            )
        # The key is the same for all tries and retries, so that the receiver can recognise a repeat.
        key = f"{projection.outcome_id(self._record)}:{index}"
        return "run_action", RunActionInput(
            policy=self._record.policy.key,
            post=action.post,
            format=action.format or EventFormat.STANDARD,
            activity=action.activity,
            move=action.move if isinstance(action, MoveAction) else None,
            key=key,
            event=projection.outcome_event(self._record),
            attempt=attempt,
        )

    def _build_receipt(self, attempt: int) -> tuple[str, BaseModel]:
        record, request = self._record, self._record.request
        return "sign_receipt", SignReceiptInput(
            outcome=projection.outcome(record),
            policy=request.policy,
            policy_digest=record.policy_digest,
            requester=request.requester,
            asked_with=request.asked_with,
            asked_at=record.state.asked_at,
            amount=request.amount,
            currency=request.currency,
            call=request.call.facts() if request.call else None,
            asked_call=record.asked.call.facts() if record.asked.call and record.state.edits else None,
            attempt=attempt,
        )

    def _build_hand_over(self, attempt: int) -> tuple[str, BaseModel]:
        record = self._record
        return "hand_over", HandOverInput(
            request_id=record.request_id,
            salt=record.salt,
            policy=record.policy,
            request=record.request,
            card=projection.card(record, max(record.state.round, 1)),
            cards=record.state.cards,
            approved=projection.outcome_event(record)["data"],
            revision=record.state.handed_over,
            begun=record.state.fulfilment_begun,
            attempt=attempt,
        )
