"""`/sim/faults`: planning trouble."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError

from bot.simulator.errors import SimulatorError
from bot.simulator.faults import Fault, Faults
from bot.simulator.page_requests import read_object
from bot.simulator.sms.faults import SmsFault


class FaultsApi:
    """Plans faults of the Web API, and with ``"service": "sms"`` of the telephone company, where there is one."""

    def __init__(self, slack: Faults[Fault], sms: Faults[SmsFault] | None) -> None:
        self._slack = slack
        self._sms = sms

    def routes(self) -> list[web.RouteDef]:
        """Give the routes to serve."""
        return [web.post("/sim/faults", self.plan), web.delete("/sim/faults", self.clear)]

    async def plan(self, request: web.Request) -> web.Response:
        """Plan a fault."""
        try:
            self._plan(await read_object(request))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "fault"
            raise SimulatorError(f"{where}: {first['msg']}.") from error
        return web.json_response({"ok": True})

    def _plan(self, body: dict[str, Any]) -> None:
        if body.get("service") != "sms":
            self._slack.plan(Fault.model_validate(body))
        elif self._sms is None:
            raise SimulatorError("This workspace has no phones.")
        else:
            self._sms.plan(SmsFault.model_validate(body))

    async def clear(self, _request: web.Request) -> web.Response:
        """Forget planned faults."""
        self._slack.clear()
        if self._sms is not None:
            self._sms.clear()
        return web.json_response({"ok": True})
