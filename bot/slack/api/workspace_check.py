"""Compares a policy file with the workspace: channels that cannot be posted to, people who have left, empty groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import dataclass
from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.api.codes import NOT_A_MEMBER
from bot.slack.api.directory import SlackDirectory
from bot.slack.api.errors import SLACK_FAILURES, as_delivery_errors, code_of
from bot.slack.ids import is_group, is_person
from orchestration.domain.errors import CountersignError, DeliveryError, ThrottledError
from orchestration.domain.gathering_policy import GatheringPolicy
from orchestration.domain.policy import Policy
from orchestration.domain.policy_book import PolicyBook

TRIES: Final = 3
LONGEST_WAIT: Final = 60.0  # seconds, where Slack asks us to wait

UNKNOWN_CHANNEL: Final = (
    "is no channel that the app knows, so nothing can be posted there; invite the app where it is private, or mend "
    "the policy"
)
# Slack removes an app from a channel that is archived. Without a scope to read channels, the app sees only that.
NOT_IN_CHANNEL: Final = (
    "is a channel that the app is not in; invite it, else a card may be posted twice after a crash; where the channel "
    "is archived, name another"
)
GONE: Final = "is no active member of this workspace, so nobody can reach them; name somebody else"
EMPTY: Final = "is a user group without members"
NO_GROUP: Final = "is no user group of this workspace"


# A request may still be decided in spite of these.
_MILD: Final = frozenset({NOT_IN_CHANNEL, EMPTY})


@dataclass(frozen=True)
class WorkspaceWarning:
    """A problem with something that the policies name. `text` is its place and a sentence without a full stop.

    `severe` is True if what is named does not exist, or cannot be used at all.
    """

    text: str
    severe: bool = False

    def __str__(self) -> str:
        return self.text


async def workspace_warnings(
    client: WebClient, book: PolicyBook, *, at_once: int = 1
) -> AsyncIterator[WorkspaceWarning]:
    """Yields a warning for each name in the policies that the workspace does not have.

    At most `at_once` look-ups run at a time. A look-up that Slack does not answer gives no warning of its own; the last
    warning says how many there were.
    """
    directory, turns, unanswered = SlackDirectory(client), asyncio.Semaphore(at_once), 0

    async def why_not(name: str) -> str | None:
        async with turns:
            return await _why(client, directory, name)

    found = [
        (place, name, asyncio.create_task(_answer(why_not(name)))) for name, place in named_in(book).items()
    ]
    try:
        for place, name, look in found:
            answered, why = await look
            unanswered += not answered
            if why is not None:
                yield WorkspaceWarning(f"{place}: {name} {why}", severe=why not in _MILD)
    finally:
        for _, _, look in found:
            look.cancel()
    if unanswered:
        yield WorkspaceWarning(
            f"Slack did not say of {unanswered} people, groups and channels whether they are there"
        )


async def _answer(look: Awaitable[str | None]) -> tuple[bool, str | None]:
    """Whether Slack answered, and the result of the look-up."""
    try:
        return True, await look
    except (CountersignError, *SLACK_FAILURES):
        return False, None


def named_in(book: PolicyBook) -> dict[str, str]:
    """Each person, group and channel that the file names, with the first place that does."""
    found: dict[str, str] = {}
    for key, policy in sorted(book.policies.items()):
        for part, names in _parts(policy):
            for name in names:
                if name is not None:
                    found.setdefault(name, f"policies.{key}.{part}")
    for key, gathering in sorted(book.gatherings.items()):
        for part, name in _parts_of_gathering(gathering):
            found.setdefault(name, f"policies.{key}.{part}")
    for person, entry in sorted(book.people.items()):
        found.setdefault(person, "people")
        if entry.delegate:
            found.setdefault(entry.delegate, f"people.{person}.delegate")
    return found


def _parts(policy: Policy) -> Iterator[tuple[str, list[str | None]]]:
    yield "channel", [policy.channel]
    for number, level in enumerate(policy.levels):
        yield f"levels.{number}", [level.channel, *level.approvers, *level.notify]
    if policy.escalation:
        yield (
            "escalation",
            [policy.escalation.channel, *policy.escalation.approvers, *policy.escalation.notify],
        )
    yield "delegates", [*policy.delegates]
    yield "owner", [policy.owner]
    if policy.fulfilment:
        yield "fulfilment", [policy.fulfilment.owner, *policy.fulfilment.escalate_to]
    for place, actions in policy.actions():
        yield ".".join(map(str, place)), [action.notify for action in actions]


def _parts_of_gathering(policy: GatheringPolicy) -> Iterator[tuple[str, str]]:
    yield "channel", policy.channel
    for name, source in policy.sources.items():
        if source.person is not None:
            yield f"sources.{name}", source.person
    for person in policy.delegates or ():
        yield "delegates", person
    if policy.escalation is not None:
        yield "escalation.channel", policy.escalation.channel
        for person in policy.escalation.notify:
            yield "escalation.notify", person
    if policy.owner is not None:
        yield "owner", policy.owner


async def _why(client: WebClient, directory: SlackDirectory, name: str) -> str | None:
    """Why the person, group or channel cannot be used; None if it can. Waits when Slack asks for it, within limits."""
    look = _of_person if is_person(name) else _of_group if is_group(name) else _of_channel
    for left in reversed(range(TRIES)):
        try:
            return await asyncio.to_thread(look, client, directory, name)
        except ThrottledError as error:
            if not left:
                raise
            await asyncio.sleep(min(error.retry_after, LONGEST_WAIT))
    return None


def _of_person(_: WebClient, directory: SlackDirectory, person: str) -> str | None:
    return None if directory.is_active(person) else GONE


def _of_group(_: WebClient, directory: SlackDirectory, group: str) -> str | None:
    try:
        return None if directory.members(group) else EMPTY
    except DeliveryError:
        return NO_GROUP


def _of_channel(client: WebClient, _: SlackDirectory, channel: str) -> str | None:
    """Checks a channel by reading its history: the app has no scope for another way."""
    try:
        with as_delivery_errors():
            client.conversations_history(channel=channel, limit=1)
    except DeliveryError as error:
        code = code_of(error.__cause__) if isinstance(error.__cause__, SlackApiError) else ""
        return NOT_IN_CHANNEL if code in NOT_A_MEMBER else UNKNOWN_CHANNEL
    return None
