"""Plays the scenarios in the page, one at a time: does each step, or waits until a person has done it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bot.demo.access import BotApi, Programs
from bot.demo.scenarios import script
from bot.demo.scenarios.ending import ended
from bot.demo.scenarios.player import Player
from bot.demo.scenarios.stage import NotSeenError
from bot.simulator import SimulatorError
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Status
from orchestration.service.messages import ENDED

log = logging.getLogger(__name__)

BEAT: Final = 1.1  # seconds between two actions of one step, so that people see the effect of the first
UNFORESEEN: Final = (
    "That went wrong in a way nobody foresaw; the demo's log has it. Try again, or leave the scenario."
)

GRACE: Final = 3.0  # seconds from a request's end until its cards and messages say so
ENDED_OTHERWISE: Final = (
    "The request was {how} in another way than this scenario goes, so this step can no longer be done."
)

Json = dict[str, Any]


@dataclass
class _Play:
    """One play of one scenario; see `bot.simulator.control.guide.Guide` for its fields."""

    scenario: script.Scenario
    by_hand: bool
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    step: int = 0
    phase: Literal["waiting", "doing", "over"] = "waiting"
    failed: str | None = None
    ended: str | None = None
    player: Player | None = None
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class ScenarioGuide:
    """The simulator's `Guide`. `url` gives the workspace's address; `changed` is called at each progress.

    `programs` are those that act in scenarios, `reader` is the API with a token that may read every request.
    """

    def __init__(
        self, url: Callable[[], str], programs: Programs, reader: BotApi, changed: Callable[[], None]
    ) -> None:
        self._url = url
        self._programs = programs
        self._reader = reader
        self._changed = changed
        self._scenarios = {name: script.load(name) for name in script.NAMES}
        self._play: _Play | None = None

    def scenarios(self) -> list[Json]:
        """The scenarios."""
        return [
            {"name": one.name, "title": one.title, "why": one.why, "steps": len(one.steps)}
            for one in self._scenarios.values()
        ]

    def play(self) -> Json | None:
        """The current play, or None."""
        play = self._play
        if play is None:
            return None
        return {
            "id": play.id,
            "name": play.scenario.name,
            "title": play.scenario.title,
            "why": play.scenario.why,
            "by_hand": play.by_hand,
            "script": [
                {
                    "tell": step.tell,
                    "hand": step.hand,
                    "acts": bool(step.do),
                    "scene": scene(step, by_hand=play.by_hand),
                }
                for step in play.scenario.steps
            ],
            "step": play.step,
            "phase": play.phase,
            "failed": play.failed,
            "ended": play.ended,
            "notes": play.player.notes if play.player else [],
            "wire": play.player.said if play.player else [],
        }

    async def begin(self, name: str, *, by_hand: bool) -> None:
        """Begins a scenario; a play that is on ends. Raises `SimulatorError` when there is no such scenario."""
        scenario = self._scenarios.get(name)
        if scenario is None:
            raise SimulatorError(f"There is no scenario called {name!r}.")
        while self._play:  # another page may have begun one while the last one was ending
            await self.close()
        play = self._play = _Play(scenario, by_hand)
        play.task = asyncio.create_task(self._tell(play))
        self._changed()

    async def go_on(self, play: str, step: int) -> None:
        """Has that step done, if it is next."""
        on = self._play
        if on and (on.id, on.step, on.phase) == (play, step, "waiting"):
            on.wanted.set()

    async def leave(self, play: str) -> None:
        """Ends that play, if it is on."""
        if self._play and self._play.id == play:
            await self.close()
            self._changed()

    async def close(self) -> None:
        """Ends the current play, if there is one."""
        play, self._play = self._play, None
        if play and play.task:
            play.task.cancel()
            await asyncio.wait([play.task])

    async def _tell(self, play: _Play) -> None:
        async with Player.of(play.scenario, self._url(), self._programs) as player:
            play.player = player
            for number in range(len(play.scenario.steps)):
                play.step, play.ended = number, None
                while not await self._done(play, player):
                    pass
            self._show(play, "over")
            # The stage stays open while the page shows the last step and what the agent said.
            await asyncio.Future()

    async def _done(self, play: _Play, player: Player) -> bool:
        """Waits until the step is wanted or done by hand, and does it. False when it failed; it may be tried again."""
        self._show(play, "waiting")
        by_hand = await self._done_by_hand(play, player)
        # Also a wish that came just as the step was done by hand: it meant this step, not the next.
        play.wanted.clear()
        play.failed = None
        if by_hand:
            return True
        self._show(play, "doing")
        try:
            # Somebody may have done it already, in the page.
            if not await player.seen(play.step):
                await player.perform(play.step, BEAT)
        except (CountersignError, SimulatorError) as failed:
            play.failed = str(failed)
            return False
        except Exception:
            log.exception("a step of %s failed", play.scenario.name)
            play.failed = UNFORESEEN
            return False
        return True

    async def _done_by_hand(self, play: _Play, player: Player) -> bool:
        """Waits until somebody has done it (True) or wants it done (False). Without actions it can only be wanted."""
        wanted = asyncio.create_task(play.wanted.wait())
        waiting, beside = {wanted}, set[asyncio.Task[Any]]()
        done = play.scenario.steps[play.step].do
        if done:
            if not any(isinstance(act, script.ReportEvent) for act in done):  # which come after its end
                beside.add(asyncio.create_task(self._notice_end(play, player)))
            if play.by_hand:
                waiting.add(asyncio.create_task(self._seen(player, play.step)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return not wanted.done()
        finally:
            for task in waiting | beside:
                task.cancel()
            await asyncio.gather(*waiting, *beside, return_exceptions=True)

    async def _notice_end(self, play: _Play, player: Player) -> None:
        """Tells the page when the request has ended while this step still needs it open.

        This is not final: the result of the step may be seen a moment later, and then the play goes on.
        """
        if player.request is None:
            return
        approval = await ended(self._reader, player.request)
        try:
            await player.watch(play.step, GRACE)
        except NotSeenError:
            play.ended = ENDED_OTHERWISE.format(how=ENDED[Status(approval["status"])])
            self._changed()

    @staticmethod
    async def _seen(player: Player, number: int) -> Literal[True]:
        with suppress(CountersignError, SimulatorError):
            await player.watch(number)
            return True
        # It can no longer be seen, as when the agent was refused. Only the page's buttons are left.
        return await asyncio.Future()

    def _show(self, play: _Play, phase: Literal["waiting", "doing", "over"]) -> None:
        play.phase = phase
        self._changed()


def scene(step: script.ScenarioStep, *, by_hand: bool) -> Json:
    """The person and channel of that step, and what is used there first. By hand, nobody has to restart the bot."""
    spots: dict[str, str | None] = {
        "command": "composer",
        "text": "phone",
        "skip": "clock",
        "restart": "app",
        "ask": None,
        "report": None,
        "call": None,
    }
    first = next((act for act in step.do if not (by_hand and isinstance(act, script.RestartBot))), None)
    spot, text = None, None
    if isinstance(first, script.PressButton):
        spot = first.button
    elif first is not None:
        spot = spots[first.act]
    if isinstance(first, script.SendCommand):
        text = first.text
    return {"as": step.who, "channel": step.at, "spot": spot, "text": text}
