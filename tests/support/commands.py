"""Every command of the command line, by its words."""

import argparse
from collections.abc import Iterator

from bot.cli import main as cli


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command by its words, such as `token create`."""

    def below(parser: argparse.ArgumentParser, words: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, child in action.choices.items():
                    yield f"{words} {word}".strip(), child
                    yield from below(child, f"{words} {word}".strip())

    return dict(below(cli._parser(), ""))
