"""What the feed's readers ask for is carried out; Home Assistant is told what there is."""

from collections.abc import Callable

from edge import __version__
from edge.daemon import scene
from edge.daemon.commander import Commander
from edge.daemon.crew import Crew
from edge.daemon.looks import Plan
from edge.events import RuleBook
from edge.feed.commands import Commands
from edge.feed.homeassistant import Announcer, Device
from edge.feed.payloads import StatusPayload
from edge.feed.ways import Ways
from edge.health import thermal


class Readers:
    """`follow` at the start and after each reload, `obey` and `announce` often."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._rules: dict[str, RuleBook] = {}
        self._commands: Commands | None = None
        self._commander: Commander | None = None
        self._announced: tuple[object, ...] = ()
        self._announcer: Announcer | None = None

    def follow(self, plan: Plan, ways: Ways) -> None:
        """From now on."""
        self._rules.clear()
        self._rules |= plan.books
        if ways.retained is not None:
            ways.retained.keep(plan.config)
        if ways.client is not None and self._commands is not None:
            self._commands.answer_on(ways.client)
        self._commands = ways.commands
        if ways.commands is not None and ways.outbox is not None:
            self._commander = Commander(ways.commands, self._crew.workers, self._rules, ways.outbox)
        self._discover(plan, ways)

    def obey(self, report: Callable[[], StatusPayload], reload: Callable[[], None]) -> bool:
        """Carry out the commands that wait; whether there were any."""
        return self._commander is not None and self._commander.step(report, reload)

    def announce(self) -> None:
        """Home Assistant hears of this device when it is ready for that."""
        if self._announcer is not None:
            self._announcer.step()

    def _discover(self, plan: Plan, ways: Ways) -> None:
        config, told = plan.config, plan.config.homeassistant
        cameras = [name for name, source in config.source.items() if scene.lives(source)]
        device = Device(
            config.device,
            __version__,
            {name: self._rules[name].labels for name in cameras},
            config.feed.snapshots,
            config.view.enabled,
            thermal.read().temperature_c is not None,
        )
        announced = (device, ways.client, told)
        if announced == self._announced:
            return
        if self._announcer is not None:
            self._announcer.close()
        self._announced, self._announcer = announced, None
        if ways.client is not None and told.discovery:
            self._announcer = Announcer(device, ways.client, told.prefix)
