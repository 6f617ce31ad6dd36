"""The composition root: builds a running Countersign from its settings."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.worker import TaskHubGrpcWorker

from bot import sweep
from bot.composition.background import in_background
from bot.composition.metrics import metrics_routes
from bot.composition.resources import Resources
from bot.composition.services import Services
from bot.composition.slack_side import BesideCards, slack_clients, slack_connection
from bot.composition.worker_activities import register_activities
from bot.config import Settings
from bot.documents import watcher
from bot.documents.reviews import Reviews
from bot.documents.watcher import DocumentWatcher
from bot.http.alive import AliveRoutes
from bot.http.api import Api
from bot.http.server import serving
from bot.hub_membership import HubMembership
from bot.mcp.serve.routes import McpRoutes
from bot.outbound.callbacks import CallbackSender
from bot.records import keeper as keeping
from bot.records.head_webhook import HeadWebhook
from bot.records.keeper import RecordKeeper
from bot.records.log import FOLDER as RECORDS
from bot.records.log import RecordLog
from bot.records.store import RecordStore
from bot.slack.api import home_publisher
from bot.slack.api.card_links import CardLinks
from bot.slack.api.pace import Pace
from bot.slack.api.poster import Poster
from bot.slack.api.under_way import UnderWay
from bot.slack.ids import SlackIds
from bot.stopping import Stopping
from orchestration.approval.outcome_activities import OutcomeActivities
from orchestration.replicas.roster import Replica
from orchestration.runtime.connect import Connection, connect
from orchestration.runtime.sdk_log import SDK_LOG
from orchestration.sealing.keys import SealKeys
from orchestration.service.answers import OwedAnswers
from orchestration.service.approvals import ApprovalService
from orchestration.service.grants import GrantService
from orchestration.service.joining import Joining
from orchestration.service.sweep import ReconcileSweep

log = logging.getLogger(__name__)

# Seconds that each step of a stop may take. A call to Slack ends after ten.
WORKER: Final = 12.0
ACTS: Final = 4.0
HUB: Final = 3.0
CLIENT: Final = 1.0


@dataclass(frozen=True)
class Countersign:
    """A running process: service, API, records, port, hub and worker, membership of the hub, and connection to Slack.

    `connecting` is done once Slack is connected; it raises when Slack refuses a token. `stopping` ends the process.
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
    stopping: Stopping


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
    stopping: Stopping | None = None,
) -> AsyncIterator[Countersign]:
    """Runs hub, worker, Slack and HTTP in one process until the context is left. Open requests stay on disk.

    The context is entered once HTTP is served and the worker runs. Slack is connected to in the background (see
    `/readyz`). Leaving the context takes as long as `stopping` allows; what does not end in time may go on in
    threads of this process.

    `pace` and `redraw_every` (seconds between two drawings of App Homes) keep Slack's limits by default. Give
    others for a simulated workspace. In seconds too: `sweep_every`, `records_every` (between two looks for records
    to copy) and `documents_every` (between two looks for a document place that is due).
    `orchestrators` run in the same worker, and may ask for approvals.
    Raises `CountersignError` when a setting, a key or the policy file is wrong.
    """
    resources = Resources.of(settings)
    stopping = stopping or Stopping(settings.stop_delay.total_seconds())
    async with AsyncExitStack() as closing:
        closing.callback(stopping.end)
        connection = _connection(settings, resources)
        closing.push_async_callback(
            stopping.step, "the hub", HUB, partial(asyncio.to_thread, connection.close)
        )
        client, as_stored = connection.client(), connection.client_as_stored()
        for one in (client, as_stored):
            closing.push_async_callback(stopping.step, "a client of the hub", CLIENT, one.close)
        records = RecordLog.open(settings.data_dir / RECORDS, resources.keys, settings.issuer)
        closing.callback(records.close)
        # It stops after the worker, so that it copies everything that was put on record.
        keeper = _record_keeper(records, resources, records_every)
        keeper.start()
        closing.push_async_callback(asyncio.to_thread, keeper.stop)
        services = Services.over(connection, client, as_stored, resources, records)
        slack = await closing.enter_async_context(slack_clients(settings, resources.meters))
        api = _api(services, resources, slack.links)
        beside = BesideCards.over(slack, services, connection, resources, redraw_every=redraw_every)

        worker = connection.worker()
        register_activities(
            worker,
            resources=resources,
            services=services,
            connection=connection,
            records=records,
            outcome_activities=_outcome_activities(api, records, resources),
            poster=Poster(slack.activities, pace or Pace()),
            home_publisher=beside.home_publisher,
        )
        for orchestrator in orchestrators:
            worker.add_orchestrator(orchestrator)
        closing.push_async_callback(
            partial(stopping.step, "the worker", WORKER, partial(_stop, worker), reserve=HUB)
        )
        membership = await _joined(connection, client, as_stored, resources, worker.start, closing, stopping)

        swept: list[sweep.Sweep] = [ReconcileSweep(client), services.digests, services.grants]
        in_background(closing, sweep.run(swept, sweep_every), "sweep")
        in_background(closing, beside.home_publisher.keep(), "draw App Homes")
        if connection.hub is None:
            in_background(closing, beside.home_publisher.follow(), "see what other processes do to App Homes")
        documents = DocumentWatcher(resources.book, Reviews(services.approvals), settings.data_dir)
        in_background(closing, documents.keep(documents_every), "watch the documents")

        owed = OwedAnswers(client, connection.precedence)
        closing.push_async_callback(stopping.step, "the reports of answers", HUB, owed.aclose)
        under_way = UnderWay()
        closing.push_async_callback(stopping.step, "what people did in Slack", ACTS, under_way.finished)
        slack_side = slack_connection(settings, slack, beside, services.for_people(owed), under_way, closing)
        metrics = metrics_routes(resources, client, records, keeper, membership, slack_side, closing)
        sms, challenges = resources.sms, services.challenges
        port = await closing.enter_async_context(
            serving(
                settings,
                services.approvals,
                slack_side,
                [
                    AliveRoutes(resources.secrets),
                    api,
                    beside.records,
                    McpRoutes(api, resources.tokens, settings.public_url),
                    metrics,
                ],
                sms.webhooks(challenges, resources.meters) if sms and challenges else None,
                membership,
                records.warnings,
                stopping,
            )
        )
        # The socket closes before HTTP does: what came over it may still need HTTP, and Slack then uses another
        # process.
        closing.push_async_callback(stopping.step, "the socket to Slack", ACTS, slack_side.close)
        log.info("listening on http://%s:%d", settings.host, port)
        connecting = in_background(closing, slack_side.connect(), "connect to Slack")
        closing.push_async_callback(stopping.begin)
        yield Countersign(
            services.approvals,
            services.grants,
            api,
            records,
            port,
            connection,
            worker,
            membership,
            connecting,
            stopping,
        )


def _connection(settings: Settings, resources: Resources) -> Connection:
    return connect(
        settings.hub,
        settings.data_dir,
        SealKeys(resources.secrets.derive_each("seal", "")),
        token=settings.hub_token,
        payload_store=settings.payload_store,
        setting_name=settings.hub_setting,
        skippable_clock=settings.skippable_clock,
        retention=settings.retention,
        work_limit=settings.work_limit,
    )


def _api(services: Services, resources: Resources, links: CardLinks) -> Api:
    settings = resources.settings
    return Api(
        services.for_programs(),
        resources.tokens,
        resources.secrets,
        resources.keys,
        public_url=settings.public_url,
        issuer=settings.issuer,
        card_url=links.newest,
    )


def _outcome_activities(api: Api, records: RecordLog, resources: Resources) -> OutcomeActivities:
    sender = CallbackSender(
        resources.secrets, resources.http, resources.cloud_events(), resources.tokens.revoked
    )
    return OutcomeActivities(api.outcome_events(records), sender, resources.book, SlackIds())


def _record_keeper(records: RecordLog, resources: Resources, every: float) -> RecordKeeper:
    settings = resources.settings
    webhook = settings.records_webhook
    return RecordKeeper(
        records,
        resources.keys,
        settings.issuer,
        store=RecordStore(settings.records_store) if settings.records_store else None,
        webhook=HeadWebhook(webhook, resources.secrets, resources.http) if webhook else None,
        every=every,
    )


async def _joined(
    connection: Connection,
    client: AsyncTaskHubGrpcClient,
    as_stored: AsyncTaskHubGrpcClient,
    resources: Resources,
    begin: Callable[[], None],
    closing: AsyncExitStack,
    stopping: Stopping,
) -> HubMembership:
    """Joins the processes on the hub: at once if the keys fit, otherwise as soon as they do."""
    name = secrets.token_hex(8)

    def me() -> Replica:
        return Replica(
            id=name,
            sealing_keys=connection.keys.ids,
            signing_keys=[key["kid"] for key in resources.keys.public()["keys"]],
            policies=resources.book.digest,
            seen_at=datetime.now(UTC),
        )

    joining = Joining(
        client, as_stored, connection.keys, me, alone=connection.hub is not None, refused=connection.refused
    )
    membership = HubMembership(joining, connection, begin)
    await membership.join()
    in_background(closing, membership.keep(), "stay on the hub")
    closing.push_async_callback(stopping.step, "the word to the other processes", HUB, membership.leave)
    return membership


async def _stop(worker: TaskHubGrpcWorker) -> None:
    """Stops the worker without the SDK's warning about the stream that the SDK itself closes."""
    SDK_LOG.setLevel(logging.ERROR)
    await asyncio.to_thread(worker.stop)
    SDK_LOG.setLevel(logging.NOTSET)
