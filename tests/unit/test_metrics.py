"""What Prometheus gets: as `promtool check metrics` wants it, and with what the feed cannot say."""

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import parser as plain_text
from prometheus_client.openmetrics import parser as openmetrics

from edge.config import MqttConfig
from edge.daemon import metrics
from edge.feed import payloads
from edge.feed.mqtt import MqttClient
from tests.conftest import Mosquitto, free_port
from tests.listener import until

SOURCE = payloads.SourceStatus(
    state="online", reason="", live=True, frames=5, fps=3.0, dropped=1, skipped=0, events=2,
    latency_ms_p50=1.0, latency_ms_p95=2.0, view="ok",
)  # fmt: skip
STATUS = payloads.StatusPayload(
    device="d", version="1", boot_id="x", uptime_s=1.0,
    model=payloads.ModelRef(name='m"\n', version="1", sha256="0", delegate="cpu"),
    delegates=payloads.DelegateStatus(asked=("cpu",), loaded="cpu", refused={}),
    sources={"cam": SOURCE, "yard": SOURCE},
    outbox=payloads.OutboxStatus(
        depth=0, bytes=1, last_seq=1, dropped=0, refused=3, durable=True, reason=""
    ),
    file=payloads.FileStatus(lost=2, reason=""), dropped_messages=0, denied=("a",),
    clock_synced=True, temperature_c=40.0, throttled=("under_voltage",), time="t",
)  # fmt: skip
UNITS = r"milliseconds|_ms\b|minutes|hours|kelvin|fahrenheit|kilobytes|megabytes|percent"


@pytest.fixture
def scrape(mosquitto: Mosquitto) -> Iterator[Any]:
    """Ask a running server, of a device that is connected to a broker."""
    port = free_port()
    with (
        MqttClient(MqttConfig(broker=mosquitto.address), "") as client,
        metrics.serve(port, lambda: STATUS, lambda: client),
    ):
        assert client.connected.wait(5)

        def ask(accept: str = "text/plain") -> str:
            url = f"http://127.0.0.1:{port}/metrics"
            request = urllib.request.Request(url, headers={"Accept": accept})
            with urllib.request.urlopen(request, timeout=5) as answer:
                return str(answer.read().decode())

        yield ask


families: Any = plain_text.text_string_to_metric_families


def complaints(text: str) -> list[str]:
    """Prometheus' own rules (util/promlint), as far as they can concern us."""
    found = []
    for family in families(text):
        labels = {label for sample in family.samples for label in sample.labels}
        if not family.documentation:
            found.append(f"{family.name}: no help text")
        if family.type != "histogram" and "le" in labels:
            found.append(f'{family.name}: non-histogram metrics should not have "le" label')
        if family.type != "summary" and "quantile" in labels:
            found.append(f'{family.name}: non-summary metrics should not have "quantile" label')
        if family.type != "counter" and family.name.endswith("_total"):
            found.append(f"{family.name}: is no counter")
        if re.search(UNITS, family.name) or not re.fullmatch("[a-z0-9_]+", family.name):
            found.append(f"{family.name}: a unit that is no base unit, or no snake_case")
    return found


def test_promtool_would_not_complain(scrape: Any) -> None:
    text = scrape()
    assert complaints(text) == []
    assert complaints('# HELP a b\n# TYPE a gauge\na{quantile="1"} 1\n'), "the check can see"
    promtool = shutil.which("promtool")
    if promtool is not None:
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_both_of_prometheus_formats_say_the_same(scrape: Any) -> None:
    plain = {f.name for f in families(scrape())}
    asked = scrape("application/openmetrics-text; version=1.0.0")
    assert asked.endswith("# EOF\n")
    read: Any = openmetrics.text_string_to_metric_families
    names = {f.name for f in read(asked)}
    assert len(names) == len(plain) > 20
    assert 'hedgerow_source_latency_seconds{quantile="0.95",source="cam"} 0.002' in asked


def test_a_broker_that_is_away_is_a_series(scrape: Any, mosquitto: Mosquitto) -> None:
    assert "hedgerow_broker_connected 1.0\n" in scrape()
    assert "hedgerow_broker_connections_total 1.0\n" in scrape()
    mosquitto.stop()
    until(lambda: "hedgerow_broker_connected 0.0\n" in scrape())
    mosquitto.start()
    until(lambda: "hedgerow_broker_connections_total 2.0\n" in scrape())
    without = {family.name for family in metrics.metrics(STATUS, None)}
    assert not any("broker" in name for name in without), "nothing goes to a broker"


def test_every_count_of_the_status_is_a_series(scrape: Any) -> None:
    text = scrape()
    for line in (
        "hedgerow_outbox_refused_total 3.0", "hedgerow_file_lost_lines_total 2.0",
        "hedgerow_denied_topics 1.0", 'hedgerow_throttled{flag="under_voltage"} 1.0',
        'hedgerow_source_quiet_total{source="yard"} 0.0', "hedgerow_ignored_commands_total 0.0",
    ):  # fmt: skip
        assert f"{line}\n" in text
