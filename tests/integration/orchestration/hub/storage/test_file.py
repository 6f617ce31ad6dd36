"""The hub's file: whole, a hub's, open in one hub only, and written before an answer is sent."""

import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from azure.core.credentials import AccessToken, TokenCredential
from durabletask import task
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.client import TaskHubGrpcClient

from orchestration.hub import Hub, HubError, main
from orchestration.hub.storage import file
from orchestration.hub.upkeep.check import check
from tests.support import PATIENCE_S
from tests.support.hubs import HubUnderTest, RawWorker, bearer, complete, eventually, schedule
from tests.support.room import room_for


def patient(ctx: task.OrchestrationContext, _given: Any) -> Any:
    ctx.set_custom_status("waiting")
    return (yield ctx.wait_for_external_event("go"))


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(HubError) as error:
        Hub(path, **options).start()
    return str(error.value)


def used(path: Path) -> Path:
    """A hub's file with something in it."""
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        for number in range(50):
            tested_hub.start("any", "x" * 500, instance_id=f"one-{number}")
        tested_hub.close()
    return path


def test_a_waiting_instance_outlives_the_hub(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.work(patient)
        tested_hub.start(patient, instance_id="one")
        tested_hub.custom("one", '"waiting"')
        tested_hub.close()
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        tested_hub.work(patient)
        tested_hub.client.raise_orchestration_event("one", "go", data=1)
        assert tested_hub.done("one").serialized_output == "1"
        tested_hub.close()


def test_what_was_unfinished_is_dispatched_by_the_next_hub(tmp_path: Path) -> None:
    """A turn, an activity and a buffered event. No token of the old hub is valid any more."""
    path = tmp_path / "hub.db"
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        for name in ("turn", "activity"):
            tested_hub.start("any", instance_id=name)
        with RawWorker(hub.address) as worker:
            turns = {one.orchestratorRequest.instanceId: one for one in (worker.take(), worker.take())}
            worker.answer(turns["activity"], schedule(1))
            worker.take()
        tested_hub.close()
    with Hub(path) as hub, RawWorker(hub.address) as worker:
        with pytest.raises(grpc.RpcError, match="no longer valid"):
            worker.answer(turns["turn"], complete())
        kinds = {worker.take().WhichOneof("request") for _ in range(2)}
        assert kinds == {"orchestratorRequest", "activityRequest"}


def test_a_hub_is_started_and_stopped_more_than_once(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub.db")
    hub.stop()
    for _ in range(2):
        hub.start()
        assert hub.address.startswith("unix:///")
        hub.stop()
        hub.stop()
    with pytest.raises(HubError, match="not been started"):
        _ = hub.address


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_bytes(b"Dear diary, " * 50)
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    for path in (text, database):
        before = path.read_bytes()
        assert "not a hub's file" in refusal(path)
        assert path.read_bytes() == before


@pytest.mark.parametrize("kept", [10, 60, 4096, 20_000, -1])
def test_a_cut_file_is_refused_and_left_alone(tmp_path: Path, kept: int) -> None:
    path = used(tmp_path / "hub.db")
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    assert "damaged" in refusal(path)
    assert path.read_bytes() == whole[:kept]


def test_a_file_with_a_torn_page_is_refused(tmp_path: Path) -> None:
    path = used(tmp_path / "hub.db")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(content)
    assert "damaged" in refusal(path)


def test_a_file_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = used(tmp_path / "hub.db")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    assert "schema 999" in refusal(path)


def test_an_older_file_is_brought_forward(tmp_path: Path) -> None:
    path = used(tmp_path / "hub.db")
    newer = (*file.MIGRATIONS, "CREATE TABLE later (x TEXT) STRICT;")
    for _ in range(2):
        db = file.connect(path, newer)
        assert db.execute("SELECT count(*) FROM instance").fetchone()[0] == 50
        assert db.execute("SELECT count(*) FROM later").fetchone()[0] == 0
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(newer)
        db.close()


def test_a_migration_that_fails_never_happened(tmp_path: Path) -> None:
    path = used(tmp_path / "hub.db")
    broken = (*file.MIGRATIONS, "CREATE TABLE later (x TEXT) STRICT; CREATE TABLE later (x TEXT) STRICT;")
    with pytest.raises(HubError, match="cannot open"):
        file.connect(path, broken)
    with Hub(path):
        pass
    with sqlite3.connect(path) as db:
        assert not db.execute("SELECT * FROM sqlite_master WHERE name = 'later'").fetchall()
    db.close()


def test_a_log_that_grew_during_a_backup_shrinks_again(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    db = file.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    held, _ = file.snapshot(path)
    for key in range(40):
        db.execute("INSERT INTO history VALUES (?, 0, zeroblob(1000000))", (key,))
    assert file.log_of(path).stat().st_size > 40_000_000
    held.close()
    for key in range(40, 44):
        db.execute("INSERT INTO history VALUES (?, 0, zeroblob(1000))", (key,))
    assert file.log_of(path).stat().st_size < 20_000_000
    db.close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HubError, match="Name a file in a directory it may write"):
        Hub(tmp_path / "file" / "hub.db").start()


def test_a_second_hub_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with Hub(path):
        assert "Another hub" in refusal(path)
    with Hub(path):
        pass


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "hub.db").mkdir()
    assert "cannot write" in refusal(tmp_path / "hub.db")


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "192.0.2.1:4001", "example.com:4001", "[::]:0"])
def test_an_address_beyond_this_machine_is_refused_with_advice(tmp_path: Path, listen: str) -> None:
    assert "Durable Task Scheduler" in refusal(tmp_path / "hub.db", listen=listen)


@pytest.mark.parametrize("listen", ["4001", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, listen: str) -> None:
    assert "HOST:PORT" in refusal(tmp_path / "hub.db", listen=listen)


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with Hub(tmp_path / "one.db", listen="127.0.0.1:0") as hub:
        assert "in use" in refusal(tmp_path / "two.db", listen=hub.address)


def test_the_socket_and_the_file_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with Hub(path) as hub:
        socket = Path(hub.address.removeprefix("unix://"))
        assert socket.parent.parent == tmp_path
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not socket.exists()


def test_a_path_too_long_for_a_socket_gets_another(tmp_path: Path) -> None:
    with Hub(tmp_path / ("x" * 100) / "hub.db") as hub:
        socket = Path(hub.address.removeprefix("unix://"))
        assert len(str(socket)) <= 107
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        with TaskHubGrpcClient(host_address=hub.address) as client:
            assert client.get_orchestration_state("one") is None
    assert not socket.parent.exists()


def test_the_schedulers_own_client_and_worker_run_against_it(tmp_path: Path) -> None:
    """Over loopback TCP, with the hub's token as their credential and the metadata that names the task hub."""

    class HubCredential(TokenCredential):
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken((tmp_path / "hub.db.token").read_text().strip(), expires_on=4_102_444_800)

    with Hub(tmp_path / "hub.db", listen="127.0.0.1:0") as hub:
        options: dict[str, Any] = {
            "host_address": f"http://{hub.address}",
            "taskhub": "default",
            "token_credential": HubCredential(),
        }
        worker = DurableTaskSchedulerWorker(**options, secure_channel=False)
        worker.add_orchestrator(patient)
        worker.start()
        client = DurableTaskSchedulerClient(**options, secure_channel=False)
        instance = client.schedule_new_orchestration(patient)
        client.raise_orchestration_event(instance, "go", data=2)
        state = client.wait_for_orchestration_completion(instance, timeout=PATIENCE_S)
        assert state is not None
        assert state.serialized_output == "2"
        worker.stop()
        client.close()


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "orchestration.hub",
        "--db",
        str(tmp_path / "hub.db"),
        "--listen",
        "127.0.0.1:0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with TaskHubGrpcClient(host_address=address, metadata=bearer(tmp_path / "hub.db")) as client:
            client.schedule_new_orchestration("any", instance_id="one")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_command_says_why_it_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--db", str(tmp_path / "hub.db"), "--listen", "0.0.0.0:1"]) == 4
    assert "Durable Task Scheduler" in capsys.readouterr().err


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk takes privileges")
    try:
        yield disk
    finally:
        subprocess.run(["/bin/umount", str(disk)], check=True)


def test_a_full_disk_refuses_in_words_loses_nothing_and_recovers(disk: Path) -> None:
    """What was acknowledged before is kept, and the same request works when there is space."""
    _fill_and_recover(disk)


@pytest.mark.parametrize("before", [True, False])
def test_a_start_on_a_full_disk_says_that_it_is_full(disk: Path, *, before: bool) -> None:
    """With a file that exists already, and without one."""
    path, ballast = disk / "hub.db", disk / "ballast"
    if before:
        with Hub(path):
            pass
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with (
        pytest.raises(HubError, match=r"hub\.db is on is full, so the hub cannot start\. Nothing is lost"),
        Hub(path),
    ):
        pass
    ballast.unlink()
    with Hub(path):
        pass


def test_a_start_on_a_full_disk_names_the_remedy_and_the_next_one_goes_on(tmp_path: Path) -> None:
    path, nothing = tmp_path / "hub.db", tmp_path / "nothing"
    nothing.touch()
    with Hub(path):
        pass
    with (
        room_for(nothing, 0),
        pytest.raises(HubError, match=r"cannot open .*hub\.db: .*Is its disk full\?"),
        Hub(path),
    ):
        pass
    with Hub(path):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's files")
def test_a_file_that_may_not_grow_refuses_in_words_loses_nothing_and_recovers(tmp_path: Path) -> None:
    """Like a full disk, for machines where the test may not mount one: a limit on the size of files, lifted later."""
    path = tmp_path / "hub.db"
    command = [sys.executable, "-m", "orchestration.hub", "--db", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        tested_hub = HubUnderTest(process.stdout.readline().strip())
        acknowledged: list[str] = []
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
        with pytest.raises(grpc.RpcError, match="disk is full") as full:
            _start_until_refused(tested_hub, acknowledged)
        assert isinstance(full.value, grpc.Call)
        assert full.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert all(tested_hub.client.get_orchestration_state(one) for one in acknowledged)
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
        acknowledged.append(tested_hub.start(patient, instance_id="after"))
        tested_hub.close()
        process.kill()
    report = check(path)
    assert not report.count, report.text()
    with Hub(path) as hub:
        tested_hub = HubUnderTest(hub.address)
        assert all(tested_hub.client.get_orchestration_state(one) for one in acknowledged)
        tested_hub.close()


def _start_until_refused(tested_hub: HubUnderTest, acknowledged: list[str]) -> None:
    for number in range(1000):
        acknowledged.append(tested_hub.start(patient, "x" * 50_000, instance_id=f"one-{number}"))  # noqa: PERF401 -- kept


def _fill_and_recover(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 2_000_000)  # so much room that each of those can take its turn afterwards
    with Hub(disk / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        acknowledged: list[str] = []
        with pytest.raises(grpc.RpcError) as full:
            _start_until_refused(tested_hub, acknowledged)
        assert isinstance(full.value, grpc.Call)
        assert full.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "disk is full" in (full.value.details() or "")
        assert all(tested_hub.client.get_orchestration_state(one) for one in acknowledged)
        ballast.unlink()
        eventually(lambda: tested_hub.start(patient, instance_id="after"), "the start")
        tested_hub.work(patient)
        tested_hub.client.raise_orchestration_event(acknowledged[0], "go", data=1)
        assert tested_hub.done(acknowledged[0]).serialized_output == "1"
        tested_hub.close()
    shutil.copytree(disk, disk.parent / "copy", ignore=shutil.ignore_patterns("*.sock"))
    with Hub(disk.parent / "copy" / "hub.db") as hub:
        tested_hub = HubUnderTest(hub.address)
        assert all(tested_hub.client.get_orchestration_state(one) for one in [*acknowledged, "after"])
        tested_hub.close()
