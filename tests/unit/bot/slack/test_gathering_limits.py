"""For any questions and answers, the messages and forms of a gathering are within Slack's limits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from bot.simulator.slack_api.blocks_check import MESSAGE_CHARACTERS, characters, check_blocks
from bot.simulator.slack_api.views_check import checked_view
from bot.slack.input.target import GatheringTarget
from bot.slack.messages.gatherings import render_gathering
from bot.slack.views.gathering_forms import GatheringOrigin, answer_form, gathering_view, withdraw_form
from bot.slack.views.request_form import Origin
from orchestration.domain.fields import FieldSpec, FieldType
from orchestration.domain.gathering import (
    AnswerWay,
    GatheringRequest,
    GatheringStatus,
    GatheringView,
    Purpose,
    SourceAnswer,
)
from orchestration.domain.gathering_policy import GatheringPolicy, Source
from orchestration.domain.request import new_nonce
from orchestration.gathering import projection
from orchestration.gathering.record import GatheringRecord
from orchestration.gathering.state import GatheringInput
from orchestration.gathering.status import GatheringRead

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
NASTY = ["&", "<", "*", "\n", "😀", "https://a.example/?&", "<!channel>", "x"]


def record_of(piece: str, *, answered: bool) -> GatheringRecord:
    """The largest gathering that a policy file allows, with every text full of that piece."""

    def text(longest: int) -> str:
        return (piece * longest)[:longest]

    choices = [f"{number:02}{text(58)}"[:60] for number in range(50)]
    fields = [
        FieldSpec(name="risk", label=text(48), type=FieldType.CHOICE, choices=choices),
        FieldSpec(name="ready", label=text(48), type=FieldType.YES_NO),
        FieldSpec(name="day", label=text(48), type=FieldType.DATE),
        *(FieldSpec(name=f"n{number}", label=text(48)) for number in range(7)),
    ]
    values = {"risk": choices[3], "ready": "yes", "day": "2026-12-24"}
    values |= {f"n{number}": text(500) for number in range(7)}
    names = [f"source{number}" for number in range(20)]
    policy = GatheringPolicy(
        key="p" * 40,
        title=text(60),
        channel="C0X",
        fields=fields,
        timeout=timedelta(days=1),
        sources={name: Source(person="U" + "X" * 30, label=text(48)) for name in names},
    )
    request = GatheringRequest(
        policy="p" * 40, title="x" + text(149), description=text(10_000), requester="U" + "X" * 30
    )
    given = GatheringInput(request=request, policy=policy, nonce=new_nonce(), asked_without_seal=True)
    record = GatheringRecord("p" * 40 + "-k7m2x9qd", given, NOW)
    for name in names:
        if answered:
            record.state.answers[name] = SourceAnswer(
                actor="U" + "X" * 30, at=NOW, way=AnswerWay.CHAT, values=values, corrections=20
            )
        else:
            record.state.problems[name] = text(300)
    return record


def within_limits(view: GatheringView) -> None:
    for purpose in Purpose:
        source = "source7" if purpose in {Purpose.ASK, Purpose.REMIND} else None
        message_id = f"{purpose}:{source}:1"
        rendered = render_gathering(view, purpose, message_id, source=source, text="&" * 300)
        sent = json.loads(json.dumps(rendered.blocks))
        assert check_blocks(sent) == []
        assert characters(sent) <= MESSAGE_CHARACTERS
        assert 0 < len(rendered.text) < 4000


@pytest.mark.parametrize("piece", NASTY)
@pytest.mark.parametrize("answered", [True, False])
def test_any_gathering_is_within_the_limits(piece: str, *, answered: bool) -> None:
    record = record_of(piece, answered=answered)
    within_limits(projection.view(record))
    read = GatheringRead(projection.progress(record), record.request, record.policy)
    target = GatheringTarget(instance_id=record.request_id, nonce=record.identity.nonce, source="s" * 40)
    origin = GatheringOrigin(channel="C0X", target=target)
    for form in (
        answer_form(read, "source7", "U0ADA", origin),
        withdraw_form(read.progress, origin),
        gathering_view(read, Origin(channel="C0X")),
    ):
        checked_view(json.loads(json.dumps(form)), "modal")
    record.end(GatheringStatus.CANCELLED, NOW, by="U" + "X" * 30, reason=piece * 900)
    within_limits(projection.view(record))
