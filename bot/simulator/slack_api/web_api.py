"""`/api/<method>`: Slack's Web API over HTTP."""

import json
from typing import Any

from aiohttp import web

from bot.simulator.errors import SlackError
from bot.simulator.faults import CallLog, Faults, LoggedCall, SlackFault
from bot.simulator.slack_api.dispatcher import PayloadDispatcher
from bot.simulator.slack_api.installation import Installation
from bot.simulator.slack_api.methods import METHODS, Method, MethodCall
from bot.simulator.slack_api.methods.table import Args
from bot.simulator.slack_api.rate_limits import MethodLimiter

Json = dict[str, Any]


class WebApi:
    """Answers Web API calls: planned faults first, then the token, the rate limits, the scopes, and the method itself.

    `tokens` maps each token to its kind, "bot" or "app".

    As at Slack, every refusal except a rate limit and a breakdown is HTTP 200 with `"ok": false`.
    """

    def __init__(
        self,
        installation: Installation,
        dispatcher: PayloadDispatcher,
        tokens: dict[str, str],
        limiter: MethodLimiter,
    ) -> None:
        self._installation = installation
        self._dispatcher = dispatcher
        self._tokens = tokens
        self._limiter = limiter
        self.faults: Faults[SlackFault] = Faults(installation.workspace.changes)
        self.calls = CallLog()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call."""
        name = request.match_info["method"]
        origin = str(request.url.origin())
        try:
            args = await _arguments(request)
        except SlackError as error:
            return self._refuse(name, {}, error)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip() or str(
            args.pop("token", "")
        )
        if fault := self.faults.strike(lambda planned: planned.hits(name, args.get("channel"))):
            return self._break(name, args, fault)
        try:
            return self._answer(name, token, args, origin)
        except SlackError as error:
            return self._refuse(name, args, error)

    def _answer(self, name: str, token: str, args: Json, origin: str) -> web.Response:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        self._authorise(method, token)
        if (retry_after := self._limiter.refuse(name, str(args.get("channel", "")))) is not None:
            return self._rate_limited(name, args, retry_after)
        if (longest := self._limiter.longest_page(name)) is not None:
            args = args | {"limit": min(longest, Args(args).number("limit", longest, longest))}
        call = MethodCall(self._installation, self._dispatcher, Args(args), origin)
        call.needs(*method.scopes)
        with self._installation.workspace.store.transaction():
            body = method.handler(call)
        self._log(name, args, None)
        return web.json_response({"ok": True, **body}, headers=self._headers(method))

    def _authorise(self, method: Method, token: str) -> None:
        if method.takes == "none":
            return
        if not token:
            raise SlackError("not_authed")
        kind = self._tokens.get(token)
        if kind is None:
            raise SlackError("invalid_auth")
        if kind != method.takes:
            raise SlackError("not_allowed_token_type")

    def _headers(self, method: Method) -> dict[str, str]:
        if method.takes != "bot":
            return {}
        return {
            "X-OAuth-Scopes": ",".join(sorted(self._installation.app.scopes)),
            "X-Accepted-OAuth-Scopes": ",".join(method.scopes),
        }

    def _break(self, name: str, args: Json, fault: SlackFault) -> web.Response:
        if fault.error == "ratelimited":
            return self._rate_limited(name, args, str(fault.retry_after))
        self._log(name, args, fault.error)
        if fault.error == "http_500":
            return web.Response(
                text="<html><body>Server Error</body></html>", content_type="text/html", status=500
            )
        return web.json_response(SlackError(fault.error).body())

    def _rate_limited(self, name: str, args: Json, retry_after: str) -> web.Response:
        self._log(name, args, "ratelimited")
        body = {"ok": False, "error": "ratelimited"}
        return web.json_response(body, status=429, headers={"Retry-After": retry_after})

    def _refuse(self, name: str, args: Json, error: SlackError) -> web.Response:
        self._log(name, args, error.code)
        return web.json_response(error.body())

    def _log(self, name: str, args: Json, error: str | None) -> None:
        self.calls.add(
            LoggedCall(name, args, self._installation.workspace.now(), ok=error is None, error=error)
        )


async def _arguments(request: web.Request) -> Json:
    """Return the arguments from the query and the body, in any of Slack's encodings."""
    args: Json = dict(request.query)
    if request.method != "POST" or not request.can_read_body:
        return args
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.text())
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return args | body
    if request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return args | dict(await request.post())
    raise SlackError("invalid_post_type")
