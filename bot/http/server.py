"""The HTTP port: health, the API, the records, what Twilio calls, and Slack's requests when Socket Mode is not used."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from aiohttp import web

from bot.config import Settings
from bot.hub_membership import HubMembership
from bot.request_body import refuse_encodings
from bot.setting_sources import SettingError
from bot.slack.api.connection import SlackConnection
from bot.stopping import Stopping
from bot.telemetry.incoming import observed
from bot.twilio.webhooks import TwilioWebhooks
from orchestration.domain.errors import CountersignError
from orchestration.service.approvals import ApprovalService
from orchestration.service.hub_health import HubHealth

BODY_LIMIT: Final = 1024 * 1024  # bytes, where a route has no smaller limit of its own
IDLE: Final = 30.0  # seconds
LINGERING: Final = 1.0  # seconds
# When the process stops, seconds for each open request to be answered, and as many again for it to be cancelled.
ANSWERED_WITHIN: Final = 3.0
BACKLOG: Final = 1024  # connections that wait to be accepted; the kernel delays any more by a second


class RouteGroup(Protocol):
    """Routes of one kind that the server offers."""

    def attach(self, application: web.Application) -> None:
        """Adds the routes to the application."""
        ...


@asynccontextmanager
async def serving(
    settings: Settings,
    service: ApprovalService,
    slack: SlackConnection,
    route_groups: Sequence[RouteGroup],
    twilio: TwilioWebhooks | None,
    membership: HubMembership,
    record_warnings: Callable[[], list[str]],
    stopping: Stopping,
) -> AsyncIterator[int]:
    """Serves while the context is open; yields the port. Raises `SettingError` when the address cannot be listened on.

    `record_warnings` are sentences for `/readyz` about the records. On exit, it accepts no more connections, and
    answers open requests for as long as `stopping` allows.
    """
    application = _routes(settings, service, slack, twilio, membership, record_warnings, stopping)
    for group in route_groups:
        group.attach(application)
    runner = web.AppRunner(
        application,
        access_log=None,
        auto_decompress=False,
        # The time that a connection has to send the head of a request.
        keepalive_timeout=IDLE,
        # The rest of a body after its response is read and dropped, for long enough that the sender sees the response.
        lingering_time=LINGERING,
        shutdown_timeout=ANSWERED_WITHIN,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG).start()
        except OSError as error:
            # asyncio wraps the system's error text in its own. A host name that does not resolve has no errno.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise SettingError(
                f"COUNTERSIGN_LISTEN: cannot listen on {settings.host}:{settings.port} ({reason}); "
                "choose another port or address."
            ) from error
        yield runner.addresses[0][1]
    finally:
        await stopping.step("the HTTP port", 2 * ANSWERED_WITHIN, runner.cleanup)


def _routes(
    settings: Settings,
    service: ApprovalService,
    slack: SlackConnection,
    twilio: TwilioWebhooks | None,
    membership: HubMembership,
    record_warnings: Callable[[], list[str]],
    stopping: Stopping,
) -> web.Application:
    async def ready(_: web.Request) -> web.Response:
        """Answers 200 if the hub responds and has room, Slack is connected and the keys match; else 503 and why.

        Also 503 once this process was told to stop. Warnings do not change the 200: the hub still serves, and taking
        this process out of service would lose more.
        """
        warnings = record_warnings()
        health = HubHealth()
        try:
            hub_up = await service.reachable()
            health = await service.hub_health()
        except CountersignError:
            hub_up = False
        warnings += health.warnings
        checks = {"hub": hub_up, "slack": await slack.ready()}
        body: dict[str, object] = {name: "up" if up else "down" for name, up in checks.items()}
        if warnings:
            body["warnings"] = warnings
        if problem := stopping.problem or membership.problem or health.problem or slack.problem:
            body["problem"] = problem
        good = all(checks.values()) and not problem
        return web.json_response(body, status=200 if good else 503)

    application = web.Application(
        client_max_size=BODY_LIMIT, middlewares=[observed(access_log=settings.access_log), refuse_encodings]
    )
    application.router.add_get("/readyz", ready)
    if not settings.socket_mode:
        application.router.add_post("/slack/events", slack.receive)
    if twilio is not None:
        application.router.add_post("/twilio/sms", twilio.sms)
        application.router.add_post("/twilio/status", twilio.status)
    return application
