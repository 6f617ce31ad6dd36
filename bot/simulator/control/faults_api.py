"""`/sim/faults`: plan faults, list the active ones, and end them."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError

from bot.simulator.control.page_requests import read_object
from bot.simulator.errors import SimulatorError
from bot.simulator.faults import Faults, PlannedFault, SlackFault
from bot.simulator.sms.faults import SmsFault

Json = dict[str, Any]


class FaultsApi:
    """Plans faults of the Web API, and with ``"service": "sms"`` faults of the SMS provider, where there is one."""

    def __init__(self, slack: Faults[SlackFault], sms: Faults[SmsFault] | None) -> None:
        self._slack = slack
        self._sms = sms

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/sim/faults", self.on),
            web.post("/sim/faults", self.plan),
            web.delete("/sim/faults", self.clear),
            web.delete(r"/sim/faults/{number:\d{1,9}}", self.end),
        ]

    async def on(self, _request: web.Request) -> web.Response:
        """Return the active faults. `left` is the seconds until a fault ends; null where only a person can end it."""
        slack = [_shape(one) for one in self._slack.on()]
        sms = [_shape(one) for one in self._sms.on()] if self._sms else []
        return web.json_response({"ok": True, "faults": slack + sms})

    async def plan(self, request: web.Request) -> web.Response:
        """Plan a fault."""
        try:
            number = self._plan(await read_object(request))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "fault"
            raise SimulatorError(f"{where}: {first['msg']}.") from error
        return web.json_response({"ok": True, "id": number})

    def _plan(self, body: Json) -> int:
        if body.get("service") != "sms":
            return self._slack.plan(SlackFault.model_validate(body))
        if self._sms is None:
            raise SimulatorError("This workspace has no phones.")
        return self._sms.plan(SmsFault.model_validate(body))

    async def clear(self, _request: web.Request) -> web.Response:
        """End all faults."""
        return self._forget(None)

    async def end(self, request: web.Request) -> web.Response:
        """End one fault. It is no error when the fault has ended already."""
        return self._forget(int(request.match_info["number"]))

    def _forget(self, number: int | None) -> web.Response:
        self._slack.clear(number)
        if self._sms is not None:
            self._sms.clear(number)
        return web.json_response({"ok": True})


def _shape(planned: PlannedFault[SlackFault] | PlannedFault[SmsFault]) -> Json:
    return {
        "id": planned.id,
        "left": planned.left,
        "struck": planned.struck,
        **planned.fault.model_dump(exclude={"seconds"}),
    }
