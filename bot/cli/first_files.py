"""The files that a new set-up begins with: a policy file, the settings, and the manifest of the Slack app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from bot.slack.ids import is_person

POLICIES: Final = "policies.toml"
SETTINGS: Final = "countersign.env"
MANIFEST: Final = "manifest.yml"

_POLICIES: Final = """\
# The policies of Countersign. `countersign policies check {file}` finds every fault, with its line.
# An edit counts for the next new request, without a restart. Open requests keep their copy of the policy.
#
# One [policies.NAME] table is one kind of request: people ask with `/request-approval NAME …`.
# People are written U…, user groups S…, channels C…: Slack shows each ID at the bottom of its profile.
# Durations: 90s, 30m, 12h, 2d, 1w, or together such as 1d12h.

[policies.request]
title = "Request"
channel = "{channel}"  # where the card is posted
{owner}
# currency = "USD"            # needed where an amount may be given
# auto_approve_below = 100    # nobody is asked below that amount

[[policies.request.levels]]   # levels are asked one after the other, each with a card of its own
name = "Approval"
approvers = [{approvers}]  # who may decide; whoever asks never decides their own request
quorum = 1                    # so many different people; "all" means everybody who was asked
timeout = "2d"
remind_every = "12h"          # in a direct message, those who have not decided
on_timeout = "expire"         # it times out; or "reject", or "escalate". Silence never means yes
{sms}
# With on_timeout = "escalate", others are asked in another channel:
#
# [policies.request.escalation]
# channel = "C0ESCALATIONS"
# approvers = ["S0DIRECTORS"]
# timeout = "1d"
"""
_SMS: Final = """\
# sms = true                  # a code on the approver's phone. First enrol every phone below, and fill in the TWILIO_
#                             # settings. With a currency, sms_above = 10000 asks for it above that amount alone
"""
_PHONES: Final = """\

# The phones that codes are sent to. No two people have the same. Take the numbers from the people themselves.
#
{people}
"""
_SETTINGS: Final = """\
# The settings of Countersign. Fill in each "". Then COUNTERSIGN_CONFIG={file} has them read.
# It is going to hold secrets, so nobody else may read it (mode 0600).

# The "Bot User OAuth Token" (xoxb-…), under OAuth & Permissions of your Slack app.
SLACK_BOT_TOKEN=""
{reached_by}
COUNTERSIGN_POLICIES="{policies}"
# The hub's file, the keys and the tokens: back this up.
COUNTERSIGN_DATA_DIR="{data_dir}"
{public_url}{sms}"""
_BY_SOCKET: Final = """\
# An app-level token (xapp-…) with the scope connections:write, under Basic Information. With it Socket Mode is used.
SLACK_APP_TOKEN=""
"""
_BY_HTTP: Final = """\
# The "Signing Secret", under Basic Information.
SLACK_SIGNING_SECRET=""
"""
_PUBLIC_URL: Final = """\
# How the outside reaches COUNTERSIGN_LISTEN, through a proxy that speaks TLS.
COUNTERSIGN_PUBLIC_URL="{url}"
"""
_TWILIO: Final = """\
# From Twilio's console. TWILIO_FROM is the number that codes come from, such as +12025550100.
# Point its webhook for messages at {url}/twilio/sms (POST).
TWILIO_ACCOUNT_SID=""
TWILIO_AUTH_TOKEN=""
TWILIO_FROM=""
"""
_MANIFEST: Final = """\
# Countersign's Slack app, for {how}.
# At https://api.slack.com/apps choose "Create New App", "From a manifest", and paste this.
"""
_EXAMPLE_URL: Final = "url: https://countersign.example.com/slack/events"


@dataclass(frozen=True)
class FirstAnswers:
    """The answers that describe a new set-up. Without `public_url` it always uses Socket Mode."""

    public_url: str | None
    socket_mode: bool
    channel: str
    approvers: Sequence[str]
    sms: bool
    data_dir: Path


def first_files(answers: FirstAnswers, into: Path) -> Mapping[str, str]:
    """The text of each file, by its name; `into` is the folder for the files."""
    return {
        POLICIES: _policies(answers),
        SETTINGS: _settings(answers, into),
        MANIFEST: _manifest(answers),
    }


def _policies(answers: FirstAnswers) -> str:
    people = [one for one in answers.approvers if is_person(one)]
    owner = f'owner = "{people[0]}"' if people else '# owner = "U…"'
    text = _POLICIES.format(
        file=POLICIES,
        channel=answers.channel,
        owner=f"{owner}  # who is told if something goes wrong, such as a card that cannot be posted",
        approvers=", ".join(f'"{one}"' for one in answers.approvers),
        sms=_SMS if answers.sms else "",
    )
    if answers.sms:
        enrolled = [f'# [people.{one}]\n# phone = "+12025550142"' for one in people or ["U02ALICE"]]
        text += _PHONES.format(people="\n#\n".join(enrolled))
    return text


def _settings(answers: FirstAnswers, into: Path) -> str:
    url = answers.public_url
    return _SETTINGS.format(
        file=into / SETTINGS,
        reached_by=_BY_SOCKET if answers.socket_mode else _BY_HTTP,
        policies=into / POLICIES,
        data_dir=answers.data_dir,
        public_url=_PUBLIC_URL.format(url=url) if url else "",
        sms=_TWILIO.format(url=url) if answers.sms else "",
    )


def _template() -> Traversable:
    """The manifest of the Slack app: in the package where it is installed, at the root of a checkout."""
    package = files("bot")
    packed = package.joinpath(MANIFEST)
    return packed if packed.is_file() else package.joinpath("..", MANIFEST)


def _manifest(answers: FirstAnswers) -> str:
    lines = _template().read_text(encoding="utf-8").splitlines(keepends=True)
    while lines[0].startswith("#"):
        del lines[0]
    text = "".join(lines)
    if not answers.socket_mode:
        text = text.replace("socket_mode_enabled: true", "socket_mode_enabled: false")
        for key in ("url", "request_url"):
            text = text.replace(f"# {key}: https://countersign.example.com/", f"{key}: {answers.public_url}/")
    return _MANIFEST.format(how="Socket Mode" if answers.socket_mode else answers.public_url) + text
