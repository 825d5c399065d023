"""What can go wrong, sorted by what to do next. The message is one line for a person."""


class HedgerowError(Exception):
    """Every error that Hedgerow raises on purpose; `exit_status` is the process's."""

    exit_status = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each thing that is wrong."""
        return (str(self),)


class FatalError(HedgerowError):
    """Configuration or model that no retry can mend: exit 78, systemd does not restart."""

    exit_status = 78


class ProblemsError(FatalError):
    """Everything that is wrong with one file, told at once."""

    def __init__(self, file: str, problems: tuple[str, ...]) -> None:
        where = f"{file}: " if file else ""
        super().__init__(where + "; ".join(problems))
        self._lines = tuple(where + problem for problem in problems)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each problem."""
        return self._lines


class TransientError(HedgerowError):
    """A camera, broker or file that may be there again later: retried, else exit 1."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """No retry sooner: cameras lock out who repeats a wrong password."""
