"""Which settings of OpenTelemetry ask for traces, and that nothing of its SDK is loaded without them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot.telemetry.tracing import TracingError, exporters, secrets_in, start
from tests.support import ROOT

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "x"}, []),
        (ENDPOINT, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1/x"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, []),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, []),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ["otlp_proto_http"]),
    ],
)
def test_what_is_asked_for(environment: dict[str, str], names: list[str]) -> None:
    assert exporters(environment) == names


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not spoken here",
        ),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: 'zipkin' is not installed"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], words: str) -> None:
    with pytest.raises(TracingError) as refused:
        start(environment, str)
    assert words in str(refused.value)


def test_what_the_exporter_proves_itself_by_is_a_secret() -> None:
    assert secrets_in({"OTEL_EXPORTER_OTLP_HEADERS": "x-key=abcdefgh,y = z=1"}) == ["abcdefgh", "z=1"]


def test_without_traces_nothing_of_the_sdk_is_loaded() -> None:
    """Checks all modules that `countersign run` loads."""
    program = """
import sys
import bot.app, bot.cli.telemetry
from bot.telemetry.tracing import start
start({}, str)
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
