"""For any requests, votes and texts, all posts are within Slack's limits, as the simulator checks them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from bot.simulator.slack_api.blocks_check import MESSAGE_CHARACTERS, characters, check_blocks
from bot.simulator.slack_api.views_check import checked_view
from bot.slack.input.draft import Draft
from bot.slack.input.grammar import Explain, explanation, parse
from bot.slack.input.target import Target
from bot.slack.messages.cards import render
from bot.slack.messages.notices import notice
from bot.slack.messages.thread import line
from bot.slack.views import decision_forms
from bot.slack.views.decision_forms import CardOrigin
from bot.slack.views.details import Offers, details_view
from bot.slack.views.edit_form import edit_form
from bot.slack.views.request_form import Origin, ask_form
from orchestration.approval.status import RequestView
from orchestration.domain.cards import Card, Notice, Shown, Step, StepKind, Waiting
from orchestration.domain.commands import Progress
from orchestration.domain.effects import SendMessageInput
from orchestration.domain.fields import FieldSpec, FieldType
from orchestration.domain.held_call import HeldCall
from orchestration.domain.policy import Level, Policy
from orchestration.domain.request import (
    ActionState,
    ApprovalRequest,
    Choice,
    EditedValue,
    LevelState,
    Remark,
    RemarkKind,
    RequestEdit,
    Status,
    Via,
    Vote,
)
from orchestration.domain.text import is_blank
from orchestration.service.messages import SENTENCES
from tests.support.identity import SHOWN
from tests.support.story import mrkdwn_of

CALL = HeldCall(
    agent="a" * 60,
    server="s" * 128,
    tool="t" * 128,
    directory="/" + "d" * 399,
    arguments_digest="0" * 64,
    key="1" * 64,
    number=0,
    window=timedelta(hours=1),
)
NASTY = [
    "&",
    "<",
    ">",
    "`",
    "*",
    "_",
    "~",
    "\n",
    "\r\n",
    "\u202e",
    "\0",
    "😀",
    "https://a.example/?&",
    "<!channel>",
    " ",
]


def texts(longest: int, shortest: int = 0) -> SearchStrategy[str]:
    """One special piece over and over, up to the longest that the model allows, then a little of anything."""

    def made(piece: str, times: int, tail: str) -> str:
        return (piece * times + tail)[-longest:].ljust(shortest, "x")

    times = st.sampled_from([0, 1, 7, longest])
    return st.builds(made, st.sampled_from(NASTY), times, st.text(max_size=5))


people = st.sampled_from(["U0RITA", "W0ADA", "U" + "X" * 30])
channels = st.sampled_from(["C0PURCHASES", "G" + "0" * 30])
groups = people | st.sampled_from(["S0MANAGERS", "S" + "X" * 30])
moments = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as hypothesis takes bounds
currencies = st.sampled_from(["USD", "JPY", "EUR", None])

votes = st.builds(
    Vote,
    actor=people,
    choice=st.sampled_from(Choice),
    comment=texts(2000),
    via=st.sampled_from(Via),
    at=moments,
    holder=people,
    round=st.integers(1, 9),
)
levels = st.builds(
    LevelState,
    name=texts(40, 1),
    status=st.sampled_from(Status),
    needed=st.integers(1, 50),
    approvers=groups.map(lambda one: [one] * 50),
    waiting_for=st.just([]) | people.map(lambda one: [one] * 50),
    delegates=st.just({}) | st.just({f"U{n:030}": "U" + "X" * 30 for n in range(50)}),
    delegated=st.just([f"U{0:030}"]),
    deadline=st.none() | moments,
    decisions=st.lists(votes, max_size=2) | votes.map(lambda vote: [vote] * 50),
    escalated_at=st.none() | moments,
    escalated_to=st.none() | channels,
)
remarks = st.builds(Remark, actor=people, kind=st.sampled_from(RemarkKind), text=texts(2000, 1), at=moments)
actions = st.builds(
    ActionState,
    label=st.sampled_from(["https://erp.example/orders", "C0PURCHASES", "h" * 100, "http://" + "x" * 490]),
    status=st.sampled_from(["pending", "done", "failed"]),
    answer=texts(300),
)
fields = st.lists(st.builds(Shown, label=texts(48, 1), value=texts(500, 1)), max_size=2) | st.builds(
    Shown,
    label=texts(48, 1),
    value=texts(3000, 1) | st.sampled_from(["U0ADA", "2026-12-24", "https://a.example/" + "&" * 1980]),
    type=st.sampled_from(FieldType),
).map(lambda one: [one] * 10)
edits = st.builds(
    RequestEdit,
    number=st.just(1),
    actor=people,
    at=moments,
    level=texts(40, 1),
    round=st.just(1),
    via=st.sampled_from(Via),
    changes=st.lists(
        st.builds(EditedValue, path=texts(200, 1), before=texts(10_000) | st.booleans(), after=texts(10_000)),
        min_size=1,
        max_size=2,
    ),
    digest_before=st.just(SHOWN.digest),
    digest=st.just(SHOWN.digest),
    voided=st.just(["U" + "X" * 30] * 50),
)
cards = st.builds(
    Card,
    asked_digest=st.just(SHOWN.digest),
    edits=st.just([]) | edits.map(lambda edit: [edit] * 10),
    editable=st.booleans(),
    request_id=st.sampled_from(["p-k7m2x9qd", "p" * 40 + "-k7m2x9qd"]),
    nonce=st.just(SHOWN.nonce),
    digest=st.just(SHOWN.digest),
    round=st.integers(1, 1000),
    status=st.sampled_from(Status),
    policy_title=texts(60, 1),
    title=texts(150, 1),
    description=texts(10_000),
    verbatim=st.booleans(),
    amount=st.none() | st.decimals(0, 9_999_999_999_999, places=2),
    currency=currencies,
    fields=fields,
    requester=people,
    asked_at=moments,
    levels=st.lists(levels, max_size=2) | levels.map(lambda level: [level] * 20),
    open=st.booleans(),
    escalation=st.booleans(),
    upcoming=st.lists(texts(40, 1), max_size=1) | texts(40, 1).map(lambda name: [name] * 9),
    remarks=st.lists(remarks, max_size=5),
    actions=st.lists(actions, max_size=5),
    ended_at=st.none() | moments,
    ended_by=st.none() | people,
    comments=texts(2000),
    reason=texts(2000),
)


@settings(max_examples=60)
@given(card=cards, notify=st.none() | groups.map(lambda group: [group] * 20))
def test_any_card_is_within_the_limits(card: Card, notify: list[str] | None) -> None:
    rendered = render(card, notify)
    assert check_blocks(json.loads(json.dumps(rendered.blocks))) == []
    assert characters(rendered.blocks) <= 13_000 < MESSAGE_CHARACTERS
    assert 0 < len(rendered.text) <= 4000
    for text in mrkdwn_of(rendered):
        assert "<!channel" not in text
        assert "\u202e" not in text


steps = st.builds(
    Step,
    number=st.just(1),
    kind=st.sampled_from(StepKind),
    at=moments,
    actor=st.none() | people,
    to=st.none() | people | st.just("https://erp.example/orders"),
    choice=st.none() | st.sampled_from(Choice),
    status=st.none() | st.sampled_from(Status),
    text=texts(2000),
    edit=st.none() | edits,
)


@settings(max_examples=60)
@given(
    card=cards,
    kind=st.sampled_from(Notice),
    step=st.none() | steps,
    titles=st.lists(texts(150, 1), max_size=1) | texts(150, 1).map(lambda title: [title] * 60),
)
def test_any_message_is_within_the_limits(
    card: Card, kind: Notice, step: Step | None, titles: list[str]
) -> None:
    url = "https://acme.example/archives/C0/p1"
    waiting = [Waiting(request_id=f"p-{n}", title=title) for n, title in enumerate(titles)]
    tell = SendMessageInput(
        message_id="1", user="U0ADA", notice=kind, card=card, step=step, waiting=waiting, attempt=1
    )
    for links in ({}, {card.request_id: url, **{each.request_id: url for each in waiting}}):
        message = notice(tell, links)
        assert 0 < len(message.text) <= 40_000
        assert check_blocks(json.loads(json.dumps(message.blocks or []))) == []
        assert "<!channel" not in message.text
        # Each "<" begins a link, date or mention of ours, and each of them is closed.
        assert message.text.count("<") == message.text.count(">") - message.text.count("\n> ")


@settings(max_examples=100)
@given(step=steps)
def test_any_line_of_the_thread_is_within_the_limits(step: Step) -> None:
    shown = line(step)
    assert 0 < len(shown) <= 4000
    assert "<!channel" not in shown


policies = st.builds(
    Policy,
    key=st.sampled_from(["purchase", "p", "p" * 40]),
    title=texts(60, 1),
    channel=channels,
    currency=currencies,
    fields=st.lists(
        st.builds(
            FieldSpec,
            name=st.sampled_from(["vendor", "title", "n" * 40]),
            label=st.none() | texts(48, 1),
            required=st.booleans(),
            type=st.sampled_from([kind for kind in FieldType if kind is not FieldType.CHOICE]),
        ),
        max_size=3,
        unique_by=lambda spec: spec.name,
    ),
    levels=st.just([Level(name="x", approvers=["U0ADA"], timeout=timedelta(days=1))]),
)


@settings(max_examples=60)
@given(
    listed=st.lists(policies, min_size=1, max_size=2, unique_by=lambda policy: policy.key),
    title=texts(150),
    amount=texts(30),
    description=texts(3000),
    typed=texts(500) | st.sampled_from(["U0ADA", "2026-12-24", "https://a.example", "3"]),
)
def test_any_form_is_within_the_limits(
    listed: list[Policy], title: str, amount: str, description: str, typed: str
) -> None:
    known = {policy.key: policy for policy in listed}
    for key in [None, *known]:
        form = ask_form(
            known, Draft(key, title, amount, description, {"vendor": typed}), Origin(channel="C0X")
        )
        checked_view(json.loads(json.dumps(form)), "modal")
    meant = parse("nonsense", known)  # no policy has this name
    assert isinstance(meant, Explain)
    assert len(explanation(meant, known)) < 4000


def test_a_form_takes_the_hundred_policies_that_slack_takes_and_the_chosen_one() -> None:
    level = Level(name="x", approvers=["U0ADA"], timeout=timedelta(days=1))
    many = {
        key: Policy(key=key, title=key.upper(), channel="C0X", levels=[level])
        for key in (f"p{number:03}" for number in range(150))
    }
    form = ask_form(many, Draft("p149"), Origin())
    checked_view(form, "modal")
    assert form["blocks"][0]["element"]["initial_option"]["value"] == "p149"


@settings(max_examples=60)
@given(title=texts(150, 1), requester=people, asks=st.booleans())
def test_any_form_of_a_card_is_within_the_limits(title: str, requester: str, asks: bool) -> None:
    progress = Progress(
        request_id="p-1",
        status=Status.PENDING,
        policy="p",
        title=title,
        requester=requester,
        asked_at=datetime(2026, 12, 1, tzinfo=UTC),
        round=1,
    )
    origin = CardOrigin(channel="C0X", target=Target.of("p" * 40 + "-k7m2x9qd", 1000, SHOWN))
    for form in (
        decision_forms.REJECTING,
        decision_forms.APPROVING,
        decision_forms.CANCELLING,
        decision_forms.ANSWERING,
    ):
        checked_view(
            json.loads(json.dumps(decision_forms.text_form(form, progress, origin, optional=asks))), "modal"
        )
    checked_view(json.loads(json.dumps(decision_forms.talk_form(progress, origin, requester=asks))), "modal")
    checked_view(json.loads(json.dumps(decision_forms.delegate_form(progress, origin))), "modal")


@settings(max_examples=40)
@given(name=texts(100, 1), value=texts(9000) | st.booleans() | st.integers(), title=texts(150, 1))
def test_any_form_that_changes_a_call_is_within_the_limits(name: str, value: Any, title: str) -> None:
    level = Level(name="x", approvers=["U0ADA"], timeout=timedelta(days=1))
    policy = Policy(key="p", title="P", channel="C0X", levels=[level], edit=["arguments.*", "arguments.*.*"])
    arguments = {f"{name}{n}": value for n in range(30)} | {"list": [value] * 30}
    request = ApprovalRequest(
        policy="p",
        title=title if not is_blank(title) else "x",
        requester="U0RITA",
        call=CALL.model_copy(update={"arguments": arguments}),
        accepts_edits=True,
    )
    progress = Progress(
        request_id="p-1",
        status=Status.PENDING,
        policy="p",
        title=title,
        requester="U0RITA",
        asked_at=datetime(2026, 12, 1, tzinfo=UTC),
        round=1,
    )
    view = RequestView(progress, request, policy, request)
    origin = CardOrigin(channel="C0X", target=Target.of("p" * 40 + "-k7m2x9qd", 1000, SHOWN))
    checked_view(json.loads(json.dumps(edit_form(view, origin))), "modal")


@settings(max_examples=40)
@given(
    card=cards,
    description=texts(10_000),
    value=texts(500),
    listed=st.lists(policies, min_size=1, max_size=1),
    offered=st.booleans(),
    said=st.sampled_from(["", *SENTENCES.values()]),
)
def test_any_details_are_within_the_limits(
    card: Card, description: str, value: str, listed: list[Policy], offered: bool, said: str
) -> None:
    request = ApprovalRequest(
        policy="p",
        title=card.title if not is_blank(card.title) else "x",
        description=description,
        fields={spec.name: value for spec in listed[0].fields},
        requester=card.requester,
        call=CALL if card.verbatim and description.strip() else None,
    )
    progress = Progress(
        request_id="p-1",
        status=card.status,
        policy="p",
        title=card.title,
        requester=card.requester,
        asked_at=card.asked_at,
        nonce=SHOWN.nonce,
        digest=SHOWN.digest,
        round=1,
        levels=card.levels,
        actions=card.actions,
        edits=card.edits,
        editable=["amount"] if card.editable else [],
    )
    link = "https://approvals.example/" + "x" * 2900 if offered else None
    offers = Offers(card=link, record=link, thread=offered, decide=1 if offered else None, code=offered)
    view = details_view(request, listed[0], progress, Origin(channel="C0X"), offers, said)
    checked_view(json.loads(json.dumps(view)), "modal")
    if request.call is not None and request.description:
        assert sum(block["type"] == "rich_text" for block in view["blocks"]) >= 1


@pytest.mark.parametrize("title", ["\u202e", " \n ", "\0"])
def test_a_title_of_nothing_that_can_be_seen_still_makes_a_card(title: str) -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    card = Card(
        request_id="purchase-k7m2x9qd",
        nonce=SHOWN.nonce,
        digest=SHOWN.digest,
        round=1,
        status=Status.PENDING,
        policy_title="Purchase",
        title=title,
        requester="U0RITA",
        asked_at=moment,
        levels=[LevelState(name="Manager", status=Status.PENDING)],
        open=True,
    )
    assert render(card).blocks[0]["text"]["text"] == "Purchase"
