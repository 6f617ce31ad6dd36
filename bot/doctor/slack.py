"""Checks Slack: the token and its scopes, Socket Mode, the clock, and what the policies name in the workspace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Final

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.doctor.aside import aside
from bot.doctor.finding import DoctorFinding, error, ok, unchecked, warning
from bot.doctor.subject import Subject
from bot.slack.api.codes import DEAD_TOKEN, REFUSALS
from bot.slack.api.errors import SLACK_FAILURES, code_of, described
from bot.slack.api.health import SlackHealth
from bot.slack.api.notifier import web_client
from bot.slack.api.scopes import SCOPES, USES
from bot.slack.api.slack_time import SlackTime
from bot.slack.api.workspace_check import workspace_warnings
from orchestration.hub import MachineTime, TimeSource

AT_ONCE: Final = 8  # look-ups in the workspace
WORKSPACE: Final = 20.0  # seconds for all look-ups; where there are many, Slack may make us wait
LONG: Final = (
    "Slack did not answer for all people, groups and channels of the policies within {seconds:g} s, as where it limits "
    "how much is asked; `countersign policies check --workspace FILE` takes the time that it takes."
)
SLOW: Final = 10.0  # seconds
TOO_SLOW: Final = 240.0  # seconds; a signature of Slack's is valid for 300 s by our clock
ADD: Final = "add it to the app as manifest.yml has it, and install the app again"
ANOTHER: Final = (
    "make one under Basic Information of this very app, with the scope connections:write, and see that Socket Mode "
    "is on"
)


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Runs all checks. Skips those that need the token if the token is not valid."""
    settings = subject.settings
    if why := subject.usable("SLACK_BOT_TOKEN", "COUNTERSIGN_SLACK_API_URL"):
        yield unchecked("slack.token", why)
        return
    health = SlackHealth()
    client = web_client(settings.bot_token, settings.slack_api_url, health)
    try:
        me = await aside(client.auth_test)
    except SLACK_FAILURES as failure:
        yield error("slack.token", _refused(failure))
        if not code_of(failure):
            return
    else:
        yield ok("slack.token", f"Slack knows the bot as {me.get('user')} in {me.get('team')}.")
        for finding in _scopes(me):
            yield finding
        for finding in clock(health.time, MachineTime()):
            yield finding
        async for finding in workspace(client, subject):
            yield finding
    if settings.app_token is not None and "SLACK_APP_TOKEN" not in subject.wrong:
        yield await _socket(web_client(settings.app_token, settings.slack_api_url), settings.app_token)


def _refused(failure: BaseException) -> str:
    code = code_of(failure)
    if code in REFUSALS:
        return f"SLACK_BOT_TOKEN: {REFUSALS[code].remedy} ({code})."
    return (
        f"Slack did not answer as it should ({described(failure)}); see whether this machine may reach it, and whether "
        "COUNTERSIGN_SLACK_API_URL is right."
    )


def _scopes(me: SlackResponse) -> Iterator[DoctorFinding]:
    """Checks the granted scopes. Slack names them in each answer."""
    headers = {name.lower(): value for name, value in me.headers.items()}
    if "x-oauth-scopes" not in headers:
        yield unchecked("slack.scopes", "Slack did not say which scopes were granted.")
        return
    granted = {scope.strip() for scope in headers["x-oauth-scopes"].split(",") if scope.strip()}
    for scope in sorted(SCOPES - granted):
        yield error("slack.scopes", f"The app lacks the scope {scope}, {USES[scope]}; {ADD}.")
    if more := sorted(granted - SCOPES):
        yield warning(
            "slack.scopes",
            f"The app has scopes that nothing needs ({', '.join(more)}); take them out, so that a stolen token can do "
            "less.",
        )
    if granted == SCOPES:
        yield ok("slack.scopes", f"The app has just the {len(SCOPES)} scopes that it needs.")


def clock(slack: SlackTime, machine: TimeSource) -> Iterable[DoctorFinding]:
    """Compares this machine's clock with the time in Slack's answers."""
    if slack.age() is None:
        return [unchecked("clock", "Slack did not say what time it is.")]
    ahead = machine.wall() / 1_000_000 - slack.now()
    off = f"This machine's clock is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} Slack's"
    if abs(ahead) >= TOO_SLOW:
        return [error("clock", f"{off}, so what Slack signs is refused; set the clock, by NTP.")]
    if abs(ahead) >= SLOW:
        return [warning("clock", f"{off}; set it, by NTP.")]
    return [ok("clock", "This machine's clock is right, as far as Slack's answers show.")]


async def workspace(
    client: WebClient, subject: Subject, patience: float = WORKSPACE
) -> AsyncGenerator[DoctorFinding, None]:
    """Checks what the policies name; `patience` in seconds. It is no fault if Slack limits the look-ups."""
    if subject.book is None:
        yield unchecked("slack.workspace", "Not checked, as the policies cannot be used.")
        return
    found: list[DoctorFinding] = []
    try:
        async with asyncio.timeout(patience):
            async for told in workspace_warnings(client, subject.book, at_once=AT_ONCE):
                say = error if told.severe else warning
                found.append(say("slack.workspace", f"{told}."))
    except TimeoutError:
        found.append(unchecked("slack.workspace", LONG.format(seconds=patience)))
    for finding in found:
        yield finding
    if not found:
        yield ok("slack.workspace", "Every person, group and channel of the policies can be reached.")


async def _socket(client: WebClient, app_token: str) -> DoctorFinding:
    try:
        await aside(lambda: client.apps_connections_open(app_token=app_token))
    except SLACK_FAILURES as failure:
        code = code_of(failure)
        said = f"Slack does not accept it ({code})" if code in DEAD_TOKEN else described(failure)
        return error("slack.socket", f"SLACK_APP_TOKEN: no connection can be opened: {said}; {ANOTHER}.")
    return ok("slack.socket", "Slack opens a connection for Socket Mode.")
