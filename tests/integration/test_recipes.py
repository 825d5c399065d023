"""The ready-made configurations of docs/feed.md do what the page says."""

import json
import re
import shutil
import time
import tomllib
from pathlib import Path
from typing import Any

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import REPOSITORY, Mosquitto, need
from tests.integration.test_watching import event
from tests.listener import until

PAGE = (REPOSITORY / "docs/feed.md").read_text(encoding="utf-8")


def recipe(start: str) -> str:
    """The code block of the page that begins with that."""
    (found,) = re.findall(rf"```\w*\n({re.escape(start)}.*?)```", PAGE, re.DOTALL)
    return str(found)


class Metric:
    """What Telegraf's Starlark sees of a point."""

    def __init__(self, time_ns: int, fields: dict[str, Any]) -> None:
        self.time = time_ns
        self.fields = fields


def stored(events: list[dict[str, Any]]) -> dict[Any, Any]:
    """InfluxDB's points: one for each measurement, set of tags and time."""
    told = tomllib.loads(recipe("[[inputs.mqtt_consumer]]"))
    (parser,) = told["inputs"]["mqtt_consumer"][0]["json_v2"]
    (processor,) = told["processors"]["starlark"]
    program: dict[str, Any] = {}
    exec(processor["source"], program)
    points = {}
    for one in events:
        fields = {
            f["path"]: {"float": float, "int": int}[f["type"]](one[f["path"]])
            for f in parser["field"]
        }
        seconds = one[parser["timestamp_path"]]
        at_ms = int(seconds[17:19]) * 1000 + int(seconds[20:23])
        metric = program["apply"](Metric(at_ms * 1_000_000, fields))
        tags = tuple(one[tag["path"]] for tag in parser["tag"])
        points[(parser["measurement_name"], tags, metric.time)] = fields
    return points


def test_telegraf_stores_each_event_once() -> None:
    """Three people come at once, one leaves and comes in the same millisecond; two come twice."""
    moment = "2026-06-01T12:00:01.500Z"
    alike = [event(seq, label="person", time=moment) for seq in range(1, 7)]
    later = [event(seq, label="person", time="2026-06-01T12:00:01.501Z") for seq in range(7, 9)]
    assert len(stored(alike + later)) == 8
    assert len(stored(alike + later + alike[:2])) == 8
    for one, point in zip(alike, stored(alike), strict=True):
        assert 0 <= point[2] - 1_500_000_000 < 1_000_000, one


def test_node_red_passes_on_what_happens_and_no_replay() -> None:
    flow = {node["id"]: node for node in json.loads(recipe('[{"id":"b"'))}
    assert all(to in flow for n in flow.values() for port in n.get("wires", ()) for to in port)
    assert flow["i"]["broker"] in flow

    def passes(payload: dict[str, Any]) -> bool:
        (node,) = (flow[to] for to in flow["i"]["wires"][0])
        while node["type"] == "switch":
            value = payload[node["property"].removeprefix("payload.")]
            (rule,) = node["rules"]
            if not (value is False if rule["t"] == "false" else value == rule["v"]):
                return False
            node = flow[node["wires"][0][0]]
        return bool(node["type"] == "debug")

    assert passes(event(1))
    assert not passes(event(1, replayed=True))
    assert not passes(event(1, event_type="end"))


def test_the_bridge_carries_the_feed_the_commands_and_home_assistant(tmp_path: Path) -> None:
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    need(Path(program).exists(), "mosquitto")
    (tmp_path / "central").mkdir()
    (tmp_path / "yard").mkdir()
    central = Mosquitto(tmp_path / "central", "allow_anonymous  true\n")
    left_out = ("address", "bridge_cafile", "remote_", "persistence")
    lines = [line for line in recipe("connection central").splitlines()
             if not line.startswith(left_out)]  # fmt: skip
    lines.insert(1, f"address 127.0.0.1:{central.port}")
    yard = Mosquitto(tmp_path / "yard", "allow_anonymous  true\n" + "\n".join(lines) + "\n")
    central.start()
    yard.start()
    discovery = "homeassistant/device/hedgerow_yard/config"
    seen: dict[str, list[str]] = {"there": [], "here": []}
    try:
        with (
            MqttClient(MqttConfig(broker=central.address), "") as there,
            MqttClient(MqttConfig(broker=yard.address), "") as here,
        ):
            for topics in ("hedgerow/#", "homeassistant/#"):
                there.listen(topics, lambda m: seen["there"].append(m.topic))
                here.listen(topics, lambda m: seen["here"].append(m.topic))
            assert there.connected.wait(5) and here.connected.wait(5)
            here.publish(Message("hedgerow/yard/status", "{}", retain=True))
            here.publish(Message(discovery, "{}", retain=True))
            until(lambda: {"hedgerow/yard/status", discovery} <= set(seen["there"]))
            replayed = "hedgerow/yard/command/replay/to/x"
            here.publish(Message("hedgerow/yard/gate/event", "{}"))
            here.publish(Message(replayed, "{}"))
            there.publish(Message("hedgerow/yard/command/replay", "{}"))
            there.publish(Message("homeassistant/status", "online"))
            wanted = {"hedgerow/yard/command/replay", "homeassistant/status"}
            until(lambda: wanted <= set(seen["here"]))
            until(lambda: {"hedgerow/yard/gate/event", replayed} <= set(seen["there"]))
            time.sleep(0.3)
        for side in seen.values():
            assert len(side) == len(set(side)), "nothing goes round in circles"
    finally:
        yard.stop()
        central.stop()
