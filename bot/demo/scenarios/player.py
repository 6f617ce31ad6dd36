"""Plays a scenario step by step. Goes on only when the expectations of a step were seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from bot.demo.access import Programs
from bot.demo.scenarios.absence import bring_back
from bot.demo.scenarios.script import Scenario, ScenarioStep
from bot.demo.scenarios.stage import NotSeenError, Stage
from bot.simulator import ActionRefusedError, SimulatorError
from orchestration.domain.errors import CountersignError

BUDGET: Final = 20.0  # seconds in which the expectations of a step must be seen
# Slack gives up on an app after three seconds. On a busy machine the app may do it all the same, so the expectations
# are waited for these seconds more.
AFTER_REFUSAL: Final = 4.0


class StepFailedError(CountersignError):
    """A step failed; the message is the sentence for people."""


class Player:
    """One play of one scenario, from its beginning."""

    def __init__(self, scenario: Scenario, stage: Stage, budget: float, notes: list[str]) -> None:
        """notes: what was corrected before it began, a sentence each."""
        self.scenario = scenario
        self.notes = notes
        self._stage = stage
        self._budget = budget

    @classmethod
    @asynccontextmanager
    async def of(
        cls, scenario: Scenario, workspace_url: str, programs: Programs, budget: float = BUDGET
    ) -> AsyncIterator[Self]:
        """Opens the stage, and closes it when left. Only what happens from now on counts.

        People who act in it and are away are brought back first.
        """
        stage = Stage(workspace_url, programs, budget)
        try:
            actors = dict.fromkeys(step.who for step in scenario.steps)
            notes = await bring_back(stage.person(who) for who in actors)
            await stage.open(scenario.steps[0].who)
            yield cls(scenario, stage, budget, notes)
        finally:
            await stage.close()

    @property
    def said(self) -> list[str]:
        """What programs and the API said to each other, a line for each call."""
        return [*self._stage.agent.said, *self._stage.systems.said]

    @property
    def request(self) -> str | None:
        """The request that the play is about, once its card was seen."""
        return self._stage.request

    async def seen(self, number: int) -> bool:
        """Whether all expectations of step `number`, counted from 0, are met already."""
        step = self.scenario.steps[number]
        return all([await self._stage.seen(step, expected) for expected in step.sees])

    async def perform(self, number: int, beat: float = 0.0) -> None:
        """Does the actions of step `number`, with `beat` seconds between two, and waits until its expectations are met.

        Raises `StepFailedError`.
        """
        step = self.scenario.steps[number]
        refused, limit = "", self._budget
        try:
            for at, act in enumerate(step.do):
                await asyncio.sleep(beat if at else 0)
                try:
                    await self._stage.act(step, act)
                except ActionRefusedError as refusal:
                    refused = f" The workspace said: {refusal}"
                    limit = min(limit, AFTER_REFUSAL)
            await self._watch(step, limit)
        except NotSeenError as missed:
            raise self.failed(number, f"within {limit:g} s {missed}{refused}") from missed
        except (CountersignError, SimulatorError) as trouble:
            raise self.failed(number, f"{trouble}{refused}") from trouble

    async def watch(self, number: int, limit: float | None = None) -> None:
        """Waits until the expectations of step `number` are met, whoever did it.

        Raises `NotSeenError` after `limit` seconds; None is for ever.
        """
        await self._watch(self.scenario.steps[number], limit)

    async def _watch(self, step: ScenarioStep, limit: float | None) -> None:
        end = None if limit is None else time.monotonic() + limit
        for expected in step.sees:
            await self._stage.watch(step, expected, None if end is None else max(0.0, end - time.monotonic()))

    def failed(self, number: int, sentence: str) -> StepFailedError:
        """The error for step `number`, counted from 0."""
        return StepFailedError(
            f"{self.scenario.title}, step {number + 1} of {len(self.scenario.steps)}: {sentence}"
        )
