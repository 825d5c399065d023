"""A configuration and its model -> what runs, or what is wrong. Touches no hardware."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from edge import model
from edge.config import Config, SourceConfig
from edge.daemon import scene
from edge.errors import FatalError, ProblemsError
from edge.events import RuleBook
from edge.feed import access
from edge.flatbuffer import preflight, schema
from edge.model import Model
from edge.runtime.delegates import parse
from edge.sources import open_source

log = logging.getLogger(__name__)


def look_over(config: Config) -> tuple[Model, dict[str, RuleBook]]:
    """The model, and by source what becomes events.

    Raises FatalError where the model cannot do what the configuration asks of it.
    """
    if config.model.path is None:
        raise FatalError("model.path: is missing: give --model or set it in edge.toml")
    if not config.source:
        raise FatalError("source: is missing: give --source or set [source.NAME] in edge.toml")
    loaded = model.load(config.model.path)
    contract = loaded.contract
    books = {name: scene.book(contract, config) for name in config.source}
    for name, book in books.items():
        scene.events(contract, scene.Scene(name, config, book), count())
        scene.schedule(config, name)
    scene.gate(contract, config.motion)
    for name, section in config.source.items():  # last: `examine` tells what is wrong with each
        _in_words_right(section)
        scene.keeps_hours(name, section, scene.lives(section))
    if advice := access.missing_password(config.mqtt):
        log.warning(advice)
    for label in scene.without_effect(config):
        log.warning("events.label.%s: has no effect: it is not among the labels of events", label)
    return loaded, books


def examine(config: Config) -> Model:
    """Everything that can be known without a camera, a broker or an interpreter.

    Raises FatalError naming each key that is wrong and what to do.
    """
    problems: list[str] = []
    with _told(problems):
        loaded, _ = look_over(config)
        try:
            preflight.check(loaded.flatbuffer, (schema.POSTPROCESS, schema.EDGETPU))
        except FatalError as error:
            raise FatalError(f"{loaded.path}: {error}; copy or convert it again") from None
    for name in config.runtime.delegates:
        with _told(problems):
            parse(name)
    for name, section in config.source.items():
        with _told(problems):
            scene.keeps_hours(name, section, open_source(section).live)
    with _told(problems):
        access.password(config.mqtt)
    if problems:
        raise ProblemsError("", tuple(dict.fromkeys(problems)))
    return loaded


@contextmanager
def _told(problems: list[str]) -> Iterator[None]:
    """What is wrong is noted, and the rest is looked at too."""
    try:
        yield
    except FatalError as error:
        problems += error.lines


def _in_words_right(section: SourceConfig) -> None:
    """Raises FatalError for an address that is none. Whether a folder or a file is there is not
    the configuration's matter: it may come."""
    if not scene.of_files(section):
        open_source(section)
