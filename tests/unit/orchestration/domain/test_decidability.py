"""The check of a policy file, compared with trying every way one by one; and its sentences."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.cli.main import main
from bot.slack.ids import SlackIds
from orchestration.approval.outcome_activities import taken
from orchestration.domain import policy_file
from orchestration.domain.errors import InvalidRequestError, PolicyError
from orchestration.domain.policy import Escalation, Level, Policy
from orchestration.domain.request import ApprovalRequest
from orchestration.domain.rules import check_request
from tests.support.possible import Terms, impossible, possible

PEOPLE = ["U0A", "U0B", "U0C", "U0D"]
GROUP = "S0G"
TIME = timedelta(days=1)

approvers = st.lists(st.sampled_from([*PEOPLE, *PEOPLE, GROUP]), min_size=1, max_size=4)
few = st.sampled_from([1, 1, 1, 2, 3])
levels = st.fixed_dictionaries(
    {
        "approvers": approvers,
        "quorum": st.sampled_from([1, 1, 2, 3, "all"]),
        "at_least": st.sampled_from([None, None, 1, 2, 3]),
        "reject_quorum": few,
        "on_timeout": st.sampled_from(["expire", "escalate"]),
        "sms": st.sampled_from([False, False, True]),
    }
)
escalations = st.fixed_dictionaries({"approvers": approvers, "quorum": few, "reject_quorum": few})


def policy_of(given_levels: list[dict[str, Any]], escalation: dict[str, Any], **terms: Any) -> Policy:
    escalates = any(level.get("on_timeout") == "escalate" for level in given_levels)
    return Policy(
        key="p",
        title="P",
        channel="C0P",
        groups=[GROUP],
        levels=[Level(name=f"L{n}", timeout=TIME, **level) for n, level in enumerate(given_levels)],
        escalation=Escalation(channel="C0E", timeout=TIME, **escalation) if escalates else None,
        **terms,
    )


def terms_of(
    given_levels: list[dict[str, Any]], escalation: dict[str, Any], enrolled: set[str] | None = None
) -> list[tuple[Terms, Terms | None]]:
    found: list[tuple[Terms, Terms | None]] = []
    code = False
    for level in given_levels:
        code = code or level["sms"]
        everybody = level["quorum"] == "all"
        least = level["at_least"]
        least = (
            least or min(2, len(set(level["approvers"]))) if everybody else max(least or 1, level["quorum"])
        )
        phones = tuple(sorted(enrolled)) if enrolled is not None else None
        own = Terms(
            tuple(level["approvers"]),
            least,
            level["reject_quorum"],
            everybody=everybody,
            enrolled=phones if level["sms"] else None,
        )
        other = Terms(
            tuple(escalation["approvers"]),
            escalation["quorum"],
            escalation["reject_quorum"],
            enrolled=phones if code else None,
        )
        found.append((own, other if level["on_timeout"] == "escalate" else None))
    return found


@settings(max_examples=400)
@given(
    st.lists(levels, min_size=1, max_size=4),
    escalations,
    st.booleans(),
    st.sets(st.sampled_from([*PEOPLE, "U0E"])),
)
@example(  # only the second level's only approver has the third phone that the first level's code needs
    given_levels=[
        {
            "approvers": ["U0A", "U0C", GROUP],
            "quorum": "all",
            "at_least": 3,
            "reject_quorum": 1,
            "on_timeout": "expire",
            "sms": True,
        },
        {
            "approvers": ["U0B"],
            "quorum": 1,
            "at_least": None,
            "reject_quorum": 1,
            "on_timeout": "expire",
            "sms": False,
        },
    ],
    escalation={"approvers": ["U0A"], "quorum": 1, "reject_quorum": 1},
    repeat=False,
    phones={"U0B"},
)
def test_a_policy_is_refused_just_where_no_way_is_found(
    given_levels: list[dict[str, Any]], escalation: dict[str, Any], repeat: bool, phones: set[str]
) -> None:
    policy = policy_of(given_levels, escalation, allow_repeat_approver=repeat)
    enrolled = phones | set(policy.confirmers())
    terms = terms_of(given_levels, escalation, enrolled)
    wrong = list(impossible(terms, [GROUP], repeat=repeat))
    faults = policy.impossible(enrolled=enrolled)
    assert bool(faults) == bool(wrong)
    for fault in faults:
        assert not set(fault.people) & {GROUP}
        assert len(fault.people) < fault.needed
        assert fault.round.label in fault.sentence() or "the escalation needs" in fault.sentence()
        at = [level.name for level in policy.levels].index(fault.round.level)
        assert any(place == at and rejecting == fault.rejecting for place, _, rejecting in wrong)


@settings(max_examples=300)
@given(st.lists(levels, min_size=1, max_size=3), escalations, st.sampled_from(PEOPLE), st.booleans())
def test_a_request_is_refused_just_where_its_requester_is_needed(
    given_levels: list[dict[str, Any]], escalation: dict[str, Any], requester: str, repeat: bool
) -> None:
    """People of the escalation do not matter: the level's own people can decide it."""
    policy = policy_of(given_levels, escalation, allow_repeat_approver=repeat)
    own = [(first, None) for first, _ in terms_of(given_levels, escalation)]
    try:
        check_request(ApprovalRequest(policy="p", title="T", requester=requester), policy)
    except InvalidRequestError:
        taken = False
    else:
        taken = True
    assert taken == possible(own, [GROUP], [requester], repeat=repeat)


# ---- the sentences ---------------------------------------------------------------------------------------


def phones_of(*people: str) -> str:
    """The tables that enrol these people, each with a phone of their own."""
    return "".join(f'[people.{who}]\nphone = "+120255501{at:02}"\n' for at, who in enumerate(people))


def text_of(
    *given_levels: tuple[str, list[str], str],
    escalation: list[str] | None = None,
    more: str = "",
    policy: str = "",
) -> str:
    def toml(names: list[str]) -> str:
        return str(names).replace("'", '"')

    text = f'[policies.p]\ntitle = "P"\nchannel = "C0P"\ncurrency = "USD"\n{policy}\n'
    for name, named, terms in given_levels:
        text += (
            f'[[policies.p.levels]]\nname = "{name}"\napprovers = {toml(named)}\ntimeout = "1d"\n{terms}\n'
        )
    if escalation:
        text += f'[policies.p.escalation]\nchannel = "C0E"\napprovers = {toml(escalation)}\ntimeout = "1d"\n{more}\n'
    return text


ON = 'on_timeout = "escalate"'
ALL = 'quorum = "all"'
A, B, C, D = PEOPLE
REMEDY = "or set allow_repeat_approver = true"
MORE = "name more people, or lower its"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            text_of(("Manager", [A], ON), ("Director", [D], ""), escalation=[D]),
            [
                "the escalation of level Manager cannot be decided: nobody may decide two levels",
                "the escalation of level Manager and level Director together need 2 different people",
                "but only U0D can decide there; name other people in the escalation",
                REMEDY,
            ],
        ),
        (
            text_of(("First", [A, B, C], ALL), ("Second", [A, B], "")),
            [
                "level Second cannot be decided: nobody may decide two levels, and level Second needs 1 person",
                "but nobody is left for it (everybody whom level First names decides there first",
                "name other people there",
                REMEDY,
            ],
        ),
        (
            text_of(("First", [A, GROUP], ALL), ("Second", [A], "")),
            ["level Second needs 1 person, but nobody is left for it"],
        ),
        (
            text_of(("First", [A, B], ALL), ("Second", [C], ON), escalation=[A, B]),
            ["the escalation of level Second needs 1 person, but nobody is left", "whom level First names"],
        ),
        (
            text_of(("First", [A], ON), ("Second", [B], ON), escalation=[A]),
            ["level First and the escalation of level Second together need 2 different people, but only U0A"],
        ),
        (
            text_of(("First", [A], ON), ("Second", [B], ON), escalation=[C], more="quorum = 2"),
            [f"the escalation needs 2 approvals of 1 people; {MORE} quorum"],
        ),
        (
            text_of(("First", [A], ON), escalation=[C, C], more="reject_quorum = 2"),
            [f"the escalation needs 2 rejections of 1 people; {MORE} reject_quorum"],
        ),
        (
            text_of(("First", [A, B], "quorum = 2"), ("Second", [A, B, C], "reject_quorum = 2")),
            [
                "level Second cannot be rejected: nobody may decide two levels",
                "level First and level Second together need 4 different people, but only U0A, U0B and U0C can",
            ],
        ),
        (
            text_of(("First", [A, B], "at_least = 3")),
            [f"level First needs 3 approvals of 2 people; {MORE} quorum or at_least"],
        ),
        (
            text_of(("First", [A, B], f"{ALL}\nat_least = 3")),
            ["level First needs 3 different people and names 2"],
        ),
    ],
)
def test_each_impossible_policy_is_named_in_a_sentence_with_the_remedy(text: str, words: list[str]) -> None:
    with pytest.raises(PolicyError) as refused:
        policy_file.parse(text, "p.toml", SlackIds())
    [line] = str(refused.value).splitlines()
    assert line.startswith("p.toml:1: policies.p: ")
    assert [part for part in words if part not in line] == []


def test_all_that_is_impossible_is_named_at_once() -> None:
    text = text_of(
        ("First", [A], ON),
        ("Second", [B], "reject_quorum = 2"),
        ("Third", [C], ON),
        escalation=[A],
        more="quorum = 2",
    )
    with pytest.raises(PolicyError) as refused:
        policy_file.parse(text, "p.toml", SlackIds())
    assert [line.split(": ", 2)[2].split(";")[0] for line in str(refused.value).splitlines()] == [
        "level Second needs 2 rejections of 1 people",
        "the escalation needs 2 approvals of 1 people",
    ]


@pytest.mark.parametrize(
    "text",
    [
        text_of(("First", [A], ON), ("Second", [D], ON), escalation=[D, B]),
        text_of(
            ("First", [A, B, C], 'quorum = "all"'),
            ("Second", [A, B], ""),
            policy="allow_repeat_approver = true",
        ),
        text_of(("First", [A], ""), ("Second", [A, B, C], 'quorum = "all"')),
        text_of(("First", [GROUP], 'quorum = "all"'), ("Second", [GROUP], "quorum = 3")),
        text_of(("First", [A, GROUP], "quorum = 9"), ("Second", [A], "")),
        text_of(("First", [A], ON), ("Second", [B], ON), escalation=[A, C]),
        text_of(("First", [A], ON), ("Second", [B], ON), escalation=[C]),
    ],
)
def test_a_policy_that_can_be_decided_is_taken(text: str) -> None:
    assert policy_file.parse(text, "p.toml", SlackIds()).policies


@pytest.mark.parametrize(("first", "refused"), [("", False), ("sms = true", True)])
def test_an_escalation_that_never_needs_a_code_needs_no_phones(first: str, refused: bool) -> None:
    """Only the first level escalates, and a code is asked for at the second one."""
    text = text_of(("First", [A], f"{ON}\n{first}"), ("Second", [B], "sms = true"), escalation=[C])
    text += phones_of(A, B)
    if refused:
        with pytest.raises(PolicyError, match="U0C has no phone"):
            policy_file.parse(text, "p.toml", SlackIds())
    else:
        assert policy_file.parse(text, "p.toml", SlackIds()).policies


OTHERS = "not counting whoever asks and whoever decides another level"


@pytest.mark.parametrize(
    ("text", "note", "warnings"),
    [
        (text_of(("First", [A], ""), ("Second", [B], "")), None, []),
        (text_of(("First", [A, GROUP], "")), None, []),
        (
            text_of(("First", [GROUP], "quorum = 2")),
            "level First needs at least 2 members of S0G, not counting whoever asks",
            [],
        ),
        (
            text_of(
                ("First", [A, GROUP], "quorum = 2"),
                ("Second", [B, GROUP], f"quorum = 3\n{ON}"),
                escalation=[GROUP],
            ),
            (
                "level First and the escalation of level Second need at least 1 member of S0G; "
                f"level Second needs at least 2 members of S0G, {OTHERS}"
            ),
            [],
        ),
        (
            text_of(("First", [GROUP], "sms_above = 5"), ("Second", [GROUP], "sms = true")) + phones_of(A, B),
            f"level First and level Second need at least 1 member with a phone of S0G, {OTHERS}",
            [],
        ),
        (
            text_of(("First", [GROUP], ALL), ("Second", [GROUP], "")),
            f"level First needs at least 1 member of S0G, {OTHERS}",
            [
                (
                    "level Second can be decided only by people who join S0G later: nobody may decide two levels, and "
                    'everybody in there decides level First, as its quorum is "all"'
                ),
            ],
        ),
        (
            text_of(
                ("First", [GROUP], ""),
                ("Second", [GROUP], ""),
                policy="allow_repeat_approver = true\nallow_self_approval = true",
            ),
            "level First and level Second need at least 1 member of S0G",
            [],
        ),
        (
            text_of(
                ("First", [A], ON),
                ("Second", [B], ON),
                ("Third", [C, D], f"quorum = 2\n{ON}"),
                escalation=[C, D, "U0E"],
            ),
            None,
            [
                (
                    "nobody may decide two levels, and the escalation of level First, the escalation of level Second "
                    "and level Third together need 4 different people, but only U0C, U0D and U0E can decide there: "
                    "where these escalate, level Third cannot be decided by its own approvers"
                ),
            ],
        ),
        (
            text_of(("First", [A], ON), ("Second", [B], ON), escalation=[C]),
            None,
            [
                (
                    "nobody may decide two levels, and the escalation of level First and the escalation of level "
                    "Second together need 2 different people, but only U0C can decide there: where all of these "
                    "escalate, the last one is left to its level's own approvers"
                ),
            ],
        ),
    ],
)
def test_what_depends_on_groups_or_on_the_course_is_told(
    text: str, note: str | None, warnings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.toml"
    file.write_text(text)
    assert main(["policies", "check", str(file)]) == 0
    said = [f"Note: policies.p: {note}."] if note else []
    printed = [line for line in capsys.readouterr().out.splitlines()[1:] if "TWILIO_" not in line]
    assert printed == [
        *said,
        *(f"Warning: policies.p: {one}." for one in warnings),
    ]


def test_who_needs_nobody_may_ask_though_they_alone_decide() -> None:
    """An automatic approval needs nobody, so the only approver may ask as well."""
    text = text_of(("First", [A], ""), policy="auto_approve_below = 100")
    policy = policy_file.parse(text, "p.toml", SlackIds()).policies["p"]
    small = ApprovalRequest.model_validate({"policy": "p", "title": "T", "requester": A, "amount": "99"})
    assert check_request(small, policy).currency == "USD"
    with pytest.raises(InvalidRequestError, match="too few people are left to decide the level First"):
        check_request(small.model_copy(update={"amount": None}), policy)


@pytest.mark.parametrize(
    ("phones", "words"),
    [
        (
            [],
            "level First needs 2 approvals confirmed by a code, but nobody has a phone; add phones under [people.ID]",
        ),
        (
            [C],
            "level First needs 2 approvals confirmed by a code, but only U0C can have one sent; add phones",
        ),
        (
            [C, D],
            "level First and level Second together need 3 different people, but only U0C and U0D can decide there",
        ),
        ([A, C, D], None),
    ],
)
def test_a_group_that_needs_a_code_takes_people_with_phones(phones: list[str], words: str | None) -> None:
    """Who is in the group is not known, but only people whom the operator enrolled can approve."""
    text = text_of(("First", [GROUP], "quorum = 2\nsms_above = 10"), ("Second", [C, D], ""))
    text += phones_of(*phones)
    if words is None:
        assert policy_file.parse(text, "p.toml", SlackIds()).policies
        return
    with pytest.raises(PolicyError) as refused:
        policy_file.parse(text, "p.toml", SlackIds())
    assert words in str(refused.value)


def test_who_is_one_of_the_few_with_a_phone_asks_for_no_more_than_needs_none() -> None:
    text = text_of(("First", [GROUP], "sms_above = 10")) + phones_of(A)
    book = policy_file.parse(text, "p.toml", SlackIds())
    small = ApprovalRequest.model_validate({"policy": "p", "title": "T", "requester": A, "amount": "10"})
    assert taken(small, book, SlackIds()).policy is not None
    for amount in (Decimal(11), None):
        with pytest.raises(InvalidRequestError, match="too few people are left to decide the level First"):
            taken(small.model_copy(update={"amount": amount}), book, SlackIds())


def test_who_is_needed_to_reject_cannot_ask() -> None:
    text = text_of(("First", [A, B], "reject_quorum = 2"))
    policy = policy_file.parse(text, "p.toml", SlackIds()).policies["p"]
    with pytest.raises(InvalidRequestError, match="too few people are left to reject it at the level First"):
        check_request(ApprovalRequest(policy="p", title="T", requester=A), policy)
