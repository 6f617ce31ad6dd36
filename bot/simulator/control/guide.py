"""`/sim/scenarios`: scenarios that a supervisor tells step by step in the page, where there is such a supervisor."""

from typing import Any, Protocol

from aiohttp import web

from bot.simulator.control.page_api import Unavailable
from bot.simulator.control.page_requests import read_object
from bot.simulator.errors import SimulatorError

Json = dict[str, Any]


class Guide(Protocol):
    """Tells one scenario at a time, the same one to every open page, and publishes a "guide" change as it goes on.

    A play is `{id, name, title, why, by_hand, script, step, phase, failed, ended, notes, wire}`. `script` has for each
    step its sentences `tell` and `hand`, whether it `acts` or only shows something, and the `scene` to be at: `as`,
    `channel`, and what is used there, `spot` and `text`. `step` is the one that is next or under way, from 0, and
    `phase` is "waiting", "doing" or "over". `failed` is the sentence of a step that did not come out, `ended` that of a
    play which took another turn and can only be started over. `notes` say what was put right before it began, `wire`
    what a program and the app said to each other.
    """

    def scenarios(self) -> list[Json]:
        """Give what can be played: `{name, title, why, steps}` each."""

    def play(self) -> Json | None:
        """Give the play that is on, or None."""

    async def begin(self, name: str, *, by_hand: bool) -> None:
        """Begin a scenario, in place of any that is on. Raises SimulatorError when there is none of that name."""

    async def go_on(self, play: str, step: int) -> None:
        """Have a step done; nothing happens when it is not that one's turn: another page was quicker."""

    async def leave(self, play: str) -> None:
        """End the play, if it is still on."""


class GuideApi:
    """Lets the page follow the guide. Without one there are no scenarios."""

    def __init__(self, guide: Guide | None) -> None:
        self._guide = guide

    def routes(self) -> list[web.RouteDef]:
        """Give the routes to serve."""
        return [
            web.get("/sim/scenarios", self.look),
            web.post("/sim/scenarios/begin", self.begin),
            web.post("/sim/scenarios/next", self.go_on),
            web.post("/sim/scenarios/leave", self.leave),
        ]

    async def look(self, _request: web.Request) -> web.Response:
        """Give what can be played, and how far the play is that is on."""
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
        """Have the next step done."""
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
