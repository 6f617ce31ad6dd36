"""What the doctor says of settings, policies and files, sentence by sentence."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.cli.doctor import tell
from bot.cli.main import main
from bot.doctor import files, policies, settings
from bot.doctor.examination import examine, redactor
from bot.doctor.finding import DoctorFinding, Severity, error, ok
from bot.doctor.slack import clock
from bot.doctor.subject import Subject
from bot.setting_sources import SECRETS
from bot.slack.api.slack_time import SlackTime
from tests.support.doctor import POLICIES, environment, faults, findings
from tests.support.machine import FakeMachine

ACCOUNT = "AC" + "0" * 32
BROKEN: list[tuple[dict[str, str], list[str]]] = [
    ({}, []),
    (
        {"SLACK_BOT_TOKEN": ""},
        ['error SLACK_BOT_TOKEN: is not set; copy the "Bot User OAuth Token" from your Slack app.'],
    ),
    (
        {"SLACK_APP_TOKEN": "xoxb-1", "COUNTERSIGN_LISTEN": "3000", "COUNTERSIGN_RETENTION": "soon"},
        [
            (
                "error SLACK_APP_TOKEN: is not an app-level token; "
                'copy the one that starts with "xapp-" from your Slack app.'
            ),
            "error COUNTERSIGN_LISTEN: '3000' is not HOST:PORT, such as 127.0.0.1:3000.",
            "error COUNTERSIGN_RETENTION: 'soon' is not a number of days from 1d to 36500d, such as 400d.",
        ],
    ),
    (
        {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "COUNTERSIGN_SMS_DIGITS": "9",
            "COUNTERSIGN_SMTP_FROM": "x@y.example",
        },
        [
            "error COUNTERSIGN_SMS_DIGITS: must be a number from 4 to 8.",
            "error TWILIO_AUTH_TOKEN: is not set, but other TWILIO_ settings are; set it, or none of them.",
            (
                "error COUNTERSIGN_SMTP_HOST: is not set, but other COUNTERSIGN_SMTP_ settings are; set it, or "
                "none of them."
            ),
        ],
    ),
    (
        {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "token", "TWILIO_FROM": "+12025550100"},
        [
            (
                "error COUNTERSIGN_PUBLIC_URL: is not set; Twilio signs the address that it calls, so give the "
                "one at which it reaches this port."
            )
        ],
    ),
    (
        {"COUNTERSIGN_SECRET": "short", "COUNTERSIGN_SIGNING_KEY": "{}"},
        [
            "error COUNTERSIGN_SECRET: each secret needs at least 32 bytes; make one with `openssl rand -hex 32`.",
            (
                "error COUNTERSIGN_SIGNING_KEY: is not a private Ed25519 JWK or a set of them; give one "
                "(key_parameter: 'kty' is required)."
            ),
        ],
    ),
    (
        {"SLACK_BOT_TOKEN_FILE": "/nowhere/token", "SLACK_BOT_TOKEN": ""},
        [
            (
                "error SLACK_BOT_TOKEN_FILE: names no file that can be read (No such file or directory); give the "
                "path of a file that this user can read."
            )
        ],
    ),
    (
        {"COUNTERSIGN_POLICY": "policies.toml"},
        [
            "warning COUNTERSIGN_POLICY: is not a setting, so nothing reads it; correct its name, or remove it."
        ],
    ),
    (
        {"COUNTERSIGN_PUBLIC_URL": " "},
        ["warning COUNTERSIGN_PUBLIC_URL: is empty, which counts as not set; fill it in, or remove it."],
    ),
    (
        {
            "COUNTERSIGN_HUB": "Endpoint=https://hub.example;Authentication=None;TaskHub=one",
            "COUNTERSIGN_RETENTION": "90d",
        },
        [
            (
                "warning COUNTERSIGN_RETENTION: does not reach this hub; remove it, and set the scheduler's own "
                "retention policy."
            ),
            f"warning {settings.SCHEDULER_FORGETS}",
        ],
    ),
    ({"COUNTERSIGN_HUB_CLOCK": "skippable"}, [f"warning {settings.SKIPPABLE}"]),
    (
        {"COUNTERSIGN_RECORDS_WEBHOOK": "http://10.0.0.7/heads"},
        [
            (
                "warning COUNTERSIGN_RECORDS_WEBHOOK: COUNTERSIGN_CALLBACK_NETWORKS does not allow 10.0.0.7, "
                "which is no public address, so it is never called."
            )
        ],
    ),
]


@pytest.mark.parametrize(
    ("given", "told"), BROKEN, ids=lambda value: " ".join(value) if isinstance(value, dict) else ""
)
async def test_every_fault_of_the_settings_is_told(
    given: dict[str, str], told: list[str], tmp_path: Path
) -> None:
    assert await faults(settings.check, environment(tmp_path, **given)) == told


async def test_the_doctor_makes_nothing(tmp_path: Path) -> None:
    await examine(environment(tmp_path, SLACK_BOT_TOKEN=""))
    assert [path.name for path in tmp_path.iterdir()] == ["policies.toml"]


async def test_a_file_of_settings_that_cannot_be_read_is_all_that_is_told(tmp_path: Path) -> None:
    [found] = await examine({"COUNTERSIGN_CONFIG": str(tmp_path / "no.toml")})
    assert found == error(
        "settings",
        f"COUNTERSIGN_CONFIG: {tmp_path}/no.toml cannot be read (No such file or directory); give a file "
        "that this user can read.",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (POLICIES, []),
        (
            POLICIES.replace("C0PURCHASES", "purchases"),
            [
                (
                    "error {file}:4: policies.purchase.channel: 'purchases' is not a channel's ID in Slack, "
                    "such as C0PURCHASES."
                )
            ],
        ),
        (
            POLICIES.replace('timeout = "1d"', 'timeout = "1d"\nsms = true')
            + '[people.U0ADA]\nphone = "+12025550142"\n',
            [
                (
                    "error {file}:2: policies.purchase: needs a code by SMS (sms, sms_above), but no TWILIO_ "
                    "settings are given."
                )
            ],
        ),
        (
            POLICIES + '[policies.purchase.on]\napproved = { post = "http://10.1.2.3/orders" }\n',
            [
                (
                    "warning policies.purchase.on.approved: COUNTERSIGN_CALLBACK_NETWORKS does not allow "
                    "10.1.2.3, which is no public address, so its POST never goes through."
                )
            ],
        ),
    ],
)
async def test_what_is_told_of_the_policies(text: str, told: list[str], tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(text)
    assert await faults(policies.check, environment(tmp_path)) == [one.format(file=file) for one in told]


async def test_what_is_told_of_the_data_directory(tmp_path: Path) -> None:
    given, data = environment(tmp_path), tmp_path / "data"
    assert f"ok {data} is not there yet; the first start makes it." in await findings(files.check, given)
    data.mkdir(mode=0o755)
    (data / "tokens.toml").write_text("[")
    (data / "tokens.toml").chmod(0o644)
    assert await faults(files.check, given) == [
        (
            f"error COUNTERSIGN_DATA_DIR: {data} is open to other users (mode 0755). See that nothing in it was "
            f"changed, then run: chmod 700 {data}. Where the mode is not yours to set, as on a mounted volume, "
            "name a directory inside it that is not there yet."
        ),
        (
            f"error COUNTERSIGN_DATA_DIR: {data}/tokens.toml is open to other users (mode 0644). See that it "
            f"was not changed, then run: chmod 600 {data}/tokens.toml."
        ),
        (
            f"error {data}/tokens.toml: cannot be read; correct it or restore it from a backup (Invalid "
            "initial character for a key part (at end of document))."
        ),
    ]


async def test_a_secret_that_others_can_read_is_told(tmp_path: Path) -> None:
    token, config = tmp_path / "token", tmp_path / "countersign.env"
    token.write_text("xoxb-1")
    config.write_text('SLACK_APP_TOKEN="xapp-1"\n')
    for file in (token, config):
        file.chmod(0o644)
    given = environment(tmp_path, SLACK_BOT_TOKEN="", SLACK_APP_TOKEN="")
    given |= {"SLACK_BOT_TOKEN_FILE": str(token), "COUNTERSIGN_CONFIG": str(config)}
    assert await faults(files.check, given) == [
        f"warning {name}: {file} is open to other users (mode 0644), and holds secrets; run: chmod 600 {file}."
        for name, file in (("SLACK_BOT_TOKEN_FILE", token), ("COUNTERSIGN_CONFIG", config))
    ]
    token.chmod(stat.S_IRUSR)
    config.chmod(stat.S_IRUSR)
    assert await faults(files.check, given) == []


@pytest.mark.parametrize(
    ("mebibytes", "told"),
    [
        (4096, DoctorFinding("disk.room", Severity.OK, "4,096 MiB are free where /data is.")),
        (
            200,
            DoctorFinding(
                "disk.room", Severity.WARNING, "200 MiB are free where /data is; make room before it is full."
            ),
        ),
        (
            5,
            error("disk.room", "5 MiB are free where /data is; make room, as a full disk records nothing."),
        ),
    ],
)
def test_what_is_told_of_the_room(mebibytes: int, told: DoctorFinding) -> None:
    assert files.room(Path("/data"), mebibytes * files.MEBIBYTE) == told


@pytest.mark.parametrize(
    ("off", "told"),
    [
        (0, "ok This machine's clock is right, as far as Slack's answers show."),
        (-30, "warning This machine's clock is 30 s behind Slack's; set it, by NTP."),
        (
            3601,
            (
                "error This machine's clock is 3,600 s ahead of Slack's, so what Slack signs is refused; set "
                "the clock, by NTP."
            ),
        ),
    ],
)
def test_what_is_told_of_the_clock(off: int, told: str) -> None:
    machine = FakeMachine()
    slack = SlackTime(machine)
    slack.heard({"Date": machine.time_of_day.strftime("%a, %d %b %Y %H:%M:%S GMT")}, slack.since_boot())
    machine.set_wall(seconds=off)
    [found] = clock(slack, machine)
    assert f"{found.severity} {found.text}" == told


def test_no_secret_and_no_number_is_told() -> None:
    """Findings show no secret, even one in the wrong setting, whose own fault would quote it."""
    given = {name: f"{name.lower()}-value" for name in SECRETS}
    told = " ".join(
        [*given.values(), "xoxb-12-ab", "s3://key:pass@bucket", "+44 20 7946-0958", "+442079460958"]
    )
    text = redactor(given)(told).replace("s3://[hidden]@bucket", "[hidden]")
    assert set(text.split()) == {"[hidden]", "[number]"}


@pytest.mark.parametrize(
    ("severity", "strict", "status"),
    [
        (Severity.OK, True, 0),
        (Severity.UNCHECKED, True, 0),
        (Severity.WARNING, False, 0),
        (Severity.WARNING, True, 1),
        (Severity.ERROR, False, 1),
    ],
)
def test_the_exit_status_goes_by_what_is_found(
    severity: Severity, strict: bool, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [DoctorFinding("server", severity, "It is \x1b[31m odd."), ok("hub", "Fine.")]
    errors, warnings = int(severity is Severity.ERROR), int(severity is Severity.WARNING)
    assert tell(found, strict=strict, as_json=True) == status
    assert json.loads(capsys.readouterr().out) == {
        "ok": status == 0,
        "errors": errors,
        "warnings": warnings,
        "findings": [
            {"check": "server", "severity": severity, "text": "It is \x1b[31m odd."},
            {"check": "hub", "severity": "ok", "text": "Fine."},
        ],
    }
    assert tell(found, strict=strict, as_json=False) == status
    first, second, _, counts = capsys.readouterr().out.splitlines()
    assert first.split()[1:] == ["server", "It", "is", "[31m", "odd."]
    assert second == "ok      hub     Fine."
    assert counts.split()[::2] == [str(errors), str(warnings)]


def test_the_command_reads_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_CONFIG", str(tmp_path / "no.toml"))
    assert main(["doctor"]) == 1
    told = capsys.readouterr()
    assert told.out.startswith(f"ERROR   settings  COUNTERSIGN_CONFIG: {tmp_path}/no.toml cannot be read")
    assert told.err == ""


async def test_a_check_that_hangs_or_breaks_is_told_and_holds_up_no_other(tmp_path: Path) -> None:
    async def hangs(_: Subject) -> AsyncGenerator[DoctorFinding, None]:
        yield error("one", "Found before.")
        await asyncio.Event().wait()

    async def breaks(_: Subject) -> AsyncGenerator[DoctorFinding, None]:
        yield ok("two", "Fine.")
        raise KeyError("xoxb-secret")

    assert await examine(environment(tmp_path), 0.05, {"one": hangs, "two": breaks}) == [
        error("one", "Found before."),
        error("one", "This was not done within 0.05 s, so the rest of it is not known; try it again."),
        ok("two", "Fine."),
        error("two", "This ended by KeyError, a fault of Countersign's own; please report it."),
    ]
