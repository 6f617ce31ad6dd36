"""`countersign completion bash|zsh|fish`: prints the code that lets a shell complete words of this command."""

from __future__ import annotations

import argparse
from typing import Any, Final

from bot.cli.arguments import examples
from bot.terminal import say

SHELLS: Final = ("bash", "zsh", "fish")


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "completion",
        help="complete commands and options in a shell",
        description="Prints the lines by which a shell completes commands, options and their values. They call "
        "countersign itself for each word, so they hold for later versions too.",
        **examples(
            "countersign completion bash > ~/.local/share/bash-completion/completions/countersign",
            'countersign completion zsh > "${fpath[1]}/_countersign"',
            "countersign completion fish > ~/.config/fish/completions/countersign.fish",
        ),
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))
    parser.set_defaults(command=_completion)


def _completion(given: argparse.Namespace) -> int:
    # Imported late: no other command needs it.
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415

    say(shellcode(["countersign"], shell=given.shell).strip())
    return 0
