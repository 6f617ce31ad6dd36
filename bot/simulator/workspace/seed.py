"""What a new workspace holds, and the people of the demo."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the workspace; `name` is the handle, `title` what they do, `color` six hex digits.

    `team_id` is the ID of their own workspace, for a guest from another workspace in a shared channel.
    """

    id: str
    name: str
    real_name: str
    title: str = ""
    email: str = ""
    tz: str = "Europe/Berlin"
    color: str = "4a5568"
    is_bot: bool = False
    is_deactivated: bool = False
    team_id: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A user group: `handle` is the name that people type after the @."""

    id: str
    handle: str
    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeedChannel:
    """A channel to begin with. `members` empty means everyone, the app included."""

    id: str
    name: str
    topic: str = ""
    members: tuple[str, ...] = ()
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class Seed:
    """What a workspace holds when it is first opened. Exactly one of the people is the app (`is_bot`).

    `phones` are people's numbers (E.164) by ID. No profile shows them: a Slack workspace knows no numbers.
    """

    name: str
    domain: str
    team_id: str
    people: tuple[Member, ...]
    groups: tuple[Group, ...] = ()
    channels: tuple[SeedChannel, ...] = field(default=())
    phones: Mapping[str, str] = field(default_factory=dict)


SEED = Seed(
    name="Acme",
    domain="acme",
    team_id="T0ACME",
    people=(
        Member("U0RITA", "rita", "Rita Moreno", "Office manager", "rita@acme.example", color="2f7d6b"),
        Member("U0ADA", "ada", "Ada Okafor", "Engineering manager", "ada@acme.example", color="8a4fbf"),
        Member("U0FIN", "fin", "Fin Larsen", "Finance", "fin@acme.example", color="b4552d"),
        Member("U0SAM", "sam", "Sam Whitlock", "Support", "sam@acme.example", "Europe/London", "2b6cb0"),
        Member("U0DIRK", "dirk", "Dirk Hahn", "Director", "dirk@acme.example", color="8d3b4a"),
        Member("U0FAY", "fay", "Fay Lindqvist", "Finance controller", "fay@acme.example", color="6b7a1f"),
        Member("U0BOT", "countersign", "Countersign", "App", color="1f2937", is_bot=True),
    ),
    groups=(
        Group("S0MANAGERS", "managers", "Managers", ("U0ADA", "U0FAY")),
        Group("S0FINANCE", "finance", "Finance", ("U0FIN", "U0FAY")),
        Group("S0DIRECTORS", "directors", "Directors", ("U0DIRK",)),
        Group("S0ONCALL", "oncall", "On call", ("U0ADA", "U0FIN")),
    ),
    channels=(
        SeedChannel("C0GENERAL", "general", "Everyone, about everything"),
        SeedChannel("C0PURCHASES", "purchases", "What we would like to buy"),
        SeedChannel("C0DEPLOYS", "deploys", "Releases that want a second pair of eyes"),
        SeedChannel("C0ACCESS", "access", "Who may enter which system"),
        SeedChannel("C0DOCS", "doc-reviews", "Documents that wait for a reader"),
        SeedChannel(
            "C0ESCALATIONS",
            "escalations",
            "What nobody answered in time",
            ("U0ADA", "U0FIN", "U0DIRK", "U0FAY", "U0BOT"),
        ),
    ),
    # 555-0100 to 0199 are reserved for fiction and belong to nobody.
    phones=MappingProxyType(
        {
            "U0ADA": "+12025550142",
            "U0FIN": "+12025550143",
            "U0DIRK": "+12025550144",
            "U0FAY": "+12025550145",
            "U0SAM": "+12025550146",
            "U0RITA": "+12025550147",
        }
    ),
)
