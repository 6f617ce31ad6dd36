"""The policy file: checked by the command, and reloaded while the bot runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import bot
from bot.cli.main import main
from bot.policy_reloading import PolicyReloader
from orchestration.domain.errors import PolicyError

GOOD = """
[policies.{name}]
title = "Purchase"
channel = "C0PURCHASES"
[[policies.{name}.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "1d"
"""


def write(file: Path, text: str) -> None:
    """Replaces the file by a new one, as an editor does."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def test_an_edit_counts_for_the_next_request_and_a_faulty_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "policies.toml"
    write(file, GOOD.format(name="purchase"))
    book = PolicyReloader(file, {}, sms=False)
    assert list(book().policies) == ["purchase"]
    assert book() is book()

    write(file, GOOD.format(name="travel"))
    assert list(book().policies) == ["travel"]

    for fault in (GOOD.format(name="x").replace('"1d"', "1"), "[", 'x = { activity = "nope" }'):
        caplog.clear()
        write(file, fault)
        for _ in range(3):
            assert list(book().policies) == ["travel"]
        [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert f"{file}:" in record.getMessage()

    caplog.clear()
    file.unlink()
    assert [list(book().policies) for _ in range(2)] == [["travel"]] * 2
    assert len(caplog.records) == 1

    write(file, GOOD.format(name="back"))
    assert list(book().policies) == ["back"]


def test_who_is_asked_instead_of_whom_is_logged_where_the_file_changes_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "policies.toml"
    people = '[people.U0ADA]\nphone = "+12025550142"\ndelegate = "U0BOB"\n'
    write(file, people + GOOD.format(name="purchase"))
    book = PolicyReloader(file, {}, sms=False)
    away = "away = { from = 2026-12-20, until = 2027-01-03 }\n"
    write(
        file, people.replace("U0BOB", "U0MAL").replace("0142", "0143") + away + GOOD.format(name="purchase")
    )
    assert book().people["U0ADA"].delegate == "U0MAL"
    write(file, GOOD.format(name="purchase"))
    assert book().people == {}
    write(file, GOOD.format(name="travel"))
    assert list(book().policies) == ["travel"]
    told = [line for line in caplog.messages if line.startswith("new requests go by this")]
    now = "delegate U0MAL, away from 2026-12-20 until 2027-01-03"
    assert told == [
        f"new requests go by this: U0ADA: {now} (before: delegate U0BOB, not away)",
        f"new requests go by this: U0ADA: no delegate, not away (before: {now})",
    ]
    assert "202555" not in caplog.text


def test_a_faulty_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    write(file, GOOD.format(name="purchase") + '[policies.purchase.on]\napproved = { activity = "nope" }\n')
    with pytest.raises(PolicyError) as told:
        PolicyReloader(file, {}, sms=False)
    assert str(told.value) == (
        f"{file}:10: policies.purchase.on.approved: "
        "no installed package has the action 'nope' (installed: none)."
    )


def test_the_command_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = str(Path(bot.__file__).with_name("policies.toml"))
    assert main(["policies", "check", shipped]) == 0
    first, *notes = capsys.readouterr().out.splitlines()
    assert first == f"{shipped}: OK (access, deploy, document, purchase)"
    assert [note.split()[:2] for note in notes] == [
        ["Note:", f"policies.{key}:"] for key in ("access", "deploy", "purchase")
    ]


def test_the_command_finds_every_fault_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policies.toml"
    write(file, GOOD.format(name="purchase").replace("C0PURCHASES", "#purchases").replace('"1d"', "1"))
    assert main(["policies", "check", str(file)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in said] == [
        [f"{file}:4", "policies.purchase.channel"],
        [f"{file}:8", "policies.purchase.levels.0.timeout"],
    ]
    assert main(["policies", "check", str(tmp_path / "none.toml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
