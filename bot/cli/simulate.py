"""`countersign simulate`: only the simulated workspace, for people who develop their own Slack app."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bot.cli.arguments import examples
from bot.terminal import say, stop_signal
from orchestration.domain.errors import CountersignError

LISTEN: Final = "127.0.0.1:3030"
BOT_TOKEN: Final = "xoxb-simulated"  # noqa: S105 - the simulator's, made up
APP_TOKEN: Final = "xapp-simulated"  # noqa: S105 - the same
SIGNING_SECRET: Final = "simulated"  # noqa: S105 - the same
APP_NAME: Final = "Your app"

BANNER: Final = """
  A Slack workspace of your own: open {url}

  In your app, which is otherwise as it would be for Slack:

      app = App(
          client=WebClient(token="{bot_token}", base_url="{url}/api/"),
          signing_secret="{signing_secret}",
      )

  {delivery}
  {kept}
  Ctrl-C stops it.
"""
BY_HTTP: Final = "Commands, clicks and events are posted, signed, to {request_url}"
BY_SOCKET: Final = (
    'Commands, clicks and events reach it in Socket Mode: SocketModeHandler(app, "{app_token}").start()\n'
    "  To have them posted instead, say where with --request-url."
)
KEPT: Final = "What happens is kept in {file}."
FORGOTTEN: Final = "What happens is forgotten at the end; --data FILE keeps it."


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "simulate",
        help="a Slack workspace in your browser, for developing an app of your own",
        description="Serves a simulated Slack workspace until Ctrl-C: the Web API, signed HTTP delivery or Socket "
        "Mode, and a page in which you are everybody. Whoever reaches the page acts as anybody in it, so it is "
        "served on loopback only; from another machine, forward the port (ssh -L).",
        **examples("countersign simulate --request-url http://127.0.0.1:3000/slack/events"),
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_listen,
        default=LISTEN,
        help=f"a loopback address (default {LISTEN}); port 0 takes any free one",
    )
    parser.add_argument(
        "--request-url",
        metavar="URL",
        type=_url,
        help="where your app takes commands, interactions and events, such as http://127.0.0.1:3000/slack/events",
    )
    parser.add_argument(
        "--signing-secret",
        metavar="SECRET",
        default=SIGNING_SECRET,
        help=f"signs what is posted there (default {SIGNING_SECRET})",
    )
    parser.add_argument(
        "--bot-token",
        metavar="TOKEN",
        default=BOT_TOKEN,
        help=f"what the app calls with (default {BOT_TOKEN})",
    )
    parser.add_argument(
        "--app-token", metavar="TOKEN", default=APP_TOKEN, help=f"opens Socket Mode (default {APP_TOKEN})"
    )
    parser.add_argument(
        "--command",
        metavar="/NAME",
        dest="commands",
        action="append",
        type=_command,
        help="a slash command of the app; may be repeated (default: every command is known)",
    )
    parser.add_argument(
        "--event",
        metavar="NAME",
        dest="events",
        action="append",
        help="a bot event that it subscribes to, such as message.channels; may be repeated (default: app_home_opened, "
        "app_mention, message.im)",
    )
    parser.add_argument(
        "--data", metavar="FILE", type=Path, help="keep the workspace here (default: in memory)"
    )
    parser.add_argument(
        "--rate-limits",
        metavar="WHOSE",
        choices=("none", "internal", "distributed"),
        default="none",
        help="keep Slack's rate limits: those of an app of your own company or of the Marketplace (internal), or "
        "of one that is distributed outside it (distributed); default none",
    )
    parser.set_defaults(command=lambda given: asyncio.run(_simulate(given)))


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as {LISTEN}")
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise argparse.ArgumentTypeError(
            f"{host!r} is not loopback, and whoever reaches the page acts as anybody in it; listen on 127.0.0.1 and "
            "forward the port"
        )
    return host, int(port)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is not an http:// or https:// address")
    return text


def _command(text: str) -> str:
    if not text.startswith("/") or text == "/":
        raise argparse.ArgumentTypeError(f"{text!r} is not a slash command, such as /lunch")
    return text


async def _simulate(given: argparse.Namespace) -> int:
    # Imported late, like the parts of every command.
    from bot.simulator import (  # noqa: PLC0415
        SEED,
        AppConfig,
        RateLimits,
        Simulator,
        SimulatorError,
        Workspace,
    )

    people = tuple(replace(one, name="app", real_name=APP_NAME) if one.is_bot else one for one in SEED.people)
    app = AppConfig(commands=frozenset(given.commands) if given.commands else None)
    if given.events:
        app = replace(app, events=frozenset(given.events))
    host, port = given.listen
    stop = stop_signal()
    async with AsyncExitStack() as closing:
        try:
            workspace = Workspace.open(given.data, seed=replace(SEED, people=people))
            closing.callback(workspace.close)
            simulator = Simulator(
                workspace,
                bot_token=given.bot_token,
                app_token=given.app_token,
                signing_secret=given.signing_secret,
                request_url=given.request_url,
                app=app,
                rate_limits=RateLimits(given.rate_limits),
            )
            await simulator.start(host, port)
        except SimulatorError as error:
            raise CountersignError(str(error)) from error
        closing.push_async_callback(simulator.stop)
        delivery = BY_HTTP if given.request_url else BY_SOCKET
        say(
            BANNER.format(
                url=simulator.url,
                bot_token=given.bot_token,
                signing_secret=given.signing_secret,
                delivery=delivery.format(request_url=given.request_url, app_token=given.app_token),
                kept=KEPT.format(file=given.data) if given.data else FORGOTTEN,
            )
        )
        await stop
    return 0
