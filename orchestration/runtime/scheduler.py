"""The connection string of a Durable Task Scheduler, and the tokens for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Protocol, Self

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError

from orchestration.domain.errors import HubUnavailableError
from orchestration.runtime.hub_address import HubSettingError, is_local, network_address

log = logging.getLogger(__name__)

SETTING: Final = "COUNTERSIGN_HUB"
_REQUIRED: Final = ("Endpoint", "Authentication", "TaskHub")


class _Inner(Protocol):
    """The interface of a credential of azure-identity."""

    def get_token(self, *scopes: str) -> AccessToken:
        """Raises `AzureError`."""

    def close(self) -> None:
        """Ends its connections."""


def _identity() -> Any:
    """Imported late: only a scheduler in Azure needs the package, which takes a while to import."""
    from azure import identity  # noqa: PLC0415

    return identity


# Each way of authenticating, with the further parts of a connection string that it takes, by argument name.
_MADE: Final[Mapping[str, tuple[Callable[..., _Inner] | None, Mapping[str, str]]]] = {
    "ManagedIdentity": (
        lambda **more: _identity().ManagedIdentityCredential(**more),
        {"ClientID": "client_id"},
    ),
    "WorkloadIdentity": (
        lambda **more: _identity().WorkloadIdentityCredential(**more),
        {"ClientID": "client_id", "TenantId": "tenant_id", "TokenFilePath": "token_file_path"},
    ),
    "DefaultAzure": (lambda: _identity().DefaultAzureCredential(), {}),
    "Environment": (lambda: _identity().EnvironmentCredential(), {}),
    "AzureCLI": (lambda: _identity().AzureCliCredential(), {}),
    "None": (None, {}),
}
AUTHENTICATIONS: Final = tuple(_MADE)


@dataclass(frozen=True)
class Scheduler:
    """The parts of a scheduler's connection string. `setting` has it; `more` are the credential's arguments."""

    host: str
    secure: bool
    task_hub: str
    authentication: str
    more: Mapping[str, str] = field(default_factory=dict)
    setting: str = SETTING

    @property
    def refused(self) -> str:
        """The message for a scheduler that refuses our calls: what to do."""
        return (
            f"{self.setting}: the Durable Task Scheduler refuses our calls. Check TaskHub={self.task_hub}, and give "
            f'the identity of Authentication={self.authentication} the role "Durable Task Data Contributor" there.'
        )

    def credential(self) -> Credential | None:
        """The credential that gives tokens; None where no token is sent. Raises `HubSettingError`."""
        make, _ = _MADE[self.authentication]
        if make is None:
            return None
        try:
            return Credential(make(**self.more), f"{self.setting}: Authentication={self.authentication}")
        except (
            ValueError
        ) as error:  # of a workload identity, which reads from the environment what is not given
            raise HubSettingError(
                f"{self.setting}: Authentication={self.authentication} is not complete; {_one_line(error)}"
            ) from error


def parse_scheduler(text: str, setting: str = SETTING) -> Scheduler:
    """`Endpoint=https://…;Authentication=…;TaskHub=…`, and for some ways of authenticating more, such as `ClientID=…`.

    Names are read in any case. `setting` is the name of the setting that has it. Raises `HubSettingError` naming the
    part that is missing or wrong.
    """
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    known = {name.strip().lower(): value.strip() for name, value in parts.items()}
    for name in _REQUIRED:
        if not known.get(name.lower()):
            raise HubSettingError(f"{setting}: the connection string has no {name}=….")
    endpoint = network_address(known["endpoint"])
    if endpoint is None or endpoint.scheme not in {"http", "https"}:
        raise HubSettingError(
            f"{setting}: Endpoint must be an https:// (or, for an emulator, http://) address of a host, "
            "with or without a port."
        )
    secure = endpoint.scheme == "https"
    authentication = next((a for a in AUTHENTICATIONS if a.lower() == known["authentication"].lower()), None)
    if authentication is None:
        raise HubSettingError(f"{setting}: Authentication must be one of {', '.join(AUTHENTICATIONS)}.")
    if not secure and authentication != "None" and not is_local(endpoint.host):
        raise HubSettingError(
            f"{setting}: no token is sent to {endpoint.host} over http://, because nothing is encrypted on the "
            "way; give an https:// Endpoint, or Authentication=None for an emulator."
        )
    return Scheduler(
        endpoint.target(443 if secure else 80),
        secure,
        known["taskhub"],
        authentication,
        _more(authentication, known, setting),
        setting,
    )


def _more(authentication: str, known: Mapping[str, str], setting: str) -> dict[str, str]:
    """The credential's arguments. Raises `HubSettingError` for a part that nothing uses."""
    _, takes = _MADE[authentication]
    arguments = {name.lower(): argument for name, argument in takes.items()}
    left = known.keys() - arguments.keys() - {name.lower() for name in _REQUIRED}
    if left:
        possible = ", ".join([*_REQUIRED, *takes])
        raise HubSettingError(
            f"{setting}: {min(left)} does not go with Authentication={authentication}, which takes {possible}; "
            "remove it."
        )
    return {arguments[name]: value for name, value in known.items() if name in arguments and value}


class Credential:
    """Gives the tokens of one credential to every client and worker of a process. Safe to share between threads.

    `problem` says why there is no token at present; None where there is one, or nobody has asked. Close it at the end.
    """

    def __init__(self, inner: _Inner, setting: str) -> None:
        """`setting` is the setting to correct where there is no token."""
        self._inner = inner
        self._setting = setting
        self._one_at_a_time = threading.Lock()
        # Not the event loop's threads: code there may wait for a call to the hub, and that call waits for a token.
        self._thread = ThreadPoolExecutor(1, "scheduler-token")
        self.problem: str | None = None

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Returns a valid token. Blocks the thread. Raises `HubUnavailableError`; the log says why, once."""
        try:
            with self._one_at_a_time:
                found = self._inner.get_token(*scopes)
        except AzureError as error:
            problem = (
                f"{self._setting} gives no token for the Durable Task Scheduler, so nothing can be recorded."
                " The log says what it answered; check the identity of this machine."
            )
            if self.problem is None:
                log.error("%s It said: %s", problem, _one_line(error))  # noqa: TRY400 - where is no news
            self.problem = problem
            raise HubUnavailableError from error
        self.problem = None
        return found

    def for_event_loop(self) -> AsyncCredential:
        """The same tokens for the running event loop."""
        return AsyncCredential(self, self._thread)

    def close(self) -> None:
        """Closes the credential's connections."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._inner.close()


class AsyncCredential:
    """Asks a `Credential` on its thread. Callers that wait at the same time share one request."""

    def __init__(self, credential: Credential, thread: Executor) -> None:
        self._credential = credential
        self._thread = thread
        self._asking: asyncio.Future[AccessToken] | None = None

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Returns a valid token. Raises `HubUnavailableError`."""
        if self._asking is None or self._asking.done():
            loop = asyncio.get_running_loop()
            self._asking = loop.run_in_executor(self._thread, self._credential.get_token, *scopes)
            self._asking.add_done_callback(_heard)
        # A caller that stops waiting does not cancel the request for the others.
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        """Does nothing: the `Credential` is closed separately."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        pass


def _heard(asking: asyncio.Future[AccessToken]) -> None:
    """Takes the error, so that asyncio does not log it again: the log has it, and nobody may be waiting any more."""
    if not asking.cancelled():
        asking.exception()


def _one_line(error: Exception) -> str:
    """The error's text in one line, shortened: azure-identity lists everything that it tried."""
    return " ".join(str(error).split())[:600]
