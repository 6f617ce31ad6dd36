"""Traces by OpenTelemetry, as its own settings (`OTEL_…`) say. Without them nothing of its SDK is loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

from orchestration import telemetry
from orchestration.domain.errors import CountersignError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

SERVICE: Final = "countersign"
EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
OTLP: Final = "otlp"
HTTP: Final = "http/protobuf"
# The name of the entry point; in the SDK's settings the protocol is separate.
OTLP_OVER_HTTP: Final = "otlp_proto_http"
END_WITHIN: Final = 3.0  # seconds to send the remaining spans when the process ends

log = logging.getLogger(__name__)


class TracingError(CountersignError):
    """A setting of OpenTelemetry is wrong."""


def start(environment: Mapping[str, str], redact: Callable[[str], str]) -> Callable[[], None]:
    """Starts tracing as the environment says; the SDK reads it too. Returns a function that ends tracing.

    Raises `TracingError`.
    """
    names = exporters(environment)
    if not names:
        return lambda: None
    # Imported late: without traces none of it is needed.
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from bot.telemetry.scrubbing import ScrubbingExporter  # noqa: PLC0415

    resource = Resource.create({SERVICE_VERSION: version("countersign")})
    if str(resource.attributes.get(SERVICE_NAME)).startswith("unknown_service"):  # nobody has named it
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in names:
        provider.add_span_processor(BatchSpanProcessor(ScrubbingExporter(_exporter(name), redact)))
    trace.set_tracer_provider(provider)
    telemetry.switch_on()

    def end() -> None:
        """Sends the remaining spans. The SDK alone would wait half a minute for a collector that does not answer."""
        ending = threading.Thread(target=provider.shutdown, name="end the traces", daemon=True)
        ending.start()
        ending.join(END_WITHIN)
        if ending.is_alive():
            log.warning("the last traces are not sent: their receiver does not answer")

    return end


def exporters(environment: Mapping[str, str]) -> list[str]:
    """The entry points of the exporters that the environment asks for; none where it asks for no traces.

    Raises `TracingError`.
    """
    if _given(environment, "OTEL_SDK_DISABLED").casefold() == "true":
        return []
    wanted = _given(environment, EXPORTER)
    if not wanted:
        wanted = OTLP if any(_given(environment, name) for name in ENDPOINTS) else "none"
    names = list(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    if "none" in names:
        return []
    if OTLP in names:
        protocol = next(filter(None, (_given(environment, name) for name in PROTOCOLS)), HTTP)
        if protocol != HTTP:
            setting = next(name for name in PROTOCOLS if _given(environment, name))
            raise TracingError(f"{setting}: {protocol!r} is not spoken here; set {HTTP}, or remove it.")
    return [OTLP_OVER_HTTP if name == OTLP else name for name in names]


def secrets_in(environment: Mapping[str, str]) -> list[str]:
    """Returns the exporter's credentials, which no log may show."""
    pairs = (pair for name in HEADERS for pair in _given(environment, name).split(","))
    return [pair.partition("=")[2].strip() for pair in pairs if "=" in pair]


def _exporter(name: str) -> SpanExporter:
    found = [*entry_points(group="opentelemetry_traces_exporter", name=name)]
    if not found:
        raise TracingError(f"{EXPORTER}: {name!r} is not installed; set otlp, console or none.")
    try:
        made: SpanExporter = found[0].load()()
    except (ImportError, ValueError) as error:
        raise TracingError(f"{EXPORTER}: {name!r} cannot be used ({error}).") from error
    return made


def _given(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name, "").strip()
