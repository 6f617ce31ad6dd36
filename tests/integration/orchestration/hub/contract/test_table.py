"""Which test covers each call of the protocol, and which fields of requests the hub need not read.

If a newer SDK has a new call or field, this test fails first.
"""

import ast
import re

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.descriptor import Descriptor

from tests.support import ROOT

_SERVICE = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
_TESTS = ROOT / "tests" / "integration" / "orchestration" / "hub"
_HUB = ROOT / "orchestration" / "hub"

# Calls of the protocol, each with a test that fails if the call is not served.
HELD = {
    "Hello": "contract/test_workers::a_hub_says_hello",
    "StartInstance": "contract/test_instances::an_instance_runs_and_keeps_its_input_and_output",
    "GetInstance": "contract/test_instances::an_unknown_instance_has_no_state",
    "RewindInstance": "contract/test_again::what_failed_runs_again_and_what_succeeded_does_not",
    "RestartInstance": "contract/test_again::a_restart_does_the_same_work_under_the_same_id",
    "WaitForInstanceStart": "contract/test_instances::waiting_for_the_start_ends_when_it_started",
    "WaitForInstanceCompletion": "contract/test_instances::waiting_for_the_end_times_out_while_it_runs",
    "RaiseEvent": "contract/test_instances::an_event_reaches_who_waits_for_it",
    "TerminateInstance": "contract/test_instances::a_terminated_instance_keeps_its_output_and_custom_status",
    "SuspendInstance": "contract/test_instances::a_suspended_instance_keeps_its_events_for_its_return",
    "ResumeInstance": "contract/test_instances::a_suspended_instance_keeps_its_events_for_its_return",
    "QueryInstances": "contract/test_instances::a_query_filters_and_pages",
    "ListInstanceIds": "contract/test_instances::ended_instances_are_listed_in_the_order_in_which_they_ended",
    "PurgeInstances": "contract/test_instances::purging_by_filter_takes_only_what_fits",
    "GetWorkItems": "contract/test_workers::a_worker_gets_the_orchestrations_and_versions_that_it_asked_for",
    "CompleteActivityTask": "contract/test_orchestrations::activities_run_one_after_the_other",
    "CompleteOrchestratorTask": "contract/test_orchestrations::a_completion_counts_once",
    "CompleteEntityTask": "contract/test_entities::a_signal_changes_the_state",
    "StreamInstanceHistory": "contract/test_orchestrations::the_history_tells_what_happened",
    "CreateTaskHub": "engine/test_dispatch::a_hub_does_not_delete_its_own_file",
    "DeleteTaskHub": "engine/test_dispatch::a_hub_does_not_delete_its_own_file",
    "SignalEntity": "contract/test_entities::a_signal_changes_the_state",
    "GetEntity": "contract/test_entity_storage::states_are_listed_only_where_they_are_asked_for",
    "QueryEntities": "contract/test_entities::entities_are_listed",
    "CleanEntityStorage": "contract/test_entity_storage::entities_that_remember_nothing_are_removed",
    "AbandonTaskActivityWorkItem": "contract/test_workers::an_abandoned_activity_is_dispatched_again",
    "AbandonTaskOrchestratorWorkItem": "contract/test_orchestrations::an_abandoned_turn_is_dispatched_again",
    "AbandonTaskEntityWorkItem": "contract/test_workers::an_abandoned_batch_of_an_entity_is_dispatched_again",
    "SkipGracefulOrchestrationTerminations": "contract/test_lists::a_batch_is_terminated_at_once",
}

_OWN_CLOCK = {"requestTime": "the hub's own clock counts"}
_AS_BYTES = "passed on as it came"

# Fields that requests can carry and that no source of the hub names, each with the reason.
UNREAD = {
    "CreateInstanceRequest": _OWN_CLOCK,
    "SignalEntityRequest": _OWN_CLOCK,
    "SendSignalAction": _OWN_CLOCK,
    "StartNewOrchestrationAction": _OWN_CLOCK,
    "InstanceQuery": {"taskHubNames": "a file is one task hub"},
    "PurgeInstancesRequest": {"isOrchestration": "entities are tidied up by CleanEntityStorage"},
    "GetWorkItemsRequest": {
        "capabilities": "what the hub sends asks for none",
        "worker_instance_id": "a worker is its stream",
    },
    "OrchestratorResponse": {
        "numEventsProcessed": "a turn's events are taken together",
        "chunkIndex": "an answer in pieces is refused",
    },
    "EntityBatchResult": {"operationInfos": "the hub remembers what it dispatched"},
    "OperationInfo": {"responseDestination": "the same"},
    "StreamInstanceHistoryRequest": {"forWorkItemProcessing": "a history is the same for everybody"},
    "OperationResultSuccess": {"startTimeUtc": "spans are the worker's", "endTimeUtc": "the same"},
    "OperationResultFailure": {"startTimeUtc": "spans are the worker's", "endTimeUtc": "the same"},
    "TraceContext": dict.fromkeys(("traceParent", "spanID", "traceState"), _AS_BYTES),
    "OrchestrationTraceContext": dict.fromkeys(("spanID", "spanStartTime"), _AS_BYTES),
}


def requests() -> dict[str, Descriptor]:
    """Every message that a request can hold, by name, without the events of histories."""
    found: dict[str, Descriptor] = {}
    waiting = [method.input_type for method in _SERVICE.methods]
    while waiting:
        message = waiting.pop()
        if message.file.name != pb.DESCRIPTOR.name or message.name in {*found, "HistoryEvent"}:
            continue
        found[message.name] = message
        waiting += [field.message_type for field in message.fields if field.message_type is not None]
    return found


def test_the_table_names_every_call_of_the_protocol() -> None:
    assert set(HELD) == {method.name for method in _SERVICE.methods}


@pytest.mark.parametrize("held", sorted(set(HELD.values())))
def test_what_the_table_names_exists(held: str) -> None:
    module, _, test = held.partition("::")
    tree = ast.parse((_TESTS / f"{module}.py").read_text(encoding="utf-8"))
    assert f"test_{test}" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_field_of_a_request_is_read_or_has_a_reason() -> None:
    limited = _HUB / "protocol" / "field_limits.py"  # names them all, whether they are read or not
    sources = "\n".join(path.read_text(encoding="utf-8") for path in _HUB.rglob("*.py") if path != limited)
    named = set(re.findall(r"\w+", sources))
    unread = {name: {field.name for field in message.fields} - named for name, message in requests().items()}
    assert {name: fields for name, fields in unread.items() if fields} == {
        name: set(reasons) for name, reasons in UNREAD.items()
    }
