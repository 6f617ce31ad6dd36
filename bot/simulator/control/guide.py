"""`/sim/scenarios`: guided scenarios, which a supervisor plays step by step in the page."""

from typing import Any, Protocol

from aiohttp import web

from bot.simulator.control.page_api import Unavailable
from bot.simulator.control.page_requests import read_object
from bot.simulator.errors import SimulatorError

Json = dict[str, Any]


class Guide(Protocol):
    """Plays one scenario at a time for all open pages, and publishes a "guide" change whenever the play moves on.

    A play is `{id, name, title, why, by_hand, script, step, phase, failed, ended, notes, wire}`. `script` has for each
    step its sentences `tell` and `hand`, whether it `acts` or only shows something, and its `scene`: who acts (`as`),
    in which `channel`, and what is used there (`spot` and `text`). `step` is the step that is next or under way,
    counted from 0; `phase` is "waiting", "doing" or "over". `failed` says why a step failed, `ended` says why
    the play can only be started over. `notes` say what was corrected before the play began. `wire` holds the
    calls and answers between a program and the app.
    """

    def scenarios(self) -> list[Json]:
        """Return the scenarios, each as `{name, title, why, steps}`."""

    def play(self) -> Json | None:
        """Return the current play, or None."""

    async def begin(self, name: str, *, by_hand: bool) -> None:
        """Begin a scenario, and end the current play. Raises SimulatorError when no scenario has that name."""

    async def go_on(self, play: str, step: int) -> None:
        """Do this step of the play. Does nothing when another step is next, because another page was quicker."""

    async def leave(self, play: str) -> None:
        """End the play, if it has not ended yet."""


class GuideApi:
    """Lets the page follow the guide. Without a guide there are no scenarios."""

    def __init__(self, guide: Guide | None) -> None:
        self._guide = guide

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/sim/scenarios", self.look),
            web.post("/sim/scenarios/begin", self.begin),
            web.post("/sim/scenarios/next", self.go_on),
            web.post("/sim/scenarios/leave", self.leave),
        ]

    async def look(self, _request: web.Request) -> web.Response:
        """Return the scenarios, and the state of the current play."""
        scenarios = self._guide.scenarios() if self._guide else []
        return web.json_response(
            {"ok": True, "scenarios": scenarios, "play": self._guide.play() if self._guide else None}
        )

    async def begin(self, request: web.Request) -> web.Response:
        """Begin a scenario."""
        body = await read_object(request)
        await self._wired().begin(str(body.get("name")), by_hand=body.get("by_hand") is True)
        return await self.look(request)

    async def go_on(self, request: web.Request) -> web.Response:
        """Do the next step."""
        body = await read_object(request)
        step = body.get("step")
        if not isinstance(step, int):
            raise SimulatorError("Say which step.")
        await self._wired().go_on(str(body.get("play")), step)
        return await self.look(request)

    async def leave(self, request: web.Request) -> web.Response:
        """End the play."""
        await self._wired().leave(str((await read_object(request)).get("play")))
        return await self.look(request)

    def _wired(self) -> Guide:
        if self._guide is None:
            raise Unavailable(
                "This workspace runs without a supervisor, so there is nobody to play a scenario."
            )
        return self._guide
