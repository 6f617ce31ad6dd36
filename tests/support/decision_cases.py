"""Random policies, requests and workspaces, each in the form of the decision model and in that of the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

from orchestration.approval.state import ApprovalInput
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import Away, KnownPerson, PersonEntry
from orchestration.domain.policy import Escalation, Level, Policy
from orchestration.domain.request import ApprovalRequest
from orchestration.domain.rules import check_request
from tests.support.decision_model import AwayEntry, Case, ModelWorld, PolicyStage
from tests.support.identity import SHOWN

REQUESTER: Final = "U0RITA"
PERSONS: Final = ["U0ADA", "U0BOB", "U0CY", "U0FIN", "U0MAX", REQUESTER]
ANYBODY: Final = [*PERSONS, "U0ZED"]
GROUPS: Final = ["S0ONE", "S0TWO"]
LEVEL_TIME: Final = timedelta(hours=10)
ESCALATION_TIME: Final = timedelta(hours=6)
REMIND_EVERY: Final = timedelta(hours=3)  # never exactly at a deadline
ABOVE: Final = Decimal(100)
ALL_YEAR: Final = Away.model_validate({"from": date(2026, 1, 1), "until": date(2026, 12, 31)})
LONG_AGO: Final = Away.model_validate({"from": date(2025, 1, 1), "until": date(2026, 3, 1)})

PRELUDES: Final[list[tuple[str, ...]]] = [
    (),
    ("pass",),
    ("press",),
    ("pass", "press"),
    ("vote", "silence"),
    ("hand over", "vote"),
    ("hand over", "silence"),
    ("pass", "vote", "silence"),
    ("pass", "hand over", "silence"),
    ("pass", "hand over", "vote", "silence"),
]

anybody = st.sampled_from(ANYBODY)
group_members = st.lists(anybody, max_size=3, unique=True)


@dataclass(frozen=True)
class Drawn:
    """A random case: the terms of levels and escalation by name, and the roles of people."""

    levels: list[dict[str, Any]]
    escalation: dict[str, Any]
    amount: Decimal | None
    shorter: timedelta | None
    allow_self: bool
    allow_repeat: bool
    require_reason: bool
    delegates: list[str]
    enrolled: set[str]
    entered: dict[str, AwayEntry]
    groups: tuple[list[str], list[str]]
    own: dict[str, str]
    inactive: set[str]
    prelude: tuple[str, ...]  # what happens first, so that later acts come late in a request


@dataclass(frozen=True)
class TakenRequest:
    """An accepted request, for the model and for the orchestration."""

    case: Case
    policy: Policy
    request: ApprovalRequest
    given: ApprovalInput
    world: ModelWorld


def _stage(draw: st.DrawFn, approvers: list[str], quorums: list[Any]) -> dict[str, Any]:
    most = 3 if set(approvers) & set(GROUPS) else len(approvers)
    quorum = draw(st.sampled_from(quorums))
    return {
        "approvers": approvers,
        "quorum": quorum if quorum == "all" else min(quorum, most),
        "reject_quorum": min(draw(st.sampled_from([1, 1, 2])), most),
    }


@st.composite
def _levels(draw: st.DrawFn, principals: st.SearchStrategy[list[str]], codes: str) -> list[dict[str, Any]]:
    """One to three levels. Where only the first has a code, an escalation of the others has one that they lack."""
    found = [
        {
            **_stage(draw, draw(principals), [1, 1, 2, 2, 3, "all"]),
            "at_least": draw(st.sampled_from([None, None, None, None, 1, 2, 3])),
            "sms": codes == "some" and draw(st.booleans()),
            "sms_above": ABOVE if codes == "some" and draw(st.booleans()) else None,
            "on_timeout": draw(st.sampled_from(["escalate", "escalate", "escalate", "expire", "reject"])),
            "remind_every": draw(st.sampled_from([None, None, REMIND_EVERY])),
        }
        for _ in range(draw(st.sampled_from([1, 1, 2, 2, 3])))
    ]
    if codes == "first":
        found[0] |= {"sms": True, "approvers": found[0]["approvers"][:1], "quorum": 1, "at_least": None}
        found[0]["reject_quorum"] = 1
    return found


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    """A random case of few people, so that roles overlap. It may not be a valid policy."""
    cast = draw(st.sampled_from([PERSONS, PERSONS[:3], PERSONS[:4], PERSONS[:5], [*PERSONS[:3], REQUESTER]]))
    people = st.sampled_from(cast)
    principals = st.lists(st.sampled_from([*cast, *cast, *GROUPS]), min_size=1, max_size=4, unique=True)
    flags = st.sampled_from([False, False, True])
    levels = draw(_levels(principals, draw(st.sampled_from(["none", "none", "first", "some"]))))
    entries = st.builds(AwayEntry, delegate=st.none() | anybody, away=st.booleans())
    own: dict[str, str] = draw(st.dictionaries(people, anybody, max_size=2))
    # About half of those who say that they are away have a delegate that the operator entered.
    same = bool(own) and draw(st.booleans())
    entered = draw(st.dictionaries(st.sampled_from(list(own)) if same else people, entries, max_size=2))
    return Drawn(
        levels=levels,
        escalation=_stage(draw, draw(st.just(levels[-1]["approvers"]) | principals), [1, 1, 2]),
        amount=draw(st.sampled_from([None, Decimal(50), ABOVE, ABOVE + 1])),
        shorter=draw(
            st.sampled_from(
                [None, None, None, None, timedelta(hours=5), timedelta(hours=8), timedelta(hours=20)]
            )
        ),
        allow_self=draw(flags),
        allow_repeat=draw(flags),
        require_reason=draw(st.booleans()),
        delegates=draw(st.just([]) | st.just([]) | principals),
        enrolled=draw(st.sampled_from([set(ANYBODY), set(ANYBODY[::2]), set()])),
        entered=entered,
        groups=draw(st.tuples(group_members, group_members)),
        own=own,
        inactive=draw(st.sampled_from([set(), set(), {"U0ZED"}, {"U0FIN", "U0ZED"}])),
        prelude=draw(st.sampled_from(PRELUDES)),
    )


def own_entry(entry: AwayEntry) -> PersonEntry:
    """What a person says: away with a delegate, or back again."""
    return PersonEntry(delegate=entry.delegate, away=ALL_YEAR if entry.away else LONG_AGO)


def case_of(asked: Drawn) -> Case:
    """The case for the model. Everybody named where a code may be needed has a phone, else the file is refused."""
    escalates = any(level["on_timeout"] == "escalate" for level in asked.levels)
    phones, coded = set[str](), False
    for level in asked.levels:
        may_need = level["sms"] or level["sms_above"] is not None
        coded = coded or may_need
        phones |= set(level["approvers"]) if may_need else set()
        phones |= set(asked.escalation["approvers"]) if coded and level["on_timeout"] == "escalate" else set()
    return Case(
        levels=tuple(
            PolicyStage(**{**level, "approvers": tuple(level["approvers"])})
            for level in map(_without_reminder, asked.levels)
        ),
        escalation=PolicyStage(**{**asked.escalation, "approvers": tuple(asked.escalation["approvers"])})
        if escalates
        else None,
        groups=frozenset(GROUPS),
        requester=REQUESTER,
        enrolled=frozenset((asked.enrolled | phones) - set(GROUPS)),
        amount=asked.amount,
        allow_self=asked.allow_self,
        allow_repeat=asked.allow_repeat,
        delegates=tuple(asked.delegates),
        entered={who: entry for who, entry in asked.entered.items() if entry.delegate != who},
    )


def _without_reminder(level: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in level.items() if name != "remind_every"}


def policy_of(asked: Drawn, case: Case) -> Policy | None:
    """The policy for the code; None where `policies check` refuses it."""
    policy = Policy(
        key="model",
        title="Model",
        channel="C0MAIN",
        currency="USD",
        groups=GROUPS,
        levels=[Level(name=f"L{n}", timeout=LEVEL_TIME, **level) for n, level in enumerate(asked.levels)],
        escalation=Escalation(channel="C0ESC", timeout=ESCALATION_TIME, **asked.escalation)
        if case.escalation
        else None,
        allow_self_approval=asked.allow_self,
        allow_repeat_approver=asked.allow_repeat,
        delegates=asked.delegates,
        require_reason=asked.require_reason,
    )
    return None if policy.impossible() else policy


def request_of(asked: Drawn, policy: Policy) -> ApprovalRequest | None:
    """The request; None where it is refused."""
    request = ApprovalRequest(
        policy="model", title="T", requester=REQUESTER, timeout=asked.shorter, amount=asked.amount
    )
    try:
        return check_request(request, policy)
    except InvalidRequestError:
        return None


def taken(asked: Drawn, case: Case, policy: Policy, request: ApprovalRequest) -> TakenRequest:
    """The request as the orchestration gets it, and the workspace it is asked in."""
    known = {
        who: KnownPerson(
            enrolled=who in case.enrolled,
            delegate=case.entered.get(who, AwayEntry()).delegate,
            away=ALL_YEAR if case.entered.get(who, AwayEntry()).away else None,
        )
        for who in {*case.enrolled, *case.entered}
    }
    own = {who: AwayEntry(to, away=True) for who, to in asked.own.items() if who != to}
    world = ModelWorld(dict(zip(GROUPS, asked.groups, strict=True)), own, set(asked.inactive))
    given = ApprovalInput(request=request, nonce=SHOWN.nonce, policy=policy, people=known)
    return TakenRequest(case, policy, request, given, world)
