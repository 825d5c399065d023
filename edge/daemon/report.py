"""The daemon's parts -> the status that the feed, Prometheus and systemd show."""

import time
from dataclasses import dataclass

from edge import __version__
from edge.config import Config
from edge.daemon.crew import Crew
from edge.daemon.vitals import Vitals
from edge.feed import payloads
from edge.feed.clock import kernel_synced
from edge.feed.feed import Identity
from edge.feed.ways import Ways
from edge.runtime.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Parts:
    """What the status is made of."""

    config: Config
    identity: Identity
    ways: Ways
    runtime: Runtime
    crew: Crew
    vitals: Vitals


def report(parts: Parts, began_s: float) -> payloads.StatusPayload:
    """As it is now; `began_s` is when the daemon started, at time.monotonic()."""
    identity, ways, heat = parts.identity, parts.ways, parts.vitals.heat
    return payloads.StatusPayload(
        device=identity.device,
        version=__version__,
        boot_id=identity.boot_id,
        uptime_s=time.monotonic() - began_s,
        model=identity.model,
        delegates=payloads.DelegateStatus(
            asked=parts.config.runtime.delegates,
            loaded=parts.runtime.delegate,
            refused={r.delegate: r.reason for r in parts.runtime.refused},
        ),
        sources={w.name: w.stats.status(w.source) for w in parts.crew.all},
        outbox=ways.outbox.status() if ways.outbox else None,
        file=ways.file,
        dropped_messages=ways.client.dropped if ways.client else 0,
        ignored_commands=ways.commands.ignored if ways.commands else 0,
        denied=ways.client.denied if ways.client else (),
        clock_synced=kernel_synced(),
        temperature_c=heat.temperature_c,
        frame_share=parts.vitals.share,
        throttled=heat.flags,
        time=payloads.iso(time.time()),
    )
