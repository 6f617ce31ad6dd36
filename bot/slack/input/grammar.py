"""The slash command's grammar: `POLICY [AMOUNT] TITLE… [FIELD=VALUE…]`. Pure: text in, what to do out.

A policy that is named like a subcommand wins over the subcommand.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final, TypeAlias

from bot.slack.input import away, field_words
from bot.slack.input.amounts import Split, split_amount
from bot.slack.input.draft import Askable, Draft, Policies, missing
from bot.slack.input.field_words import split_fields
from bot.slack.text import mention, safe, typed
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.text import keyword, line

COMMAND: Final = "/request-approval"
TITLE_LIMIT: Final = 150
HELP_WORDS: Final = frozenset({"help", "?", "-h", "--help"})
SHOWN_POLICIES: Final = 30
NAMED_POLICIES: Final = 5  # in a line about an unknown policy

AWAY, BACK, CANCEL, STATUS = "away", "back", "cancel", "status"
SUBCOMMANDS: Final = frozenset({AWAY, BACK, CANCEL, STATUS})

USAGE: Final = (
    f"*{COMMAND}* opens a form.\n"
    f"*{COMMAND}* `POLICY [AMOUNT] TITLE… {field_words.USAGE}` asks at once, or opens the form filled in where more is "
    "needed.\n"
    f"*{COMMAND}* `status ID` shows all of a request, `cancel ID [REASON]` withdraws yours.\n"
    f"*{COMMAND}* {away.USAGE} has somebody else asked in your place, `back` ends that."
)
TOO_LONG: Final = (
    f"A title has at most {TITLE_LIMIT} characters, and this one has {{length}}. "
    f"Please shorten it, or type only {COMMAND} and put the rest in the description."
)
UNKNOWN: Final = "There is no policy called “{word}”."
THERE_ARE: Final = " There are {named}."
HELP: Final = f"`{COMMAND} help` shows how it is written."
NOTHING_TO_ASK: Final = (
    "There is nothing to ask for by hand here. The policies of this server review documents: put a document into the "
    "place that they watch, and its review starts by itself."
)
MEANT: Final = " Did you mean `{guess}`?"


@dataclass(frozen=True)
class AskAtOnce:
    """Start the request: the command has all that is needed."""

    draft: Draft


@dataclass(frozen=True)
class Fill:
    """Open the form with what was typed. `doubt` says what the person has to check first, if anything."""

    draft: Draft
    doubt: str = ""


@dataclass(frozen=True)
class Explain:
    """Say what was wrong, or show the help if `problem` is empty. `problem` is plain text."""

    problem: str = ""


@dataclass(frozen=True)
class Subcommand:
    """Run one of `SUBCOMMANDS`. `words` follow it, with mentions as Slack sends them."""

    word: str
    words: tuple[str, ...]


Wish: TypeAlias = AskAtOnce | Fill | Explain | Subcommand


def parse(text: str, policies: Policies) -> Wish:
    """Parses the text of a command. Never raises: a text that it cannot parse gives `Explain`."""
    first, _, rest = line(text).partition(" ")
    first = typed(first)
    if not first:
        return Fill(Draft(policy=next(iter(policies)) if len(policies) == 1 else None))
    said = keyword(first)
    policy = policies.get(said)
    if policy is not None:
        return _asking(policy, rest)
    if said in SUBCOMMANDS:
        return Subcommand(said, tuple(line(text).split()[1:]))
    return Explain("" if said in HELP_WORDS and not rest else _unknown(first, policies))


def _asking(policy: Askable, text: str) -> Wish:
    try:
        rest, fields = split_fields(text, policy.fields)
        found = _split(line(typed(rest)).split(), policy)
    except InvalidRequestError as error:
        return Explain(str(error))
    if len(found.title) > TITLE_LIMIT:
        return Explain(TOO_LONG.format(length=len(found.title)))
    draft = Draft(policy=policy.key, title=found.title, amount=found.amount, fields=fields)
    return Fill(draft, found.doubt) if found.doubt or missing(draft, policy) else AskAtOnce(draft)


def explanation(wish: Explain, policies: Policies) -> str:
    """The problem in a line that points to the help, or else the help itself (mrkdwn).

    The help has the grammar, an example that works here, and the policies.
    """
    if wish.problem:
        return f"{safe(wish.problem, 400, room=1200)} {HELP}"
    shown = [policies[key] for key in sorted(policies)][:SHOWN_POLICIES]
    lines = [USAGE, f"For example: `{COMMAND} {_example(shown)}`", "", "*Policies*", *map(_line, shown)]
    if len(policies) > len(shown):
        lines.append(f"… and {len(policies) - len(shown)} more, in the form")
    return "\n".join(lines)


def _split(words: list[str], policy: Askable) -> Split:
    """Splits the amount from the title. If the policy has no currency, all of it is the title."""
    return Split("", " ".join(words)) if policy.currency is None else split_amount(words, policy.currency)


def _unknown(word: str, policies: Policies) -> str:
    """The sentence about an unknown word, with the most similar name, or else with the policies."""
    unknown = UNKNOWN.format(word=word[:40])
    if guesses := difflib.get_close_matches(word.lower(), [*policies, *sorted(SUBCOMMANDS)], n=1):
        return unknown + MEANT.format(guess=guesses[0])
    named = [f"`{key}`" for key in sorted(policies)]
    others = len(named) - NAMED_POLICIES
    if others > 0:
        named[NAMED_POLICIES:] = [f"{others} more"]
    if len(named) == 1:
        return f"{unknown} The only one is {named[0]}."
    return unknown + THERE_ARE.format(named=f"{', '.join(named[:-1])} and {named[-1]}")


def _example(policies: list[Askable]) -> str:
    simplest = min(policies, key=lambda policy: missing(Draft(title="…"), policy))
    return f"{simplest.key} 4200 New laptops for the team" if simplest.currency else f"{simplest.key} Week 48"


def _line(policy: Askable) -> str:
    needs = [f"`{field.name}=…`" for field in policy.fields if field.required]
    parts = [f"• `{policy.key}` {safe(policy.title, 60)}", f"in {mention(policy.channel)}"]
    if policy.currency:
        parts.append(f"amounts in {policy.currency}")
    if needs:
        parts.append(f"also needs {', '.join(needs)}")
    return ", ".join(parts)
