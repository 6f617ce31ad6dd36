"""The forms that a card opens, for the words that go with an act. Pure: views out, values in.

Each form has one field at which errors are shown, and returns the card's target when it is submitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import Target
from bot.slack.text import bold, mention, said
from bot.slack.views.request_form import Origin, UnreadableFormError, filled_in, modal, origin_in, values_of
from orchestration.domain.commands import Progress
from orchestration.domain.request import RemarkKind

TEXT_LIMIT: Final = 2000  # characters; the limit of the core
KIND: Final = "kind"
PERSON: Final = "person"


@dataclass(frozen=True)
class Form:
    """A form with one text: its callback ID, its words, and the block of its text."""

    id: str
    title: str
    submit: str
    field: str
    label: str
    hint: str | None = None
    optional: bool = False


SEEN: Final = "The requester and everyone in the channel will see it"
REJECTING: Final = Form("reject_reason", "Reject this request", "Reject", "reason", "Why?", SEEN)
APPROVING: Final = Form("approve_comment", "Approve this request", "Approve", "comment", "Your comment", SEEN)
CANCELLING: Final = Form(
    "cancel_reason", "Withdraw the request", "Withdraw", "reason", "Why?", SEEN, optional=True
)
TALKING: Final = Form(
    "talk",
    "Ask or comment",
    "Send",
    "text",
    "Message",
    "It is shown in the card's thread, and on the card",
)
ANSWERING: Final = Form("answer_question", "Answer the question", "Answer", "text", "Your answer", SEEN)
DELEGATING: Final = Form(
    "delegate_to", "Delegate your vote", "Delegate", PERSON, "Who should decide in your place?"
)

KINDS: Final = {
    RemarkKind.QUESTION: "A question for the requester",
    RemarkKind.ANSWER: "An answer to what was asked",
    RemarkKind.COMMENT: "A comment",
}


class CardOrigin(Origin):
    """Where a form was opened from, with the card that it is about."""

    target: Target


def text_form(form: Form, progress: Progress, origin: CardOrigin, *, optional: bool | None = None) -> Json:
    """A form for one text, which is `optional` if the policy says so."""
    return modal(form.id, form.title, form.submit, [_about(progress), _text(form, optional=optional)], origin)


def talk_form(progress: Progress, origin: CardOrigin, *, requester: bool) -> Json:
    """A form for a remark: the requester answers or comments, all others ask or comment."""
    first = RemarkKind.ANSWER if requester else RemarkKind.QUESTION
    kinds = {kind.value: KINDS[kind] for kind in (first, RemarkKind.COMMENT)}
    parts = [_about(progress), blocks.choice_input(KIND, "What is it?", kinds), _text(TALKING)]
    return modal(TALKING.id, TALKING.title, TALKING.submit, parts, origin)


def delegate_form(progress: Progress, origin: CardOrigin) -> Json:
    """A form to choose who should decide in the actor's place."""
    parts = [_about(progress), blocks.person_input(PERSON, DELEGATING.label)]
    return modal(DELEGATING.id, DELEGATING.title, DELEGATING.submit, parts, origin)


def text_of(form: Form, view: Mapping[str, Any]) -> str:
    """The text that was written; "" if there is none."""
    return values_of(view).get(form.field, "")


def kind_of(view: Mapping[str, Any]) -> RemarkKind:
    """The kind of remark that was chosen in `talk_form`."""
    try:
        return RemarkKind(filled_in(view, KIND))
    except ValueError as error:
        raise UnreadableFormError from error


def origin_of(view: Mapping[str, Any]) -> CardOrigin:
    """The card from which the form was opened."""
    return origin_in(view, CardOrigin)


def _about(progress: Progress) -> Json:
    title = bold(said(progress.title, 150, room=800))
    return blocks.section(f"{title}\nAsked for by {mention(progress.requester)}")


def _text(form: Form, *, optional: bool | None = None) -> Json:
    return blocks.text_input(
        form.field,
        form.label,
        limit=TEXT_LIMIT,
        hint=form.hint,
        optional=form.optional if optional is None else optional,
        multiline=True,
    )
