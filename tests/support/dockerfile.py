"""The Dockerfile, read as far as tests ask: its stages, each a list of instructions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache

from tests.support import ROOT


@dataclass(frozen=True)
class BuildStage:
    """What follows one FROM, which is its first instruction: (keyword, the rest)."""

    instructions: tuple[tuple[str, str], ...]

    def all(self, keyword: str) -> list[str]:
        """The arguments of each instruction with this keyword."""
        return [rest for found, rest in self.instructions if found == keyword]

    def the(self, keyword: str) -> str:
        """The arguments of the only instruction with this keyword."""
        [rest] = self.all(keyword)
        return rest

    @property
    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(word.split("=", 1) for rest in self.all("ENV") for word in rest.split())


@cache
def stages() -> tuple[BuildStage, ...]:
    """The stages of the Dockerfile at the root, in order; the last one is the image that runs."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    instructions = [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions:
        if instruction[0] == "FROM":
            found.append([])
        found[-1].append(instruction)
    return tuple(BuildStage(tuple(one)) for one in found)


def health_command() -> list[str]:
    """The program and arguments that HEALTHCHECK runs."""
    words: list[str] = json.loads(stages()[-1].the("HEALTHCHECK").split("CMD ", 1)[1])
    return words
