"""Hubs and workers as processes of their own, as they are in production; each ends with its context."""

import argparse
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import grpc
from durabletask.internal import orchestrator_service_pb2_grpc as stubs
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend
from durabletask.worker import ConcurrencyOptions, TaskHubGrpcWorker

from orchestration.runtime.connect import THREADS
from tests.bench import program

# A hub that runs until its context ends: its process, and its address.
Hub = AbstractContextManager[tuple[subprocess.Popen[str], str]]

_STOP_S = 20


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python process that prints one line once it is ready; yields it and that line."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as started:
        try:
            if started.stdout is None:
                raise RuntimeError("the process has no output")
            yield started, started.stdout.readline().strip()
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                started.kill()


@contextmanager
def our_hub(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Our hub on a file; yields its process and address."""
    with process("orchestration.hub", "--db", str(path)) as hub:
        yield hub


@contextmanager
def sdk_hub() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The SDK's testing backend; yields its process and address."""
    with process("tests.bench.processes", "sdk-hub") as hub:
        yield hub


@contextmanager
def worker(address: str) -> Iterator[subprocess.Popen[str]]:
    """A worker that runs the bench's program, with as many threads as the product's; yields its process."""
    with process("tests.bench.processes", "worker", address) as (started, _):
        yield started


def _serve_sdk_hub(stop: threading.Event) -> None:
    backend = InMemoryOrchestrationBackend()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    stubs.add_TaskHubSidecarServiceServicer_to_server(backend, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    stop.wait()
    backend.stop()
    server.stop(None).wait()


def _work(address: str, stop: threading.Event) -> None:
    concurrency = ConcurrencyOptions(
        maximum_concurrent_activity_work_items=THREADS,
        maximum_concurrent_orchestration_work_items=THREADS,
        maximum_thread_pool_workers=THREADS,
    )
    quiet = logging.getLogger("bench.worker")
    quiet.setLevel(logging.ERROR)
    made = TaskHubGrpcWorker(
        host_address=address, concurrency_options=concurrency, logger=quiet, emit_trace_spans=False
    )
    made.add_orchestrator(program.flow)
    made.add_activity(program.step)
    made.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    stop.wait()
    made.stop()


def main() -> None:
    """Run as a hub or a worker until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["sdk-hub", "worker"])
    parser.add_argument("address", nargs="?", default="")
    options = parser.parse_args()
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    if options.role == "worker":
        _work(options.address, stop)
    else:
        _serve_sdk_hub(stop)


if __name__ == "__main__":
    main()
