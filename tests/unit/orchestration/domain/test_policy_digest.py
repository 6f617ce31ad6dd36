"""A policy may ask for a digest only where the digest can have content."""

import pytest

from orchestration.domain.digests import AutoApprovalNotice
from orchestration.domain.errors import PolicyError
from tests.support.book import parsed

POLICY = """
[policies.spend]
title = "Spend"
channel = "C0SPEND"
currency = "USD"
notify = "digest"
{rule}
[[policies.spend.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "2d"
"""


def test_without_a_rule_nothing_would_be_in_it() -> None:
    with pytest.raises(PolicyError, match="add auto_approve_below or auto_approve_when"):
        parsed(POLICY.format(rule=""))


def test_with_a_rule_it_is_kept_and_changes_the_digest_of_no_other_policy() -> None:
    with_digest = parsed(POLICY.format(rule="auto_approve_below = 5")).policies["spend"]
    assert with_digest.notify is AutoApprovalNotice.DIGEST
    each = with_digest.model_copy(update={"notify": AutoApprovalNotice.EACH})
    assert "notify" not in each.model_dump(exclude_defaults=True)
    assert each.digest() != with_digest.digest()


def test_a_policy_of_that_name_would_look_like_a_digest() -> None:
    with pytest.raises(PolicyError, match="begin with 'digest-'"):
        parsed(POLICY.format(rule="auto_approve_below = 5").replace("policies.spend", "policies.digest"))
