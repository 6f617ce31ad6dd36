"""A worker that accepts only sealed data, and seals its answers. It stands between the SDK and the hub.

The three overridden methods are private to the SDK, which gives each work item to one of them; its version is pinned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final, Protocol

import grpc
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.internal import helpers, tracing
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.exceptions import AbandonOrchestrationError
from durabletask.worker import TaskHubGrpcWorker

from orchestration import telemetry
from orchestration.sealing import envelope, scope
from orchestration.sealing.actions import Sealer
from orchestration.sealing.history import HistoryReader, StartRefusedError, started_as
from orchestration.sealing.kept import KeptOrchestration, KeptOrchestrations
from orchestration.sealing.keys import BrokenSealError, SealKeys, UnknownKeyError
from orchestration.sealing.scope import Scope
from orchestration.sealing.turn_spans import TurnSpan

log = logging.getLogger(__name__)

# An operation name that no entity of ours has. It replaces an operation without a seal, which then fails as unknown.
UNSEALED: Final = "unsealed"


class _Over(Protocol):
    """Called with whether the hub has received an answer."""

    def __call__(self, *, heard: bool) -> None: ...


def _nothing(*, heard: bool) -> None:
    """Does nothing."""


# Called with the error of a call, or with None once the hub has answered it.
_Told = Callable[[Exception | None], None]


def _and_wait(call: Callable[[Any], Any], message: Any, told: _Told) -> None:
    try:
        call(message)
    except (grpc.RpcError, ValueError) as error:  # gRPC raises ValueError if the channel is closed
        told(error)
    else:
        told(None)


class _Answers:
    """The hub's stub for one work item: seals the answer, and sends it by `give`."""

    def __init__(self, stub: Any, seal: Any, method: str, give: Callable[[Any, Any], None]) -> None:
        self._stub = stub
        self._seal = seal
        self._method = method
        self._give = give

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._stub, name)
        if name != self._method:
            return call

        def sealed(message: Any) -> None:
            self._seal(message)
            self._give(call, message)

        return sealed


class SealingWorker(TaskHubGrpcWorker):
    """The worker for our hub. Call `sealing` before it starts."""

    _keys: SealKeys
    _ours: Scope
    _sealer: Sealer
    _kept: KeptOrchestrations
    # Called after each turn with the instance's ID, and the custom status that the hub has stored, if there is one.
    turn_taken: Callable[[str, str | None], None] = staticmethod(lambda *_: None)
    # Called in the thread of an activity before it begins, with the tags that the hub gave it.
    activity_given: Callable[[Mapping[str, str]], None] = staticmethod(lambda _: None)
    # Sends the hub an answer by this call. It may return early, and report the result later from any thread.
    give: Callable[[Callable[[Any], Any], Any, _Told], None] = staticmethod(_and_wait)

    def sealing(self, keys: SealKeys, ours: Scope) -> None:
        """Has the worker check and make seals with these keys for everything that is `ours`."""
        self._keys, self._ours, self._sealer = keys, ours, Sealer(keys, ours)
        self._kept = KeptOrchestrations()

    def start(self) -> None:
        """Starts the worker. It asks the hub only for work of what is registered, not for that of other programs."""
        self.use_work_item_filters()
        super().start()  # type: ignore[no-untyped-call]  # the SDK annotates it with nothing

    def _execute_orchestrator(self, req: pb.OrchestratorRequest, stub: Any, completionToken: Any) -> None:  # noqa: N803 - the SDK's
        name = started_as(chain(req.pastEvents, req.newEvents))
        if name not in self._ours.orchestrations:
            super()._execute_orchestrator(req, stub, completionToken)
            return
        with telemetry.work({"instance_id": req.instanceId}), TurnSpan(req, name).open() as span:
            self._take_turn(req, stub, completionToken, name, span)

    def _take_turn(
        self, req: pb.OrchestratorRequest, stub: Any, token: Any, name: str, span: TurnSpan
    ) -> None:
        kept, taken = self._kept.take(req) or self._begin(req.instanceId, name), False
        status: str | None = None
        response = pb.OrchestratorResponse(
            instanceId=req.instanceId,
            completionToken=token,
            orchestrationTraceContext=req.orchestrationTraceContext,
        )
        try:
            with tracing.suppress_span_emission():
                done = kept.turn(req)
        except (UnknownKeyError, AbandonOrchestrationError) as error:
            if isinstance(error, UnknownKeyError):  # else another version: the SDK has logged it
                _report(req.instanceId, error)
            abandoned = pb.AbandonOrchestrationTaskRequest(completionToken=token)
            self._tell(req.instanceId, stub.AbandonTaskOrchestratorWorkItem, abandoned)
            return
        except StartRefusedError as error:
            log.error("%s: %s", req.instanceId, error)  # noqa: TRY400 - where it was noticed is no news
            response.actions.append(
                _failed(pb.TaskFailureDetails(errorType="StartRefusedError", errorMessage=str(error)))
            )
        except Exception as error:
            log.exception("%s: a turn could not be taken", req.instanceId)
            response.actions.append(_failed(helpers.new_failure_details(error)))
        else:
            response.actions.extend(done.actions)
            status = done.encoded_custom_status
            if status is not None:
                response.customStatus.value = status
            taken = True
        span.carry(response, status)
        self._sealer.turn(response, kept.reader)
        if taken:  # otherwise it may have read more events than it has run
            # Kept before the hub has the answer, because the next turn may come before that call returns.
            self._kept.put(req.instanceId, kept)

        def over(*, heard: bool) -> None:
            self.turn_taken(req.instanceId, status if heard else None)

        self._tell(req.instanceId, stub.CompleteOrchestratorTask, response, over)

    def _tell(
        self, instance_id: str, call: Callable[[Any], Any], message: Any, over: _Over = _nothing
    ) -> None:
        """Answers the hub, and calls `over` when that has succeeded or failed.

        If the hub does not receive the answer, it has the work done again, so the SDK's own handling would not help.
        """

        def told(error: Exception | None) -> None:
            if error is not None:
                why = error.details() if isinstance(error, grpc.RpcError) else error
                log.warning(
                    "%s: the task hub did not hear of it, and has it done again: %s", instance_id, why
                )
            over(heard=error is None)

        self.give(call, message, told)

    def _begin(self, instance_id: str, name: str) -> KeptOrchestration:
        return KeptOrchestration(
            self._reader(instance_id, name),
            {
                "registry": self._registry,
                "logger": self._logger,
                "data_converter": self._data_converter,
                "maximum_timer_interval": self.maximum_timer_interval,
            },
        )

    def _reader(self, instance_id: str, name: str) -> HistoryReader:
        return HistoryReader(self._keys, self._ours, instance_id, name)

    def _execute_activity(self, req: pb.ActivityRequest, stub: Any, completionToken: Any) -> None:  # noqa: N803
        if req.name not in self._ours.activities:
            super()._execute_activity(req, stub, completionToken)
            return
        instance_id = req.orchestrationInstance.instanceId
        seal, text = envelope.take(req.input.value)
        try:
            call = self._keys.check(scope.task(instance_id, req.name, req.taskId), text, seal)
        except UnknownKeyError as error:
            _report(instance_id, error)
            abandoned = pb.AbandonActivityTaskRequest(completionToken=completionToken)
            self._tell(instance_id, stub.AbandonTaskActivityWorkItem, abandoned)
            return
        except BrokenSealError:
            log.error("%s: %s was called without a seal of ours", instance_id, req.name)  # noqa: TRY400 - as above
            self._tell(
                instance_id,
                stub.CompleteActivityTask,
                pb.ActivityResponse(
                    instanceId=instance_id,
                    taskId=req.taskId,
                    completionToken=completionToken,
                    failureDetails=pb.TaskFailureDetails(
                        errorType="BrokenSealError",
                        errorMessage=f"{req.name} is an activity of Countersign; only its own orchestrations call it.",
                    ),
                ),
            )
            return
        req.input.value = "" if text == "null" else text
        self.activity_given(req.tags)

        def sealed(response: pb.ActivityResponse) -> None:
            if not response.HasField("failureDetails"):
                place = scope.result(instance_id, req.name, req.taskId)
                self._sealer.put(response, "result", place, call)

        answers = _Answers(stub, sealed, "CompleteActivityTask", partial(self._tell, instance_id))
        with telemetry.work({"instance_id": instance_id, "activity": req.name}):
            super()._execute_activity(req, answers, completionToken)

    def _execute_entity_batch(
        self,
        req: pb.EntityBatchRequest | pb.EntityRequest,
        stub: Any,
        completionToken: Any,  # noqa: N803
    ) -> pb.EntityBatchResult:
        if not self._ours.has_entity(req.instanceId):
            return super()._execute_entity_batch(req, stub, completionToken)
        infos: list[pb.OperationInfo] = []
        if isinstance(req, pb.EntityRequest):
            req, infos = helpers.convert_to_entity_batch_request(req)
        try:
            self._open_state(req)
            calls = [self._open_operation(req.instanceId, operation) for operation in req.operations]
        except UnknownKeyError as error:
            _report(req.instanceId, error)
            abandoned = pb.AbandonEntityTaskRequest(completionToken=completionToken)
            self._tell(req.instanceId, stub.AbandonTaskEntityWorkItem, abandoned)
            return pb.EntityBatchResult()
        operations = [(operation.operation, operation.requestId) for operation in req.operations]

        def sealed(result: pb.EntityBatchResult) -> None:
            result.operationInfos.extend(infos)
            for (name, request_id), call, done in zip(operations, calls, result.results, strict=True):
                if done.HasField("success"):
                    place = scope.reply(req.instanceId, name, request_id)
                    self._sealer.put(done.success, "result", place, call)
            if result.HasField("entityState") and result.entityState.value:
                self._sealer.put(result, "entityState", scope.state(req.instanceId))
            self._sealer.entity_actions(result)

        answers = _Answers(stub, sealed, "CompleteEntityTask", partial(self._tell, req.instanceId))
        # Some hubs do not send the span of an operation. Each of its spans would then be a separate trace.
        known = any(operation.HasField("traceContext") for operation in req.operations)
        with telemetry.work({"instance_id": req.instanceId}), tracing.suppress_span_emission(not known):
            return super()._execute_entity_batch(req, answers, completionToken)

    def _open_state(self, req: pb.EntityBatchRequest) -> None:
        """Drops a state that has no seal of ours, so that it grants nothing."""
        if not req.entityState.value:
            return
        seal, text = envelope.take(req.entityState.value)
        try:
            self._keys.check(scope.state(req.instanceId), text, seal)
        except BrokenSealError:
            log.error("%s: its state has no seal of ours and is dropped", req.instanceId)  # noqa: TRY400 - as above
            req.ClearField("entityState")
        else:
            req.entityState.value = text

    def _open_operation(self, entity_id: str, operation: pb.OperationRequest) -> str:
        seal, text = envelope.take(operation.input.value)
        try:
            call = self._keys.check(scope.operation(entity_id, operation.operation), text, seal)
        except BrokenSealError:
            log.warning("%s: %s without a seal of ours is refused", entity_id, operation.operation)
            operation.operation = UNSEALED
            return ""
        operation.input.value = "" if text == "null" else text
        return call


class SealingSchedulerWorker(SealingWorker, DurableTaskSchedulerWorker):
    """For Durable Task Scheduler."""


def _report(what: str, error: UnknownKeyError) -> None:
    log.error("%s: %s It is left to another process.", what, error)


def _failed(details: pb.TaskFailureDetails) -> pb.OrchestratorAction:
    """The action that fails the orchestration. No call has the number -1."""
    return helpers.new_complete_orchestration_action(
        -1, pb.ORCHESTRATION_STATUS_FAILED, failure_details=details
    )
