"""What has to hold after a run: each line lists what does not, with the request that it is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from bot.slack.input.target import CARD_EVENT, MESSAGE_EVENT, STEP_EVENT
from tests.faults import scene
from tests.faults.answers import unanswered
from tests.faults.facts import Facts, payload
from tests.faults.files import secrets_in_files
from tests.faults.life import RequestAsked
from tests.support.messages import actions_of, text_of

DECIDING: Final = frozenset({"approve", "reject", "enter_code", "more", "read_and_approve"})
SLACK_PATIENCE: Final = 3.0  # seconds
_MARGIN: Final = 1.5  # seconds: requests and Slack's timestamps are dated in whole seconds
_LINK: Final = re.compile(r"<https?://[^>]*>")
_OWED: Final = ("not ended", "ended with live buttons", "not told", "callbacks with two IDs, or none")
_SAME: Final = ("status", "processed_by", "processed_at", "digest", "nonce")


def ledger(facts: Facts) -> dict[str, list[str]]:
    """Each line of the ledger with its entries. Every line has to be empty."""
    return {name: list(of(facts)) for name, of in LINES.items()}


def owed(facts: Facts) -> set[str]:
    """The lines with entries that may disappear with more time."""
    return {name for name in _OWED if any(True for _ in LINES[name](facts))} | (
        {"receipts"}
        if any(one["outcome"] and not one["outcome"].get("receipt") for one in facts.stands.values())
        else set()
    )


def _not_ended(facts: Facts) -> Iterator[str]:
    """Requests that are still open at the end, or ended in a way that no request should."""
    for request_id, stands in facts.stands.items():
        if stands["outcome"] is None or stands["status"] not in {*scene.KINDS.values(), "timed_out"}:
            yield f"{stands['title']} ({request_id}): {stands['status']}"


def _lost(facts: Facts) -> Iterator[str]:
    for one in facts.asked:
        if one.id is not None and one.id not in facts.stands:
            yield f"{one.title} ({one.id})"


def _ended_otherwise(facts: Facts) -> Iterator[str]:
    """Requests where everybody did what they meant to, but the outcome is not the one of their kind."""
    for one in facts.asked:
        outcome = facts.outcome(one.id)
        if one.done and outcome is not None and outcome["status"] != scene.KINDS[one.kind]:
            yield f"{one.title} ({one.id}): {outcome['status']}, {outcome.get('reason')!r}"


def _lost_steps(facts: Facts) -> Iterator[str]:
    """Approved orders that did not enter each of their states once and in order."""
    for one in facts.asked:
        if one.kind == "ordered" and one.decided and one.steps != list(scene.STEPS):
            yield f"{one.title} ({one.id}): {one.steps}"


def _wrongly_decided(facts: Facts) -> Iterator[str]:
    """Votes that are not allowed, missing or without their code, and outcomes that programs were told wrong."""
    for one in facts.asked:
        outcome = facts.outcome(one.id)
        if outcome is not None:
            yield from (f"{one.title} ({one.id}): {wrong}" for wrong in _wrongs(facts, one))
    for request_id, outcomes in _told_to_programs(facts).items():
        ours = facts.outcome(request_id) or {}
        for told in outcomes:
            if any(told.get(name) != ours.get(name) for name in _SAME):
                yield f"{request_id}: {ours.get('status')} here, a program was told {told.get('status')}"


def _wrongs(facts: Facts, one: RequestAsked) -> Iterator[str]:
    outcome, votes = facts.outcome(one.id) or {}, list(facts.votes(one.id))
    by, status = outcome.get("processed_by"), outcome["status"]
    for vote in votes:
        if vote["actor"] not in scene.entitled(one.kind, one.place, vote["round"]):
            yield f"a vote of {vote['actor']} in round {vote['round']}"
        if one.kind == "coded" and vote["choice"] == "approve" and vote.get("factor") != "sms":
            yield f"a vote of {vote['actor']} without a code"
    cast = Counter((vote["actor"], vote["round"]) for vote in votes)
    yield from (
        f"{count} votes of {who} in round {round_}" for (who, round_), count in cast.items() if count > 1
    )
    if status in {"approved", "rejected"} and by not in {vote["actor"] for vote in votes}:
        yield f"{status} by {by}, who has no vote"
    if status == "cancelled" and by != one.requester:
        yield f"cancelled by {by}"
    if status == "auto_approved" and one.kind != "auto":
        yield "approved by rule"
    if status == "approved":
        approvals = {(vote["round"], vote["actor"]) for vote in votes if vote["choice"] == "approve"}
        for round_, people in enumerate(scene.deciders(one.kind, one.place), 1):
            short = len(people) - sum(1 for number, _ in approvals if number == round_)
            if short > 0:
                yield f"approved with {short} votes too few in round {round_}"


def _live(facts: Facts) -> Iterator[str]:
    for message in facts.messages():
        card = payload(message, CARD_EVENT)
        if card is None:
            continue
        buttons = DECIDING & set(actions_of({"blocks": message.blocks}))
        if card["instance_id"] not in facts.stands or (facts.outcome(card["instance_id"]) and buttons):
            yield f"{card['instance_id']} round {card['round']} at {message.ts}: {sorted(buttons)}"


def _double_cards(facts: Facts) -> Iterator[str]:
    return _doubles(facts, CARD_EVENT, lambda said: [said["round"]])


def _double_lines(facts: Facts) -> Iterator[str]:
    """Steps that were posted twice. One message may hold the lines of several steps."""
    return _doubles(facts, STEP_EVENT, lambda said: said["steps"])


def _doubles(facts: Facts, event: str, names: Callable[[dict[str, Any]], list[Any]]) -> Iterator[str]:
    found = Counter(
        (message.channel, said["instance_id"], name)
        for message in facts.messages()
        if (said := payload(message, event)) is not None
        for name in names(said)
    )
    for (channel, request_id, which), count in found.items():
        if count > 1:
            yield f"{request_id} in {channel}, {which}: {count}"


def _told_twice(facts: Facts) -> Iterator[str]:
    """Messages sent twice to one person or channel, compared by their metadata and by their words."""
    yield from _doubles(facts, MESSAGE_EVENT, lambda said: [said["message"]])
    for one in facts.asked:
        said = Counter(_LINK.sub("", text).strip() for text in _ending_messages(facts, one))
        yield from (f"{one.title}: {count} times {text!r}" for text, count in said.items() if count > 1)


def _not_told(facts: Facts) -> Iterator[str]:
    for one in facts.asked:
        if facts.outcome(one.id) and not any(True for _ in _ending_messages(facts, one)):
            yield f"{one.title} ({one.id})"


def _ending_messages(facts: Facts, one: RequestAsked) -> Iterator[str]:
    for message in facts.direct(one.requester):
        text = text_of({"text": message.text, "blocks": message.blocks})
        if f"“{one.title}”" in text and text[:1] in {"✓", "✗", "–"}:
            yield text


def _told_to_programs(facts: Facts) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for _, outcome in facts.callbacks:
        found.setdefault(str(outcome["request_id"]), []).append(outcome)
    return found


def _callbacks(facts: Facts) -> Iterator[str]:
    """Ended requests of programs whose callbacks had no delivery ID or several; repeats have to use one ID."""
    ids: dict[str, set[str]] = {}
    for delivery, outcome in facts.callbacks:
        ids.setdefault(str(outcome["request_id"]), set()).add(delivery)
    for one in facts.asked:
        found = ids.get(one.id or "", set())
        if one.by_program and facts.outcome(one.id) is not None and len(found) != 1:
            yield f"{one.title} ({one.id}): {sorted(found)}"


def _late_starts(facts: Facts) -> Iterator[str]:
    """Commands that made a request although Slack had given up on them before a bot read them."""
    titles = {stands["title"]: request_id for request_id, stands in facts.stands.items()}
    for one in facts.deliveries:
        title = next((title for title in titles if one.kind == "command" and one.what.endswith(title)), None)
        if title is not None and _was_late(facts, one.at, one.begun or one.at):
            yield f"{title} ({titles[title]}), {(one.begun or one.at) - one.at:.1f} s after it was typed"


def _was_late(facts: Facts, at: float, begun: float) -> bool:
    """Whether no bot can have read the command in time."""
    # Of several bots, one that was not stopped may have read it.
    held = [hold for hold in facts.holds if hold.since < begun < hold.until and facts.bots == 1]
    return max([begun, *(hold.until for hold in held)]) - at > SLACK_PATIENCE + _MARGIN


def _tracebacks(facts: Facts) -> Iterator[str]:
    for path in facts.logs:
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        for at, text in enumerate(lines):
            if text.startswith("Traceback"):
                last = next(
                    (later for later in lines[at + 1 :] if later and not later.startswith((" ", "\t"))), ""
                )
                yield f"{path.name}:{at + 1}: {last[:160]}"


LINES: Final[dict[str, Callable[[Facts], Iterable[str]]]] = {
    "accepted and lost": _lost,
    "not ended": _not_ended,
    "acked and unanswered": unanswered,
    "ended otherwise than it was decided": _ended_otherwise,
    "orders that lost a step": _lost_steps,
    "decided twice, or by somebody who may not": _wrongly_decided,
    "ended with live buttons": _live,
    "double cards": _double_cards,
    "double lines": _double_lines,
    "told twice": _told_twice,
    "not told": _not_told,
    "callbacks with two IDs, or none": _callbacks,
    "numbers and codes where they must not be": secrets_in_files,
    "records that do not hold": lambda facts: facts.records,
    "hub check": lambda facts: [facts.check] if facts.check else [],
    "asked, though Slack had given the command up": _late_starts,
    "ready without room on the disk": lambda facts: facts.blind,
    "ended by itself": lambda facts: facts.deaths,
    "refused though nothing was wrong": lambda facts: facts.refused,
    "tracebacks": _tracebacks,
}
