"""`policies check` and the server report settings and policies that cannot work together."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.policy_reloading import PolicyReloader
from bot.set_up import SetUp

POLICY = """
[policies.purchase]
title = "Purchase"
channel = "C0PURCHASES"
[[policies.purchase.levels]]
name = "Manager"
approvers = ["U0ADA", "S0FINANCE"]
quorum = 2
timeout = "1d"
"""
ADA = '[people.U0ADA]\nphone = "{phone}"\n'
POST = '[policies.purchase.on]\napproved = {{ post = "{url}" }}\n'
TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_FROM": "+12025550100",
}
NOT_LISTED = "which COUNTERSIGN_SMS_COUNTRIES does not list, so no code arrives there"
FORBIDDEN = "COUNTERSIGN_CALLBACK_NETWORKS does not allow 192.168.1.4, which is no public address"
NEVER = "so its POST never goes through"
NOT_PUBLIC = f"which is no public address, {NEVER}"


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("file", "settings", "warning"),
    [
        (ADA.format(phone="+12025550142"), {}, None),
        (ADA.format(phone="+12025550142"), {"COUNTERSIGN_SMS_COUNTRIES": "US"}, None),
        (
            ADA.format(phone="+12025550142"),
            {"COUNTERSIGN_SMS_COUNTRIES": "DE, FR"},
            f"people.U0ADA.phone: it is a number of US, {NOT_LISTED}",
        ),
        (
            ADA.format(phone="+12025550100"),
            {},
            "people.U0ADA.phone: it is TWILIO_FROM itself, so no code arrives there",
        ),
        (
            ADA.format(phone="+493012345678"),
            {},
            "people.U0ADA.phone: it is a landline, so no code arrives there",
        ),
        (ADA.format(phone="+4915112345678"), {}, None),
        (POST.format(url="https://erp.example/orders"), {}, None),
        (
            POST.format(url="http://localhost:8080/orders"),
            {},
            f"policies.purchase.on.approved: COUNTERSIGN_CALLBACK_NETWORKS does not allow localhost, {NOT_PUBLIC}",
        ),
        (
            POST.format(url="https://[::1]/orders"),
            {},
            f"policies.purchase.on.approved: COUNTERSIGN_CALLBACK_NETWORKS does not allow ::1, {NOT_PUBLIC}",
        ),
        (POST.format(url="http://10.1.2.3/"), {"COUNTERSIGN_CALLBACK_NETWORKS": "10.0.0.0/8"}, None),
        (
            POST.format(url="http://10.1.2.3/"),
            {"COUNTERSIGN_CALLBACK_NETWORKS": "10.2.0.0/16"},
            f"policies.purchase.on.approved: COUNTERSIGN_CALLBACK_NETWORKS does not allow 10.1.2.3, {NOT_PUBLIC}",
        ),
        (
            POST.format(url="https://erp.example/orders"),
            {"COUNTERSIGN_CALLBACK_HOSTS": "*.erp.example"},
            f"policies.purchase.on.approved: COUNTERSIGN_CALLBACK_HOSTS does not list erp.example, {NEVER}",
        ),
    ],
)
def test_what_cannot_work_together_is_told(
    file: str,
    settings: dict[str, str],
    warning: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    policies = tmp_path / "p.toml"
    policies.write_text(POLICY + file)
    for name, value in {**TWILIO, **settings}.items():
        monkeypatch.setenv(name, value)
    assert main(["policies", "check", str(policies)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning: ")]
    assert said == ([f"Warning: {warning}."] if warning else [])

    set_up = SetUp.read({**TWILIO, **settings})
    book = PolicyReloader(policies, {}, sms=True, set_up=set_up)
    assert warned(caplog) == ([f"{policies}: {warning}"] if warning else [])
    caplog.clear()
    policies.write_text(POLICY.replace("Manager", "Head") + file)
    assert book().policies["purchase"].levels[0].name == "Head"
    assert [line for line in caplog.messages if line.startswith(str(policies))] == (
        [f"{policies}: {warning}"] if warning else []
    )


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"COUNTERSIGN_PUBLIC_URL": "https://approvals.example"}, None),
        (
            {"COUNTERSIGN_PUBLIC_URL": "https://10.0.0.7/approvals"},
            "COUNTERSIGN_PUBLIC_URL: 10.0.0.7 is no public address, so Twilio delivers no reply there",
        ),
        (
            {"COUNTERSIGN_PUBLIC_URL": "http://localhost:3000"},
            "COUNTERSIGN_PUBLIC_URL: localhost is no public address, so Twilio delivers no reply there",
        ),
        (
            {
                "COUNTERSIGN_PUBLIC_URL": "http://localhost:3000",
                "COUNTERSIGN_TWILIO_API_URL": "http://localhost:4000",
            },
            None,
        ),
        (
            {"COUNTERSIGN_RECORDS_WEBHOOK": "http://192.168.1.4/heads"},
            f"COUNTERSIGN_RECORDS_WEBHOOK: {FORBIDDEN}, so it is never called",
        ),
    ],
)
def test_settings_that_cannot_work_are_told_once(
    settings: dict[str, str],
    warning: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    policies = tmp_path / "p.toml"
    policies.write_text(POLICY)
    for name, value in {**TWILIO, **settings}.items():
        monkeypatch.setenv(name, value)
    assert main(["policies", "check", str(policies)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning: ")]
    assert said == ([f"Warning: {warning}."] if warning else [])
    book = PolicyReloader(policies, {}, sms=True, set_up=SetUp.read({**TWILIO, **settings}))
    policies.write_text(POLICY.replace("Manager", "Head"))
    assert book().policies["purchase"].levels[0].name == "Head"
    assert warned(caplog) == ([warning] if warning else [])


def test_a_sender_that_cannot_send_is_told_by_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = tmp_path / "p.toml"
    policies.write_text(POLICY)
    for name, value in {**TWILIO, "TWILIO_FROM": "Countersign"}.items():
        monkeypatch.setenv(name, value)
    assert main(["policies", "check", str(policies)]) != 0
    assert "TWILIO_FROM: is a name" in capsys.readouterr().err


def test_two_people_have_no_phone_in_common(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through groups and delegates any two people may be in one quorum, so this holds for all enrolled people."""
    policies = tmp_path / "p.toml"
    policies.write_text(
        ADA.format(phone="+12025550142")
        + '[people.U0FIN]\nphone = "+12025550142"\n[people.U0BOB]\nphone = "+12025550143"\n'
        + POLICY
    )
    assert main(["policies", "check", str(policies)]) == 1
    told = capsys.readouterr().err
    assert told.strip() == (
        f"{policies}:4: people.U0FIN.phone: is also the phone of U0ADA, who could confirm for both; give each a phone "
        "of their own."
    )
