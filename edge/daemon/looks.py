"""A checked configuration and its model -> how each source's frames are looked at."""

from dataclasses import dataclass
from itertools import count

from edge.config import Config
from edge.daemon import check, scene
from edge.daemon.memory import Memory, state_folder
from edge.decode import open_decode
from edge.events import EventTracker, ObjectEvents, RuleBook
from edge.model import Model
from edge.pipeline import Look
from edge.preprocess import Preprocess, check_range
from edge.runtime.runtime import Limits, Runtime, Setup


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration with its model, checked against each other."""

    config: Config
    model: Model
    books: dict[str, RuleBook]
    """By source, what becomes events."""

    def seeks_as(self, other: "Plan") -> bool:
        """Whether stories may go on over the exchange of one for the other."""
        return self._sought() == other._sought()

    def _sought(self) -> tuple[object, ...]:
        config = self.config
        return (self.model.contract, config.events, config.profile, config.site)


def plan(config: Config, before: Plan | None = None) -> Plan:
    """Raises FatalError where the model cannot do what the configuration asks of it.

    Rules that did not change stay as they are, with what a command made of them.
    """
    model, books = check.look_over(config)
    if before is None:
        return Plan(config, model, books)
    kept = before.model
    if (model.path, model.sha256, model.contract) == (kept.path, kept.sha256, kept.contract):
        model = kept
    made = Plan(config, model, books)
    if made.seeks_as(before):
        books |= {name: book for name, book in before.books.items() if name in books}
    return made


def setup(plan: Plan) -> Setup:
    """What the plan runs on."""
    section = plan.config.runtime
    limits = Limits(section.threads, section.invoke_limit_s, retry_s=section.retry_s)
    return Setup(plan.model, section.delegates, limits, section.state_dir or state_folder())


class Looks:
    """Made once; `follow` where a reload changes the plan."""

    def __init__(self, plan: Plan, runtime: Runtime, memory: Memory) -> None:
        """Raises FatalError where model and contract do not go together."""
        self._runtime = runtime
        self._memory = memory
        self._stories = count(1)
        self._keeps_stories = self._keeps_gate = True
        self.plan = plan
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """From now on. Raises FatalError, and nothing is changed, where it cannot work."""
        contract = plan.model.contract
        Preprocess(contract.input, self._runtime.input)  # refuses what does not fit
        check_range(contract.input, self._runtime.input)
        self._decode = open_decode(contract, self._runtime.outputs)
        self._keeps_stories = plan.seeks_as(self.plan)
        self._keeps_gate = plan.config.motion == self.plan.config.motion
        self.plan = plan

    def look(self, name: str, before: Look | None, live: bool) -> Look:
        """A source's look for a new pipeline, or, with the look before, for one that goes on."""
        model, config = self.plan.model, self.plan.config
        return Look(
            preprocess=Preprocess(model.contract.input, self._runtime.input),
            runtime=self._runtime,
            decode=self._decode,
            events=before.events if before and self._keeps_stories else self._events(name, live),
            gate=before.gate
            if before and self._keeps_gate
            else scene.gate(model.contract, config.motion),
            model=model,
        )

    def _events(self, name: str, live: bool) -> EventTracker | ObjectEvents:
        config, book = self.plan.config, self.plan.books[name]
        made = scene.events(
            self.plan.model.contract, scene.Scene(name, config, book), self._stories
        )
        if live and scene.cools_down(book):  # a recording's clock begins anew with each run
            made.rest(self._memory.ended(name))
        return made
