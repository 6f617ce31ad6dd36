"""The largest payload of each kind that grows, at the bounds that we keep: Durable Task Scheduler takes 1 MiB.

What does not grow is bounded by the 256 KB of a call of the API that it comes from, or by the fields of its model.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from orchestration.digest.models import DigestInput
from orchestration.digest.workflow import SEEN_KEPT
from orchestration.domain.cards import Waiting
from orchestration.domain.request import CardRef, Status
from orchestration.hub.protocol.limits import PAYLOAD
from orchestration.people import person, worklist
from orchestration.people.person import PersonState
from orchestration.people.worklist import WorklistState
from orchestration.runtime.converter import PydanticConverter
from orchestration.sealing import envelope
from orchestration.sealing.keys import SealKeys
from tests.support.book import parsed
from tests.support.direct_request import DirectRequest

MOST_LEVELS, MOST_APPROVERS = 10, 50
WIDE = "é"  # two bytes in UTF-8
NOW = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)
SEALED = len(
    SealKeys([b"k" * 32]).seal(("vote",), "text")
)  # bytes that every vote keeps of the seal of its command


def size(payload: object) -> int:
    """In bytes, as it is sent, sealed."""
    text = PydanticConverter().serialize(payload)
    assert text is not None
    return len(envelope.put("s" * SEALED, text).encode())


def request_ids(count: int) -> list[str]:
    """As long as the name of a policy may be."""
    return [f"{'p' * 40}-{number:08d}" for number in range(count)]


def voted(levels: int, approvers: int) -> DirectRequest:
    """All of that many levels have to vote, and each says as much as they may."""
    people = [f"U0P{number:08d}" for number in range(approvers)]
    policy = "[policies.big]\ntitle = 'Big'\nchannel = 'C0BIG'\nrequire_reason = false\nallow_repeat_approver = true\n"
    policy += "".join(f"[[policies.big.fields]]\nname = 'f{number}'\n" for number in range(10))
    for number in range(levels):
        policy += (
            f"[[policies.big.levels]]\nname = '{'L' * 36}{number}'\napprovers = {people!r}\nquorum = 'all'\n"
        )
        policy += "timeout = '2d'\n"
    request = DirectRequest(
        parsed(policy),
        "big",
        title=WIDE * 150,
        description=WIDE * 10_000,
        fields={f"f{number}": WIDE * 500 for number in range(10)},
    )
    for number in range(levels):
        for one in people:
            request.press(request.decision(one, comment=WIDE * 2000, round_=number + 1))
    assert request.run.progress.status is Status.APPROVED
    return request


def sizes(levels: int, approvers: int) -> list[int]:
    """The status, the outcome and the largest card, in bytes."""
    with voted(levels, approvers) as request:
        run = request.run
        found = [size(run.progress), size(run.output), max(map(size, run.cards.values()))]
    # An orchestration of a test seals nothing: each vote would keep its seal, in the status and in its outcome.
    return [one + 2 * levels * approvers * SEALED for one in found]


def test_an_approval_with_all_the_votes_that_a_policy_can_have() -> None:
    """Comments share a bound of their own; each further vote adds what a vote has without one."""
    if os.environ.get("COUNTERSIGN_PROOF"):
        assert max(sizes(MOST_LEVELS, MOST_APPROVERS)) < PAYLOAD
    few, more = sizes(1, MOST_APPROVERS // 2), sizes(2, MOST_APPROVERS // 2)
    largest = [last + (2 * MOST_LEVELS - 2) * (last - first) for first, last in zip(few, more, strict=True)]
    assert max(largest) < PAYLOAD, largest


def test_the_entity_of_somebody_for_whom_very_much_waits() -> None:
    waiting = {
        one: Waiting(
            request_id=one,
            title=WIDE * 150,
            deadline=NOW + timedelta(seconds=1),
            where=CardRef(channel="C" * 11, ts="1700000000.000000", round=10),
        )
        for one in request_ids(person.WAITS_KEPT)
    }
    assert size(PersonState(waits=waiting)) < PAYLOAD


def test_a_worklist_at_its_bounds() -> None:
    state = WorklistState(
        waits=dict.fromkeys(request_ids(worklist.WAITS_KEPT), NOW),
        open=dict.fromkeys(request_ids(worklist.OPEN_KEPT), "t" * 64),
        asked=request_ids(worklist.ASKED_KEPT),
        decided=request_ids(worklist.DECIDED_KEPT),
    )
    assert size(state) < PAYLOAD


def test_the_next_generation_of_a_digest() -> None:
    assert size(DigestInput(channel="C" * 11, seen=request_ids(SEEN_KEPT))) < PAYLOAD
