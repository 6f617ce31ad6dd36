"""The scenarios in the page: one play at a time, told step by step, or waited for while a person does it themselves."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bot.demo.access import BotApi
from bot.demo.scenarios import script
from bot.demo.scenarios.ending import ended
from bot.demo.scenarios.player import Player
from bot.demo.scenarios.stage import NotSeenError
from bot.simulator import SimulatorError
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Status
from orchestration.service.messages import ENDED

log = logging.getLogger(__name__)

BEAT: Final = 1.1  # seconds between two acts of one step, so that whoever watches sees the first one's effect
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
    """One telling of one scenario; see `bot.simulator.guide.Guide` for what the page makes of it."""

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
    """The simulator's `Guide`. `url` gives the workspace's address, `changed` is called when the play went on.

    `agent` is the API as the scenarios' agent uses it, `reader` the API of whoever may read every request.
    """

    def __init__(
        self, url: Callable[[], str], agent: BotApi, reader: BotApi, changed: Callable[[], None]
    ) -> None:
        self._url = url
        self._agent = agent
        self._reader = reader
        self._changed = changed
        self._scenarios = {name: script.load(name) for name in script.NAMES}
        self._play: _Play | None = None

    def scenarios(self) -> list[Json]:
        """What can be played."""
        return [
            {"name": one.name, "title": one.title, "why": one.why, "steps": len(one.steps)}
            for one in self._scenarios.values()
        ]

    def play(self) -> Json | None:
        """How far the play is."""
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
        """In place of any play that is on. Raises `SimulatorError` when there is no such scenario."""
        scenario = self._scenarios.get(name)
        if scenario is None:
            raise SimulatorError(f"There is no scenario called {name!r}.")
        while self._play:  # another page may have begun one while the last one was being ended
            await self.close()
        play = self._play = _Play(scenario, by_hand)
        play.task = asyncio.create_task(self._tell(play))
        self._changed()

    async def go_on(self, play: str, step: int) -> None:
        """Has that step done, if it is its turn."""
        on = self._play
        if on and (on.id, on.step, on.phase) == (play, step, "waiting"):
            on.wanted.set()

    async def leave(self, play: str) -> None:
        """Ends that play, if it is on."""
        if self._play and self._play.id == play:
            await self.close()
            self._changed()

    async def close(self) -> None:
        """Ends whatever is on."""
        play, self._play = self._play, None
        if play and play.task:
            play.task.cancel()
            await asyncio.wait([play.task])

    async def _tell(self, play: _Play) -> None:
        async with Player.of(play.scenario, self._url(), self._agent) as player:
            play.player = player
            for number in range(len(play.scenario.steps)):
                play.step, play.ended = number, None
                while not await self._done(play, player):
                    pass
            self._show(play, "over")
            # The stage stays open while the last step is on the page, and with it what the agent said.
            await asyncio.Future()

    async def _done(self, play: _Play, player: Player) -> bool:
        """Waits for a turn at the step, and takes it. False when it did not come out: then it may be tried again."""
        self._show(play, "waiting")
        by_hand = await self._done_by_hand(play, player)
        # Also what was wanted in the moment in which it was done: it was said of this step, and not of the next.
        play.wanted.clear()
        play.failed = None
        if by_hand:
            return True
        self._show(play, "doing")
        try:
            # Somebody may have done it already, at the page that this is told in.
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
        """Until somebody has done it (True), or wants it done (False). What only shows something waits to be shown."""
        wanted = asyncio.create_task(play.wanted.wait())
        waiting, beside = {wanted}, set[asyncio.Task[Any]]()
        if play.scenario.steps[play.step].do:
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
        """Says so when the request has ended while this step still wants something done to it.

        Never final: what comes of the step may be seen a moment later, and then the play goes on.
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
        # It cannot be seen any more, as when the agent was answered no: the page's buttons are what is left.
        return await asyncio.Future()

    def _show(self, play: _Play, phase: Literal["waiting", "doing", "over"]) -> None:
        play.phase = phase
        self._changed()


def scene(step: script.ScenarioStep, *, by_hand: bool) -> Json:
    """Where the page should be for that step, and what there is used first; a restart is no duty of anybody's."""
    spots: dict[str, str | None] = {
        "command": "composer",
        "text": "phone",
        "skip": "clock",
        "restart": "app",
        "ask": None,
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
