"""Registers the worker's activities, by which orchestrations act on Slack and other systems."""

from __future__ import annotations

from durabletask.worker import TaskHubGrpcWorker

from bot.composition.resources import Resources
from bot.composition.services import Services
from bot.documents.mover import DocumentActions
from bot.documents.previews import DocumentPreviews
from bot.gatherings import gathering_activities
from bot.outbound.actions import OutcomeActions
from bot.records.log import RecordLog
from bot.slack.api.call_list_notifier import SlackCallListNotifier
from bot.slack.api.directory import SlackDirectory
from bot.slack.api.files import SlackFiles
from bot.slack.api.gathering_notifier import SlackGatheringNotifier
from bot.slack.api.grant_notifier import SlackGrantNotifier
from bot.slack.api.home_publisher import HomePublisher
from bot.slack.api.notifier import SlackNotifier
from bot.slack.api.poster import Poster
from orchestration.approval.activities import ApprovalActivities
from orchestration.approval.asker_activities import AskerActivities
from orchestration.approval.document_activities import DocumentActivities
from orchestration.approval.outcome_activities import OutcomeActivities
from orchestration.call_lists.activities import CallListActivities
from orchestration.digest.activities import DigestActivities
from orchestration.fulfilment.activities import FulfilmentActivities
from orchestration.grants.activities import GrantActivities
from orchestration.people.activities import PeopleActivities
from orchestration.people.answer_activities import AnswerActivities
from orchestration.runtime.connect import Connection
from orchestration.runtime.worker import register
from orchestration.service.answers import HubAnswers
from orchestration.service.askers import HubAskers
from orchestration.service.call_lists import HubCallLists
from orchestration.service.digests import HubDigests
from orchestration.service.fulfilment_starts import HubFulfilments
from orchestration.service.grant_starts import HubGrants
from orchestration.service.intents import HubIntents


def register_activities(
    worker: TaskHubGrpcWorker,
    *,
    resources: Resources,
    services: Services,
    connection: Connection,
    records: RecordLog,
    outcome_activities: OutcomeActivities,
    poster: Poster,
    home_publisher: HomePublisher,
) -> None:
    """Registers every activity, orchestration and entity with the worker."""
    client = services.client
    book, secrets, http = resources.book, resources.secrets, resources.http
    intents = HubIntents(client, connection.dispatches.again)
    notifier = SlackNotifier(poster, home_publisher.shown)
    directory = SlackDirectory(poster.client)
    askers = HubAskers(client, resources.tokens.revoked)
    sms, codes, meters = resources.sms, resources.codes, resources.meters
    actions = OutcomeActions(resources.actions, http, secrets, resources.cloud_events())
    register(
        worker,
        ApprovalActivities(notifier, directory, DocumentActions(actions), intents, HubCallLists(client)),
        outcome_activities,
        sms.people_activities(book, notifier, meters) if sms else PeopleActivities(notifier),
        AskerActivities(askers),
        AnswerActivities(
            HubAnswers(services.approvals, services.challenges, services.gatherings, services.grants),
            notifier,
        ),
        FulfilmentActivities(HubFulfilments(client), records),
        DigestActivities(HubDigests(client), notifier, intents),
        codes.activities(book, notifier, meters) if codes else None,
        gathering_activities(
            resources.settings.public_url,
            secrets,
            http,
            records,
            askers,
            book,
            SlackGatheringNotifier(poster, home_publisher.shown_gathering),
            intents,
        ),
        DocumentActivities(DocumentPreviews(SlackFiles(poster.client)), intents),
        GrantActivities(
            SlackGrantNotifier(poster, home_publisher.grant_shown),
            HubGrants(client, connection.now),
            directory,
            book,
            intents,
        ),
        CallListActivities(SlackCallListNotifier(poster, home_publisher.shown), intents),
    )
