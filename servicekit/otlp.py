"""Traces to a collector: OpenTelemetry spans, handed over by OTLP/HTTP. Imported only where an endpoint is set.

A collector that is away, slow or full costs traces and nothing else: spans wait in a queue with an end, in a thread of
their own, and what finds no place is dropped and counted. Opening and closing wait for nobody either.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Sequence
from typing import Self
from uuid import uuid4

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from contracts.command import Refused
from eventstore.tracing import Attributes, Kind
from servicekit.metrics import Metrics
from servicekit.settings import ServiceSettings

QUEUE_MAX = 2_048
"""Spans that wait for the collector; about 2 MB."""
EXPORT_SECONDS = 5.0
"""How long one batch is tried, repeats included."""
EVERY_SECONDS = 1.0
"""How often what waits is handed over, unless a full batch waits sooner."""
BATCH_MAX = 256

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}

_log = structlog.get_logger("servicekit.otlp")


class OtlpSpan:
    """See eventstore.tracing.Span."""

    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}" if context.is_valid else None
        )

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self, error: BaseException | None = None) -> None:
        if not self._span.is_recording():
            return
        if isinstance(error, Refused):
            # An answer like any other: nothing failed.
            self._span.set_attribute("chaoyangli.refused", error.reason_code)
        elif error is not None:
            self.fail(type(error).__qualname__)
        self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.end(error)


class OtlpTracing:
    """See eventstore.tracing.Tracing. One a process; `close` it."""

    on = True

    def __init__(self, settings: ServiceSettings, metrics: Metrics) -> None:
        assert settings.otlp_traces is not None, "only where an endpoint is set"
        self._exporter = _Told(OTLPSpanExporter(settings.otlp_traces, timeout=EXPORT_SECONDS), metrics)
        library = logging.getLogger(OTLPSpanExporter.__module__)
        library.setLevel(logging.ERROR)
        library.addFilter(self._exporter.tells_first)
        resource = Resource.create(
            {
                "service.name": settings.service,
                "service.namespace": settings.community,
                "service.instance.id": str(uuid4()),
            }
        )
        # The process decides when it ends: at exit the library would wait for the collector.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(_Bounded(self._exporter, metrics))
        self._tracer = self._provider.get_tracer("chaoyangli")

    def begin(self, name: str, kind: Kind, parent: str | None, attributes: Attributes | None = None) -> OtlpSpan:
        return OtlpSpan(
            self._tracer.start_span(
                name,
                _context(parent),
                _KINDS[kind],
                attributes,
                # An exception's words may quote a row.
                record_exception=False,
                set_status_on_exception=False,
            )
        )

    def past(self, name: str, kind: Kind, parent: str, began_ns: int, attributes: Attributes) -> None:
        self._tracer.start_span(name, _context(parent), _KINDS[kind], attributes, start_time=began_ns).end()

    async def close(self, seconds: float) -> None:
        """Hand over what waits, for so long at most; what is left then is lost."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces close", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, seconds)
        if closing.is_alive():
            self._exporter.shutdown()  # it tries nothing again


def _context(parent: str | None) -> Context:
    """The context that a traceparent names; an empty one, and so a new trace, without one."""
    found = _TRACEPARENT.fullmatch(parent) if parent is not None else None
    if found is None:
        return Context()
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    remote = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(remote), Context())


class _Told(SpanExporter):
    """The exporter, which counts what the collector took and what it did not, and says so once, not every time."""

    def __init__(self, exporter: SpanExporter, metrics: Metrics) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._failing = False
        self.taken = 0
        """Spans taken out of the queue."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        (self._metrics.spans_dropped.labels("collector") if failed else self._metrics.spans_exported).inc(len(spans))
        if failed != self._failing:
            self._failing = failed
            _log.warning("the collector takes no traces" if failed else "the collector takes traces again")
        return result

    def tells_first(self, _record: logging.LogRecord) -> bool:
        """Filter of the library's own lines, which say why: one a failure, however long it lasts."""
        return not self._failing

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Bounded(BatchSpanProcessor):
    """The library's processor, before whose queue the newest span is dropped and counted when it is full.

    The library itself would drop the oldest, uncounted, and write a line for each.
    """

    def __init__(self, exporter: _Told, metrics: Metrics) -> None:
        super().__init__(exporter, QUEUE_MAX, EVERY_SECONDS * 1_000, BATCH_MAX)
        self._told = exporter
        self._metrics = metrics
        self._queued = 0

    def on_end(self, span: ReadableSpan) -> None:
        if not (span.context and span.context.trace_flags.sampled):
            return
        if self._queued - self._told.taken >= QUEUE_MAX:
            self._metrics.spans_dropped.labels("queue").inc()
            return
        self._queued += 1
        super().on_end(span)
