"""The connection to Slack: checked at start, waited for when the network is down, over HTTP or Socket Mode."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.middleware.authorization.async_single_team_authorization import AsyncSingleTeamAuthorization
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot import request_body
from bot.slack.api.card_links import CardLinks
from bot.slack.api.codes import UNFIT_TOKEN
from bot.slack.api.errors import asked_to_wait, code_of, described
from bot.slack.api.health import SlackHealth
from bot.slack.api.signature import SlackSignature
from bot.slack.api.socket import SlackSocket
from bot.slack.input import payload
from bot.slack.input.payload import UnreadablePayloadError
from orchestration.domain.errors import CountersignError

log = logging.getLogger(__name__)

BODY_LIMIT: Final = 1024 * 1024  # bytes; a submitted form with the longest description is under half of it
# Seconds between tries to reach Slack at start: the first, doubled each time up to the longest.
FIRST_RETRY: Final = 0.5
LONGEST_RETRY: Final = 15.0
LONGEST_WAIT: Final = 300.0  # seconds, whatever Slack asks for
NOT_YET: Final = (
    "Slack has not answered this server yet, so nothing was recorded. Please try again in a moment."
)


class SlackRefusedError(CountersignError):
    """Slack does not accept a token."""


class SlackConnection:
    """Keeps `app` reachable for Slack: in Socket Mode when an app token is given, otherwise at `/slack/events`."""

    def __init__(
        self,
        app: AsyncApp,
        app_token: str | None,
        signing_secret: str | None = None,
        health: SlackHealth | None = None,
        *,
        links: CardLinks | None = None,
        first_retry: float = FIRST_RETRY,
    ) -> None:
        """`links` is given the workspace's address. `first_retry` is in seconds."""
        self._first_retry = first_retry
        self._health = health or SlackHealth()
        self._app = app
        self._signature = SlackSignature(signing_secret) if signing_secret else None
        self._socket = SlackSocket(app, app_token) if app_token else None
        self._links = links or CardLinks()
        self._greeted = False

    async def connect(self) -> None:
        """Returns once Slack has answered and the socket, if any, is up. Retries until then.

        Raises `SlackRefusedError` naming the setting whose token Slack does not accept.
        """
        pause = self._first_retry
        while True:
            try:
                if not self._greeted:
                    await self._greet()
                if self._socket:
                    await self._socket.open()
            except Exception as error:  # noqa: BLE001 - only a refusal of our token ends the process
                self._raise_if_refused(error)
                wait = max(pause, min(asked_to_wait(error), LONGEST_WAIT))
                log.warning("Slack cannot be reached (%s); the next try is in %g s", described(error), wait)
            else:
                return
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_RETRY)

    async def _greet(self) -> None:
        me = await self._app.client.auth_test()
        self._introduce(me)
        self._links.learn(me.get("url"))
        self._greeted = True
        log.info("Slack knows us as %s in %s", me.get("user"), me.get("team"))

    def _raise_if_refused(self, error: Exception) -> None:
        code = code_of(error)
        if code in UNFIT_TOKEN:
            name = "SLACK_APP_TOKEN" if self._greeted else "SLACK_BOT_TOKEN"
            raise SlackRefusedError(f"{name}: Slack does not accept it ({code}).") from error

    def _introduce(self, me: AsyncSlackResponse) -> None:
        """Gives Bolt the answer of `auth.test`. Bolt would ask again at its first request, when Slack may be down."""
        for middleware in self._app._async_middleware_list:  # noqa: SLF001 - it keeps the answer there, and takes none
            if isinstance(middleware, AsyncSingleTeamAuthorization):
                middleware.auth_test_result = me

    async def ready(self) -> bool:
        """Whether Slack can reach us now, as far as this side can tell."""
        if not self._greeted or self._health.problem:
            return False
        return self._socket is None or await self._socket.is_open()

    @property
    def problem(self) -> str | None:
        """Why Slack refuses all our calls, as a sentence that names the remedy; None where it does not."""
        return self._health.problem

    async def close(self) -> None:
        """Closes the socket, if any."""
        if self._socket is not None:
            await self._socket.close()

    async def receive(self, request: web.Request) -> web.Response:
        """Handles `POST /slack/events`: hands the signed body to Bolt, and returns Bolt's response.

        Responds with 401 if Slack did not sign the body lately, and with 400 if the body does not have Slack's form.
        Responds with 503 until `auth.test` has succeeded: Bolt would take an earlier request for one of another
        workspace, and acknowledge it. With 503, Slack shows a failure, and the person acts again.
        """
        body = request_body.text_of(await request_body.read(request, BODY_LIMIT))
        if self._signature is None or not self._signature.holds(body, request.headers):
            raise web.HTTPUnauthorized(text="Invalid signature.")
        if not self._greeted:
            raise web.HTTPServiceUnavailable(text=NOT_YET)
        try:
            payload.check_body(body, request.content_type)
        except UnreadablePayloadError as error:
            log.warning("POST /slack/events: %s", error)
            raise web.HTTPBadRequest(text=str(error)) from error
        signed = AsyncBoltRequest(body=body, query=request.query_string, headers=dict(request.headers))
        return await to_aiohttp_response(await self._app.async_dispatch(signed))
