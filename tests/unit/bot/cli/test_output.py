"""What tables, records and JSON look like on a terminal and in a pipe."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys

import pytest

from bot.cli import approvals_shown, ask, grants, policies
from bot.cli.output import Column, add_json, show_record, show_table, value, waiting
from bot.http.api.approval_models import Approval
from bot.http.api.grants import StandingGrant
from bot.http.api.policies import PolicyView
from orchestration.domain.request import Outcome

COLUMNS = (value("id"), Column("STATUS", lambda item: str(item["status"]), coloured=True), value("title"))
ITEMS = [
    {"id": "deploy-1", "status": "approved", "title": "Ship\tit\nnow\x1b[2J"},
    {"id": "deploy-22", "status": "pending", "title": "日本語"},
]


class TerminalOutput(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> TerminalOutput:
    """Makes standard output a terminal. No fixture, as pytest would replace standard output before the test."""
    found = TerminalOutput()
    monkeypatch.setattr(sys, "stdout", found)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return found


def test_in_a_pipe_there_is_one_record_a_line_and_no_text_can_forge_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_table(ITEMS, COLUMNS, None)
    assert capsys.readouterr().out == ("deploy-1\tapproved\tShip?it now[2J\ndeploy-22\tpending\t日本語\n")
    show_record(ITEMS[1], COLUMNS, None)
    assert capsys.readouterr().out == "id\tdeploy-22\nstatus\tpending\ntitle\t日本語\n"


def test_a_terminal_has_headers_columns_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    show_table(ITEMS, COLUMNS, None)
    assert "\x1b[32mapproved\x1b[0m" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    terminal.truncate(0)
    terminal.seek(0)
    monkeypatch.setenv("NO_COLOR", "1")
    show_table([*ITEMS, {**ITEMS[1], "title": "日本語" * 9}], COLUMNS, None)
    assert terminal.getvalue().splitlines() == [
        "ID         STATUS    TITLE",
        "deploy-1   approved  Ship?it now[2J",
        "deploy-22  pending   日本語",
        "deploy-22  pending   日本語日本語日本語…",
    ]


def test_a_wide_column_is_left_out_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    columns = (value("id"), Column("CARD", lambda _: "https://slack.example/card", wide=True), value("title"))
    for columns_of_terminal, there in (("40", False), ("60", True)):
        monkeypatch.setenv("COLUMNS", columns_of_terminal)
        show_table(ITEMS, columns, None)
        assert ("https://slack.example/card" in terminal.getvalue()) == there


def test_chosen_fields_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_json(parser, ("id", "status", "title"))
    assert parser.parse_args([]).json is None
    assert parser.parse_args(["--json"]).json == ["id", "status", "title"]
    show_table(ITEMS, COLUMNS, parser.parse_args(["--json", "title,id"]).json)
    assert json.loads(capsys.readouterr().out) == [
        {"title": item["title"], "id": item["id"]} for item in ITEMS
    ]
    for wrong in ("nonsense", ","):
        with pytest.raises(argparse.ArgumentError, match="there are id, status, title"):
            parser.parse_args(["--json", wrong])


def test_the_fields_are_those_of_the_api() -> None:
    assert tuple(Approval.model_fields) == approvals_shown.FIELDS
    assert tuple(StandingGrant.model_fields) == grants.FIELDS
    assert tuple(PolicyView.model_fields) == policies.FIELDS
    assert tuple(Outcome.model_fields) == ask.FIELDS


async def work(seen: asyncio.Event | None = None) -> str:
    if seen:
        await seen.wait()
    return "done"


async def test_only_a_terminal_shows_that_a_command_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await waiting(work(), "Asking") == "done"
    assert capsys.readouterr().err == ""
    seen = asyncio.Event()

    class Watched(TerminalOutput):
        def write(self, text: str) -> int:
            if "Asking" in text:
                seen.set()
            return super().write(text)

    shown = Watched()
    monkeypatch.setattr(sys, "stderr", shown)
    assert await waiting(work(seen), "Asking") == "done"
    assert shown.getvalue().endswith("\r\x1b[K")
