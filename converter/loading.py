"""What to open, as the commands ask for it and as a job for the child process carries it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Loading:
    """What to open, and how far to trust it."""

    path: Path
    trusted: bool = False
    """Whether Python code in the file may run."""
    custom_objects: tuple[str, ...] = ()
    """`module:name` each."""
    input_size: tuple[int, ...] = ()
    """Height and width where the model leaves them open."""
    output: str = ""
    """The name of one output where there are several."""

    def request(self) -> dict[str, Any]:
        """As a job for the child process carries it."""
        return {
            "model": str(self.path),
            "trusted": self.trusted,
            "custom_objects": self.custom_objects,
            "input_size": self.input_size,
            "output": self.output,
        }

    @classmethod
    def of(cls, request: dict[str, Any]) -> "Loading":
        """What `request` made."""
        return cls(
            Path(request["model"]),
            request["trusted"],
            tuple(request["custom_objects"]),
            tuple(request["input_size"]),
            request["output"],
        )
