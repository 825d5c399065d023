"""The status -> Prometheus metrics on loopback. The only module that imports prometheus_client."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge.daemon.chore import unexpected
from edge.daemon.complaints import Complaints
from edge.errors import FatalError
from edge.feed.payloads import SourceStatus, StatusPayload

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from edge.feed.mqtt import MqttClient

LOOPBACK = "127.0.0.1"


@contextmanager
def serve(
    port: int,
    report: Callable[[], StatusPayload],
    client: Callable[[], "MqttClient | None"] = lambda: None,
) -> Iterator[None]:
    """Until the end of `with`; `report` and `client` are called for each scrape, in the server's
    thread.

    Raises FatalError where the port is taken.
    """
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.registry import Collector

    class Status(Collector):
        def collect(self) -> Iterator["Metric"]:
            try:
                yield from list(metrics(report(), client()))
            except Exception as error:  # noqa: BLE001  the server would print a traceback
                complaints.fails(unexpected(error), "this scrape got no figures")

    complaints = Complaints("health.metrics_port")
    registry = CollectorRegistry(auto_describe=False)
    try:
        server, thread = start_http_server(port, LOOPBACK, registry)
    except OSError as error:
        raise FatalError(f"health.metrics_port: {port} cannot be used: {error.strerror}") from None
    registry.register(Status())
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def metrics(status: StatusPayload, client: "MqttClient | None" = None) -> Iterator["Metric"]:
    """All that the status says in numbers, and what it cannot say: that the broker is away."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    about = {"version": status.version, "model": status.model.name,
             "model_version": status.model.version, "delegate": status.model.delegate}  # fmt: skip
    yield InfoMetricFamily("hedgerow", "What runs.", about)
    gauges: list[tuple[str, str, float | None]] = [
        ("uptime_seconds", "Since the daemon started.", status.uptime_s),
        ("clock_synced", "Whether the clock is synced.", status.clock_synced),
        ("temperature_celsius", "Of the hottest processor sensor.", status.temperature_c),
        ("frame_share", "Share of the frame rate that the heat leaves.", status.frame_share),
        ("denied_topics", "Topics that the broker denies this device.", len(status.denied)),
    ]
    counters: list[tuple[str, str, float]] = [
        ("dropped_messages", "Messages for which no broker was there.", status.dropped_messages),
        ("ignored_commands", "Retained commands, which are stale.", status.ignored_commands),
    ]
    if client is not None:
        connected = client.connected.is_set()
        gauges.append(("broker_connected", "1: the broker is connected.", connected))
        counters.append(("broker_connections", "Connections made so far.", client.connections))
    if status.file is not None:
        counters.append(("file_lost_lines", "Lines that [file] could not store.", status.file.lost))
    if status.outbox is not None:
        gauges += [
            ("outbox_events", "Events that the broker has not acknowledged.", status.outbox.depth),
            ("outbox_bytes", "Size of the journal.", status.outbox.bytes),
            ("outbox_durable", "Whether events survive a power cut.", status.outbox.durable),
        ]
        counters += [
            ("outbox_dropped", "Events given up undelivered.", status.outbox.dropped),
            ("outbox_refused", "Events that the broker refused.", status.outbox.refused),
        ]
    for name, text, value in gauges:
        if value is not None:
            yield GaugeMetricFamily(f"hedgerow_{name}", text, value)
    for name, text, value in counters:
        yield CounterMetricFamily(f"hedgerow_{name}", text, value)
    yield from _sources(status.sources)
    throttled = GaugeMetricFamily("hedgerow_throttled", "The firmware's flags.", labels=["flag"])
    for flag in status.throttled:
        throttled.add_metric([flag], 1)
    yield throttled


def _sources(sources: dict[str, SourceStatus]) -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    for key, text in (
        ("frames", "Frames looked at."),
        ("quiet", "Frames in which nothing moved."),
        ("dropped", "Frames that came and that nobody took."),
        ("skipped", "Pictures that could not be read."),
        ("events", "Events told."),
    ):
        counter = CounterMetricFamily(f"hedgerow_source_{key}", text, labels=["source"])
        for name, source in sources.items():
            counter.add_metric([name], getattr(source, key))
        yield counter
    online = GaugeMetricFamily("hedgerow_source_online", "1: frames come.", labels=["source"])
    rate = GaugeMetricFamily("hedgerow_source_fps", "Frames a second.", labels=["source"])
    latency = Metric("hedgerow_source_latency_seconds", "Frame to label.", "summary")
    view = GaugeMetricFamily(
        "hedgerow_source_view", "1: what the camera's view is now.", labels=["source", "view"]
    )
    for name, source in sources.items():
        if source.view is not None:
            view.add_metric([name, source.view], 1)
        online.add_metric([name], source.state == "online")
        rate.add_metric([name], source.fps)
        for quantile, ms in (("0.5", source.latency_ms_p50), ("0.95", source.latency_ms_p95)):
            labels = {"source": name, "quantile": quantile}
            latency.add_sample(latency.name, labels, ms / 1000)
    yield from (online, rate, latency, view)
