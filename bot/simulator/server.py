"""The simulator: one port for Slack's Web API, Socket Mode and response URLs, Twilio's API, and the page."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bot.simulator.control.controls import Controls
from bot.simulator.control.faults_api import FaultsApi
from bot.simulator.control.guide import Guide, GuideApi
from bot.simulator.control.live import Live
from bot.simulator.control.page_api import PageApi, sentences
from bot.simulator.control.phone_api import PhoneApi
from bot.simulator.control.same_origin import same_origin_only
from bot.simulator.control.story import Stories, StoryApi
from bot.simulator.errors import SimulatorError
from bot.simulator.slack_api import answers, socket_mode
from bot.simulator.slack_api.app_config import AppConfig
from bot.simulator.slack_api.delivery import HttpDelivery
from bot.simulator.slack_api.dispatcher import RETRY_AFTER, PayloadDispatcher
from bot.simulator.slack_api.installation import Installation
from bot.simulator.slack_api.rate_limits import MINUTE, MethodLimiter, RateLimits
from bot.simulator.slack_api.socket_mode import SocketMode
from bot.simulator.slack_api.uploads import Uploads
from bot.simulator.slack_api.user_actions import UserActions
from bot.simulator.slack_api.web_api import WebApi
from bot.simulator.sms.account import SmsAccount
from bot.simulator.sms.provider import SmsProvider
from bot.simulator.workspace.workspace import Workspace

PAGE = Path(__file__).parent / "page"
MAX_BODY = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The times of Slack and Twilio, in seconds of real time.

    Slack waits `acknowledgement` for an answer, and `retries` before each repetition of an event. A trigger ID is valid
    for `trigger`. An event stream sends a heartbeat after `heartbeat` without a change. `rate_minute` is the length of
    the "minute" in which rate limits count calls. Twilio waits `webhook` for an answer; a text takes `status_delay`
    from one status to the next.
    """

    acknowledgement: float = 3.0
    trigger: float = 3.0
    heartbeat: float = 15.0
    retries: tuple[float, ...] = RETRY_AFTER
    rate_minute: float = MINUTE
    webhook: float = 15.0
    status_delay: float = 0.05


class Simulator:
    """A local Slack workspace that a real app runs against, through the base URL `api_url`.

    Payloads go to `request_url` (which may change at any time) as signed HTTP, or over Socket Mode while the
    app is connected to it. `app` says which scopes, events and commands the app has; `timeouts` says how
    long Slack waits. With `sms`, people have phones, and Twilio's API is served under `sms_api_url`. With `stories`,
    the page shows what the app's durable work did and waits for. A `guide` plays scenarios in the page. With
    `rate_limits`, Slack's rate limits are enforced.
    """

    def __init__(  # noqa: PLR0913 - all but the first are named, and most are left out
        self,
        workspace: Workspace,
        *,
        bot_token: str,
        app_token: str,
        signing_secret: str,
        request_url: str | None = None,
        controls: Controls | None = None,
        stories: Stories | None = None,
        app: AppConfig | None = None,
        timeouts: Timeouts | None = None,
        sms: SmsAccount | None = None,
        guide: Guide | None = None,
        rate_limits: RateLimits = RateLimits.NONE,
    ) -> None:
        timeouts = timeouts or Timeouts()
        self.workspace = workspace
        installation = Installation(workspace, app or AppConfig(), timeouts.trigger)
        self.sockets = SocketMode(installation.app.app_id, workspace.changes, timeouts.acknowledgement)
        self._http = HttpDelivery(request_url, signing_secret, timeouts.acknowledgement)
        self._dispatcher = PayloadDispatcher(installation, self._http, self.sockets, timeouts.retries)
        self._actions = UserActions(installation, self._dispatcher, lambda: self.url)
        limiter = MethodLimiter(rate_limits, timeouts.rate_minute)
        tokens = {bot_token: "bot", app_token: "app"}
        self._web_api = WebApi(installation, self._dispatcher, tokens, limiter)
        calls = self._web_api.calls
        self._sms: SmsProvider | None = None
        if sms is not None:
            self._sms = SmsProvider(
                workspace, sms, calls, status_delay=timeouts.status_delay, timeout=timeouts.webhook
            )
        self._page_api = PageApi(
            installation,
            self._actions,
            calls,
            controls,
            has_phones=self._sms is not None,
            has_stories=stories is not None,
        )
        self._story_api = StoryApi(stories) if stories is not None else None
        self._faults_api = FaultsApi(self._web_api.faults, self._sms.faults if self._sms else None)
        self._guide_api = GuideApi(guide)
        self._live = Live(workspace.changes, timeouts.heartbeat)
        self._runner: web.AppRunner | None = None
        self._url: str | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve on this address; port 0 takes a free port, which is then part of `url`.

        Raises SimulatorError when the address is not available.
        """
        if self._runner is not None:
            raise RuntimeError("The simulator is running already.")
        application = web.Application(middlewares=[same_origin_only, sentences], client_max_size=MAX_BODY)
        application.router.add_route("*", "/api/{method}", self._web_api.handle)
        application.router.add_get(socket_mode.PATH, self.sockets.handle)
        application.router.add_post(answers.PATH, self._actions.answers.handle)
        application.router.add_routes(Uploads(self.workspace).routes())
        application.router.add_routes(self._page_api.routes())
        application.router.add_routes(self._faults_api.routes())
        application.router.add_routes(self._guide_api.routes())
        if self._story_api is not None:
            application.router.add_routes(self._story_api.routes())
        if self._sms is not None:
            application.router.add_routes(self._sms.routes())
            phones = PhoneApi(self.workspace.people, self.workspace.texts, self._sms.carrier)
            application.router.add_routes(phones.routes())
        application.router.add_get("/sim/events", self._live.handle)
        application.router.add_get("/archives/{channel}/p{ts}", _permalink)
        if PAGE.is_dir():
            application.router.add_get("/", _index)
            application.router.add_static("/static/", PAGE)
        application.on_response_prepare.append(_with_headers)
        application.on_shutdown.append(self._close_streams)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=2)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise SimulatorError(
                f"The simulator cannot listen on {host}:{port}: {error.strerror}."
            ) from error
        self._runner = runner
        bound_host, bound_port = runner.addresses[0][:2]
        named = "127.0.0.1" if bound_host in {"0.0.0.0", "::"} else bound_host  # noqa: S104 — read, not bound
        self._url = f"http://[{named}]:{bound_port}" if ":" in named else f"http://{named}:{bound_port}"
        if self._sms is not None:
            self._sms.carrier.resume()

    async def stop(self) -> None:
        """Stop serving. The workspace stays open, for its owner to close or to serve again."""
        await self._dispatcher.close()
        if self._sms is not None:
            await self._sms.carrier.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """Return the address of the page, without a trailing slash."""
        if self._url is None:
            raise RuntimeError("The simulator has not been started.")
        return self._url

    @property
    def api_url(self) -> str:
        """Return the base URL for Slack clients."""
        return f"{self.url}/api/"

    @property
    def request_url(self) -> str | None:
        """Return the address that commands, interactions and events are posted to. It can be set."""
        return self._http.request_url

    @request_url.setter
    def request_url(self, url: str | None) -> None:
        self._http.request_url = url

    @property
    def sms_api_url(self) -> str:
        """Return the address to use for https://api.twilio.com. Raises SimulatorError where there are no phones."""
        self._provider()
        return self.url

    @property
    def sms_inbound_url(self) -> str | None:
        """Return the address that people's texts are posted to. It can be set. Raises as `sms_api_url` does."""
        return self._provider().carrier.inbound_url

    @sms_inbound_url.setter
    def sms_inbound_url(self, url: str | None) -> None:
        self._provider().carrier.inbound_url = url

    def _provider(self) -> SmsProvider:
        if self._sms is None:
            raise SimulatorError("This workspace has no phones: give the simulator an SmsAccount.")
        return self._sms

    async def _close_streams(self, _application: web.Application) -> None:
        self._live.close()
        await self.sockets.close()


async def _index(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE / "index.html")


async def _with_headers(_request: web.Request, response: web.StreamResponse) -> None:
    # The browser revalidates each time, so it never mixes modules of two versions.
    response.headers.setdefault("Cache-Control", "no-cache")
    # Other sites may not frame the page and trick people into clicks. A policy inside the page cannot forbid this.
    response.headers.setdefault("X-Frame-Options", "DENY")


async def _permalink(request: web.Request) -> web.Response:
    digits = request.match_info["ts"]
    ts = f"{digits[:-6]}.{digits[-6:]}"
    raise web.HTTPFound(f"/#channel={request.match_info['channel']}&ts={ts}")
