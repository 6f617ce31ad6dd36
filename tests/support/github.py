"""Runs the steps of a GitHub workflow or of an action as GitHub's runner does, as far as their scripts go."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")


@dataclass
class GitHubJob:
    """A job on one machine. `context` has what the expressions of its steps may name, such as `inputs.url`."""

    place: Path
    context: Mapping[str, str]
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the job's working directory and its temporary directory, which the next job must not see."""
        for name in ("work", "temp"):
            (self.place / name).mkdir(parents=True)
        (self.place / "env").touch()

    @property
    def temp(self) -> Path:
        """RUNNER_TEMP."""
        return self.place / "temp"

    async def start(self, step: Mapping[str, Any]) -> Process:
        """Starts a step; returns its entry process. A signal goes to that process alone, as at GitHub."""
        script = self.place / "script.sh"
        script.write_text(step["run"])
        # Without a named shell a step stops at the first failing command; with `bash` named, at a failing pipe as well.
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if "shell" in step else ["bash", "-e"]
        kept = dict(line.split("=", 1) for line in (self.place / "env").read_text().splitlines())
        return await asyncio.create_subprocess_exec(
            *shell,
            str(script),
            cwd=self.place / "work",
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.place),
                "RUNNER_TEMP": str(self.temp),
                "GITHUB_ENV": str(self.place / "env"),
                **self.variables,
                **kept,
                **{name: self.evaluated(str(value)) for name, value in step.get("env", {}).items()},
            },
        )

    def evaluated(self, text: str) -> str:
        """The text with its expressions replaced. Raises KeyError where the context lacks a name."""
        return _EXPRESSION.sub(lambda found: self.context[found[1]], text)


async def end_of(process: Process) -> tuple[int | None, str]:
    """The exit status and output of a step. After a minute it is killed with all its children."""
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, out.decode()
