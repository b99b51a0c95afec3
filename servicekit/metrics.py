"""The gauges and counters of one service process, named as docs and alerts name them; no label ever holds an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]


class Metrics:
    """One registry a process. What is not known so far is not shown: an absent gauge is better than a wrong zero."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        registry = self.registry
        self._counted: dict[str, Gauge] = {}
        self.commands = Counter("commands", "Commands answered.", ["command", "outcome"], registry=registry)
        self.refusals = Counter("refusals", "Requests refused, by reason_code.", ["reason_code"], registry=registry)
        self.requests = Counter("http_requests", "HTTP requests, by status class.", ["status"], registry=registry)
        self.requests_under_way = Gauge("http_requests_under_way", "HTTP requests begun.", registry=registry)
        self.task_failures = Counter("task_failures", "Background tasks that died.", ["task"], registry=registry)
        self.task_up = Gauge("task_up", "1 while the background task runs here.", ["task"], registry=registry)
        self.timer_outcomes = Counter("timer_outcomes", "Deadlines fired, by outcome.", ["outcome"], registry=registry)
        self.outbox_unpublished = Gauge(
            "outbox_unpublished", "Events in the log that the stream has not.", registry=registry
        )
        self.outbox_oldest_age_seconds = Gauge(
            "outbox_oldest_age_seconds", "Age of the oldest unpublished event.", registry=registry
        )
        self.relay_publish_errors = Counter(
            "relay_publish_errors", "Publishes that failed.", ["reason"], registry=registry
        )
        self.dead_letters = Gauge("dead_letters", "Dead letters that are open.", ["source"], registry=registry)
        self.webhook_deliveries = Counter(
            "webhook_deliveries", "Events posted to webhooks, by outcome.", ["outcome"], registry=registry
        )
        self.webhook_lanes = Gauge(
            "webhook_lanes", "Webhooks × logs: level, behind, failing, stopped.", ["state"], registry=registry
        )
        self.ledger_tree_size = Gauge("ledger_tree_size", "Events in the log.", registry=registry)
        self.ledger_signed_size = Gauge("ledger_signed_size", "Size of the last signed head.", registry=registry)
        self.ledger_verify_failures = Counter(
            "ledger_verify_failures",
            "Signings refused because the log does not extend the last head.",
            registry=registry,
        )
        self.feeds_open = Gauge("feeds_open", "Event feeds that are open.", registry=registry)
        self.feed_events = Counter("feed_events", "Events given to outside subscribers over HTTP.", registry=registry)
        self.ledger_signed_timestamp_seconds = Gauge(
            "ledger_signed_timestamp_seconds", "When the last head was signed.", registry=registry
        )
        self.ledger_published_size = Gauge("ledger_published_size", "Size of the published head.", registry=registry)
        self.ledger_last_verified_timestamp_seconds = Gauge(
            "ledger_last_verified_timestamp_seconds", "When `chaoyangli verify` last read it whole.", registry=registry
        )
        self.ledger_last_verify_ok = Gauge(
            "ledger_last_verify_ok", "1 when the last `chaoyangli verify` found nothing wrong.", registry=registry
        )
        self.witnesses_missing = Gauge(
            "witnesses_missing", "Named witnesses that did not cosign the published head.", registry=registry
        )
        self.disk_free_bytes = Gauge("disk_free_bytes", "Free where the state directory lies.", registry=registry)
        self.disk_size_bytes = Gauge("disk_size_bytes", "Size of that file system.", registry=registry)
        self.last_backup_timestamp_seconds = Gauge(
            "last_backup_timestamp_seconds", "When the last backup was finished.", registry=registry
        )
        self.nats_healthz = Gauge("nats_healthz", "1 while NATS says that it can store.", registry=registry)
        self.nats_connected = Gauge("nats_connected", "1 while the broker is connected.", registry=registry)
        self._count_what_is_heard(registry)
        self._count_traces()
        for unknown in (self.nats_healthz, self.witnesses_missing, self.disk_free_bytes, self.disk_size_bytes):
            unknown.set(float("nan"))  # no alert compares true with what nobody has looked at so far

    def _count_what_is_heard(self, registry: CollectorRegistry) -> None:
        self.consumer_lag = Gauge(
            "consumer_lag", "Events of a source not heard so far.", ["durable"], registry=registry
        )
        self.heard_position = Gauge("heard_position", "Position heard of a source.", ["source"], registry=registry)
        self.inbox_duplicates = Counter(
            "inbox_duplicates", "Heard events that were known already.", ["source"], registry=registry
        )
        self.consumer_redelivered = Gauge(
            "consumer_redelivered", "Messages delivered again, not acknowledged.", ["durable"], registry=registry
        )
        self.consumer_resubscribed = Counter(
            "consumer_resubscribed", "Subscriptions that were mute and were made anew.", ["source"], registry=registry
        )

    def _count_traces(self) -> None:
        self.spans_exported = Counter("trace_spans_exported", "Spans that the collector took.", registry=self.registry)
        self.spans_dropped = Counter(
            "trace_spans_dropped",
            "Spans lost, by why: queue, collector.",
            ["why"],
            registry=self.registry,
        )

    def counted(self, name: str, documentation: str, label: str) -> Gauge:
        """A gauge of one service's own, by one label that is no id; the same one each time."""
        if name not in self._counted:
            self._counted[name] = Gauge(name, documentation, [label], registry=self.registry)
        return self._counted[name]

    def render(self) -> bytes:
        """The text exposition."""
        return generate_latest(self.registry)
