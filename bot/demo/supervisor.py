"""`countersign demo`: the workspace in a browser, with the real bot behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bot.demo.access import BotApi, Programs, held_token
from bot.demo.bot_process import BOT_TOKEN, SIGNING_SECRET, SMS_ACCOUNT, SMS_NUMBER, SMS_TOKEN, BotProcess
from bot.demo.manifest import APP
from bot.demo.orders import OrderSystem
from bot.demo.scenarios.guide import ScenarioGuide
from bot.demo.stories import ApiStories
from bot.security.tokens import ADMIN, READ, REQUEST
from bot.simulator import Change, Simulator, SimulatorError, SmsAccount, Workspace
from bot.terminal import say, stop_signal
from orchestration.domain.errors import CountersignError

# What the demo adds to the shipped policies.
MORE_POLICIES: Final = tuple(Path(__file__).with_name(name) for name in ("phones.toml", "flows.toml"))
APP_TOKEN: Final = "xapp-demo"  # noqa: S105 - the simulator's, made up
POLICIES: Final = Path(__file__).parents[1] / "policies.toml"
PLACEHOLDER: Final = "https://erp.example"  # the system that the shipped policies name
# The demo's token belongs to Rita, so every request made with it is hers.
TOKEN: Final = "demo"  # noqa: S105 - its name; the secret is drawn
HOLDER: Final = "U0RITA"
SCOPES: Final = (READ, REQUEST)
# The scenarios' agent belongs to Sam, and may only ask.
AGENT: Final = "agent"
AGENT_OF: Final = "U0SAM"
# The operator's token makes the addresses to which other systems report.
OPERATOR: Final = "operator"
OPERATOR_OF: Final = "U0DIRK"

# A timer that is due sooner is the pause before a retry, or is firing already. It is nobody's deadline.
PAUSE: Final = timedelta(minutes=1)

BANNER: Final = """
  Countersign is running against a small workspace of its own. Open

      {url}/#channel=C0PURCHASES

  Press Guided for eight short scenarios, played for you or left to your hands. Or begin by yourself: as Rita, type
  /request-approval purchase 4200 New laptops for the team
  Then become Ada (top left) and press Approve, and after her Fin, on the card that follows: the order is placed.
  On the right is what happens to it, step by step. There you can skip days, kill the bot, and make trouble.

  Everything is kept in {place}
  Ctrl-C stops it; the next run goes on where this one stopped.
"""


async def run_demo(data: Path | None, port: int) -> int:
    """Runs until Ctrl-C. All state is in `data`, so the next run continues where this one stopped."""
    place = made(data or Path.home() / ".local" / "share" / "countersign" / "demo")
    stop = stop_signal()
    async with demo(place, port) as running:
        say(BANNER.format(url=running.url, place=place))
        await stop
    return 0


def made(place: Path) -> Path:
    """Makes the directory and returns its absolute path. Raises `CountersignError` when that fails."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CountersignError(
            f"{place.absolute()} cannot be made ({error.strerror}); choose another with --data."
        ) from error
    return place.absolute()


@dataclass(frozen=True)
class RunningDemo:
    """A running demo: the page's URL, and the programs that act in its scenarios."""

    url: str
    programs: Programs


@asynccontextmanager
async def demo(place: Path, port: int, log: Path | None = None) -> AsyncIterator[RunningDemo]:
    """Runs the workspace and the bot, with their state in `place`. Port 0 takes any free port.

    The bot's log goes to the file `log`, or to the output of this process. Raises `CountersignError` when the
    port or the state is in use, or the bot does not start.
    """
    clock = _WorkspaceClock()
    secret = held_token(place / "tokens", place / "bot", TOKEN, HOLDER, SCOPES)
    try:
        workspace = Workspace.open(place / "workspace.db", now=clock.seconds)
    except SimulatorError as error:
        raise CountersignError(str(error)) from error
    bot = BotProcess(place / "bot", place / POLICIES.name, log)
    api = BotApi(bot.public_url, secret)
    programs = Programs(
        agent=BotApi(
            bot.public_url, held_token(place / "tokens", place / "bot", AGENT, AGENT_OF, (REQUEST,))
        ),
        operator=BotApi(
            bot.public_url, held_token(place / "tokens", place / "bot", OPERATOR, OPERATOR_OF, (ADMIN,))
        ),
    )
    orders = OrderSystem(place / "orders.json")
    guide = ScenarioGuide(
        lambda: simulator.url, programs, api, lambda: workspace.changes.publish(Change("guide"))
    )
    simulator = Simulator(
        workspace,
        bot_token=BOT_TOKEN,
        app_token=APP_TOKEN,
        signing_secret=SIGNING_SECRET,
        request_url=bot.request_url,
        controls=_Controls(bot, clock),
        stories=ApiStories(api, workspace.people),
        app=APP,
        sms=SmsAccount(
            SMS_ACCOUNT, SMS_TOKEN, numbers=(SMS_NUMBER,), inbound_url=f"{bot.public_url}/twilio/sms"
        ),
        guide=guide,
    )
    async with AsyncExitStack() as closing:
        closing.callback(workspace.close)
        await closing.enter_async_context(api)
        await closing.enter_async_context(programs.agent)
        await closing.enter_async_context(programs.operator)
        await closing.enter_async_context(orders.served())
        (place / POLICIES.name).write_text(_policies(orders.url))
        try:
            await simulator.start(port=port)
        except SimulatorError as error:
            raise CountersignError(
                f"Port {port} is in use; stop what uses it, or choose another with --port."
            ) from error
        closing.push_async_callback(simulator.stop)
        closing.push_async_callback(guide.close)
        bot.reach(simulator.api_url, simulator.sms_api_url)
        closing.push_async_callback(bot.stop)
        await bot.start()
        clock.set(await bot.now())
        yield RunningDemo(simulator.url, programs)


def _policies(orders_url: str) -> str:
    """Returns the text of the shipped policies and the demo's own, with the address of the demo's order system."""
    text = "".join(file.read_text() for file in (POLICIES, *MORE_POLICIES))
    return text.replace(PLACEHOLDER, orders_url)


class _WorkspaceClock:
    """The workspace's time: real time, moved forward together with the hub's."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def set(self, now: datetime) -> None:
        """Sets the time to `now`; the clock runs on from there."""
        self._ahead = now - datetime.now(UTC)

    def seconds(self) -> float:
        """Seconds since the epoch."""
        return (datetime.now(UTC) + self._ahead).timestamp()


class _Controls:
    """The page's buttons: skipping time moves the hub's clock and the workspace's together.

    Each method raises `SimulatorError`, with the sentence the page shows, when it cannot do its work.
    """

    def __init__(self, bot: BotProcess, clock: _WorkspaceClock) -> None:
        self._bot = bot
        self._clock = clock

    @property
    def running(self) -> bool:
        return self._bot.running

    async def advance(self, delta: timedelta) -> datetime:
        self._need_bot()
        now = await self._bot.advance(delta)
        self._clock.set(now)
        return now

    async def next_deadline(self) -> datetime | None:
        self._need_bot()
        return await self._bot.next_deadline(PAUSE)

    async def kill(self) -> None:
        await self._bot.kill()

    async def start(self) -> None:
        try:
            await self._bot.start()
        except CountersignError as error:
            raise SimulatorError(str(error)) from error

    def _need_bot(self) -> None:
        if not self._bot.running:
            raise SimulatorError("Time is kept by the bot's hub, and the bot is stopped. Start it first.")
