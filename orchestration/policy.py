"""Who may decide what. Pure: the same arguments always give the same answer, so the orchestrator may ask."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestration.errors import InvalidRequestError, PolicyError
from orchestration.models import (
    ApprovalRequest,
    Choice,
    Decision,
    Escalation,
    Level,
    OnTimeout,
    Policy,
    Reason,
)

Policies = Mapping[str, Policy]


def load(path: Path) -> Policies:
    """The policies of a TOML file, by key. Raises `PolicyError`, one line a fault, each naming its place."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror}). Set COUNTERSIGN_POLICIES.") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: is not UTF-8 text.") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path}: {error}.") from error
    return parse(tables, str(path))


def parse(tables: Mapping[str, object], source: str) -> Policies:
    """As `load`, from tables already read; `source` names them in errors."""
    raw = tables.get("policies")
    if not isinstance(raw, dict) or not raw:
        raise PolicyError(f"{source}: there is no [policies.NAME] table, so nothing could be asked for.")
    faults: list[str] = [
        f"{source}: {key}: unknown table; policies live under [policies.NAME]."
        for key in tables
        if key != "policies"
    ]
    found: dict[str, Policy] = {}
    for key, table in raw.items():
        place = f"{source}: policies.{key}"
        if not isinstance(table, dict):
            faults.append(f"{place}: is a value, not a table.")
            continue
        try:
            found[key] = TypeAdapter(Policy).validate_python({**table, "key": key}, extra="forbid")
        except ValidationError as error:
            faults += [
                f"{'.'.join([place, *map(str, e['loc'])])}: {e['msg'].removeprefix('Value error, ')}."
                for e in error.errors()
            ]
            continue
        faults += [f"{place}.{fault}" for fault in _inconsistencies(found[key])]
    if faults:
        raise PolicyError("\n".join(faults))
    return found


def _inconsistencies(policy: Policy) -> list[str]:
    """What each table allows by itself but the policy as a whole does not."""
    faults = []
    for index, level in enumerate(policy.levels):
        if level.on_timeout is OnTimeout.ESCALATE and policy.escalation is None:
            faults.append(
                f'levels.{index}.on_timeout: is "escalate", but there is no [policies.{policy.key}.escalation].'
            )
    names = [field.name for field in policy.fields]
    faults += [
        f"fields: {name!r} is listed twice." for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if policy.escalation and all(level.on_timeout is not OnTimeout.ESCALATE for level in policy.levels):
        faults.append('escalation: is never reached; set on_timeout = "escalate" on a level, or remove it.')
    return faults


def check_request(request: ApprovalRequest, policy: Policy) -> ApprovalRequest:
    """The request as this policy wants it (currency filled in). Raises `InvalidRequestError` naming the field."""
    known = {field.name: field for field in policy.fields}
    for name in request.fields:
        if name not in known:
            choices = ", ".join(known) or "none"
            raise InvalidRequestError(
                f"{name}: the {policy.title} policy has no such field (it has: {choices}).", field=name
            )
    for field in policy.fields:
        if field.required and not request.fields.get(field.name, "").strip():
            raise InvalidRequestError(f"{field.title}: is required for {policy.title}.", field=field.name)
    if request.currency and policy.currency and request.currency != policy.currency:
        raise InvalidRequestError(f"currency: {policy.title} is in {policy.currency}.", field="currency")
    if request.amount is None or request.currency:
        return request
    if policy.currency is None:
        raise InvalidRequestError(f"amount: {policy.title} takes no amount.", field="amount")
    return request.model_copy(update={"currency": policy.currency})


def may_decide(
    decision: Decision,
    *,
    request: ApprovalRequest,
    policy: Policy,
    level: Level,
    escalation: Escalation | None,
    open_rounds: Collection[int],
    members: Mapping[str, Collection[str]],
) -> Reason:
    """Whether this decision counts now: `RECORDED`, or the reason why not.

    `escalation` is given once the level has escalated; its approvers may then decide beside the level's own.
    `members` maps each group to the people in it at this moment; a group that is missing has nobody.
    """
    if decision.round not in open_rounds:
        return Reason.ROUND_OVER
    if decision.actor == request.requester and not policy.allow_self_approval:
        return Reason.SELF_APPROVAL
    principals = [*level.approvers, *(escalation.approvers if escalation else [])]
    if not belongs(decision.actor, principals, members):
        return Reason.NOT_AN_APPROVER
    if decision.choice is Choice.REJECT and policy.require_reason and not decision.comment.strip():
        return Reason.REASON_REQUIRED
    return Reason.RECORDED


def belongs(person: str, principals: Collection[str], members: Mapping[str, Collection[str]]) -> bool:
    """Whether `person` is among `principals`, by name or through a group."""
    return person in principals or any(person in members.get(group, ()) for group in principals)


def groups_of(principals: Collection[str]) -> list[str]:
    """The user groups among them, each once, in order."""
    return list(dict.fromkeys(principal for principal in principals if principal.startswith("S")))
