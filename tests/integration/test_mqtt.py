"""How a daemon and its broker come together: TLS, WebSockets, versions, passwords, clocks."""

import gc
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

from edge.config import Config, FeedConfig, MqttConfig, OutboxConfig
from edge.errors import FatalError
from edge.feed.clock import Clock
from edge.feed.feed import Feed, Identity
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from edge.feed.outbox import Outbox
from edge.feed.payloads import ModelRef
from edge.feed.ways import Ways, open_ways
from edge.types import Event
from tests.conftest import Edge, Mosquitto, free_port, need
from tests.strict_broker import until

EXTENSIONS = "subjectAltName=IP:127.0.0.1"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a broker's and a device's certificate, and a stranger's authority."""
    need(shutil.which("openssl") is not None, "openssl")
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for authority in ("ca", "stranger"):
        openssl(*new, "-x509", "-days", "2", "-subj", f"/CN={authority}",
                "-keyout", f"{authority}.key", "-out", f"{authority}.pem")  # fmt: skip
    for name in ("broker", "device"):
        openssl(*new, "-subj", f"/CN={name}", "-addext", EXTENSIONS,
                "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-days", "2", "-copy_extensions", "copy", "-out", f"{name}.pem")  # fmt: skip
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder


@pytest.fixture
def tls_broker(keys: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    """Lets in only devices with a certificate of our authority."""
    settings = f"cafile {keys}/ca.pem\ncertfile {keys}/broker.pem\nkeyfile {keys}/broker.key\n"
    broker = Mosquitto(tmp_path, f"{settings}require_certificate true\nallow_anonymous  true\n")
    broker.start()
    yield broker
    broker.stop()


def arrives(config: MqttConfig) -> bool:
    """Whether a message goes to the broker and comes back."""
    came = threading.Event()
    with MqttClient(config, "") as client:
        client.listen("hedgerow/x/availability", lambda _: came.set())
        if client.connected.wait(5):
            client.publish(Message("hedgerow/x/availability", "online"))
            return came.wait(5)
        client.check()
    return False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_with_an_authority_and_a_certificate_of_ones_own(
    tls_broker: Mosquitto, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"mqtts://127.0.0.1:{tls_broker.port}"
    config = MqttConfig(
        broker=address,
        ca_file=keys / "ca.pem",
        cert_file=keys / "device.pem",
        key_file=keys / "device.key",
    )
    assert arrives(config)
    wrong = config.model_copy(update={"ca_file": keys / "stranger.pem"})
    with MqttClient(wrong, "") as client:
        assert not client.connected.wait(1)
    gc.collect()  # paho leaves the sockets of failed handshakes open: they are let go of here
    assert "certificate verify failed" in caplog.text


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"ca_file": "none.pem"}, "mqtt.ca_file: none.pem: No such file"),
        ({"ca_file": "ca.key"}, "mqtt.ca_file: ca.key: is not what TLS needs"),
        (
            {"cert_file": "ca.pem", "key_file": "device.key"},
            "mqtt.cert_file: ca.pem and device.key",
        ),
    ],
)
def test_wrong_tls_files_are_named(keys: Path, files: dict[str, str], says: str) -> None:
    given = {key: keys / name for key, name in files.items()}
    with pytest.raises(FatalError) as caught:
        MqttClient(MqttConfig(broker="mqtts://127.0.0.1:1").model_copy(update=given), "")
    assert str(caught.value).replace(f"{keys}/", "").startswith(says)


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_websockets(tmp_path: Path, protocol: str) -> None:
    port = free_port()
    second = f"listener {port} 127.0.0.1\nprotocol websockets\n"  # 2.0.11 wants another first
    broker = Mosquitto(tmp_path, f"allow_anonymous true\n{second}")
    broker.start()
    try:
        config = MqttConfig(broker=f"ws://127.0.0.1:{port}/mqtt")
        assert arrives(config.model_copy(update={"protocol": protocol}))
    finally:
        broker.stop()


def test_a_broker_without_mqtt_5_gets_3_1_1(caplog: pytest.LogCaptureFixture) -> None:
    from edge.feed.broker import EmbeddedBroker

    need_amqtt()
    port = free_port()
    with EmbeddedBroker(port):
        assert arrives(MqttConfig(broker=f"mqtt://127.0.0.1:{port}"))
        assert "going on with 3.1.1" in caplog.text
        with pytest.raises(FatalError, match="it speaks no MQTT 5"):
            arrives(MqttConfig(broker=f"mqtt://127.0.0.1:{port}", protocol="5"))


def need_amqtt() -> None:
    from importlib.util import find_spec

    need(find_spec("amqtt") is not None, "amqtt")


def test_a_password_from_a_systemd_credential_and_one_that_is_changed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd")
    need(tool is not None, "mosquitto_passwd")
    subprocess.run([str(tool), "-b", "-c", passwords, "me", "hunter2"], check=True)
    passwords.chmod(0o644)
    broker = Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}\n")
    broker.start()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt-password").write_text("hunter2\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    try:
        with MqttClient(MqttConfig(broker=broker.address, username="me"), "") as client:
            assert client.connected.wait(5)
            subprocess.run([str(tool), "-b", passwords, "me", "other"], check=True)
            broker.stop()
            broker.start()
            until_s = time.monotonic() + 5
            while not client.refused and time.monotonic() < until_s:
                time.sleep(0.02)
            assert client.refused
            client.check()  # no FatalError: it worked once, it may work again
            subprocess.run([str(tool), "-b", passwords, "me", "hunter2"], check=True)
            broker.stop()
            broker.start()
            assert client.connected.wait(10)
    finally:
        broker.stop()
    assert "hunter2" not in caplog.text


def test_a_daemon_without_a_writable_state_directory_says_so_and_goes_on(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/proc/nowhere")  # read-only even for root
    seen: list[Message] = []
    with MqttClient(MqttConfig(broker=mosquitto.address), "") as reader:
        reader.listen("hedgerow/#", seen.append)
        assert reader.connected.wait(5)
        done = edge(
            "run", "--source", f"door=file:{testdata}/videos/one-by-one-person-detection.mp4",
            "--model", vww, "--broker", mosquitto.address, "--device", "field",
        )  # fmt: skip
        time.sleep(0.3)
    assert done.returncode == 0, done.stderr
    assert "outbox /proc/nowhere/field.outbox: " in done.stderr
    assert "events wait in memory only" in done.stderr
    status = [json.loads(m.text) for m in seen if m.topic.endswith("/status")][-1]
    assert not status["outbox"]["durable"]
    assert "/proc/nowhere/field.outbox" in status["outbox"]["reason"]
    assert sum(m.topic.endswith("/event") for m in seen) >= 6


def test_a_clock_that_is_set_years_ahead_corrects_what_was_told_before(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """1970 until the clock is set, as on a Raspberry Pi that starts without a network."""
    ahead, synced = [0.0], [False]

    def wall() -> float:
        return 1000.0 + time.monotonic() + ahead[0]

    clock = Clock(wall=wall, synced=lambda: synced[0])
    model = ModelRef(name="none", version="1", sha256="0" * 64, delegate="cpu")
    seen: list[dict[str, object]] = []
    with MqttClient(MqttConfig(broker=mosquitto.address), "") as client:
        client.listen("hedgerow/+/+/event", lambda m: seen.append(json.loads(m.text)))
        assert client.connected.wait(5)
        with Outbox(tmp_path / "field.outbox", OutboxConfig(), client, clock) as outbox:
            feed = Feed(Identity("field", "b007", model), Ways(client, outbox), FeedConfig(), clock)
            feed.tell("cam", story("start", wall(), wall()), live=True)
            wait_for(seen, 1)
            started = wall()
            ahead[0], synced[0] = 1.7e9, True
            wait_for(seen, 2)
            feed.tell("cam", story("end", wall(), started), live=True)
            wait_for(seen, 3)
    first, corrected, end = seen
    assert str(first["time"]).startswith("1970-")
    assert first["clock"] == {"synced": False, "virtual": False, "corrected": False}
    assert str(corrected["time"]).startswith("2023-")
    assert corrected["clock"] == {"synced": True, "virtual": False, "corrected": True}
    assert (corrected["id"], corrected["seq"]) == (first["id"], first["seq"])
    assert str(end["started"])[:4] == str(end["time"])[:4] == "2023", "not half on the old clock"


def story(kind: str, unix_s: float, started_unix_s: float) -> Event:
    return Event(kind, 1, "person", 0.9, unix_s, started_unix_s, 1.0, 3, 3)  # type: ignore[arg-type]


def wait_for(seen: list[dict[str, object]], number: int) -> None:
    until_s = time.monotonic() + 10
    while len(seen) < number:
        assert time.monotonic() < until_s, seen
        time.sleep(0.01)


def test_the_state_directory_is_made_for_its_owner_only(mosquitto: Mosquitto, state: Path) -> None:
    with (
        MqttClient(MqttConfig(broker=mosquitto.address), "") as client,
        Outbox(state / "field.outbox", OutboxConfig(), client, Clock()),
    ):
        assert os.stat(state).st_mode & 0o007 == 0  # noqa: PTH116


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_a_broker_that_ends_every_connection_is_said_once(
    protocol: Literal["auto", "3.1.1"], caplog: pytest.LogCaptureFixture
) -> None:
    """What the port of a web server, or one that wants TLS, does to MQTT."""

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                line, _ = server.accept()
                line.recv(4096)
                line.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        address = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        with MqttClient(MqttConfig(broker=address, protocol=protocol), "x") as client:
            until(lambda: "ends each connection without an answer" in caplog.text)
            client.check()
        server.shutdown(socket.SHUT_RDWR)
    assert "does it want TLS" in caplog.text
    assert caplog.text.count("without an answer") == 1


def test_a_network_thread_that_dies_is_started_again(mosquitto: Mosquitto) -> None:
    """It raises where it makes the packet: no user name can be that long."""
    died: list[threading.ExceptHookArgs] = []
    before, threading.excepthook = threading.excepthook, died.append
    try:
        with MqttClient(MqttConfig(broker=mosquitto.address, username="a"), "x") as client:
            client.connected.wait(5)
            client._client.username_pw_set("a" * 70_000)
            client.restart("a test")
            until(lambda: bool(died))
            began_s = time.monotonic()

            def back() -> bool:
                client.check()
                return client.connections == 2 and client.connected.is_set()

            until(back)
    finally:
        threading.excepthook = before
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("kind", ["too long", "a pipe", "a folder"])
def test_a_password_file_that_holds_no_password_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "password"
    match kind:
        case "too long":
            path.write_bytes(b"x" * 70_000)
        case "a pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    config = MqttConfig(broker="mqtt://127.0.0.1", username="yard", password_file=path)
    with pytest.raises(FatalError, match=f"mqtt.password_file: {path}: is"):
        MqttClient(config, "x")


def test_a_state_folder_that_cannot_be_looked_at_ends_nothing(tmp_path: Path) -> None:
    """The same as a folder of somebody else's, which root can look into."""
    config = Config(
        mqtt=MqttConfig(broker=f"mqtt://127.0.0.1:{free_port()}"),
        outbox=OutboxConfig(folder=tmp_path / ("x" * 300)),
    )
    with open_ways(config, json_lines=False, mqtt=True) as ways:
        assert ways.outbox is not None
        assert "File name too long" in ways.outbox.status().reason
