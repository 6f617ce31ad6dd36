"""Who gets in: every route × no token, a wrong one, the wrong scope, the right one; and how often."""

from __future__ import annotations

from typing import Any

import pytest

from bot.http.api.endpoint import Endpoint
from bot.http.api.problems import TOKENS_UNREADABLE
from bot.http.api.rate_limit import RateLimiter
from tests.support.api_world import ALL_SCOPES, ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCOPES = {"decide": "decide:deploy"}


def path_of(endpoint: Endpoint, request_id: str) -> str:
    return endpoint.path.replace("{id}", request_id).replace("{event_name}", "Hello")


async def test_every_route_with_every_token(api: ApiWorld) -> None:
    """A token is refused with each scope that a route does not take, and passes with each that it does."""
    request_id = await api.ask(api.token("ci", "U0RITA", "request"))
    tokens = {
        scope: api.token("table", "U0RITA", scope) for scope in ALL_SCOPES if scope != "decide:purchase"
    }
    revoked = api.token("gone", "U0RITA", *ALL_SCOPES)
    api.tokens.revoke(max(t.name for t in api.tokens.all() if t.name.startswith("gone-")))
    seen: list[str] = []
    for endpoint in api.app.api.authenticator.endpoints:

        async def status(token: str | None, endpoint: Endpoint = endpoint, **how: Any) -> int:
            answer = await api.call(endpoint.method, path_of(endpoint, request_id), token, **how)
            return answer.status

        if not endpoint.scopes:
            assert await status(None) < 500, endpoint
            continue
        assert await status(None) == 401, endpoint
        assert await status(revoked) == 401, endpoint
        assert await status("csn_nonsense") == 401, endpoint
        assert await status(None, headers={"Authorization": "Basic cml0YTpyaXRh"}) == 401, endpoint
        takes = {SCOPES.get(scope, scope) for scope in endpoint.scopes}
        for scope, token in tokens.items():
            answer = await api.call(endpoint.method, path_of(endpoint, request_id), token)
            where = (endpoint.method, endpoint.path, scope, answer.status)
            if scope not in takes:
                assert answer.status == 403, where
            elif answer.status == 403:  # nobody may, with any scope: the request is ours
                assert "lacks the scope" not in answer.body["detail"], where
            else:
                # After authentication the missing body is what is wrong, or nothing is.
                assert answer.status in {200, 202, 400, 404, 409, 410, 415, 422}, where
        seen.append(endpoint.path)
    assert {"/api/approvals/{id}/decision", "/api/challenges/{id}/response"} <= set(seen)


async def test_what_is_not_there_is_said_only_with_a_token(api: ApiWorld) -> None:
    ci = api.token("ci")
    assert (await api.call("GET", "/api/nothing")).status == 401
    assert (await api.call("GET", "/api/nothing", ci)).status == 404
    wrong = await api.call("DELETE", "/api/approvals", ci)
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, POST")
    assert (await api.call("GET", "/api/approvals")).headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_decision_is_never_taken_by_get(api: ApiWorld) -> None:
    """Link scanners follow what they can."""
    request_id = await api.ask(api.token("ci"))
    ada = api.token("ada", "U0ADA", "decide:deploy")
    answer = await api.call("GET", f"/api/approvals/{request_id}/decision?choice=approve", ada)
    assert answer.status == 405


async def test_a_token_over_its_rate_waits_and_others_do_not(api: ApiWorld) -> None:
    slow, other = api.token("slow", rate=3), api.token("other")
    statuses = [(await api.call("GET", "/api/approvals", slow)).status for _ in range(3)]
    over = await api.call("GET", "/api/approvals", slow)
    assert (statuses, over.status) == ([200, 200, 200], 429)
    assert 1 <= int(over.headers["Retry-After"]) <= 20
    assert (await api.call("GET", "/api/approvals", other)).status == 200


async def test_a_bucket_refills_evenly_and_never_beyond_a_minutes_worth(api: ApiWorld) -> None:
    now = [0.0]
    rates = RateLimiter(lambda: now[0])
    secret = api.token("bucket", rate=60)
    token = api.tokens.find(secret)
    assert token is not None
    assert [rates.take(token) for _ in range(61)] == [0] * 60 + [1]
    now[0] += 1
    assert [rates.take(token) for _ in range(2)] == [0, 1]
    now[0] += 10_000
    assert [rates.take(token) for _ in range(61)] == [0] * 60 + [1]


async def test_whoever_has_no_token_learns_nothing_of_the_file_of_tokens(
    own_api: ApiWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused while others can change it, which the log says."""
    file = own_api.data / "tokens.toml"
    token = own_api.token("look", "U0RITA", "read")
    assert (await own_api.call("GET", "/api/approvals", token)).status == 200
    file.write_text(file.read_text() + "# changed\n")
    file.chmod(0o666)
    for given in (token, "csn_guessed"):
        answer = await own_api.call("GET", "/api/approvals", given)
        assert (answer.status, answer.body["detail"]) == (503, TOKENS_UNREADABLE)
    assert f"{file} can be changed by other users" in caplog.text
    file.chmod(0o600)
    assert (await own_api.call("GET", "/api/approvals", token)).status == 200
