"""Runs the actions that a policy gives an outcome: a POST to another system, or an action of an installed package.

A package registers an action under the entry point group `countersign.actions`: a callable that takes the key, the same
over all tries, and the event, and returns a few words for people or None. It runs on a worker thread and may raise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any, Final

from bot.outbound.cloud_events import CloudEvents
from bot.outbound.http_client import HttpAnswer, HttpClient, host_of
from bot.outbound.signing import action_secret, signed
from bot.security.secrets import Secrets
from orchestration.domain.effects import RunActionInput
from orchestration.domain.errors import CountersignError, DeliveryError
from orchestration.domain.policy import Policy
from orchestration.domain.request import EventFormat

GROUP: Final = "countersign.actions"
ANSWER_READ: Final = 16_384  # bytes of a response that are read; its length is the other system's choice
ANSWER_KEPT: Final = 200  # characters
# The client errors that may succeed on retry. Every other 4xx is final.
RETRIED: Final = frozenset({408, 425, 429})

InstalledAction = Callable[[str, dict[str, Any]], str | None]


class MissingActionError(CountersignError):
    """A policy names an action that is not installed."""


def installed() -> dict[str, InstalledAction]:
    """Loads the actions of the installed packages, by name.

    Raises `MissingActionError` for one that cannot be loaded.
    """
    found: dict[str, InstalledAction] = {}
    for point in _offered(tuple(sys.path)):
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise MissingActionError(
                f"The action {point.name} ({point.value}) cannot be loaded: {error}"
            ) from error
    return found


@cache
def _offered(_path: tuple[str, ...]) -> EntryPoints:
    """Finds the actions that packages on this path register. It reads a file of each installed package."""
    return entry_points(group=GROUP)


def missing(
    policies: Mapping[str, Policy], known: Mapping[str, InstalledAction]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Returns each place in `policies` that names an action which is not installed, with the error text."""
    there = ", ".join(sorted(known)) or "none"
    for key, policy in policies.items():
        for place, actions in policy.actions():
            for action in actions:
                if action.activity is not None and action.activity not in known:
                    words = f"no installed package has the action {action.activity!r} (installed: {there})"
                    yield ("policies", key, *place), words


class OutcomeActions:
    """`orchestration.ports.Actions`. Safe to share between threads."""

    def __init__(
        self,
        known: Mapping[str, InstalledAction],
        http: HttpClient,
        secrets: Secrets,
        cloud_events: CloudEvents,
    ) -> None:
        """`known`: the installed actions, by name."""
        self._known = known
        self._http = http
        self._secrets = secrets
        self._cloud_events = cloud_events

    def run_action(self, action: RunActionInput) -> str:
        """POSTs the event, or calls the installed action. `key` stays the same over all tries."""
        if action.post is not None:
            return self._post(action.post, action)
        return self._call(action.activity or "", action.key, action.event)

    def _post(self, url: str, action: RunActionInput) -> str:
        """POSTs the event as JSON, signed with the policy's secret, with the key as `Idempotency-Key` and `webhook-id`.

        Returns the `message` or `id` of a JSON answer, else its status.
        """
        event, more = action.event, dict[str, str]()
        if action.format is EventFormat.CLOUDEVENTS:
            event, more = self._cloud_events.structured(action.key, event), self._cloud_events.headers(url)
        body = json.dumps(event, allow_nan=False)
        headers = signed(action_secret(self._secrets, action.policy), action.key, body)
        answer = self._http.post(
            url,
            body.encode(),
            {"Idempotency-Key": action.key, **headers, **more},
            is_final=_is_final,
            read=ANSWER_READ,
        )
        said = _message(answer)
        if answer.ok:
            return said or f"done ({answer.status})"
        raise DeliveryError(f"{host_of(url)} refused it ({answer.status})" + (f": {said}" if said else "."))

    def _call(self, name: str, key: str, event: dict[str, Any]) -> str:
        """Calls the installed action."""
        action = self._known.get(name)
        if action is None:  # it was installed when the request was made
            raise DeliveryError(f"No installed package has the action {name} any more.")
        return (action(key, event) or "")[:ANSWER_KEPT]


def _is_final(status: int) -> bool:
    return status < 500 and status not in RETRIED


def _message(answer: HttpAnswer) -> str:
    """Returns `message` or `id` of a JSON answer; "" for anything else, such as an HTML page."""
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    said = (told.get("message") or told.get("id")) if isinstance(told, dict) else None
    if not isinstance(said, (str, int)):
        return ""
    # A lone surrogate cannot be encoded.
    return str(said)[:ANSWER_KEPT].encode(errors="replace").decode()
