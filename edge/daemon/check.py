"""A configuration and its model -> what runs, or what is wrong. Touches no hardware."""

from itertools import count

from edge import model
from edge.config import Config, SourceConfig
from edge.daemon import scene
from edge.errors import FatalError
from edge.events import RuleBook
from edge.feed import access
from edge.flatbuffer import preflight, schema
from edge.model import Model
from edge.runtime.delegates import parse
from edge.sources import open_source


def look_over(config: Config) -> tuple[Model, dict[str, RuleBook]]:
    """The model, and by source what becomes events.

    Raises FatalError where the model cannot do what the configuration asks of it.
    """
    if config.model.path is None:
        raise FatalError("model.path: is missing: give --model or set it in edge.toml")
    if not config.source:
        raise FatalError("source: is missing: give --source or set [source.NAME] in edge.toml")
    for name, section in config.source.items():
        _in_words_right(section)
        scene.keeps_hours(name, section, scene.lives(section))
    loaded = model.load(config.model.path)
    contract = loaded.contract
    books = {name: scene.book(contract, config) for name in config.source}
    for name, book in books.items():
        scene.events(contract, scene.Scene(name, config, book), count())
        scene.schedule(config, name)
    scene.gate(contract, config.motion)
    return loaded, books


def examine(config: Config) -> Model:
    """Everything that can be known without a camera, a broker or an interpreter.

    Raises FatalError naming the key and what to do.
    """
    loaded, _ = look_over(config)
    try:
        preflight.check(loaded.flatbuffer, (schema.POSTPROCESS, schema.EDGETPU))
    except FatalError as error:
        raise FatalError(f"{loaded.path}: {error}; copy or convert it again") from None
    for name in config.runtime.delegates:
        parse(name)
    for name, section in config.source.items():
        scene.keeps_hours(name, section, open_source(section).live)
    access.password(config.mqtt)
    return loaded


def _in_words_right(section: SourceConfig) -> None:
    """Raises FatalError for an address that is none. Whether a folder or a file is there is not
    the configuration's matter: it may come."""
    if not scene.of_files(section):
        open_source(section)
