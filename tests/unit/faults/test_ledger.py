"""The ledger of `make faults`: nothing on it after a small sound run, and each line finds a fault that is planted."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.simulator import Workspace
from bot.simulator.workspace.messages import Message
from bot.slack.input.target import CARD_EVENT, MESSAGE_EVENT, STEP_EVENT
from orchestration.domain.commands import Reason
from orchestration.service.messages import SENTENCES
from tests.faults.facts import Facts
from tests.faults.front_door import InboundDelivery
from tests.faults.ledger import LINES, ledger
from tests.faults.life import RequestAsked
from tests.faults.scene import FaultScene, channel
from tests.faults.trouble import Hold

NUMBER = "+12025550150"
PRESSED = 1_000_000.0
APPROVE = {
    "type": "actions",
    "elements": [
        {"type": "button", "action_id": "approve", "text": {"type": "plain_text", "text": "Approve"}}
    ],
}
REFUSED = SENTENCES[Reason.NOT_AN_APPROVER]
Plant = Callable[[Facts], None]


def vote(actor: str, round_: int = 1, **more: Any) -> dict[str, Any]:
    return {"actor": actor, "round": round_, "choice": "approve", "factor": None, **more}


def approved(request_id: str, title: str, *votes: dict[str, Any], **more: Any) -> dict[str, Any]:
    outcome = {"request_id": request_id, "status": "approved", "processed_by": votes[-1]["actor"], **more}
    levels = [{"decisions": list(votes), "delegates": {}}]
    return {
        "id": request_id,
        "title": title,
        "status": outcome["status"],
        "levels": levels,
        "outcome": outcome,
    }


def press(who: str, request_id: str, place: str, key: str = "press", **more: Any) -> InboundDelivery:
    return InboundDelivery(
        "block_actions", key, who, place, "approve", request_id, 1, PRESSED, PRESSED, 200, **more
    )


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[Facts]:
    """A run in which everything held: three requests, a press in vain, a command, a callback."""
    workspace = Workspace.open(None, seed=FaultScene(1).seed())
    asked = [
        RequestAsked("Order aaaa", "plain", 0, "U0REQ0", "plain-1", by_program=True, done=True),
        RequestAsked("Order aaab", "coded", 0, "U0REQ1", "coded-1", done=True),
        RequestAsked("Order aaac", "pair", 0, "U0REQ2", "pair-1", done=True),
    ]
    stands = {
        "plain-1": approved("plain-1", "Order aaaa", vote("U0ONE0")),
        "coded-1": approved("coded-1", "Order aaab", vote("U0TEL0", factor="sms")),
        "pair-1": approved("pair-1", "Order aaac", vote("U0ONE0"), vote("U0TWO0")),
    }
    for one in asked:
        post_card(workspace, one)
        post(workspace, f"D{one.requester[1:]}", f"✓ <@U0ONE0> approved *“{one.title}”*.", told(one.id))
    post(workspace, channel("plain", 0), REFUSED, ephemeral_to="U0OUT0")
    asking = InboundDelivery(
        "command", "ask", "U0REQ1", channel("coded", 0), "coded-0 500 Order aaab", "", 0, PRESSED, PRESSED
    )
    hub_file = tmp_path / "hub.db"
    with closing(sqlite3.connect(hub_file)) as db:
        db.execute("CREATE TABLE history (events BLOB)")
        db.commit()
    yield Facts(
        workspace,
        asked=asked,
        stands=stands,
        deliveries=[
            press("U0ONE0", "plain-1", channel("plain", 0)),
            press("U0OUT0", "plain-1", channel("plain", 0), "in vain"),
            replace(asking, status=200, body="Asked: Order aaab"),
            InboundDelivery(
                "sms", "SM1", NUMBER, "", "493817", "", 0, PRESSED, PRESSED, 200, "<Message>Thanks</Message>"
            ),
        ],
        callbacks=[("msg_1", stands["plain-1"]["outcome"])],
        phones={"U0TEL0": NUMBER},
        codes={"493817"},
        files=[hub_file],
        logs=[tmp_path / "bot-0.log"],
    )
    workspace.close()


def post(
    workspace: Workspace, place: str, text: str, metadata: Any = None, *, ephemeral_to: str | None = None
) -> None:
    workspace.messages.post(
        Message(place, "U0BOT", text=text, bot=True, metadata=metadata, ephemeral_to=ephemeral_to)
    )


def post_card(workspace: Workspace, one: RequestAsked, blocks: Any = None) -> None:
    card = {"event_type": CARD_EVENT, "event_payload": {"instance_id": one.id, "round": 1}}
    workspace.messages.post(
        Message(one.channel, "U0BOT", text=one.title, bot=True, metadata=card, blocks=blocks)
    )


def told(request_id: str | None, message: str = "ended") -> dict[str, Any]:
    return {"event_type": MESSAGE_EVENT, "event_payload": {"instance_id": request_id, "message": message}}


# ---- what is planted -------------------------------------------------------------------------------------------


def stands(facts: Facts, request_id: str, **changed: Any) -> None:
    facts.stands = {**facts.stands, request_id: {**facts.stands[request_id], **changed}}


def outcome(facts: Facts, request_id: str, **changed: Any) -> None:
    stands(facts, request_id, outcome={**facts.stands[request_id]["outcome"], **changed})


def votes(facts: Facts, request_id: str, *cast: dict[str, Any]) -> None:
    stands(facts, request_id, levels=[{"decisions": list(cast), "delegates": {}}])


def lose(facts: Facts) -> None:
    facts.asked.append(RequestAsked("Order aaad", "plain", 0, "U0REQ3", "plain-2"))


def leave_unanswered(delivery: InboundDelivery) -> Plant:
    return lambda facts: facts.deliveries.append(delivery)


def answer_before(facts: Facts) -> None:
    """A message sent before a press does not answer it."""
    facts.deliveries = [replace(one, at=4e9) if one.key == "in vain" else one for one in facts.deliveries]


def tell_something_else(facts: Facts) -> None:
    """A press without an answer, and a direct message about something else."""
    facts.deliveries.append(press("U0OUT0", "coded-1", channel("coded", 0), "lost"))
    post(facts.workspace, "D0OUT0", "“Order aaab” was escalated.", told("coded-1", "3"))


def two_votes_one_press(facts: Facts) -> None:
    """A vote answers one press: the second has to be answered too."""
    facts.deliveries.append(press("U0ONE0", "plain-1", channel("plain", 0), "again"))


def form_and_vote(facts: Facts) -> None:
    """A press that opens a form is answered by the form; the vote answers the form's submission."""
    form = replace(press("U0ONE0", "plain-1", channel("plain", 0), "form"), what="reject")
    facts.deliveries = [form, *facts.deliveries]


def live_button(facts: Facts) -> None:
    [card] = facts.workspace.messages.in_channel(channel("plain", 0))
    facts.workspace.messages.save(replace(card, blocks=[APPROVE]))


def two_cards(facts: Facts) -> None:
    post_card(facts.workspace, facts.asked[0])


def two_lines(facts: Facts) -> None:
    """The second message has the line of a step that the first has too."""
    for steps in ([2, 3], [3]):
        line = {"event_type": STEP_EVENT, "event_payload": {"instance_id": "plain-1", "steps": steps}}
        post(facts.workspace, channel("plain", 0), "approved", line)


def same_words(facts: Facts) -> None:
    post(facts.workspace, "D0REQ0", "✓ <@U0ONE0> approved *“Order aaaa”*. <http://a/b|See the card>")


def same_message(facts: Facts) -> None:
    post(facts.workspace, "D0REQ0", "It waits.", told("plain-1"))


def never_told(facts: Facts) -> None:
    facts.workspace.messages.delete(facts.workspace.messages.in_channel("D0REQ0")[0])


def in_the_log(text: str) -> Plant:
    def plant(facts: Facts) -> None:
        facts.logs[0].write_text(text)

    return plant


def packed_code(facts: Facts) -> None:
    with closing(sqlite3.connect(facts.files[0])) as db:
        db.execute("INSERT INTO history VALUES (?)", [zlib.compress(b'{"code": "493817"}' * 3)])
        db.commit()


def number_in_metadata(facts: Facts) -> None:
    card = {"event_type": CARD_EVENT, "event_payload": {"instance_id": "plain-1", "round": 2, "to": NUMBER}}
    post(facts.workspace, channel("plain", 0), "Order aaaa", card)


def code_in_a_channel(facts: Facts) -> None:
    post(facts.workspace, channel("coded", 0), "The code is 493817")


def late_command(**changed: Any) -> Plant:
    def plant(facts: Facts) -> None:
        facts.deliveries = [
            replace(one, **changed) if one.kind == "command" else one for one in facts.deliveries
        ]

    return plant


def held(facts: Facts) -> None:
    facts.holds.append(Hold("bot-0", PRESSED - 1, PRESSED + 10))


PLANTED: dict[str, dict[str, Plant]] = {
    "accepted and lost": {"a request that was taken is gone": lose},
    "not ended": {
        "an open one": lambda facts: stands(facts, "pair-1", outcome=None, status="pending"),
        "one that failed": lambda facts: stands(facts, "plain-1", status="failed"),
    },
    "acked and unanswered": {
        "a press": leave_unanswered(press("U0OUT0", "coded-1", channel("coded", 0), "lost")),
        "a second press": two_votes_one_press,
        "a press after what was said": answer_before,
        "a message about something else": tell_something_else,
        "a command": late_command(body=""),
        "a form that did not open": leave_unanswered(
            replace(press("U0ONE0", "plain-1", channel("plain", 0), "form"), what="reject")
        ),
        "a form that did not open, though there is a vote": form_and_vote,
        "a text": leave_unanswered(
            InboundDelivery("sms", "SM2", NUMBER, "", "1", "", 0, PRESSED, PRESSED, 200, "<Response />")
        ),
    },
    "ended otherwise than it was decided": {
        "timed out": lambda facts: outcome(facts, "coded-1", status="timed_out", processed_by=None)
    },
    "orders that lost a step": {
        "one that nobody delivered": lambda facts: facts.asked.append(
            RequestAsked(
                "Order aaaa", "ordered", 0, "U0REQ0", "plain-1", decided=True, steps=["Created", "Paid"]
            )
        ),
        "one that was paid twice": lambda facts: facts.asked.append(
            RequestAsked(
                "Order aaaa",
                "ordered",
                0,
                "U0REQ0",
                "plain-1",
                decided=True,
                steps=["Created", "Paid", "Paid", "Done"],
            )
        ),
    },
    "decided twice, or by somebody who may not": {
        "an outsider": lambda facts: votes(facts, "coded-1", vote("U0TEL0", factor="sms"), vote("U0OUT0", 1)),
        "in the wrong round": lambda facts: votes(
            facts, "pair-1", vote("U0ONE0"), vote("U0TWO0"), vote("U0TWO0", 2)
        ),
        "without a code": lambda facts: votes(facts, "coded-1", vote("U0TEL0")),
        "twice": lambda facts: votes(facts, "pair-1", vote("U0ONE0"), vote("U0TWO0"), vote("U0TWO0")),
        "one too few": lambda facts: votes(facts, "pair-1", vote("U0TWO0")),
        "by somebody without a vote": lambda facts: outcome(facts, "coded-1", processed_by="U0OUT0"),
        "another outcome told": lambda facts: facts.callbacks.append(
            ("msg_1", {"request_id": "plain-1", "status": "rejected", "processed_by": "U0ONE0"})
        ),
    },
    "ended with live buttons": {"a button": live_button},
    "double cards": {"two of one round": two_cards},
    "double lines": {"two of one step": two_lines},
    "told twice": {"in the same words": same_words, "under the same name": same_message},
    "not told": {"the requester": never_told},
    "callbacks with two IDs, or none": {
        "two": lambda facts: facts.callbacks.append(("msg_2", facts.callbacks[0][1])),
        "none": lambda facts: facts.callbacks.clear(),
    },
    "numbers and codes where they must not be": {
        "a number in the log": in_the_log(f"sent to {NUMBER}"),
        "a code in the log": in_the_log("sent 493817"),
        "a code that is packed": packed_code,
        "a number in metadata": number_in_metadata,
        "a code in a channel": code_in_a_channel,
    },
    "records that do not hold": {"an outcome twice": lambda facts: facts.records.append("two outcomes")},
    "hub check": {"a fault": lambda facts: setattr(facts, "check", "orphaned")},
    "asked, though Slack had given the command up": {
        "late at the door": late_command(begun=PRESSED + 6),
        "late as the bot stood still": held,
    },
    "ready without room on the disk": {"ready": lambda facts: facts.blind.append("bot-0")},
    "ended by itself": {"a death": lambda facts: facts.deaths.append("bot-0: status 1")},
    "refused though nothing was wrong": {"a refusal": lambda facts: facts.refused.append("403")},
    "tracebacks": {"one": in_the_log("Traceback (most recent call last):\n  File x\nKeyError: 1\n")},
}


def test_a_sound_run_has_nothing_on_its_ledger(facts: Facts) -> None:
    assert {name: found for name, found in ledger(facts).items() if found} == {}


@pytest.mark.parametrize(
    ("line", "planted"),
    [(line, planted) for line, every in PLANTED.items() for planted in every],
)
def test_each_line_fails_on_what_it_is_for_and_no_other_does(facts: Facts, line: str, planted: str) -> None:
    PLANTED[line][planted](facts)
    assert {name for name, found in ledger(facts).items() if found} == {line}


def test_no_line_is_left_out() -> None:
    assert list(PLANTED) == list(LINES)


def test_who_may_have_read_a_command_in_time_may_start_it(facts: Facts) -> None:
    late_command(begun=PRESSED + 4)(facts)
    assert ledger(facts)["asked, though Slack had given the command up"] == []


def test_a_vote_answers_the_press_that_nothing_else_answers(facts: Facts) -> None:
    """The first press was refused in words, and the person pressed again."""
    place = channel("plain", 0)
    post(facts.workspace, place, "The task hub cannot be reached just now.", ephemeral_to="U0ONE0")
    facts.deliveries.append(replace(press("U0ONE0", "plain-1", place, "again"), at=4e9))
    assert ledger(facts)["acked and unanswered"] == []
