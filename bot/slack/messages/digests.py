"""Draws a channel's digest: how many were approved by rule, of how much, the largest, and who asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.target import Target
from bot.slack.messages.status_labels import DOT, NO, UNCHECKED, YES
from bot.slack.text import mention, plain, safe, said, when, within
from orchestration.domain.digests import DigestLine, DigestSummary, PostDigestInput
from orchestration.domain.money import format_amount

DETAILS: Final = "digest_details"

APPROVED: Final = "{mark} {count} approved by rule since {since}"
NOT_POSTED: Final = "{mark} This is the digest of {channel}, where it could not be posted: {problem}"
UNCHECKED_ASKERS: Final = "other programs ({count}; nobody checked in whose name)"
LISTED: Final = 10
PEOPLE: Final = 10
SUMS: Final = 10
PROBLEM: Final = 300


@dataclass(frozen=True)
class DigestMessage:
    """A message: `text` is also the notification."""

    text: str
    blocks: list[Json]


def digest(given: PostDigestInput) -> DigestMessage:
    """Draws the message of a digest. Never raises."""
    summary = given.summary
    head = f"{_head(summary)}\n{_who(summary)}"
    if given.problem:
        problem = safe(given.problem, PROBLEM)
        head = f"{NOT_POSTED.format(mark=NO, channel=mention(given.channel), problem=problem)}\n{head}"
    named = _in_order(summary.lines)[:LISTED]
    parts = [blocks.section(head), *map(_row, named)]
    if more := summary.count - len(named):
        parts.append(blocks.context(f"… and {more} more"))
    return DigestMessage(head, parts)


def metadata(digest_id: str) -> Json:
    """The metadata by which the message is found again."""
    return {"event_type": "approval_digest", "event_payload": {"digest": digest_id}}


def _head(summary: DigestSummary) -> str:
    """`✓ 12 approved by rule since 10:04: 8,412.00 USD in all · the largest 980.00 USD, by @rita`."""
    said_first = APPROVED.format(mark=YES, count=summary.count, since=when(summary.since))
    sums = within(
        (f"{format_amount(one.total, one.currency)} in all" for one in summary.totals[:SUMS]), DOT, 400
    )
    largest = within(map(_largest, _largest_of_each(summary)), DOT, 600)
    return ": ".join(filter(None, [said_first, DOT.join(filter(None, [sums, largest]))]))


def _largest(line: DigestLine) -> str:
    amount = format_amount(line.amount, line.currency) if line.amount is not None else ""
    return f"the largest {amount} by {_asker(line)}"


def _asker(line: DigestLine) -> str:
    return mention(line.requester) + (f" ({UNCHECKED})" if line.asked_without_seal else "")


def _largest_of_each(summary: DigestSummary) -> Iterator[DigestLine]:
    """The largest of each currency that has several lines: for a single one, it is the same as the sum."""
    seen: set[str | None] = set()
    several = {one.currency for one in summary.totals if one.count > 1}
    for line in _in_order(summary.lines):
        if line.amount is not None and line.currency in several and line.currency not in seen:
            seen.add(line.currency)
            yield line


def _who(summary: DigestSummary) -> str:
    people = sorted(summary.people.items(), key=lambda one: -one[1])
    shown = [f"{mention(person)} ({count})" for person, count in people[:PEOPLE]]
    others = summary.others + sum(count for _, count in people[PEOPLE:])
    shown += [f"others ({others})"] if others else []
    shown += [UNCHECKED_ASKERS.format(count=summary.unchecked)] if summary.unchecked else []
    return f"Asked for by {', '.join(shown)}."


def _in_order(lines: list[DigestLine]) -> list[DigestLine]:
    """Sorts by currency, then by amount, the largest first. Lines without an amount are last."""
    return sorted(lines, key=lambda one: (one.amount is None, one.currency or "", -(one.amount or 0)))


def _row(line: DigestLine) -> Json:
    amount = format_amount(line.amount, line.currency) if line.amount is not None else ""
    policy = safe(line.policy_title, 60)
    text = DOT.join(filter(None, [said(line.title, 100, room=600), amount, policy, _asker(line)]))
    target = Target.of(line.request_id, 1, line.identity)
    spoken = plain(f"Details: {line.title}", blocks.BUTTON)
    return blocks.row(text, blocks.button(DETAILS, "Details", target.value(), spoken=spoken))
