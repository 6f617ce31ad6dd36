"""`countersign demo --headless`: the scenarios in a terminal, for CI and for people on a server."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bot.demo.scenarios.player import BUDGET, Player, StepFailedError
from bot.demo.scenarios.script import NAMES, Scenario, load
from bot.demo.supervisor import RunningDemo, demo, made
from bot.simulator import SEED
from bot.terminal import LiveLine, complain, explain, say, stop_signal
from orchestration.domain.errors import CountersignError

ALL: Final = "all"
FAILED: Final = 1
STOPPED: Final = 130
BOT_LOG: Final = "bot.log"
LOG_SHOWN: Final = 30  # lines of the bot's log, where a step failed
WIDEST: Final = 100  # columns; longer lines are hard to read
BAR: Final = 20  # columns
FIRST_NAMES: Final = {person.id: person.real_name.split(" ")[0] for person in SEED.people}


def chosen(wanted: str) -> list[Scenario]:
    """The scenarios named, with commas between the names, or `all`. Raises `CountersignError` for an unknown name."""
    names = NAMES if wanted == ALL else [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in NAMES:
            raise CountersignError(f"--scenario: there is no {name!r}; there are all, {', '.join(NAMES)}.")
    return [load(name) for name in names]


async def run_headless(scenarios: Sequence[Scenario], data: Path | None) -> int:
    """Plays them one after the other, up to the first step that fails. Returns the exit status.

    All state is in `data`, or in a directory that is removed afterwards.
    """
    with _place(data) as place:
        stop = stop_signal()
        playing = asyncio.create_task(_play_all(scenarios, place))
        stop.add_done_callback(lambda _: playing.cancel())
        try:
            return await playing
        except asyncio.CancelledError:
            return STOPPED


@contextmanager
def _place(data: Path | None) -> Iterator[Path]:
    if data is None:
        with tempfile.TemporaryDirectory(prefix="countersign-") as name:
            yield Path(name)
        return
    yield made(data)


async def _play_all(scenarios: Sequence[Scenario], place: Path) -> int:
    log = place / BOT_LOG
    starting = _Narration(scenarios)
    starting.progress("Starting the workspace and the bot")
    try:
        async with demo(place, 0, log) as running:
            starting.clear()
            return await play(scenarios, running, log)
    except CountersignError:
        # Where no directory was chosen, the log that the error names is removed with the directory.
        starting.last_words(log)
        raise


async def play(scenarios: Sequence[Scenario], running: RunningDemo, log: Path, budget: float = BUDGET) -> int:
    """Plays them in a running demo. Returns the exit status. `log` is the bot's; a step may take `budget` seconds."""
    told = _Narration(scenarios)
    try:
        for scenario in scenarios:
            async with Player.of(scenario, running.url, running.programs, budget) as player:
                await _tell(player, told)
    except StepFailedError as failed:
        told.failed(failed, log)
        return FAILED
    told.over()
    return 0


async def _tell(player: Player, told: _Narration) -> None:
    scenario = player.scenario
    told.opens(scenario)
    for note in player.notes:
        told.note(note)
    for number, step in enumerate(scenario.steps):
        told.progress(f"{scenario.title}: {FIRST_NAMES[step.who]}")
        if step.do and await player.seen(number):
            raise player.failed(number, "what it leads to was there before, so it proves nothing.")
        began = time.monotonic()
        await player.perform(number)
        told.seen(step.tell, time.monotonic() - began)
    told.agent(player.said)


class _Narration:
    """Writes the story to standard output and, on a terminal, a line of progress below it."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = len(scenarios)
        self._steps = sum(len(scenario.steps) for scenario in scenarios)
        self._done = 0
        self._began = time.monotonic()
        self._line = LiveLine(sys.stderr) if sys.stderr is not None and sys.stderr.isatty() else None
        self._width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)

    def opens(self, scenario: Scenario) -> None:
        self._say(f"\n{scenario.title}")
        self._say(self._wrapped(scenario.why, "", ""))

    def note(self, sentence: str) -> None:
        self._say(self._wrapped(sentence, "  ! ", "    "))

    def seen(self, sentence: str, seconds: float) -> None:
        self._done += 1
        lead = f"  ✓ {self._done:>2}/{self._steps}  "
        # No line break between a number and its unit.
        self._say(self._wrapped(f"{sentence} ({seconds:.1f}\N{NO-BREAK SPACE}s)", lead, " " * len(lead)))

    def agent(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._say(f"           {line}")

    def over(self) -> None:
        plays = "1 scenario" if self._scenarios == 1 else f"{self._scenarios} scenarios"
        self._say(f"\n{plays}, {self._done} steps, each seen, in {time.monotonic() - self._began:.1f} s.")

    def failed(self, failure: StepFailedError, log: Path) -> None:
        self.last_words(log)
        complain(str(failure))

    def last_words(self, log: Path) -> None:
        self.clear()
        lines = log.read_text().splitlines() if log.exists() else []
        explain("\n".join(f"  {line}" for line in lines[-LOG_SHOWN:]))

    def progress(self, what: str) -> None:
        if self._line:
            done = BAR * self._done // self._steps
            self._line.show(f"[{'#' * done}{'.' * (BAR - done)}] {self._done}/{self._steps}  {what}")

    def clear(self) -> None:
        if self._line:
            self._line.clear()

    def _wrapped(self, text: str, first: str, others: str) -> str:
        return textwrap.fill(text, self._width, initial_indent=first, subsequent_indent=others)

    def _say(self, text: str) -> None:
        self.clear()
        say(text)
        sys.stdout.flush()
