"""What is kept of a message that is too long to be held."""

from durabletask.internal import orchestrator_service_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from orchestration.hub.protocol import wire
from orchestration.hub.transport.skim import Skim

LONG = "x" * 5000


def skimmed(message: bytes, sizes: list[int]) -> bytes:
    skim, at = Skim(), 0
    for size in sizes:
        skim.feed(message[at : at + size])
        at += size
    skim.feed(message[at:])
    return bytes(skim.kept)


@given(st.lists(st.integers(1, 3000), max_size=30), st.integers(1, 12))
def test_short_fields_are_kept_however_it_comes_in_pieces(sizes: list[int], actions: int) -> None:
    answer = pb.OrchestratorResponse(instanceId="one", completionToken="token", isPartial=True)
    answer.orchestrationTraceContext.spanID.value = "span"
    for number in range(actions):
        answer.actions.add(id=number).scheduleTask.input.value = LONG
    answer.customStatus.value = LONG
    kept = pb.OrchestratorResponse.FromString(skimmed(answer.SerializeToString(), sizes))
    answer.ClearField("actions")
    answer.ClearField("customStatus")
    assert kept == answer


def test_many_short_fields_are_not_all_kept() -> None:
    answer = pb.OrchestratorResponse(completionToken="token")
    for number in range(100_000):
        answer.actions.add(id=number)
    kept = skimmed(answer.SerializeToString(), [])
    assert pb.OrchestratorResponse.FromString(kept).completionToken == "token"
    assert len(kept) < 1000


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=10))
def test_what_is_no_message_breaks_nothing(noise: bytes, sizes: list[int]) -> None:
    assert skimmed(noise, sizes) == skimmed(noise, [])


def test_the_fields_of_one_number_alone_can_be_kept() -> None:
    """Also where the others are short, and cannot be read."""
    answer = pb.ActivityResponse(instanceId="one", completionToken="token")
    skim = Skim(only=pb.ActivityResponse.COMPLETIONTOKEN_FIELD_NUMBER)
    skim.feed(
        wire.field(pb.ActivityResponse.FAILUREDETAILS_FIELD_NUMBER, b"\xff") + answer.SerializeToString()
    )
    assert pb.ActivityResponse.FromString(bytes(skim.kept)) == pb.ActivityResponse(completionToken="token")
