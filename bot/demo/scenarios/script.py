"""A scenario as data: who does what, and what must be seen afterwards. One TOML file each, beside this module.

`at` is a channel, `who` a person, both by ID. What is to be seen must stay seen: a line of a thread, not a state that
the next click ends, so that somebody who is quicker than the script does not lead it astray.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

PLACE: Final = Path(__file__).parent
# In the order in which they are best met.
NAMES: Final = ("laptop", "deploy", "payment", "silence", "agent")


class Part(BaseModel):
    """Whatever a scenario is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ---- what is done ------------------------------------------------------------------------------------------


class SendCommand(Part):
    """Sends a slash command."""

    act: Literal["command"]
    text: str


class PressButton(Part):
    """Presses a button of the request's newest card here, by its action ID."""

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
    """Lets time pass."""

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


Action = Annotated[
    SendCommand | PressButton | SubmitForm | ReplyBySms | SkipTime | RestartBot | AskByApi,
    Field(discriminator="act"),
]


# ---- what is seen ------------------------------------------------------------------------------------------


class LookedFor(Part):
    """Where to look; by default where the step is, and as the person who acts in it."""

    who: str | None = None
    at: str | None = None


class ExpectCard(LookedFor):
    """A card of the request that holds all these words. The first one that is seen says which request it is.

    `round` is which of its cards it must be, counted from 1; any, where it is left out.
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
    """The agent has its answer."""

    see: Literal["answer"]
    status: str


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
    """A short story that proves itself."""

    name: str
    title: str
    why: str
    steps: tuple[ScenarioStep, ...] = Field(min_length=1)


def load(name: str) -> Scenario:
    """The scenario of that name, one of `NAMES`."""
    return Scenario.model_validate({"name": name, **tomllib.loads((PLACE / f"{name}.toml").read_text())})
