"""A layer whose code reaches for the network: `--custom-objects tests.dialling:Doubling`."""

import os
import socket
from typing import Any

from tests import doubling


class Doubling(doubling.Doubling):
    """Refuses to be made where the port in HEDGEROW_TEST_PORT answers."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        try:
            socket.create_connection(("127.0.0.1", int(os.environ["HEDGEROW_TEST_PORT"])), 1)
        except OSError:
            return
        raise ValueError("the network was reached")
