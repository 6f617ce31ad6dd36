"""What comes from outside reaches other orchestrations, and never one of ours: by whichever way, name and ID."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from durabletask import history
from durabletask.client import OrchestrationStatus

from orchestration.approval.state import ApprovalInput
from orchestration.challenge.models import ChallengeInput, ChallengeTarget
from orchestration.domain.names import (
    RUN_ONCE,
    EventName,
    OrchestrationName,
    is_own_event,
    is_own_orchestration,
)
from tests.support import PATIENCE_S
from tests.support.api_world import ApiAnswer, ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNTIME = "/runtime/webhooks/durabletask/instances"
_NUMBERS = itertools.count(1)

Way = Callable[[ApiWorld, str, str, str], Awaitable[ApiAnswer]]


async def by_raising(api: ApiWorld, root: str, instance_id: str, event: str) -> ApiAnswer:
    place = f"{RUNTIME}/{quote(instance_id, safe='')}/raiseEvent/{quote(event, safe='')}"
    return await api.call("POST", place, root, json={"choice": "approve"})


async def by_a_hook(api: ApiWorld, root: str, instance_id: str, event: str) -> ApiAnswer:
    return await api.call("POST", "/api/hooks", root, json={"instance_id": instance_id, "event_name": event})


async def by_notify_instance(api: ApiWorld, root: str, instance_id: str, event: str) -> ApiAnswer:
    asked = {"policy": "deploy", "title": "x", "notify_instance": {"id": instance_id, "event": event}}
    return await api.call("POST", "/api/approvals", root, json=asked)


async def by_respond(api: ApiWorld, _root: str, instance_id: str, event: str) -> ApiAnswer:
    """By a token that may do nothing else."""
    asked = {"policy": "deploy", "title": "x", "respond": {"instance_id": instance_id, "event_name": event}}
    asker = api.token("asker", "U0RITA", "request", "respond:listener")
    return await api.call("POST", "/api/approvals", asker, json=asked)


EACH_WAY: tuple[Way, ...] = (by_raising, by_a_hook, by_notify_instance, by_respond)
WAYS = pytest.mark.parametrize("way", EACH_WAY)


async def listening(api: ApiWorld, event: str, instance_id: str | None = None) -> str:
    """An instance of somebody else's orchestration that waits for the event."""
    made = await api.client.schedule_new_orchestration("listener", input=event, instance_id=instance_id)
    await api.client.wait_for_orchestration_start(made, timeout=PATIENCE_S)
    return str(made)


async def events_of(api: ApiWorld, instance_id: str) -> list[str]:
    """The events that the instance was raised."""
    past = await api.client.get_orchestration_history(instance_id)
    return [event.name for event in past if isinstance(event, history.EventRaisedEvent)]


# ---- our instances, told by what runs in them ------------------------------------------------------------


@WAYS
async def test_no_event_reaches_an_approval_whatever_its_name(api: ApiWorld, way: Way) -> None:
    root = api.token("root")
    request_id = await api.ask(root)
    for event in ("Hello", "ApprovalDecision", "approvaldecision", "ApprovalOutcome:x", "timer", " "):
        answer = await way(api, root, request_id, event)
        assert answer.status in {403, 422}, (event, answer.body)
        assert answer.status == 403 or event == " "
    assert await events_of(api, request_id) == []
    assert (await api.service.status(request_id)).verdicts == []


@WAYS
async def test_the_refusal_says_whose_the_instance_is_and_where_to_decide(api: ApiWorld, way: Way) -> None:
    root = api.token("root")
    request_id = await api.ask(root)
    answer = await way(api, root, request_id, "Hello")
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert (
        f"{request_id} is an instance of Countersign's own orchestration approval." in answer.body["detail"]
    )
    assert "/api/approvals/{id}" in answer.body["detail"]


@pytest.mark.parametrize(
    "kind",
    [
        *OrchestrationName,
        "APPROVAL",
        "Sms_Challenge",
        "ａｐｐｒｏｖａｌ",  # in full width, the same under NFKC
        "reconcile ",
    ],
)
async def test_ours_are_told_by_kind_whatever_their_id(api: ApiWorld, kind: str) -> None:
    """Their IDs look like anybody's: a sub-instance, other people's words, as long as a hub takes."""
    root = api.token("root")
    number = next(_NUMBERS)
    for name in (f"release-{number}", f"x{number}:1", f"n{number}-".ljust(100, "y"), f"50%25-{number}"):
        instance_id = await api.client.schedule_new_orchestration(kind, input={}, instance_id=name)
        for way in EACH_WAY:
            answer = await way(api, root, instance_id, "Hello")
            assert answer.status == 403, (way, name, answer.body)
            assert "Countersign's own" in answer.body["detail"], way


@WAYS
@pytest.mark.parametrize("name", ["deploy-k7m2x9q{}", "reconcile-deploy-{}", "challenge-{}", "approval-{}:1"])
async def test_others_are_told_by_kind_whatever_their_id(api: ApiWorld, way: Way, name: str) -> None:
    """An ID like one of ours makes an instance none of ours."""
    waiting = await listening(api, "Paid", name.format(next(_NUMBERS)))
    assert (await way(api, api.token("root"), waiting, "Paid")).status in {201, 202}


@WAYS
@pytest.mark.parametrize("entity", ["@person@U0ADA", "@worklist@S0MANAGERS", "@phone@0123", "@other@key"])
async def test_no_event_reaches_an_entity(api: ApiWorld, way: Way, entity: str) -> None:
    assert (await way(api, api.token("root"), entity, "set_entry")).status in {404, 422}


async def test_an_id_that_is_encoded_twice_or_too_long_is_nobodys(api: ApiWorld) -> None:
    root = api.token("root")
    request_id = await api.ask(root)
    for path in (request_id.replace("-", "%252d"), "%40person%40U0ADA", "x" * 101, f"{request_id}%00"):
        answer = await api.call("POST", f"{RUNTIME}/{path}/raiseEvent/Hello", root, json={})
        assert answer.status == 404, path
    # Encoded once it is the same ID.
    answer = await api.call("POST", f"{RUNTIME}/{request_id.replace('-', '%2d')}/raiseEvent/x", root, json={})
    assert answer.status == 403


# ---- our events ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", list(EventName))
async def test_no_event_of_ours_reaches_anybody_in_whatever_form(api: ApiWorld, event: EventName) -> None:
    """All the forms of one of them, and two of each other: that a name is ours in each form is shown below."""
    waiting, root = await listening(api, event), api.token("root")
    forms = [event, f"{event.swapcase()}:deploy-00000000"]
    others: list[str] = []
    if event is EventName.DECISION:
        forms += [event.lower(), event.upper(), f"{event}:x"]
        others += [f"{event} ", f" {event}", "Ａ" + event[1:], event.replace("l", "\u200bl", 1)]
    for way, form in itertools.product(EACH_WAY, forms):
        answer = await way(api, root, waiting, form)
        assert answer.status == 403, (way, form, answer.body)
        assert "/api/approvals/{id}/decision" in answer.body["detail"], way
    # These no hub takes for the same. Those that no address can say are refused as such.
    for way, form in itertools.product(EACH_WAY, others):
        answer = await way(api, root, waiting, form)
        assert answer.status in {400, 403, 422}, (way, form, answer.body)
    assert await events_of(api, waiting) == []


async def test_a_name_is_ours_in_every_form_that_a_hub_could_take_for_it() -> None:
    for event in EventName:
        wide = "".join(chr(ord(letter) + 0xFEE0) for letter in event)
        for form in (
            event,
            event.swapcase(),
            event.lower(),
            event.upper(),
            f"{event}:x",
            f" {event}\t",
            wide,
            wide.lower(),
        ):
            assert is_own_event(form), form
    assert not is_own_event("Approved")
    assert not is_own_event("ApprovalDecisions")
    assert is_own_orchestration("")
    assert not is_own_orchestration("release")


# ---- over time -------------------------------------------------------------------------------------------


async def test_a_hook_looks_again_whose_the_instance_is(api: ApiWorld) -> None:
    """Its instance has ended and is forgotten, and a request has the ID now."""
    root = api.token("root")
    waiting = await listening(api, "Paid", f"order-{next(_NUMBERS)}")
    made = await by_a_hook(api, root, waiting, "Paid")
    assert (await api.call("POST", made.body["url"], json={})).status == 202
    await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    await api.client.purge_orchestration(waiting)
    await api.client.schedule_new_orchestration("approval", input={}, instance_id=waiting)
    answer = await api.call("POST", made.body["url"], json={})
    assert (answer.status, "Countersign's own" in answer.body["detail"]) == (403, True)
    assert await events_of(api, waiting) == []


async def test_notify_instance_looks_again_whose_the_instance_is(own_api: ApiWorld) -> None:
    """When it was asked there was no instance of that ID. When it is decided, a request of ours has it."""
    api = own_api
    root, ada = api.token("root"), api.token("ada", "U0ADA", "decide:deploy")
    victim = "later-1"
    request_id = await api.ask(root, title="Told", notify_instance={"id": victim, "event": "Paid"})
    await api.client.schedule_new_orchestration("approval", input={}, instance_id=victim)
    assert (await api.decide(ada, request_id)).status == 200
    [card] = api.cards_of(request_id)
    await api.eventually(lambda: any("orchestration later-1" in line for line in api.thread(card)))
    refused = "has ended, but orchestration later-1 could not be told"
    await api.eventually(lambda: any(refused in told for told in api.direct_messages("U0RITA")))
    decided = [told for told in api.direct_messages("U0RITA") if "approved *“Told”*" in told]
    assert len(decided) == 1, "the decision itself is told once"
    assert await events_of(api, victim) == []


@pytest.mark.parametrize(
    ("whom", "event"),
    [
        ("a request", "Hello"),
        ("a request", "ApprovalDecision"),
        ("a listener", "APPROVALDECISION"),
        ("a listener", "SmsChallengeCancelled"),
        ("a listener", "ApprovalOutcome:deploy-k7m2x9qd"),
    ],
)
async def test_a_program_on_the_hub_has_us_send_none_of_these_either(
    api: ApiWorld, whom: str, event: str
) -> None:
    """It asks without our API, so its request was looked at by nobody: the event is, when it would be sent."""
    root, ada = api.token("root"), api.token("ada", "U0ADA", "decide:deploy")
    victim = await (api.ask(root) if whom == "a request" else listening(api, event))
    title = f"Sent {next(_NUMBERS)}"
    asked = {"policy": "deploy", "title": title, "requester": "U0RITA"}
    await api.client.schedule_new_orchestration(
        "asks", input={**asked, "notify_instance": {"id": victim, "event": event}}
    )
    request_id = await api.asked(title)
    assert (await api.decide(ada, request_id)).status == 200
    [card] = api.cards_of(request_id)
    await api.eventually(lambda: any(f"orchestration {victim[:20]}" in line for line in api.thread(card)))
    assert await events_of(api, victim) == []


async def test_notify_instance_tells_one_that_waits_and_is_at_ease_about_one_that_is_gone(
    api: ApiWorld,
) -> None:
    root, ada = api.token("root"), api.token("ada", "U0ADA", "decide:deploy")
    waiting = await listening(api, "Approved")
    for target in (waiting, "never-there"):
        request_id = await api.ask(root, notify_instance={"id": target, "event": "Approved"})
        assert (await api.decide(ada, request_id)).status == 200
        await api.until(request_id, lambda progress: progress.outcome is not None)
        state = await api.client.wait_for_orchestration_completion(request_id, timeout=PATIENCE_S)
        assert state is not None
        assert state.runtime_status is OrchestrationStatus.COMPLETED
        kinds = [
            item["kind"]
            for item in (await api.call("GET", f"/api/approvals/{request_id}/timeline", root)).body["items"]
        ]
        assert ("notify_instance" in kinds, "notify_instance_failed" in kinds) == (True, False)
    told = await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    assert told is not None
    assert told.get_output()["outcome"]["status"] == "approved"


async def test_one_that_has_ended_is_gone(api: ApiWorld) -> None:
    root = api.token("root")
    waiting = await listening(api, "Paid")
    assert (await by_raising(api, root, waiting, "Paid")).status == 202
    await api.client.wait_for_orchestration_completion(waiting, timeout=PATIENCE_S)
    assert (await by_raising(api, root, waiting, "Paid")).status == 410


# ---- running again, and starting -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(OrchestrationName))
@pytest.mark.parametrize("again", ["rewind", "restart", "restart?restartWithNewInstanceId=false"])
async def test_none_of_ours_runs_again(api: ApiWorld, kind: OrchestrationName, again: str) -> None:
    """Not by HTTP, and not by the SDK at the hub. A digest's listener confers nothing, and may begin anew there."""
    root = api.token("root")
    # Its input is none, so that it fails, as a bug of ours would have it.
    instance = await api.client.schedule_new_orchestration(kind, input={"nothing": "that it knows"})
    await api.client.terminate_orchestration(instance)
    before = await api.client.get_orchestration_state(instance)
    answer = await api.call("POST", f"{RUNTIME}/{instance}/{again}", root)
    assert answer.status == 403
    assert f"orchestration {kind}. Those never run again" in answer.body["detail"]
    if kind not in RUN_ONCE:
        return
    with pytest.raises(Exception, match="run once on this hub"):
        await api.client.rewind_orchestration(instance)
    with pytest.raises(Exception, match="run once on this hub"):
        await api.client.restart_orchestration(instance, restart_with_new_instance_id="false" not in again)
    assert await api.client.get_orchestration_state(instance) == before


async def test_somebody_elses_runs_again(api: ApiWorld) -> None:
    root, reader = api.token("root"), api.token("reader", "U0RITA", "read", "request")
    failed = await api.client.schedule_new_orchestration("stumbles")
    await api.client.wait_for_orchestration_completion(failed, timeout=PATIENCE_S)
    for action in ("rewind", "restart"):
        assert (await api.call("POST", f"{RUNTIME}/{failed}/{action}", reader)).status == 403
        assert (await api.call("POST", f"{RUNTIME}/{failed}/{action}")).status == 401
        assert (await api.call("POST", f"{RUNTIME}/nobody/{action}", root)).status == 404
    assert (await api.call("POST", f"{RUNTIME}/{failed}/rewind?reason=repaired", root)).status == 202
    await api.client.wait_for_orchestration_completion(failed, timeout=PATIENCE_S)
    past = await api.client.get_orchestration_history(failed)
    assert [event.reason for event in past if isinstance(event, history.ExecutionRewoundEvent)] == [
        "repaired"
    ]

    again = await api.call("POST", f"{RUNTIME}/{failed}/restart", root)
    assert again.status == 202
    assert again.body["id"] != failed
    # The addresses carry keys, as those of a request do.
    assert (await api.call("GET", again.body["statusQueryGetUri"])).status in {200, 202}
    await api.client.wait_for_orchestration_completion(again.body["id"], timeout=PATIENCE_S)
    same = await api.call("POST", f"{RUNTIME}/{failed}/restart?restartWithNewInstanceId=false", root)
    assert (same.status, same.body["id"]) == (202, failed)


async def test_what_has_not_failed_or_ended_is_not_run_again_and_the_answer_says_why(api: ApiWorld) -> None:
    root, waiting = api.token("root"), await listening(api, "Paid")
    for action, why in (("rewind", "failed can be rewound"), ("restart", "ended can be restarted")):
        answer = await api.call("POST", f"{RUNTIME}/{waiting}/{action}", root)
        assert (answer.status, why in answer.body["detail"]) == (409, True), answer.body


async def test_an_instance_that_somebody_started_with_anything_is_listed_nowhere_and_can_be_stopped(
    own_api: ApiWorld,
) -> None:
    """Whoever is on the hub can start one. It hides no request, and an operator can look at it and stop it."""
    api = own_api
    root = api.token("root")
    await api.client.schedule_new_orchestration("approval", input={"no": "request"}, instance_id="deploy-x")
    for status in ("Failed", "Terminated"):
        request_id = await api.ask(root)
        listed = await api.call("GET", "/api/approvals", root)
        assert (listed.status, listed.body["items"][-1]["id"]) == (200, request_id)
        assert "deploy-x" not in [item["id"] for item in listed.body["items"]]
        assert (await api.call("GET", "/api/approvals/deploy-x", root)).status == 404
        await api.client.wait_for_orchestration_completion("deploy-x", timeout=PATIENCE_S)
        assert (await api.call("GET", f"{RUNTIME}/deploy-x", root)).body["runtimeStatus"] == status
        assert (await api.call("DELETE", f"{RUNTIME}/deploy-x", root)).status == 200
        # Started for later, so that there is something to stop.
        later = datetime.now(UTC) + timedelta(days=1)
        await api.client.schedule_new_orchestration(
            "approval", input={"no": "request"}, instance_id="deploy-x", start_at=later
        )
        if status == "Failed":
            assert (await api.call("POST", f"{RUNTIME}/deploy-x/terminate", root)).status == 202


# ---- challenges ------------------------------------------------------------------------------------------


async def test_a_challenge_that_confirms_a_decision_is_not_seen_here_whatever_its_id(api: ApiWorld) -> None:
    """Before, its ID told; and the codes of a request called `challenge-…` have IDs that begin so."""
    root = api.token("root")
    own = await api.call("POST", "/api/challenges", root, json={"number": "+15005550006"})
    assert (await api.call("GET", f"/api/challenges/{own.body['id']}", root)).status == 200
    bound = '{"act":"approve","person":"U0ADA","request":"challenge-0"}'
    given = ChallengeInput(target=ChallengeTarget(user="U0ADA"), subject="approve challenge-0", bound=bound)
    request = ApprovalInput.model_validate(
        {"request": {"policy": "deploy", "title": "x", "requester": "U0RITA"}}
    )
    for kind, what in (("sms_challenge", given), ("approval", request), ("listener", "x")):
        instance = f"challenge-{next(_NUMBERS)}-sms-x-1"
        await api.client.schedule_new_orchestration(kind, input=what, instance_id=instance)
        assert (await api.call("GET", f"/api/challenges/{instance}", root)).status == 404
        answer = await api.call("POST", f"/api/challenges/{instance}/response", root, json={"code": "123456"})
        assert answer.status == 404
        assert await events_of(api, instance) == []
