"""An MQTT broker inside this process, for trying Hedgerow out. The only module with amqtt."""

import asyncio
import logging
from threading import Thread
from typing import Any

from edge.errors import FatalError

log = logging.getLogger(__name__)


class EmbeddedBroker:
    """amqtt on 127.0.0.1: MQTT 3.1.1 only, nothing stored, nobody asked for a password."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._broker: Any = None

    def __enter__(self) -> "EmbeddedBroker":
        """Raises FatalError where amqtt is not installed or the port is taken."""
        try:
            from amqtt.broker import Broker
        except ModuleNotFoundError:
            raise FatalError(
                "mqtt.broker: embedded needs amqtt: pip install 'hedgerow[demo]', "
                "or use a real broker: apt install mosquitto"
            ) from None
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        Thread(target=self._loop.run_forever, name="broker", daemon=True).start()
        try:
            self._broker = self._wait(self._start(Broker))
        except Exception as error:  # noqa: BLE001  amqtt wraps a taken port in its own errors
            self._loop.call_soon_threadsafe(self._loop.stop)
            raise FatalError(
                f"mqtt.broker: embedded: cannot listen on 127.0.0.1:{self._port}: {error}; if a "
                f"broker runs there, use it: mqtt://127.0.0.1:{self._port}, else another port: "
                f"embedded:{self._port + 1 if self._port < 65_535 else 1883}"
            ) from None
        log.info(
            "embedded broker on mqtt://127.0.0.1:%d (MQTT 3.1.1, for trying out only)", self._port
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._broker.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _start(self, broker_class: Any) -> Any:
        broker = broker_class(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self._port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
                },
            }
        )
        await broker.start()
        return broker

    def _wait(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=5)
