"""What the doctor says of Slack and of Twilio, each broken thing played by the simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.demo.manifest import APP
from bot.doctor import slack, sms
from bot.doctor.finding import unchecked
from bot.doctor.subject import Subject
from bot.simulator import Simulator, SmsAccount, Workspace
from bot.simulator.workspace.seed import Group, Member, SeedChannel
from bot.slack.api.notifier import web_client
from bot.slack.api.scopes import SCOPES, USES
from tests.support.doctor import POLICIES, environment, faults, findings
from tests.support.simulated import calls, fault, running_simulator

ACCOUNT, TOKEN, NUMBER = "AC" + "0" * 32, "twilio-auth-token", "+12025550100"
SERVICE, KEY = "MG" + "c3" * 16, "SK" + "d4" * 16
URL = "https://countersign.example.com"
SMS = SmsAccount(
    ACCOUNT,
    TOKEN,
    numbers=(NUMBER, "12345"),
    inbound_url=f"{URL}/twilio/sms",
    api_keys={KEY: "its-secret"},
    messaging_service_sid=SERVICE,
)


def gone(workspace: Workspace) -> None:
    workspace.people.add(Member("U0GONE", "gone", "Gone", is_deactivated=True))


def empty(workspace: Workspace) -> None:
    workspace.people.add_group(Group("S0EMPTY", "empty", "Empty", ()))


def foreign(workspace: Workspace) -> None:
    workspace.channels.add(SeedChannel("C0FAR", "far"), ("U0ADA",))


def archived(workspace: Workspace) -> None:
    workspace.channels.archive("C0PURCHASES")


NOT_IN = (
    "is a channel that the app is not in; invite it, else a card may be posted twice after a crash; where "
    "the channel is archived, name another."
)
WORKSPACES: list[tuple[Any, str, str]] = [
    (
        gone,
        "U0GONE",
        (
            "error policies.purchase.levels.0: U0GONE is no active member of this workspace, so nobody can "
            "reach them; name somebody else."
        ),
    ),
    (empty, "S0EMPTY", "warning policies.purchase.levels.0: S0EMPTY is a user group without members."),
    (None, "S0NOSUCH", "error policies.purchase.levels.0: S0NOSUCH is no user group of this workspace."),
    (foreign, "C0FAR", f"warning policies.purchase.channel: C0FAR {NOT_IN}"),
    (archived, "C0PURCHASES", f"warning policies.purchase.channel: C0PURCHASES {NOT_IN}"),
    (
        None,
        "C0NOSUCH",
        (
            "error policies.purchase.channel: C0NOSUCH is no channel that the app knows, so nothing can be "
            "posted there; invite the app where it is private, or mend the policy."
        ),
    ),
]


def against(simulator: Simulator, place: Path, **given: str) -> dict[str, str]:
    return environment(place, COUNTERSIGN_SLACK_API_URL=simulator.api_url, **given)


async def test_a_sound_workspace(tmp_path: Path) -> None:
    async with running_simulator(app=APP) as simulator:
        assert await findings(slack.check, against(simulator, tmp_path)) == [
            "ok Slack knows the bot as countersign in Acme.",
            "ok The app has just the 11 scopes that it needs.",
            "ok This machine's clock is right, as far as Slack's answers show.",
            "ok Every person, group and channel of the policies can be reached.",
            "ok Slack opens a connection for Socket Mode.",
        ]


@pytest.mark.parametrize(("broken", "named", "told"), WORKSPACES, ids=[one[1] for one in WORKSPACES])
async def test_what_the_policies_name_in_vain(broken: Any, named: str, told: str, tmp_path: Path) -> None:
    whom = {"U": "U0ADA", "S": "S0MANAGERS", "C": "C0PURCHASES"}[named[0]]
    (tmp_path / "policies.toml").write_text(POLICIES.replace(whom, named))
    async with running_simulator(app=APP) as simulator:
        if broken is not None:
            broken(simulator.workspace)
        assert await faults(slack.check, against(simulator, tmp_path)) == [told]


async def test_a_slack_that_makes_us_wait_is_no_fault(tmp_path: Path) -> None:
    async with running_simulator(app=APP) as simulator:
        await fault(simulator, "users.info", "ratelimited", count=-1, retry_after=30)
        subject = Subject.of(against(simulator, tmp_path))
        client = web_client(subject.settings.bot_token, simulator.api_url)
        [found] = [one async for one in slack.workspace(client, subject, patience=0.2)]
    assert found == unchecked("slack.workspace", slack.LONG.format(seconds=0.2))


async def test_scopes_that_are_missing_and_those_that_nothing_needs(tmp_path: Path) -> None:
    scopes = SCOPES - {"groups:history", "users:read"} | {"team:read"}
    async with running_simulator(app=replace(APP, scopes=scopes)) as simulator:
        found = await faults(slack.check, against(simulator, tmp_path))
    lacks = "add it to the app as manifest.yml has it, and install the app again."
    assert found == [
        f"error The app lacks the scope groups:history, {USES['groups:history']}; {lacks}",
        f"error The app lacks the scope users:read, {USES['users:read']}; {lacks}",
        "warning The app has scopes that nothing needs (team:read); take them out, so that a stolen token can do less.",
        "warning Slack did not say of 1 people, groups and channels whether they are there.",
    ]


async def test_tokens_that_slack_does_not_accept(tmp_path: Path) -> None:
    async with running_simulator(app=APP) as simulator:
        given = against(simulator, tmp_path, SLACK_BOT_TOKEN="xoxb-other", SLACK_APP_TOKEN="xapp-other")
        assert await findings(slack.check, given) == [
            "error SLACK_BOT_TOKEN: Slack does not accept the bot's token: set SLACK_BOT_TOKEN anew (invalid_auth).",
            (
                "error SLACK_APP_TOKEN: no connection can be opened: Slack does not accept it (invalid_auth); "
                "make one under Basic Information of this very app, with the scope connections:write, and see "
                "that Socket Mode is on."
            ),
        ]
        await fault(simulator, "auth.test", "http_500")
        assert (await findings(slack.check, against(simulator, tmp_path)))[:1] == [
            (
                "error Slack did not answer as it should (no JSON object (HTTP 500)); see whether this machine "
                "may reach it, and whether COUNTERSIGN_SLACK_API_URL is right."
            )
        ]


async def test_a_slack_that_is_not_there(tmp_path: Path) -> None:
    given = environment(tmp_path, COUNTERSIGN_SLACK_API_URL="http://127.0.0.1:9")
    [found] = await findings(slack.check, given)
    assert found.startswith("error Slack did not answer as it should (NewConnectionError: ")


POINT = "point it at COUNTERSIGN_PUBLIC_URL + /twilio/sms, by POST."
TWILIO: list[tuple[str, SmsAccount, dict[str, str], list[str]]] = [
    ("the number", SMS, {}, []),
    ("a short code", SMS, {"TWILIO_FROM": "12345"}, []),
    ("a service", SMS, {"TWILIO_FROM": "", "TWILIO_MESSAGING_SERVICE_SID": SERVICE}, []),
    ("a key", SMS, {"TWILIO_API_KEY": KEY, "TWILIO_API_SECRET": "its-secret"}, []),
    (
        "the token",
        SMS,
        {"TWILIO_AUTH_TOKEN": "other"},
        ["error Twilio refuses TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN; copy both from Twilio's console."],
    ),
    (
        "the key's secret",
        SMS,
        {"TWILIO_API_KEY": KEY, "TWILIO_API_SECRET": "other"},
        ["error Twilio refuses TWILIO_API_KEY with TWILIO_API_SECRET; make a key in Twilio's console."],
    ),
    (
        "a suspended account",
        replace(SMS, status="suspended"),
        {},
        ["error The Twilio account is suspended; its console says what has to be done."],
    ),
    (
        "a trial",
        replace(SMS, kind="Trial"),
        {},
        [
            (
                "warning The Twilio account is on trial, so it sends to verified numbers alone; upgrade it "
                "before you rely on it."
            )
        ],
    ),
    ("another's number", SMS, {"TWILIO_FROM": "+12025550101"}, [f"error {sms.NOT_OURS}"]),
    ("another's short code", SMS, {"TWILIO_FROM": "54321"}, [f"error {sms.NOT_OURS}"]),
    ("a number for calls", replace(SMS, without_sms=frozenset({NUMBER})), {}, [f"error {sms.NO_SMS}"]),
    (
        "another's service",
        SMS,
        {"TWILIO_FROM": "", "TWILIO_MESSAGING_SERVICE_SID": "MG" + "0" * 32},
        [f"error {sms.NO_SERVICE}"],
    ),
    (
        "no webhook",
        replace(SMS, inbound_url=None),
        {},
        [f"error No webhook is set for what comes to the number, so no reply arrives; {POINT}"],
    ),
    (
        "another's webhook",
        replace(SMS, inbound_url="https://user:pass@old.example.com/twilio/sms"),
        {"TWILIO_FROM": "", "TWILIO_MESSAGING_SERVICE_SID": SERVICE},
        [
            (
                "error The webhook of the messaging service leads to old.example.com, so no reply arrives here; "
                f"{POINT}"
            )
        ],
    ),
    (
        "a webhook by GET",
        replace(SMS, inbound_method="GET"),
        {},
        [f"error The webhook of the number is called by GET, so no reply arrives; {POINT}"],
    ),
    (
        "another path",
        replace(SMS, inbound_url=f"{URL}/sms"),
        {},
        [f"error The webhook of the number leads to another path, so no reply arrives here; {POINT}"],
    ),
]


@pytest.mark.parametrize(
    ("account", "given", "told"), [one[1:] for one in TWILIO], ids=[one[0] for one in TWILIO]
)
async def test_what_is_told_of_twilio(
    account: SmsAccount, given: dict[str, str], told: list[str], tmp_path: Path
) -> None:
    """No finding contains a phone number, and the doctor sends no text."""
    async with running_simulator(sms=account) as simulator:
        sound = {
            "COUNTERSIGN_PUBLIC_URL": URL,
            "COUNTERSIGN_TWILIO_API_URL": simulator.sms_api_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": NUMBER,
        }
        found = await findings(sms.check, environment(tmp_path, **sound | given))
        assert [one for one in found if not one.startswith("ok ")] == told
        assert not any("555" in one or "543" in one for one in found)
        assert await calls(simulator, "sms.messages.create") == []
