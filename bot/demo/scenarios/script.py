"""A scenario as data: who does what, and what must be seen afterwards. One TOML file each, beside this module.

`at` is a channel, `who` a person, both by ID. An expectation must stay true once it is met: a line in a thread, not a
state that the next click ends. Otherwise somebody who is quicker than the script would make a step fail.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

PLACE: Final = Path(__file__).parent
# In the order in which the page offers them.
NAMES: Final = ("laptop", "deploy", "payment", "silence", "agent", "database", "order", "readiness")


class Part(BaseModel):
    """The base of all parts of a scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ---- what is done ------------------------------------------------------------------------------------------


class SendCommand(Part):
    """Sends a slash command."""

    act: Literal["command"]
    text: str


class PressButton(Part):
    """Presses a button, by its action ID, of the request's newest card here; else of the newest message that has it."""

    act: Literal["press"]
    button: str


class SubmitForm(Part):
    """Fills in and submits the form with this callback ID; `values` by block or action."""

    act: Literal["fill"]
    form: str
    values: dict[str, str]


class ReplyBySms(Part):
    """Answers the newest text on the phone with what `read`, a pattern with one group, finds in it."""

    act: Literal["text"]
    read: str


class SkipTime(Part):
    """Lets so many hours pass."""

    act: Literal["skip"]
    hours: float = Field(gt=0)


class RestartBot(Part):
    """Kills the bot with SIGKILL and starts it again."""

    act: Literal["restart"]


class AskByApi(Part):
    """The agent asks, over the bot's HTTP API, and goes on waiting for the answer."""

    act: Literal["ask"]
    policy: str
    title: str
    description: str = ""
    amount: str | None = None
    fields: dict[str, str] = {}


class ReportEvent(Part):
    """Another system reports an event of the request. The same report again has the same delivery ID."""

    act: Literal["report"]
    event: str
    payload: dict[str, str] = {}


class CallByApi(Part):
    """The agent asks about a call of a tool, waits, and claims what was approved. It goes by what people change."""

    act: Literal["call"]
    policy: str
    tool: str
    arguments: dict[str, str]


Action = Annotated[
    SendCommand
    | PressButton
    | SubmitForm
    | ReplyBySms
    | SkipTime
    | RestartBot
    | AskByApi
    | ReportEvent
    | CallByApi,
    Field(discriminator="act"),
]


# ---- what is seen ------------------------------------------------------------------------------------------


class LookedFor(Part):
    """Where to look, and as whom; by default in the channel of the step, as the person who acts in it."""

    who: str | None = None
    at: str | None = None


class ExpectCard(LookedFor):
    """A card of the request that holds all these words. The first card seen tells which request the play is about.

    `round` says which of its cards it must be, counted from 1; any card, when left out.
    """

    see: Literal["card"]
    words: tuple[str, ...]
    round: int | None = None


class ExpectMessage(LookedFor):
    """A message that holds all these words, such as one to a person alone."""

    see: Literal["message"]
    words: tuple[str, ...]


class ExpectReply(LookedFor):
    """A line in the thread under a card of the request."""

    see: Literal["thread"]
    words: tuple[str, ...]


class ExpectSms(LookedFor):
    """A text on the phone."""

    see: Literal["sms"]
    words: tuple[str, ...]


class ExpectAnswer(Part):
    """The agent got its answer, with this status, and all these words stand among its calls."""

    see: Literal["answer"]
    status: str
    words: tuple[str, ...] = ()


ExpectOnPage = ExpectCard | ExpectMessage | ExpectReply | ExpectSms
Expectation = Annotated[
    ExpectCard | ExpectMessage | ExpectReply | ExpectSms | ExpectAnswer, Field(discriminator="see")
]


# ---- the whole ---------------------------------------------------------------------------------------------


class ScenarioStep(Part):
    """One step: `tell` says what happens and why, `hand` how a person does it; `code` in backticks."""

    who: str
    at: str
    tell: str
    hand: str
    do: tuple[Action, ...] = ()
    sees: tuple[Expectation, ...] = Field(min_length=1)


class Scenario(Part):
    """A short story whose steps are checked."""

    name: str
    title: str
    why: str
    steps: tuple[ScenarioStep, ...] = Field(min_length=1)


def load(name: str) -> Scenario:
    """The scenario of that name, one of `NAMES`."""
    return Scenario.model_validate({"name": name, **tomllib.loads((PLACE / f"{name}.toml").read_text())})
