"""`countersign init`: what it asks and writes, and which files it does not change."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bot.cli.main import main
from bot.setting_sources import SECRETS

ASKED = ("init", "--yes", "--channel", "C0PURCHASES", "--approver", "U0ADA", "--approver", "S0MANAGERS")
HTTP = ("--public-url", "https://countersign.acme.example/")


class Terminal(io.StringIO):
    """Standard input of a terminal where somebody types these lines."""

    def isatty(self) -> bool:
        return True


def test_it_writes_what_the_checks_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files pass the checks, with Socket Mode. Secrets are left empty, and the last lines name them."""
    data = tmp_path / "data"
    assert main([*ASKED, "--into", str(tmp_path), "--data-dir", str(data)]) == 0
    told = capsys.readouterr().out
    assert 'Fill in each "" of countersign.env: SLACK_BOT_TOKEN, SLACK_APP_TOKEN.' in told
    file = tmp_path / "countersign.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tomllib.loads(file.read_text()) == {
        "SLACK_BOT_TOKEN": "",
        "SLACK_APP_TOKEN": "",
        "COUNTERSIGN_POLICIES": str(tmp_path / "policies.toml"),
        "COUNTERSIGN_DATA_DIR": str(data),
    }
    assert not data.exists()
    assert main(["policies", "check", str(tmp_path / "policies.toml")]) == 0
    [level] = tomllib.loads((tmp_path / "policies.toml").read_text())["policies"]["request"]["levels"]
    assert level["approvers"] == ["U0ADA", "S0MANAGERS"]
    assert yaml.safe_load((tmp_path / "manifest.yml").read_text())["settings"]["socket_mode_enabled"] is True


def test_its_last_lines_can_be_pasted_wherever_the_files_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "my files; exit 7"
    assert main([*ASKED, "--into", str(into)]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "export COUNTERSIGN_CONFIG=" in line]
    pasted = subprocess.run(
        ["/bin/sh", "-c", f'{line}\nprintf %s "$COUNTERSIGN_CONFIG"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert pasted.stdout == str(into / "countersign.env")


def test_a_public_address_goes_into_the_manifest_and_the_settings(tmp_path: Path) -> None:
    assert main([*ASKED, *HTTP, "--sms", "--into", str(tmp_path)]) == 0
    given = tomllib.loads((tmp_path / "countersign.env").read_text())
    assert given["COUNTERSIGN_PUBLIC_URL"] == "https://countersign.acme.example"
    assert {name for name, value in given.items() if not value} == {
        *("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"),
        *("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"),
    }
    # A shell reads the same values from it as the server does.
    sourced = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f". {tmp_path}/countersign.env; echo $COUNTERSIGN_POLICIES $COUNTERSIGN_PUBLIC_URL",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert sourced == [given["COUNTERSIGN_POLICIES"], given["COUNTERSIGN_PUBLIC_URL"]]
    text = (tmp_path / "manifest.yml").read_text()
    manifest, address = yaml.safe_load(text), "https://countersign.acme.example/slack/events"
    assert manifest["settings"]["socket_mode_enabled"] is False
    assert manifest["features"]["slash_commands"][0]["url"] == address
    assert manifest["settings"]["interactivity"]["request_url"] == address
    assert manifest["settings"]["event_subscriptions"]["request_url"] == address
    assert "example.com" not in text
    # With the phone and the setting that the comments name, the file asks for a code.
    policies = tmp_path / "policies.toml"
    policies.write_text(
        policies.read_text()
        .replace("# sms = true ", "sms = true ")
        .replace("# [people.U0ADA]\n# phone", "[people.U0ADA]\nphone")
    )
    assert main(["policies", "check", str(policies)]) == 0


@pytest.mark.parametrize("name", ["policies.toml", "countersign.env", "manifest.yml"])
def test_what_is_there_is_left_alone(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    assert main([*ASKED, "--into", str(tmp_path)]) == 4
    assert capsys.readouterr().err == (
        f"countersign: --into: {tmp_path} has {name} already; give another folder, or --force to replace what is "
        "there.\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {name, "elsewhere"}
    assert (tmp_path / name).read_text() == "mine"
    assert main([*ASKED, "--into", str(tmp_path), "--force"]) == 0
    assert (tmp_path / name).read_text() != "mine"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link that others planted must not make `init` write the settings elsewhere."""
    other = tmp_path / "other"
    (tmp_path / "countersign.env").symlink_to(other)
    assert main([*ASKED, "--into", str(tmp_path)]) == 4
    assert main([*ASKED, "--into", str(tmp_path), "--force"]) == 0
    assert not other.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--yes"], "--channel: is needed with --yes; give it, such as --channel C0PURCHASES."),
        (
            ["--yes", "--channel", "C0A"],
            "--approver: is needed with --yes; give it, such as --approver U02ALICE.",
        ),
        ([], "--yes: is not given, and there is no terminal to ask at; give it, and the options."),
        (
            [*ASKED[1:], "--sms"],
            "--sms: needs --public-url, the address to which Twilio brings the replies; give it, or --no-sms.",
        ),
    ],
)
def test_what_is_not_answered_is_named(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *options, "--into", str(tmp_path)]) == 4
    assert capsys.readouterr().err == f"countersign: {told}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--public-url", "http://countersign.acme.example"),
        ("--public-url", "https://"),
        ("--public-url", "https://user@acme.example"),
        ("--public-url", 'https://acme.example/"; rm -rf'),
        ("--public-url", "https://acme.example/$(id)"),
        ("--public-url", "https://acme.example?x=1"),
        ("--channel", "purchases"),
        ("--channel", "D0ADA"),
        ("--approver", "@ada"),
        ("--approver", 'U0ADA"]'),
        ("--data-dir", '/tmp/"; rm'),
        ("--data-dir", "/tmp/$HOME"),
        ("--data-dir", "/tmp/`id`"),
    ],
)
def test_what_cannot_be_meant_is_refused(option: str, value: str, tmp_path: Path) -> None:
    """The files are read by shells and as TOML, so values with a special meaning in either are refused."""
    with pytest.raises(SystemExit) as ended:
        main([*ASKED, option, value, "--into", str(tmp_path)])
    assert ended.value.code == 4
    assert list(tmp_path.iterdir()) == []


def test_five_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unreadable answers are asked for again. SMS also asks for the public address, and keeps Socket Mode."""
    answers = ["", "purchases", "C0PURCHASES", "U0ADA, S0MANAGERS", "maybe", "yes", "https://a.example", ""]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(answers) + "\n"))
    assert main(["init", "--into", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "  'purchases' is not a channel's ID in Slack, such as C0PURCHASES.",
        "  answer yes or no.",
    ]
    given = tomllib.loads((tmp_path / "countersign.env").read_text())
    assert given["COUNTERSIGN_PUBLIC_URL"] == "https://a.example"
    assert {"SLACK_APP_TOKEN", "TWILIO_FROM"} <= given.keys()
    assert "SLACK_SIGNING_SECRET" not in given
    assert not any(given.get(name) for name in SECRETS)


def test_whoever_leaves_in_the_middle_has_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("\nC0PURCHASES\n"))
    assert main(["init", "--into", str(tmp_path)]) == 4
    assert capsys.readouterr().err == (
        "countersign: The questions were not answered, so nothing was written; start again.\n"
    )
    assert list(tmp_path.iterdir()) == []
