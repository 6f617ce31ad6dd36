"""The table of the subcommands, and what a call of one costs."""

from __future__ import annotations

import argparse
import pkgutil
import re
import subprocess
import sys
from importlib import import_module

import pytest

import bot.cli
from bot.cli.main import SUBCOMMANDS, main

IMPORTED = """
import sys
from bot.cli.main import main
try:
    main(["status", "--help"])
finally:
    print(*(name for name in sys.modules if name.startswith("bot.cli.")), file=sys.stderr)
"""


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_a_subcommand_is_the_module_of_its_name(name: str) -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    import_module(f"bot.cli.{name}").add(commands)
    assert [*commands.choices] == [name]


def test_every_subcommand_can_be_called() -> None:
    modules = {
        module.name: import_module(f"bot.cli.{module.name}")
        for module in pkgutil.iter_modules(bot.cli.__path__)
    }
    assert {name for name, module in modules.items() if hasattr(module, "add")} == set(SUBCOMMANDS)


def test_a_call_imports_no_other_subcommand() -> None:
    """Importing all subcommands takes longer than most of them run."""
    ran = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    imported = {name.rpartition(".")[2] for name in ran.stderr.split()}
    assert imported & set(SUBCOMMANDS) == {"status"}
    assert ran.stdout.startswith("usage: countersign status")


def test_without_a_subcommand_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(re.search(rf"^    {name}\s", said, re.MULTILINE) for name in SUBCOMMANDS)


def test_asking_without_a_receipt_takes_no_cryptography() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED.replace("status", "ask").replace('"bot.cli."', '"joserfc"')],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stderr.strip(), ran.stdout.startswith("usage: countersign ask")) == ("", True)


def test_a_bot_takes_the_sdk_of_mcp_only_once_somebody_calls_it() -> None:
    told = "import sys, bot.app; print('bot.mcp.serve.routes' in sys.modules, 'mcp' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout == "True False\n"
