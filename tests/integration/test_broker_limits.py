"""What brokers refuse, limit and send too much of, and what becomes of the connection."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import RECEIVED, MqttClient
from edge.feed.standoff import LONGEST_S, PEACE_S, Standoff
from tests.conftest import Mosquitto, edge_command, need
from tests.strict_broker import StrictBroker, until

ACL = "user me\ntopic write hedgerow/field/#\ntopic read hedgerow/field/command/+\n"
CONFIG = """
device = "field"
[model]
path = "models/person/model.tflite"
[mqtt]
broker = "{broker}"
username = "me"
password_file = "{password}"
[feed]
status_interval_s = 1
[source.cam]
uri = "demo:?fps=2"
"""


def state(number: int, topic: str = "cam") -> Message:
    return Message(f"hedgerow/field/{topic}/state", f'{{"n": {number}}}', retain=True)


def config(broker: StrictBroker, protocol: str = "5") -> MqttConfig:
    return MqttConfig.model_validate({"broker": broker.address, "protocol": protocol})


@pytest.mark.parametrize("room", [1, 2, 10])
def test_a_brokers_receive_maximum_holds_for_every_message(room: int) -> None:
    with StrictBroker(receive_maximum=room) as broker, MqttClient(config(broker), "x") as client:
        assert client.connected.wait(5)
        for number in range(12):
            client.publish(state(number, f"cam{number}"))
            client.publish(Message("hedgerow/field/command/report/result", "{}"))
        events = 0
        while events < 8:
            event = Message("hedgerow/field/cam/event", f"{events}")
            events += client.send(event, client.connections) is not None
            time.sleep(0.002)
        assert client.flush(10) == 0
        assert len({topic for topic, _ in broker.published}) == 14
        assert [p for t, p in broker.published if t.endswith("/event")] == [
            b"%d" % number for number in range(8)
        ]
        broker.published.clear()
        broker.hang_up()  # all that is retained is said again
        until(lambda: len({t for t, _ in broker.published if t.endswith("/state")}) == 12)
        assert broker.most_unacknowledged <= room


def test_what_was_under_way_never_comes_after_what_is_newer(mosquitto: Mosquitto) -> None:
    """An old state that is repeated after a new one would be the one that is retained."""
    with StrictBroker() as broker, MqttClient(config(broker), "x") as client:
        assert client.connected.wait(5)
        client.publish(state(1))
        broker.hang_up()
        until(lambda: not client.connected.is_set())
        client.publish(state(2))
        assert client.connected.wait(5)
        assert client.flush(5) == 0
        assert broker.published[-1] == ("hedgerow/field/cam/state", b'{"n": 2}')


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_topics_that_the_broker_denies_are_named_once(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    denied = [True]
    with (
        StrictBroker(denies=lambda topic: denied[0] and "field" not in topic) as broker,
        MqttClient(config(broker, protocol), "x") as client,
    ):
        client.listen("other/command/+", print)
        client.listen("hedgerow/field/command/+", print)
        assert client.connected.wait(5)
        for _ in range(3):
            client.publish(Message("other/config", "{}", retain=True))
        client.publish(state(1))
        assert client.flush(5) == 0
        known = ("other/command/+", "other/config") if protocol == "5" else ("other/command/+",)
        until(lambda: client.denied == known)
        broker.hang_up()
        until(lambda: client.connections == 2 and client.connected.is_set())
        assert client.flush(5) == 0
        assert sum("does not let this client" in line for line in caplog.messages) == len(known)
        denied[0] = False
        broker.hang_up()
        until(lambda: client.denied == ())


def test_a_broker_that_hangs_up_for_a_denied_topic_gets_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All that MQTT 3.1.1 lets a broker do besides keeping silent."""
    with StrictBroker(denies=lambda topic: topic.startswith("homeassistant")) as broker:
        broker.hangs_up = True
        with MqttClient(config(broker, "3.1.1"), "x") as client:
            client.publish(state(1))
            client.publish(Message("homeassistant/device/x/config", "{}", retain=True))
            client.publish(state(2, "yard"))
            until(lambda: ("hedgerow/field/yard/state", b'{"n": 2}') in broker.published)
            assert client.denied == ("homeassistant/device/x/config",)
            client.publish(Message("homeassistant/device/x/config", "{}", retain=True))
            assert client.flush(5) == 0
            assert client.connections == 5
    assert "it ends the connection each time" in caplog.text


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_packet_that_is_too_long_is_never_in_memory(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By a broker that does not keep the Maximum Packet Size that it was asked to keep."""
    with StrictBroker() as broker:
        broker.flood = 250_000_000
        before_mb = resident_mb()
        with MqttClient(config(broker, protocol), "x") as client:
            client.listen("hedgerow/field/command/+", print)
            client.listen("hedgerow/field/+/state", print)
            until(lambda: client.connections == 3 and client.connected.is_set())
            client.publish(state(1))
            assert client.flush(5) == 0, "events go on"
            assert client.connections == 3
        assert resident_mb() - before_mb < 20
        assert broker.flooded < 20_000_000, "what sockets hold"
        assert broker.subscribed.count("hedgerow/field/command/+") == 2
        asked = b"\x27" + RECEIVED.to_bytes(4, "big")
        assert (asked in broker.connects[0]) == (protocol == "5")
    line = "sends 250000000 bytes on hedgerow/field/command/pause: more than 2097152 are not read"
    assert line in caplog.text
    assert "hedgerow/field/command/+ is not read for 60 s" in caplog.text


@pytest.mark.parametrize(("protocol", "perhaps"), [("5", ""), ("3.1.1", "perhaps ")])
def test_two_devices_with_one_client_id_are_named_and_do_not_fight(
    mosquitto: Mosquitto, protocol: str, perhaps: str, caplog: pytest.LogCaptureFixture
) -> None:
    section = MqttConfig.model_validate({"broker": mosquitto.address, "protocol": protocol})
    line = f"{perhaps}another client uses the client id hedgerow-field: give every device a"
    with MqttClient(section, "hedgerow-field") as one, MqttClient(section, "hedgerow-field") as two:
        until(lambda: line in caplog.text)
        time.sleep(2)
        assert one.connections + two.connections < 15
    assert caplog.text.count("another client uses") <= 2, "once each"


def test_a_quarrel_over_a_client_id_calms_down() -> None:
    quarrel = Standoff()
    waits_s = [quarrel.taken(1.0) for _ in range(10)]
    assert waits_s[0] < 1.3
    assert 0.8 * LONGEST_S <= waits_s[-1] <= 1.2 * LONGEST_S
    assert quarrel.taken(PEACE_S + 1) < 1.3


def test_a_bad_line_is_no_quarrel() -> None:
    line = Standoff()
    assert not any(line.sudden(1.0, f"cam{n}/event") for n in range(20))
    assert not any(line.sudden(30.0, "") for _ in range(20))
    for _ in range(3):
        assert not line.sudden(0.1, "")
    line.calm()
    assert not line.sudden(0.1, "")


def test_a_denied_discovery_is_in_the_log_and_in_the_status(
    tmp_path: Path, state: Path, demo_photographs: None
) -> None:
    tool = shutil.which("mosquitto_passwd")
    need(tool is not None, "mosquitto_passwd")
    passwords, password, acl = (tmp_path / name for name in ("passwords", "password", "acl"))
    subprocess.run([str(tool), "-b", "-c", passwords, "me", "secret"], check=True)
    password.write_text("secret")
    acl.write_text(ACL + "user reader\ntopic read #\n")
    subprocess.run([str(tool), "-b", passwords, "reader", "secret"], check=True)
    for path in (passwords, acl):
        path.chmod(0o644)
    settings = f"allow_anonymous false\npassword_file {passwords}\nacl_file {acl}\n"
    broker = Mosquitto(tmp_path, settings)
    broker.start()
    file = tmp_path / "edge.toml"
    file.write_text(CONFIG.format(broker=broker.address, password=password))
    seen: list[Message] = []
    reader = MqttConfig(broker=broker.address, username="reader", password_file=password)
    daemon = subprocess.Popen(
        edge_command("run", "--config", file), stderr=subprocess.PIPE, text=True
    )
    try:
        with MqttClient(reader, "") as client:
            client.listen("hedgerow/field/status", seen.append)
            topic = "homeassistant/device/hedgerow_field/config"
            until(lambda: any(json.loads(m.text)["denied"] == [topic] for m in seen), 20)
    finally:
        daemon.terminate()
        log = daemon.communicate(timeout=10)[1]
        broker.stop()
    assert log.count(f"does not let this client publish on {topic} (Not authorized)") == 1
