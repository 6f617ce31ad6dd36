"""The composition root: builds a running Countersign from its settings."""

from __future__ import annotations

import asyncio
import logging
import secrets as secrets_
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.worker import TaskHubGrpcWorker
from slack_bolt.async_app import AsyncApp
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from bot import sweep
from bot.code_channels import code_channels
from bot.config import Settings
from bot.documents import watcher
from bot.documents.mover import DocumentActions
from bot.documents.previews import DocumentPreviews
from bot.documents.reviews import Reviews
from bot.documents.watcher import DocumentWatcher
from bot.gatherings import gathering_activities
from bot.http.api import Api, ApiServices
from bot.http.pages.links import RecordLinks
from bot.http.pages.routes import RecordRoutes
from bot.http.server import serving
from bot.hub_membership import HubMembership
from bot.mcp.serve.routes import McpRoutes
from bot.outbound.actions import OutcomeActions, installed
from bot.outbound.callbacks import CallbackSender
from bot.outbound.cloud_events import CloudEvents
from bot.outbound.http_client import HttpClient, allowed_hosts, allowed_networks
from bot.policy_reloading import PolicyReloader
from bot.records import keeper as keeping
from bot.records.head_webhook import HeadWebhook
from bot.records.keeper import RecordKeeper
from bot.records.log import FOLDER as RECORDS
from bot.records.log import RecordLog
from bot.records.store import RecordStore
from bot.security.keys import SigningKeys
from bot.security.secrets import Secrets
from bot.security.tokens import FILE as TOKENS
from bot.security.tokens import TokenFile
from bot.set_up import SetUp
from bot.slack.api import home_publisher
from bot.slack.api.call_list_notifier import SlackCallListNotifier
from bot.slack.api.connection import SlackConnection
from bot.slack.api.directory import SlackDirectory
from bot.slack.api.files import SlackFiles
from bot.slack.api.gathering_notifier import SlackGatheringNotifier
from bot.slack.api.grant_notifier import SlackGrantNotifier
from bot.slack.api.groups import Groups
from bot.slack.api.health import SlackHealth, WatchedAsyncWebClient
from bot.slack.api.home_publisher import HomePublisher
from bot.slack.api.names import Names
from bot.slack.api.notifier import SlackNotifier, web_client
from bot.slack.api.pace import Pace
from bot.slack.api.poster import Poster
from bot.slack.api.prechecks import Prechecks
from bot.slack.api.pulse import Pulse
from bot.slack.ids import SlackIds
from bot.slack.listeners import ListenerServices
from bot.slack.listeners import register as register_listeners
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
from orchestration.replicas.roster import Replica
from orchestration.runtime.connect import Connection, connect
from orchestration.runtime.ours import OURS
from orchestration.runtime.sdk_log import SDK_LOG
from orchestration.runtime.worker import register
from orchestration.sealing.keys import SealKeys
from orchestration.service.answers import HubAnswers, OwedAnswers
from orchestration.service.approvals import ApprovalService
from orchestration.service.askers import HubAskers
from orchestration.service.call_lists import HubCallLists
from orchestration.service.digests import DigestService, HubDigests
from orchestration.service.entities import Entities
from orchestration.service.fulfilment_starts import HubFulfilments
from orchestration.service.fulfilments import FulfilmentService
from orchestration.service.gatherings import GatheringService
from orchestration.service.grant_starts import HubGrants
from orchestration.service.grants import GrantService
from orchestration.service.held_calls import HeldCalls
from orchestration.service.instances import Instances
from orchestration.service.intents import HubIntents
from orchestration.service.joining import Joining
from orchestration.service.operations import Operations
from orchestration.service.request_ids import RequestIds
from orchestration.service.seals import SealInventory
from orchestration.service.sweep import ReconcileSweep
from orchestration.service.worklists import Worklists

log = logging.getLogger(__name__)

SLACK_TIMEOUT: Final = 10  # seconds, for one call to the Web API


@dataclass(frozen=True)
class Countersign:
    """A running process: service, API, records, port, hub and worker, its place on the hub, what connects to Slack.

    `connecting` is done once Slack is connected; it raises when Slack refuses a token.
    """

    service: ApprovalService
    grants: GrantService
    api: Api
    records: RecordLog
    port: int
    connection: Connection
    worker: TaskHubGrpcWorker
    membership: HubMembership
    connecting: asyncio.Task[None]


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    pace: Pace | None = None,
    sweep_every: float = sweep.EVERY,
    redraw_every: float = home_publisher.PAUSE,
    records_every: float = keeping.EVERY,
    documents_every: float = watcher.PAUSE,
    orchestrators: Iterable[Callable[..., Any]] = (),
) -> AsyncIterator[Countersign]:
    """Runs hub, worker, Slack and HTTP in one process until the context is left. Open requests stay on disk.

    `pace` and `redraw_every` (seconds between two drawings of App Homes) keep Slack's limits unless they are given,
    as for a workspace that is only simulated. `sweep_every`, `records_every` (between two looks at what of the records
    is to be copied) and `documents_every` (between two looks at which place of documents is due): seconds.
    `orchestrators` run in the same worker, and may ask for approvals.
    Entered once HTTP is served and the worker runs; Slack is connected to in the background (see `/readyz`).
    Raises `CountersignError` when a setting, a key or the policy file is wrong.
    """
    known = installed()
    secrets, tokens = Secrets.load(settings.secret, settings.data_dir), TokenFile(settings.data_dir / TOKENS)
    keys = SigningKeys.load(settings.signing_key, settings.data_dir)
    sms, codes = code_channels(settings, secrets)
    http = HttpClient(allowed_networks(settings.callback_networks), allowed_hosts(settings.callback_hosts))
    book = PolicyReloader(
        settings.policies,
        known,
        sms=sms is not None,
        set_up=SetUp.of(settings),
    )
    async with AsyncExitStack() as closing:
        connection = connect(
            settings.hub,
            settings.data_dir,
            SealKeys(secrets.derive_each("seal", "")),
            token=settings.hub_token,
            skippable_clock=settings.skippable_clock,
            retention=settings.retention,
            work_limit=settings.work_limit,
        )
        closing.callback(connection.close)
        client, as_stored = connection.client(), connection.client_as_stored()
        for one in (client, as_stored):
            closing.push_async_callback(one.close)
        inventory = SealInventory(client, as_stored, connection.keys, OURS)
        request_ids = RequestIds(lambda about: secrets.derive_each("request-id", about))
        service = ApprovalService(
            client,
            book,
            SlackIds(),
            request_ids,
            settings.open_limits,
            connection.turns,
            connection.precedence,
        )
        gatherings = GatheringService(
            client, book, SlackIds(), service.starter, connection.turns, connection.precedence
        )
        grants = GrantService(client, book, SlackIds(), connection.now, connection.turns)
        challenges = codes.service(client, book, connection.turns) if codes else None
        records = RecordLog.open(settings.data_dir / RECORDS, keys, settings.issuer)
        closing.callback(records.close)
        keeper = _record_keeper(settings, records, secrets, keys, http, records_every)
        operations = Operations(client, records)
        digests = DigestService(client, book)
        sender = CallbackSender(secrets, http, CloudEvents(settings.issuer, http), tokens.revoked)
        fulfilments = FulfilmentService(client, book, connection.turns)
        outcome_activities, api = _for_programs(
            settings,
            ApiServices(
                service,
                operations,
                Instances(client, operations),
                Entities(client),
                inventory,
                gatherings,
                HeldCalls(
                    client, service, lambda about: secrets.derive_each("held-call", about), connection.now
                ),
                fulfilments,
                digests,
                grants,
                challenges,
            ),
            secrets,
            keys,
            records,
            sender,
        )
        slack = await closing.enter_async_context(_slack_clients(settings))
        people = _for_people(
            settings, connection, client, operations, service, grants, secrets, slack.listeners, redraw_every
        )

        worker = connection.worker()
        poster = Poster(slack.activities, pace or Pace())
        intents = HubIntents(client, connection.dispatches.again)
        notifier = SlackNotifier(poster, people.home_publisher.shown)
        activities = ApprovalActivities(
            notifier,
            SlackDirectory(slack.activities),
            DocumentActions(OutcomeActions(known, http, secrets, CloudEvents(settings.issuer, http))),
            intents,
            HubCallLists(client),
        )
        telling = sms.people_activities(book, notifier) if sms else PeopleActivities(notifier)
        askers = HubAskers(client, tokens.revoked)
        register(
            worker,
            activities,
            outcome_activities,
            telling,
            AskerActivities(askers),
            AnswerActivities(HubAnswers(service, challenges, gatherings, grants), notifier),
            FulfilmentActivities(HubFulfilments(client), records),
            DigestActivities(HubDigests(client), notifier, intents),
            codes.activities(book, notifier) if codes else None,
            gathering_activities(
                settings.public_url,
                secrets,
                http,
                records,
                askers,
                book,
                SlackGatheringNotifier(poster, people.home_publisher.shown_gathering),
                intents,
            ),
            DocumentActivities(DocumentPreviews(SlackFiles(slack.activities)), intents),
            GrantActivities(
                SlackGrantNotifier(poster, people.home_publisher.grant_shown),
                HubGrants(client, connection.now),
                SlackDirectory(slack.activities),
                book,
                intents,
            ),
            CallListActivities(SlackCallListNotifier(poster, people.home_publisher.shown), intents),
        )
        for orchestrator in orchestrators:
            worker.add_orchestrator(orchestrator)
        closing.push_async_callback(_stop, worker)
        membership = await _joined(connection, client, as_stored, book, keys, worker.start, closing)

        _in_background(closing, sweep.run([ReconcileSweep(client), digests, grants], sweep_every), "sweep")

        _in_background(closing, people.home_publisher.keep(), "draw App Homes")

        _in_background(closing, _watch_documents(service, settings, documents_every), "watch the documents")

        _start_keeping(keeper, closing)

        owed = await closing.enter_async_context(aclosing(OwedAnswers(client, connection.precedence)))
        slack_connection = _slack_connection(
            settings,
            slack,
            people,
            ListenerServices(service, gatherings, fulfilments, owed, grants, challenges),
            closing,
        )
        webhooks = sms.webhooks(challenges) if sms and challenges else None
        port = await closing.enter_async_context(
            serving(
                settings,
                service,
                slack_connection,
                [api, people.records, McpRoutes(api, tokens, settings.public_url)],
                webhooks,
                membership,
                records.warnings,
            )
        )
        log.info("listening on http://%s:%d", settings.host, port)
        connecting = _in_background(closing, slack_connection.connect(), "connect to Slack")
        yield Countersign(service, grants, api, records, port, connection, worker, membership, connecting)


def _record_keeper(
    settings: Settings,
    records: RecordLog,
    secrets: Secrets,
    keys: SigningKeys,
    http: HttpClient,
    every: float,
) -> RecordKeeper:
    return RecordKeeper(
        records,
        keys,
        settings.issuer,
        store=RecordStore(settings.records_store) if settings.records_store else None,
        webhook=HeadWebhook(settings.records_webhook, secrets, http) if settings.records_webhook else None,
        every=every,
    )


def _watch_documents(service: ApprovalService, settings: Settings, every: float) -> Coroutine[Any, Any, None]:
    return DocumentWatcher(service.book, Reviews(service), settings.data_dir).keep(every)


def _start_keeping(keeper: RecordKeeper, closing: AsyncExitStack) -> None:
    keeper.start()
    closing.push_async_callback(asyncio.to_thread, keeper.stop)


async def _joined(
    connection: Connection,
    client: AsyncTaskHubGrpcClient,
    as_stored: AsyncTaskHubGrpcClient,
    book: PolicyReloader,
    keys: SigningKeys,
    begin: Callable[[], None],
    closing: AsyncExitStack,
) -> HubMembership:
    """Joins the processes on the hub at once where the keys fit, else as soon as they do."""
    name = secrets_.token_hex(8)

    def me() -> Replica:
        return Replica(
            id=name,
            sealing_keys=connection.keys.ids,
            signing_keys=[key["kid"] for key in keys.public()["keys"]],
            policies=book.digest,
            seen_at=datetime.now(UTC),
        )

    joining = Joining(client, as_stored, connection.keys, me, alone=connection.hub is not None)
    membership = HubMembership(joining, connection, begin)
    await membership.join()
    _in_background(closing, membership.keep(), "stay on the hub")
    closing.push_async_callback(membership.leave)
    return membership


def _for_programs(
    settings: Settings,
    services: ApiServices,
    secrets: Secrets,
    keys: SigningKeys,
    records: RecordLog,
    sender: CallbackSender,
) -> tuple[OutcomeActivities, Api]:
    api = Api(
        services,
        TokenFile(settings.data_dir / TOKENS),
        secrets,
        keys,
        public_url=settings.public_url,
        issuer=settings.issuer,
    )
    book = services.approvals.book
    return OutcomeActivities(api.outcome_events(records), sender, book, SlackIds()), api


@dataclass(frozen=True)
class _SlackClients:
    """The listeners' client, that of the activities, and what both tell of how Slack takes their calls."""

    listeners: AsyncWebClient
    activities: WebClient
    health: SlackHealth


@asynccontextmanager
async def _slack_clients(settings: Settings) -> AsyncIterator[_SlackClients]:
    """Over connections that stay open. The listeners use theirs instead of a client of Bolt's."""
    health, token, url = SlackHealth(), settings.bot_token, settings.slack_api_url
    timeout = aiohttp.ClientTimeout(total=SLACK_TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        listeners = WatchedAsyncWebClient(
            health, token=token, base_url=url, timeout=SLACK_TIMEOUT, session=session
        )
        yield _SlackClients(listeners, web_client(token, url, health), health)


@dataclass(frozen=True)
class _ForPeople:
    """What people see beside the cards: App Home, details and records. All of it uses one Slack client."""

    home_publisher: HomePublisher
    prechecks: Prechecks
    records: RecordRoutes


def _for_people(  # noqa: PLR0913, PLR0917 - each is known by its type
    settings: Settings,
    connection: Connection,
    client: AsyncTaskHubGrpcClient,
    operations: Operations,
    service: ApprovalService,
    grants: GrantService,
    secrets: Secrets,
    slack: AsyncWebClient,
    redraw_every: float,
) -> _ForPeople:
    groups = Groups(slack)
    links = RecordLinks(settings.public_url, secrets)
    return _ForPeople(
        HomePublisher(
            slack,
            Worklists(client),
            groups,
            service.book,
            connection.now,
            pause=redraw_every,
            grants=grants,
        ),
        Prechecks(groups, links.make),
        RecordRoutes(service, operations, links, Names(slack, groups)),
    )


def _slack_connection(
    settings: Settings,
    slack: _SlackClients,
    people: _ForPeople,
    services: ListenerServices,
    closing: AsyncExitStack,
) -> SlackConnection:
    pulse = Pulse()
    _in_background(closing, pulse.keep(), "beat")
    app = AsyncApp(
        client=slack.listeners, signing_secret=settings.signing_secret, process_before_response=True
    )
    register_listeners(
        app,
        services,
        time=slack.health.time,
        pulse=pulse,
        prechecks=people.prechecks,
        home_publisher=people.home_publisher,
    )
    found = SlackConnection(app, settings.app_token, settings.signing_secret, slack.health)
    closing.push_async_callback(found.close)
    return found


async def _stop(worker: TaskHubGrpcWorker) -> None:
    """Stops the worker without the SDK's warning about the stream that the SDK itself closes."""
    SDK_LOG.setLevel(logging.ERROR)
    await asyncio.to_thread(worker.stop)
    SDK_LOG.setLevel(logging.NOTSET)


def _in_background(closing: AsyncExitStack, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Runs it until `closing` is left."""
    task = asyncio.create_task(work, name=name)
    closing.push_async_callback(_end, task)
    return task


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
