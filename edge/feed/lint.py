"""Messages of a running feed -> what in them is not as the schemas and the documents say."""

from collections import Counter

from pydantic import ValidationError

from edge.feed.reader import Received
from edge.feed.schemas import PUBLISHED, RETAINED

WORDS = ("online", "offline")


class Lint:
    """Reads a feed message by message; remembers what an order needs."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self._latest: dict[tuple[str, str, object], int] = {}

    def check(self, received: Received) -> list[str]:
        """One line for each thing that is wrong with it."""
        self.checked[received.kind] += 1
        problems = []
        if received.retained and received.kind not in RETAINED and received.source != "command":
            problems.append("is retained: readers would take it for new")
        if received.kind == "availability" and received.payload not in (*WORDS, ""):
            problems.append(f"expected online or offline, got {received.payload[:40]!r}")
        model = PUBLISHED.get(received.kind)
        if model is not None and received.payload:
            try:
                payload = model.model_validate_json(received.payload)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                key = ".".join(str(part) for part in first["loc"])
                problems.append(f"{key}: {first['msg']}")
            else:
                problems += [] if "schema" in received.content else ["schema: Field required"]
                problems += self._order(received, payload.model_dump())
        return problems

    def _order(self, received: Received, payload: dict[str, object]) -> list[str]:
        """New events of a source come in the order of their seq."""
        if received.kind != "event" or payload["replayed"]:
            return []
        where = (received.device, received.source, payload["boot_id"])
        before, seq = self._latest.get(where, 0), payload["seq"]
        assert isinstance(seq, int)
        self._latest[where] = max(seq, before)
        return [f"seq {seq} after {before}"] if seq < before else []
