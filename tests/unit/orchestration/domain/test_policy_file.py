"""The policy file: what is read, and that every fault has its line, its place and words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import bot
from bot import policy_reloading
from bot.slack.ids import SlackIds
from orchestration.domain import policy_file as policy_text
from orchestration.domain.errors import PolicyError
from orchestration.domain.names import IdPrefix, OrchestrationName
from orchestration.domain.policy import OnTimeout
from orchestration.domain.request import Status

GOOD = """\
[people.U0ADA]
phone = "+12025550142"
delegate = "U0BOB"

[policies.purchase]
title = "Purchase"
channel = "C0PURCHASES"
currency = "USD"
fields = [{ name = "vendor", required = true }]

[[policies.purchase.levels]]
name = "Manager"
approvers = ["U0ADA", "S0MANAGERS"]
timeout = "2d"
sms_above = 10000

[[policies.purchase.levels]]
name = "Finance"
approvers = ["U0FIN"]
timeout = "1d12h"
on_timeout = "reject"

[policies.purchase.on]
approved = { post = "https://erp.example/orders" }
"""


def faults(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        policy_text.parse(text, "p.toml", SlackIds())
    return str(caught.value).splitlines()


def test_the_shipped_policies_are_valid() -> None:
    book = policy_text.load(Path(bot.__file__).with_name("policies.toml"), SlackIds())
    assert {"purchase", "deploy", "access", "document"} <= set(book.policies)


def test_a_good_file_is_read_with_its_defaults() -> None:
    policy = policy_text.parse(GOOD, "p.toml", SlackIds()).policies["purchase"]
    manager, finance = policy.levels
    assert (manager.quorum, manager.reject_quorum, manager.on_timeout) == (1, 1, OnTimeout.EXPIRE)
    assert manager.needs_code(Decimal(10_001))
    assert not manager.needs_code(Decimal(10_000))
    assert not finance.needs_code(Decimal(10_001))
    assert policy.on[Status.APPROVED][0].label == "erp.example"


def test_an_instance_takes_along_who_is_named_but_no_number() -> None:
    book = policy_text.parse(GOOD, "p.toml", SlackIds())
    known = book.people_of(book.policies["purchase"])
    assert known["U0ADA"].enrolled
    assert "+1" not in known["U0ADA"].model_dump_json()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("[policies.purchase]\n", "[policies.purchase]\nchanel = 1\n", 6, "policies.purchase.chanel"),
        ('channel = "C0PURCHASES"', 'channel = "#purchases"', 7, "policies.purchase.channel"),
        ('currency = "USD"', 'currency = "usd"', 8, "policies.purchase.currency"),
        ('timeout = "2d"', "timeout = 60", 14, "a duration needs its unit"),
        ('timeout = "1d12h"', 'timeout = "soon"', 20, "policies.purchase.levels.1.timeout"),
        ('on_timeout = "reject"', 'on_timeout = "escalate"', 5, "there is no [policies.purchase.escalation]"),
        ("sms_above = 10000", "quorum = 0", 15, "policies.purchase.levels.0.quorum"),
        ('phone = "+12025550142"', 'phone = "0202 555 0142"', 2, "written in E.164"),
        (
            'phone = "+12025550142"',
            'phone = "+12025550142"\nrevoked = true',
            1,
            "policies.purchase names U0ADA, who is revoked; strike them out there",
        ),
        (
            "[people.U0ADA]\n",
            "[people.U0BOB]\nrevoked = true\n[people.U0ADA]\n",
            1,
            "people.U0ADA.delegate is U0BOB, who is revoked; name somebody else",
        ),
        ('phone = "+12025550142"', "", 1, "has no phone; add one under [people.U0ADA]"),
        ('{ post = "https://erp.example/orders" }', "{}", 24, "exactly one of post, notify and activity"),
        (
            '{ post = "https://erp.example/orders" }',
            '{ post = "ftp://x" }',
            24,
            "policies.purchase.on.approved",
        ),
        ('[{ name = "vendor", required = true }]', '[{ name = "a" }, { name = "a" }]', 5, "listed twice"),
        ('approvers = ["U0FIN"]', 'approvers = ["U0FIN"]\nquorum = 2', 5, "needs 2 approvals"),
    ],
)
def test_a_fault_names_its_line_and_its_place(old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    found = faults(GOOD.replace(old, new, 1))
    assert len(found) == 1, found
    assert found[0].startswith(f"p.toml:{line}: "), found
    assert words in found[0]


def test_every_fault_is_reported_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace('"USD"', '"usd"').replace('"1d12h"', '"soon"')
    assert [fault.split(":")[1] for fault in faults(text)] == ["8", "20"]


@pytest.mark.parametrize("text", ["", "policies = 3", "[policies]", "[policy.x]\ntitle = 'x'"])
def test_a_file_without_a_policy_says_so(text: str) -> None:
    assert "there is no [policies.NAME] table" in faults(text)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 3000, "40 deep"),
        ("[policies" + ".a" * 2000 + "]\n", "40 deep"),
        ("a = " + "9" * 5000, "too many digits"),
    ],
)
def test_what_no_file_needs_is_refused_in_words(text: str, words: str) -> None:
    [fault] = faults(text)
    assert fault.startswith("p.toml: is not valid TOML: ")
    assert words in fault


def test_what_is_not_toml_names_the_line() -> None:
    assert faults("[policies.x]\ntitle = \n")[0].startswith("p.toml:2: is not valid TOML")


def test_a_file_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="COUNTERSIGN_POLICIES"):
        policy_text.load(tmp_path / "missing.toml", SlackIds())


def test_a_policy_that_needs_a_code_is_refused_without_an_sms_account(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(GOOD.replace('approvers = ["U0ADA", "S0MANAGERS"]', 'approvers = ["U0ADA"]'))
    assert policy_reloading.load(file, {}, sms=True).policies
    with pytest.raises(
        PolicyError, match=r"p\.toml:5: policies\.purchase: needs a code by SMS .* no TWILIO_ settings"
    ):
        policy_reloading.load(file, {}, sms=False)


@pytest.mark.parametrize(
    "name",
    [
        *OrchestrationName,
        "sms-challenge",
        "delegate-change",
        *IdPrefix,
        "settle",
        "challenge-phone",
        "reconcile-purchase",
        "settle-up",
    ],
)
def test_a_policy_cannot_have_a_name_that_makes_its_requests_look_like_something_else(name: str) -> None:
    said = [
        line
        for line in faults(GOOD.replace("policies.purchase", f"policies.{name}"))
        if "choose another name" in line
    ]
    assert said == [said[0]]
    assert said[0].startswith(f"p.toml:5: policies.{name}: ")


@pytest.mark.parametrize("name", ["challenges", "approvals", "phone", "person", "sms", "my-challenge"])
def test_other_names_are_free(name: str) -> None:
    text = GOOD.replace("policies.purchase", f"policies.{name}")
    assert set(policy_text.parse(text, "p.toml", SlackIds()).policies) == {name}


def test_what_nobody_sees_is_not_read() -> None:
    """Invisible marks in pasted text are dropped from names, numbers and currencies."""
    text = GOOD.replace('"Manager"', '"Mana\u200bger\u202e"').replace(
        '"+12025550142"', '"\u202a+12025550142\u202c"'
    )
    book = policy_text.parse(text, "p.toml", SlackIds())
    assert book.policies["purchase"] == policy_text.parse(GOOD, "p.toml", SlackIds()).policies["purchase"]
    assert book.people["U0ADA"].phone == "+12025550142"


def test_a_name_of_nothing_is_a_fault() -> None:
    (fault, *_) = faults(GOOD.replace('title = "Purchase"', 'title = "\u200b\u3164"'))
    assert fault == "p.toml:6: policies.purchase.title: shows nothing; write something, or leave it out."
