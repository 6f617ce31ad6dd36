"""Builds the activities of gatherings."""

from __future__ import annotations

from collections.abc import Callable

from bot.outbound.http_client import HttpClient
from bot.outbound.systems import SystemAsker
from bot.records.log import RecordLog
from bot.security.answer_addresses import AnswerAddresses
from bot.security.secrets import Secrets
from bot.slack.ids import SlackIds
from orchestration.domain.policy_book import PolicyBook
from orchestration.gathering.activities import GatheringActivities
from orchestration.ports import GatheringAskers, GatheringNotifier, Intents


def gathering_activities(
    public_url: str | None,
    secrets: Secrets,
    http: HttpClient,
    records: RecordLog,
    askers: GatheringAskers,
    book: Callable[[], PolicyBook],
    notifier: GatheringNotifier,
    intents: Intents,
) -> GatheringActivities:
    """The activities of gatherings. They use the chat system, HTTP and the records."""
    return GatheringActivities(
        notifier,
        SystemAsker(secrets, http, AnswerAddresses(public_url, secrets)),
        records,
        askers,
        book,
        SlackIds(),
        intents,
    )
