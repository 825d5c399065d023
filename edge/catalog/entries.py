"""catalog.toml -> what is known of each public model, and the contract that it is given."""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from edge.errors import FatalError
from edge.head import OutputContract, Part, Share, Task
from edge.model import SCHEMA, Contract, InputContract
from edge.text import read

CATALOG = Path(__file__).with_name("catalog.toml")
MOST_BYTES = 64 << 20
"""No model of the catalogue is larger: these are for small devices."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


class Remote(Part):
    """A file upstream: exactly these bytes, or none."""

    url: str = Field(pattern=r"^https://[^@\s]+$")
    bytes: int = Field(gt=0, le=MOST_BYTES)
    sha256: Sha256

    @property
    def file(self) -> str:
        """Its name upstream."""
        return self.url.partition("?")[0].rpartition("/")[2]


class LabelFile(Part):
    """A file with one label per line, in the zip that the model carries behind its flatbuffer."""

    file: str
    sha256: Sha256


class Entry(Part):
    """One model: whose it is, where it lies, and what its tensors mean."""

    summary: str
    licence: str
    source: str
    """The project and the version that published the file."""
    model: Remote
    labels: tuple[str, ...] | LabelFile
    """In the order of the network's outputs."""
    silent: tuple[str, ...] = ()
    """Labels that make no events: background, gaps in the list."""
    enter: Share = 0.5
    """The score from which the other labels count."""
    task: Task = "classify"
    input: InputContract
    output: OutputContract = OutputContract()
    flatbuffer_sha256: Sha256
    """Of the model without the zip behind it."""

    def contract(self, name: str, files: dict[str, bytes]) -> Contract:
        """What the device must know, with the labels from the model's appended `files`.

        A label that comes twice gets its number behind it. Raises FatalError where the file with
        the labels is another one.
        """
        lines = self._lines(files)
        labels = tuple(
            label if lines.index(label) == at else f"{label} ({at})"
            for at, label in enumerate(lines)
        )
        silent = {at for at, label in enumerate(lines) if label in self.silent}
        return Contract(
            schema=SCHEMA,
            name=name,
            task=self.task,
            input=self.input,
            output=self.output,
            labels=labels,
            thresholds={label: self.enter for at, label in enumerate(labels) if at not in silent},
            flatbuffer_sha256=self.flatbuffer_sha256,
            provenance={
                "source": self.source,
                "url": self.model.url,
                "source_sha256": self.model.sha256,
                "licence": self.licence,
            },
        )

    def _lines(self, files: dict[str, bytes]) -> tuple[str, ...]:
        if not isinstance(self.labels, LabelFile):
            return self.labels
        content = files.get(self.labels.file, b"")
        if hashlib.sha256(content).hexdigest() != self.labels.sha256:
            raise FatalError(f"{self.labels.file}: is not the catalogue's list of labels")
        return tuple(line.strip() for line in content.decode().splitlines())


def entries() -> dict[str, Entry]:
    """The catalogue that comes with the package, by name."""
    return TypeAdapter(dict[Name, Entry]).validate_python(tomllib.loads(read(CATALOG)))


def find(name: str) -> Entry:
    """Raises FatalError with the names that there are."""
    known = entries()
    if name not in known:
        raise FatalError(f"{name}: is not in the catalogue; it has {', '.join(known)}")
    return known[name]
