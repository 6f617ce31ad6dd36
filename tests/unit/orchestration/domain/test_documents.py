"""Policies that review documents: what their file may say, and what a review asks and does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.slack.ids import SlackIds
from bot.slack.messages.cards import _action
from orchestration.domain import policy_file
from orchestration.domain.document_reviews import MOVES, MoveAction, actions_of
from orchestration.domain.documents import Documents, ReviewedDocument, has_preview, kept_name, reviewed
from orchestration.domain.errors import PolicyError
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import ActionState, Status

DOCUMENTS = {
    "place": "/srv/inbox",
    "published": "/srv/published",
    "archived": "/srv/archived",
    "requester": "U0RITA",
}
DOCUMENT = ReviewedDocument(name="a b.pdf", size=1234, media_type="application/pdf", sha256="f" * 64)


def book(*more: str, approvers: str = '["U0ADA"]', name: str = "contract", **documents: object) -> str:
    table = {**DOCUMENTS, **documents}
    written = [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(
        [
            f"[policies.{name}]",
            'title = "Contracts"',
            'channel = "C0DOCS"',
            *more,
            f"[[policies.{name}.levels]]",
            'name = "Reader"',
            f"approvers = {approvers}",
            f"[policies.{name}.documents]",
            *written,
            "",
        ]
    )


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def parsed(text: str) -> PolicyBook:
    return policy_file.parse(text, "policies.toml", SlackIds())


def test_a_review_waits_for_72_hours_and_is_asked_by_its_place_alone() -> None:
    found = parsed(book())
    [level] = found.policies["contract"].levels
    assert level.timeout == timedelta(hours=72)
    assert found.askable() == {}
    own = parsed(book().replace('name = "Reader"', 'name = "Reader"\ntimeout = "1d"'))
    assert own.policies["contract"].levels[0].timeout == timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (book(published="/srv/inbox/published"), "documents.published is documents.place or lies in it"),
        (book(published="/srv/inbox/../inbox"), "documents.published is documents.place or lies in it"),
        (book(place="file:///srv/published/inbox"), "documents.place lies in documents.published"),
        (book(archived="/srv/published/"), "documents.archived and documents.published are one place"),
        (
            book(place="s3://b/in", published="s3://b/in/out"),
            "documents.published is documents.place or lies",
        ),
        (book(place="inbox"), "give the whole path of a folder, or an address such as s3://bucket/inbox"),
        (book(requester="nobody"), "documents.requester"),
        (book(link="https://share.example/"), "documents.link"),
        (book(open_at_once=0), "documents.open_at_once"),
        (book(colour="red"), "documents.colour: there is no such key here"),
        (
            book("auto_approve_when = { type = ['text/plain'] }"),
            "auto_approve_when: does not go with documents",
        ),
        (book('fields = [{ name = "vendor" }]'), "fields: a policy with documents fills in its own fields"),
        (book(approvers='["U0RITA"]'), "U0RITA asks for every review and decides none"),
        (book() + book(name="other"), "policies.contract watches it too"),
    ],
)
def test_what_cannot_work_is_a_fault_that_names_the_field_and_the_remedy(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as raised:
        parsed(text)
    assert words in str(raised.value)
    assert str(raised.value).startswith("policies.toml:")


def test_stores_of_different_kinds_are_apart() -> None:
    text = book(place="s3://docs/inbox", published="az://docs/inbox", archived="/docs/inbox")
    assert parsed(text).policies["contract"].documents is not None


def test_a_review_asks_for_the_very_document_and_its_outcome_moves_it() -> None:
    policy = parsed(book('on = { approved = { notify = "C0DOCS" } }')).policies["contract"]
    assert policy.documents is not None
    request = policy.documents.request("contract", DOCUMENT, "key")
    assert reviewed(request) == DOCUMENT
    assert request.fields["where"] == "/srv/inbox/a b.pdf"
    other = policy.documents.request("contract", DOCUMENT.model_copy(update={"sha256": "0" * 64}), "key")
    assert other.digest() != request.digest()
    for status in Status:
        if not status.ended:
            continue
        first, *rest = actions_of(policy, request, status)
        assert isinstance(first, MoveAction)
        assert first.move.target == ("/srv/published" if status.is_yes else "/srv/archived")
        assert first.move.sha256 == DOCUMENT.sha256
        assert [action.notify for action in rest] == (["C0DOCS"] if status is Status.APPROVED else [])


def test_no_policy_file_can_list_a_move() -> None:
    with pytest.raises(PolicyError, match="move: there is no such key here"):
        parsed(book('on = { approved = { move = { place = "/etc" } } }'))


def test_a_link_and_a_preview_are_for_what_the_policy_says() -> None:
    linked = Documents.model_validate(
        {**DOCUMENTS, "link": "https://share.example/inbox/{name}?web=1"}, context=SlackIds()
    )
    assert linked.address_of("a b/ü.pdf") == "https://share.example/inbox/a%20b%2F%C3%BC.pdf?web=1"
    assert has_preview(linked, DOCUMENT)
    for change in ({"size": 5_000_001}, {"media_type": "application/zip"}):
        assert not has_preview(linked, DOCUMENT.model_copy(update=change))
    assert not has_preview(linked.model_copy(update={"preview": False}), DOCUMENT)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.pdf", "a.pdf"),
        ("Vertra\u0308ge.pdf", "Vertr\u00e4ge.pdf"),
        ("exe.\u202efdp", "exe.fdp"),
        ("\u200b", None),
        ("a" * 401, None),
    ],
)
def test_a_name_is_kept_as_a_request_keeps_it(name: str, kept: str | None) -> None:
    assert kept_name(name) == kept


def test_a_card_says_that_a_document_is_being_moved_and_where_it_went() -> None:
    state = ActionState(label=MOVES[True])
    assert _action(state) == "○ Moving the document"
    moved = state.model_copy(update={"status": "done", "answer": "Published as /srv/published/a.pdf"})
    assert _action(moved) == "✓ “Published as /srv/published/a.pdf” · published documents"
