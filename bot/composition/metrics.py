"""Builds the metrics route from the parts that supply its figures."""

from __future__ import annotations

from contextlib import AsyncExitStack

from durabletask.client import AsyncTaskHubGrpcClient

from bot.composition.resources import Resources
from bot.hub_membership import HubMembership
from bot.metrics import catalog
from bot.metrics.hub_figures import HubFiguresCollector
from bot.metrics.routes import MetricsRoutes
from bot.records.keeper import RecordKeeper
from bot.records.log import RecordLog
from bot.slack.api.connection import SlackConnection


def metrics_routes(
    resources: Resources,
    client: AsyncTaskHubGrpcClient,
    records: RecordLog,
    keeper: RecordKeeper,
    membership: HubMembership,
    slack: SlackConnection,
    closing: AsyncExitStack,
) -> MetricsRoutes:
    """Builds the metrics route. Exit `closing` before the client is closed: it cancels the route's calls to the hub."""
    meters, settings = resources.meters, resources.settings
    figures = HubFiguresCollector(client, lambda: resources.book().names())
    closing.push_async_callback(figures.close)
    meters.registry.register(figures)
    connected = False

    async def refresh() -> None:
        nonlocal connected
        connected = await slack.ready()
        await figures.refresh()

    meters.watch(catalog.SLACK_CONNECTED, lambda: connected)
    meters.watch(catalog.SLACK_TOKEN_DEAD, lambda: slack.problem is not None)
    meters.watch(catalog.KEYS_FIT, lambda: membership.problem is None)
    meters.watch(catalog.RECORDS_UNAVAILABLE, records.unavailable)
    meters.watch(catalog.RECORDS_CONFLICTS, records.conflicts)
    meters.watch(catalog.RECORDS_COPY_FAILING, keeper.failing)
    meters.watch_disk(settings.data_dir)
    records.recorded = meters.recorded
    return MetricsRoutes(meters.registry, settings.metrics_token, refresh)
