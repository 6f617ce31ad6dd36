"""Builds the Slack side: its clients, what people see besides the cards, and the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import aiohttp
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from bot.composition.background import in_background
from bot.composition.resources import Resources
from bot.composition.services import Services
from bot.config import Settings
from bot.http.pages.links import RecordLinks
from bot.http.pages.routes import RecordRoutes
from bot.metrics.meters import Meters
from bot.slack.api.card_links import CardLinks
from bot.slack.api.connection import SlackConnection
from bot.slack.api.groups import Groups
from bot.slack.api.health import SlackHealth, WatchedAsyncWebClient
from bot.slack.api.home_publisher import HomePublisher
from bot.slack.api.names import Names
from bot.slack.api.notifier import web_client
from bot.slack.api.observed_app import ObservedApp
from bot.slack.api.prechecks import Prechecks
from bot.slack.api.pulse import Pulse
from bot.slack.api.under_way import UnderWay
from bot.slack.listeners import ListenerServices
from bot.slack.listeners import register as register_listeners
from orchestration.runtime.connect import Connection
from orchestration.service.worklists import Worklists

SLACK_TIMEOUT: Final = 10  # seconds, for one call to the Web API


@dataclass(frozen=True)
class SlackClients:
    """The Web API clients of the listeners and of the activities, their health, and the links to cards."""

    listeners: AsyncWebClient
    activities: WebClient
    health: SlackHealth
    links: CardLinks


@asynccontextmanager
async def slack_clients(settings: Settings, meters: Meters) -> AsyncIterator[SlackClients]:
    """Yields the clients, whose connections stay open. The listeners use theirs instead of a client that Bolt makes."""
    health, token, url = SlackHealth(meters.slack_call), settings.bot_token, settings.slack_api_url
    timeout = aiohttp.ClientTimeout(total=SLACK_TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        listeners = WatchedAsyncWebClient(
            health, token=token, base_url=url, timeout=SLACK_TIMEOUT, session=session
        )
        yield SlackClients(listeners, web_client(token, url, health), health, CardLinks())


@dataclass(frozen=True)
class BesideCards:
    """What people see besides the cards: App Home, Details and records. All use the same Slack client."""

    home_publisher: HomePublisher
    prechecks: Prechecks
    records: RecordRoutes

    @classmethod
    def over(
        cls,
        slack: SlackClients,
        services: Services,
        connection: Connection,
        resources: Resources,
        *,
        redraw_every: float,
    ) -> Self:
        """Builds them. `redraw_every` is the number of seconds between two redrawings of App Homes."""
        groups = Groups(slack.listeners)
        links = RecordLinks(resources.settings.public_url, resources.secrets)
        return cls(
            HomePublisher(
                slack.listeners,
                Worklists(services.client),
                groups,
                services.approvals.book,
                connection.now,
                pause=redraw_every,
                grants=services.grants,
            ),
            Prechecks(groups, links.make),
            RecordRoutes(services.approvals, services.operations, links, Names(slack.listeners, groups)),
        )


def slack_connection(
    settings: Settings,
    slack: SlackClients,
    people: BesideCards,
    services: ListenerServices,
    under_way: UnderWay,
    closing: AsyncExitStack,
) -> SlackConnection:
    """Builds the connection that receives what Slack sends, and acknowledges it. The caller closes it.

    Every interaction of a person becomes a task in `under_way`.
    """
    pulse = Pulse()
    in_background(closing, pulse.keep(), "beat")
    app = ObservedApp(
        client=slack.listeners, signing_secret=settings.signing_secret, process_before_response=True
    )
    register_listeners(
        app,
        services,
        time=slack.health.time,
        pulse=pulse,
        prechecks=people.prechecks,
        home_publisher=people.home_publisher,
        under_way=under_way,
    )
    return SlackConnection(app, settings.app_token, settings.signing_secret, slack.health, links=slack.links)
