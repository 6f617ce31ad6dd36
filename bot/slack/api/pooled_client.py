"""Slack's Web API over connections that stay open. The SDK's own client opens a new one for each call."""

from __future__ import annotations

import json as json_
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import proxy_bypass

import urllib3
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

CONNECTIONS: Final = 16  # as many as the worker has threads


class PooledWebClient(WebClient):
    """The SDK's client over a pool of connections. Safe to share between threads.

    Retries nothing: the outbox does that durably. Failures of the network raise `urllib3.exceptions.HTTPError`.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._pool = _pool(self.base_url, self.proxy, self.timeout)

    def api_call(
        self,
        api_method: str,
        *,
        http_verb: str = "POST",
        files: dict[str, Any] | None = None,
        data: Any = None,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: dict[str, str] | None = None,
    ) -> SlackResponse:
        """Calls a method as the SDK's client does. Raises `ValueError` for `files` and `auth`, which are not supported.

        Raises `SlackApiError` if Slack refuses the call, or answers with something else than a JSON object.
        """
        if files is not None or auth is not None:
            raise ValueError("files and auth are not sent by this client")
        url = self.base_url + api_method
        sent = {"Authorization": f"Bearer {self.token}", **self.headers, **(headers or {})}
        # Slack takes every method as a POST. Some methods take no JSON but a form.
        body = json_.dumps(json) if json is not None else urlencode(_form({**(params or {}), **(data or {})}))
        kind = "application/json;charset=utf-8" if json is not None else "application/x-www-form-urlencoded"
        answer = self._pool.request("POST", url, body=body.encode(), headers={**sent, "Content-Type": kind})
        response = SlackResponse(
            client=self,
            http_verb=http_verb,
            api_url=url,
            req_args={"headers": {}, "params": params, "json": json},
            data=_object(answer.data, answer.status),
            headers=dict(answer.headers),
            status_code=answer.status,
        )
        response.validate()  # type: ignore[no-untyped-call]  # the SDK's
        return response


def _form(given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if isinstance(value, bool) else value
        for name, value in given.items()
        if value is not None
    }


def _pool(base_url: str, proxy: str | None, seconds: float) -> urllib3.PoolManager:
    """A pool that uses the environment's proxy (as read by the SDK), unless the environment exempts the host."""
    given: dict[str, Any] = {
        "maxsize": CONNECTIONS,
        "retries": False,
        "timeout": urllib3.Timeout(total=seconds),
    }
    if proxy is None or proxy_bypass(urlsplit(base_url).hostname or ""):
        return urllib3.PoolManager(**given)
    auth = urllib3.util.parse_url(proxy).auth
    return urllib3.ProxyManager(
        proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=auth) if auth else None, **given
    )


def _object(body: bytes, status: int) -> dict[str, Any]:
    """Parses the answer. If it is no JSON object (a proxy's page), returns an error in Slack's form, like the SDK."""
    try:
        answer = json_.loads(body)
    except (ValueError, RecursionError):
        answer = None
    return answer if isinstance(answer, dict) else {"ok": False, "error": f"no JSON object (HTTP {status})"}
