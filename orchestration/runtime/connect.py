"""Connects to the task hub that a setting names: embedded, a process on this machine, or Durable Task Scheduler."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient
from durabletask.azuremanaged.internal.durabletask_grpc_interceptor import (
    DTSAsyncDefaultClientInterceptorImpl,
)
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.grpc_options import GrpcChannelOptions
from durabletask.internal.grpc_interceptor import DefaultAsyncClientInterceptorImpl
from durabletask.internal.shared import AsyncClientInterceptor
from durabletask.payload import PayloadStore
from durabletask.worker import ConcurrencyOptions

from orchestration import telemetry
from orchestration.domain.names import RUN_ONCE
from orchestration.hub import RETENTION, WORK_LIMIT, Hub, HubError, SkippableClock, token_file
from orchestration.runtime.converter import PydanticConverter
from orchestration.runtime.direct import take_directly
from orchestration.runtime.dispatches import Dispatches
from orchestration.runtime.hub_address import HubSettingError, network_address, token_for, unix_address
from orchestration.runtime.ours import OURS
from orchestration.runtime.payload_store import open_payload_store
from orchestration.runtime.payloads import HistoryPayloadInterceptor, PayloadInterceptor, store_payloads
from orchestration.runtime.precedence import Precedence, give_way
from orchestration.runtime.prompt_stop import stop_promptly
from orchestration.runtime.reconnecting import RECONNECT, WORKER_RECONNECT, ReconnectingInterceptor
from orchestration.runtime.scheduler import SETTING, Credential, Scheduler, parse_scheduler
from orchestration.runtime.sdk_log import SDK_LOG
from orchestration.runtime.streams import StreamMetadata
from orchestration.runtime.turns import FIRST_LOOK_ALONE, SLOWEST_LOOK_ALONE, Turns
from orchestration.sealing.client import HistoryInterceptor, SealingInterceptor
from orchestration.sealing.keys import SealKeys
from orchestration.sealing.worker import SealingSchedulerWorker, SealingWorker

# The other threads are for turns and operations. These wait for nothing outside, and people wait for them.
THREADS: Final = 24
ACTIVITIES: Final = 16
# The number of turns at once where the hub is in this process. Turns share its interpreter, so more turns at once
# would not finish sooner. An event that arrives while an orchestration's turn waits at the hub is handled in that
# same turn.
TURNS_HERE: Final = 6
HUB_FILE: Final = "hub.db"


# A hub process is on this machine, so its token must not go to a proxy that the environment names.
_OPTIONS: Final[list[tuple[str, Any]]] = [("grpc.enable_http_proxy", 0), *RECONNECT]

# An embedded hub with a skippable clock writes its address to this file, for the program that skips its time.
HUB_ADDRESS_FILE: Final = "hub.address"


REFUSED: Final = (
    "COUNTERSIGN_HUB_TOKEN: the task hub refuses our calls, because they do not send its token. The hub logs the file "
    "of its token when it starts; name that file as COUNTERSIGN_HUB_TOKEN_FILE."
)


class Connection:
    """The connection to one task hub, for a client and a worker that use our models. Close it after both have stopped.

    `hub` is the embedded hub where this process serves it, None otherwise. `turns` reports the turns that the
    worker takes, `dispatches` the activities that it was given. `token` is sent with each call.
    Every process with the same `keys` is trusted with our data on that hub; the hub itself is not. While `held`
    gives a reason, clients send none of our data.
    `precedence` is told when commands are being recorded: the worker begins nothing new meanwhile. What is too
    large for the hub goes to `payloads`, where that is given.
    """

    def __init__(
        self,
        address: str,
        keys: SealKeys,
        *,
        token: str | None = None,
        hub: Hub | None = None,
        scheduler: Scheduler | None = None,
        credential: Credential | None = None,
        payloads: PayloadStore | None = None,
    ) -> None:
        self._address = address
        self._metadata = None if token is None else [("authorization", f"Bearer {token}")]
        self.keys = keys
        self.held: str | None = None
        self.hub = hub
        self.dispatches = Dispatches()
        # No other process has a worker at an embedded hub.
        self.turns = Turns(FIRST_LOOK_ALONE, SLOWEST_LOOK_ALONE) if hub else Turns()
        self.precedence = Precedence()
        # The time of this machine, aware UTC. It can be replaced by the clock of another machine.
        self.machine_time: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._scheduler = scheduler
        self._credential = credential
        self._payloads = payloads

    def client(self) -> AsyncTaskHubGrpcClient:
        """A client. Needs a running event loop; the caller closes it."""
        interceptors: list[AsyncClientInterceptor] = [
            SealingInterceptor(self.keys, OURS, lambda: self.held),
            HistoryInterceptor(self.keys, OURS),
        ]
        return self._client(interceptors)

    def client_as_stored(self) -> AsyncTaskHubGrpcClient:
        """A client that neither opens nor makes seals: it shows what is stored."""
        return self._client([])

    def _client(self, interceptors: list[AsyncClientInterceptor]) -> AsyncTaskHubGrpcClient:
        """A client whose calls wait for a hub that is away for a moment."""
        if self._payloads:
            interceptors += [PayloadInterceptor(self._payloads), HistoryPayloadInterceptor(self._payloads)]
        waiting = ReconnectingInterceptor(lambda: client._channel)  # noqa: SLF001 - the SDK makes a new one now and then
        client = self._plain_client([*interceptors, waiting])
        return client

    def _plain_client(self, interceptors: list[AsyncClientInterceptor]) -> AsyncTaskHubGrpcClient:
        if self.hub:
            return AsyncTaskHubGrpcClient(
                channel=self.hub.async_channel(interceptors),
                data_converter=PydanticConverter(),
                logger=SDK_LOG,
                emit_trace_spans=telemetry.traced(),
            )
        if self._scheduler is None:
            return AsyncTaskHubGrpcClient(
                host_address=self._address,
                metadata=self._metadata,
                channel_options=GrpcChannelOptions(raw_options=_OPTIONS),
                data_converter=PydanticConverter(),
                logger=SDK_LOG,
                emit_trace_spans=telemetry.traced(),
                interceptors=[
                    *interceptors,
                    StreamMetadata(DefaultAsyncClientInterceptorImpl(self._metadata or [])),
                ],
            )
        credential = self._credential.for_event_loop() if self._credential else None
        by_token = DTSAsyncDefaultClientInterceptorImpl(credential, self._scheduler.task_hub)
        return AsyncDurableTaskSchedulerClient(
            host_address=self._scheduler.host,
            taskhub=self._scheduler.task_hub,
            token_credential=credential,
            secure_channel=self._scheduler.secure,
            channel_options=GrpcChannelOptions(raw_options=RECONNECT),
            data_converter=PydanticConverter(),
            logger=SDK_LOG,
            interceptors=[*interceptors, StreamMetadata(by_token)],
        )

    def worker(self) -> SealingWorker:
        """A worker on which nothing is registered yet.

        It takes fewer activities than it has threads, so that no activity queues here that another worker could run
        at once.
        """
        concurrency = ConcurrencyOptions(
            maximum_concurrent_activity_work_items=ACTIVITIES,
            maximum_concurrent_orchestration_work_items=TURNS_HERE if self.hub else THREADS,
            maximum_thread_pool_workers=THREADS,
        )
        worker: SealingWorker
        if self._scheduler is None:
            worker = SealingWorker(
                host_address=self._address,
                metadata=self._metadata,
                channel=self.hub.channel if self.hub else None,
                channel_options=None if self.hub else GrpcChannelOptions(raw_options=_OPTIONS),
                data_converter=PydanticConverter(),
                concurrency_options=concurrency,
                resiliency_options=WORKER_RECONNECT,
                logger=SDK_LOG,
                emit_trace_spans=telemetry.traced(),
            )
        else:
            worker = SealingSchedulerWorker(
                host_address=self._scheduler.host,
                taskhub=self._scheduler.task_hub,
                token_credential=self._credential,
                secure_channel=self._scheduler.secure,
                channel_options=GrpcChannelOptions(raw_options=RECONNECT),
                data_converter=PydanticConverter(),
                concurrency_options=concurrency,
                resiliency_options=WORKER_RECONNECT,
                logger=SDK_LOG,
            )
        worker.sealing(self.keys, OURS)
        worker.turn_taken = self.turns.taken
        worker.activity_given = self.dispatches.given
        stop_promptly(worker)
        give_way(worker, self.precedence)
        if self._payloads:
            store_payloads(worker, self._payloads)
        if self.hub:
            take_directly(worker, self.hub.channel)
        return worker

    def now(self) -> datetime:
        """The hub's time, aware UTC, where the hub is in this process; this machine's time otherwise."""
        return self.hub.clock.now() if self.hub else self.machine_time()

    @property
    def refused(self) -> str:
        """The message for a hub that refuses our calls: what is wrong, and what to do."""
        return self._scheduler.refused if self._scheduler else REFUSED

    @property
    def no_token(self) -> str | None:
        """Why there is no token for the hub at present, as a sentence; None where there is one."""
        return self._credential.problem if self._credential else None

    def close(self) -> None:
        """Stops the embedded hub, where there is one. Everything it acknowledged is on disk already."""
        if self.hub:
            self.hub.stop()
        if self._credential:
            self._credential.close()


def connect(  # noqa: PLR0913  # settings, each with a default
    setting: str,
    data_dir: Path,
    keys: SealKeys,
    *,
    token: str | None = None,
    payload_store: str | None = None,
    setting_name: str = SETTING,
    skippable_clock: bool = False,
    retention: timedelta = RETENTION,
    work_limit: timedelta = WORK_LIMIT,
) -> Connection:
    """Connects to the hub that `setting` (COUNTERSIGN_HUB) names. What is ours there is sealed with `keys`.

    `embedded` opens (or creates) the hub file under `data_dir` and serves it inside this process;
    `skippable_clock` lets the demo and the tests skip its time, and what ended longer than `retention` ago is
    forgotten. A worker may take `work_limit` for one work item. Another hub keeps its own time and limits.
    `token` (COUNTERSIGN_HUB_TOKEN; several, separated by spaces, the newest first) is for `grpc://`; without it,
    the token file under `data_dir` is read where there is one. `payload_store` (COUNTERSIGN_PAYLOAD_STORE) is for a
    scheduler. `setting_name` is what a fault of the setting is to be said of. Raises `HubSettingError`.
    """
    if setting == "embedded":
        clock = SkippableClock() if skippable_clock else None
        hub = Hub(
            data_dir / HUB_FILE,
            clock=clock,
            retention=retention,
            work_limit=work_limit,
            run_once=list(RUN_ONCE),
            embedded=True,
        )
        try:
            hub.start()
        except HubError as error:
            raise HubSettingError(str(error)) from error
        if skippable_clock:
            (data_dir / HUB_ADDRESS_FILE).write_text(hub.address)
        return Connection(hub.address, keys, hub=hub)
    if setting.startswith("unix:"):
        return Connection(unix_address(setting), keys)
    if setting.startswith("grpc://"):
        place = network_address(setting)
        if place is None or place.port is None:
            raise HubSettingError(
                "COUNTERSIGN_HUB: grpc:// needs a host and a port, such as grpc://127.0.0.1:4001."
            )
        sent = token_for(place.host, token, token_file(data_dir / HUB_FILE))
        return Connection(place.target(place.port), keys, token=sent)
    if "=" in setting:
        scheduler = parse_scheduler(setting, setting_name)
        credential = scheduler.credential()
        payloads = open_payload_store(payload_store, credential) if payload_store else None
        return Connection(scheduler.host, keys, scheduler=scheduler, credential=credential, payloads=payloads)
    raise HubSettingError
