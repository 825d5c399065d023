"""What goes wrong with a camera on the network -> words that say nothing of its address."""

import traceback
from pathlib import Path

from edge.errors import TransientError

LOCKED_OUT_S = 60.0
"""Between two tries with a wrong password."""

INSTALLED_S = 60.0
"""Between two looks for a library that is not installed, or settings that are refused."""


def not_so(shown: str, what: str) -> TransientError:
    """This machine or this camera cannot do what it is asked for; somebody may mend that."""
    return TransientError(f"{shown}: {what}", INSTALLED_S)


def locked_out(shown: str) -> TransientError:
    """The camera does not take who we say we are."""
    return TransientError(
        f"{shown}: refuses the user or the password: set username and password_file",
        LOCKED_OUT_S,
    )


def in_words(error: BaseException) -> str:
    """The system's own words without the address that libraries add; else kind and place."""
    said = getattr(error, "strerror", None)
    if isinstance(said, str) and said:
        return said[0].lower() + said[1:]
    if isinstance(error, OSError) or error.__traceback__ is None:
        return type(error).__name__
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} in {Path(where.filename).name}:{where.lineno}"
