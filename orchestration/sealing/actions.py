"""Seals what a turn of an orchestration, an activity or an entity hands to the hub."""

from __future__ import annotations

from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration import telemetry
from orchestration.sealing import envelope, scope
from orchestration.sealing.history import HistoryReader
from orchestration.sealing.keys import SealKeys
from orchestration.sealing.scope import Place, Scope

NOTHING: Final = "null"


class Sealer:
    """Puts seals on texts and on what an orchestration or an entity sends."""

    def __init__(self, keys: SealKeys, ours: Scope) -> None:
        self._keys = keys
        self._scope = ours

    def put(self, message: Any, field: str, place: Place, call: str = "", *, trace: str = "") -> None:
        """Seals the JSON in that field; an absent value is sealed as `null`. `trace`: as in `envelope.put`."""
        carried = getattr(message, field)
        text = carried.value or NOTHING
        carried.value = envelope.put(self._keys.seal(place, text, call), text, trace)

    def event(self, message: Any, field: str, instance_id: str, name: str) -> None:
        """Seals an event for that instance, and adds the trace of the span in which it is sent."""
        self.put(message, field, scope.event(instance_id, name), trace=telemetry.traceparent())

    def turn(self, response: pb.OrchestratorResponse, read: HistoryReader) -> None:
        """Seals everything that a turn of our orchestration sends, and its status.

        `read` has read the turn's history.
        """
        if response.HasField("customStatus"):
            self.put(response, "customStatus", scope.status(response.instanceId, read.name))
        for action in response.actions:
            if action.HasField("createSubOrchestration"):
                read.children.add(action.createSubOrchestration.instanceId)
        for action in response.actions:
            self._action(action, response.instanceId, read)

    def _action(self, action: pb.OrchestratorAction, instance_id: str, read: HistoryReader) -> None:
        call = read.digest.call(action.id)
        match action.WhichOneof("orchestratorActionType"):
            case "scheduleTask":
                task = action.scheduleTask
                self.put(task, "input", scope.task(instance_id, task.name, action.id), call)
            case "createSubOrchestration":
                child = action.createSubOrchestration
                if child.name in self._scope.orchestrations:
                    self.put(child, "input", scope.start(child.instanceId, child.name), call)
            case "sendEvent":
                sent = action.sendEvent
                # The request names the instance and the event by which others are told of an outcome. An event to any
                # other instance than a child is not sealed, so it can never count as a command.
                if sent.instance.instanceId in read.children and self._scope.has_event(sent.name):
                    self.event(sent, "data", sent.instance.instanceId, sent.name)
            case "sendEntityMessage":
                self._entity_message(action.sendEntityMessage, call)
            case "completeOrchestration":
                self._complete(action.completeOrchestration, instance_id, read)

    def _entity_message(self, message: pb.SendEntityMessageAction, call: str) -> None:
        kind = message.WhichOneof("EntityMessageType")
        if kind not in {"entityOperationCalled", "entityOperationSignaled"}:
            return
        sent = getattr(message, kind)
        entity_id = sent.targetInstanceId.value
        if self._scope.has_entity(entity_id):
            place = scope.operation(entity_id, sent.operation)
            self.put(sent, "input", place, call if kind == "entityOperationCalled" else "")

    def _complete(self, done: pb.CompleteOrchestrationAction, instance_id: str, read: HistoryReader) -> None:
        """Seals the output, or the next generation's input, for the caller of the first generation."""
        if done.orchestrationStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            self.put(done, "result", scope.start(instance_id, read.name), read.called_by)
        elif done.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED:
            self.put(done, "result", scope.output(instance_id, read.name), read.called_by)

    def entity_actions(self, result: pb.EntityBatchResult) -> None:
        """Seals what an entity of ours sends and starts."""
        for action in result.actions:
            if action.HasField("startNewOrchestration"):
                begun = action.startNewOrchestration
                if begun.name in self._scope.orchestrations:
                    self.put(begun, "input", scope.start(begun.instanceId, begun.name))
            elif action.HasField("sendSignal"):
                sent = action.sendSignal
                if self._scope.has_entity(sent.instanceId):
                    self.put(sent, "input", scope.operation(sent.instanceId, sent.name))
