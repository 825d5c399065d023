"""The rota: sources sleep and wake by the clock, also when somebody sets it."""

import time

from edge.config import SourceConfig
from edge.daemon.rota import STEP_S, Rota
from edge.daemon.worker import Worker
from edge.scene import ScheduleConfig, SiteConfig
from edge.schedule import Schedule

DAY = ScheduleConfig.model_validate({"from": "06:00", "until": "18:00"})
NOON = 1_780_315_200.0
"""2026-06-01T12:00:00Z."""


def test_a_clock_that_is_set_puts_the_source_to_sleep_and_says_until_when() -> None:
    config = SourceConfig(uri="demo:", schedule=DAY)
    worker = Worker("yard", config, make=None, feed=None)  # type: ignore[arg-type]
    clock = {"unix_s": 0.0, "set": False}
    rota = Rota(
        [(worker, Schedule(DAY, SiteConfig(timezone="UTC")))],
        lambda: float(clock["unix_s"]),
        lambda _: bool(clock["set"]),
    )

    def look(unix_s: float, is_set: bool = True) -> tuple[bool, str | None]:
        clock.update(unix_s=unix_s, set=is_set)
        time.sleep(STEP_S + 0.05)
        rota.step()
        return worker.stats.asleep, worker.stats.asleep_until

    assert worker.stats.asleep, "until the rota has looked"
    assert look(0.0, is_set=False) == (False, None), "nobody knows the hour: awake"
    assert look(NOON + 8 * 3600) == (True, "2026-06-02T06:00:00.000Z")
    assert worker.stats.status(None).reason == "asleep until 2026-06-02T06:00:00.000Z"
    assert look(NOON + 24 * 3600) == (False, None)
