"""The plan of a run, and its result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.faults.scene import KINDS

# What may happen to a process, with its weight. "kill after an ack": SIGKILL at most 50 ms after an acknowledgement,
# when the acknowledged action may not be on disk yet.
TROUBLES: Final = {
    "kill": 2,
    "kill after an ack": 5,
    "term": 2,
    "hold": 2,  # SIGSTOP for some seconds
    "full disk": 1,
    "skip": 1,  # the hub's clock moves on
    "wall clock": 1,  # of the hub: it is set, ahead or back
    "roll": 1,  # each bot is stopped and started again, one after the other
}
# What can happen to a call, with its weight. `before`: the call has no effect; `after`: it has its effect, and the
# answer is lost. "silent": the answer takes longer than the bot waits.
CALL_FAULTS: Final = {
    "429": 6,
    "500": 4,
    "drop before": 4,
    "drop after": 4,
    "silent before": 1,
    "silent after": 1,
}
# What can happen to a delivery by Slack or Twilio, with its weight. "late": after the sender has given up.
DELIVERY_FAULTS: Final = {"twice": 10, "overtaken": 10, "late": 2}
KILLS: Final = frozenset({"kill", "kill after an ack", "term", "roll"})


@dataclass(frozen=True)
class Plan:
    """One run. The same seed gives the same requests, faults and kills; their timing depends on the machine.

    `share` of Slack's and Twilio's calls, and of the callbacks, fail (0 to 1). `play` and `settle` are the seconds that
    the faults, and the time after them, take at most. The run ends once nothing has changed for `quiet` seconds.
    `balanced`: only bots that say that they are ready get deliveries, as behind a load balancer; else any bot that
    listens does.
    """

    seed: int
    approvals: int
    kills: int
    bots: int = 1
    balanced: bool = False
    share: float = 0.3
    play: float = 1500.0
    settle: float = 300.0
    quiet: float = 3.0
    pause: tuple[float, float] = (0.3, 3.0)  # seconds between two troubles
    thinking: float = 2.0  # seconds that people take at most before they press
    patience: float = 5.0  # seconds after which somebody who sees nothing presses again
    kinds: tuple[str, ...] = tuple(KINDS)
    call_faults: tuple[str, ...] = tuple(CALL_FAULTS)
    delivery_faults: tuple[str, ...] = tuple(DELIVERY_FAULTS)
    troubles: tuple[str, ...] = tuple(TROUBLES)

    @property
    def again(self) -> str:
        """The command that runs it once more."""
        return f"make faults SEED={self.seed} KILLS={self.kills} APPROVALS={self.approvals} BOTS={self.bots}"


@dataclass
class Result:
    """The result of a run. `lines` is the ledger: each line has to be empty."""

    lines: dict[str, list[str]]
    struck: Counter[str]  # calls that failed, by kind
    delivered: Counter[str]  # what Slack and Twilio delivered, by what happened to it
    troubled: Counter[str]  # what happened to processes
    ready: list[float] = field(default_factory=list)  # seconds from each start to ready
    stops: list[float] = field(default_factory=list)  # seconds from each SIGTERM to a bot to its end
    seconds: float = 0.0
    file_bytes: int = 0
    memory: int = 0  # bytes; the most that a process has had in memory
    ended: int = 0
    answers: list[float] = field(
        default_factory=list
    )  # seconds in which what people did in Slack was acknowledged
    unacknowledged: list[str] = field(
        default_factory=list
    )  # actions of people that Slack reported to them as failed

    @property
    def shortfall(self) -> dict[str, list[str]]:
        """The lines that are not empty."""
        return {name: found for name, found in self.lines.items() if found}
