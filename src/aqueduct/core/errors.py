"""The one error tree.

    AqueductError                 every error this package raises on purpose
    ├── UserError                 the caller can mend it          (exit status 2)
    │   ├── ConfigError           unknown or invalid parameter, bad TOML
    │   ├── InputError            unreadable, corrupt or wrong-level input
    │   ├── MissingReferenceError no reference file for this exposure
    │   ├── ReferenceError        a reference file that can't be used
    │   └── OutputError           folder not writable, disk full
    └── InternalError             a defect of ours                (exit status 1)

Every message says what went wrong, where, and what to try next.
"""

from __future__ import annotations


class AqueductError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    what : str
        What went wrong, in one sentence.
    where : str, optional
        The file, step or parameter concerned.
    hint : str, optional
        What to do next, preferably a command.
    """

    exit_status = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what, where, hint)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  next: {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(kind: type[AqueductError], what: str, where: str, hint: str) -> AqueductError:
    """Make the error anew on the far side of a process boundary."""
    return kind(what, where=where, hint=hint)


class UserError(AqueductError):
    """Something the caller can mend."""

    exit_status = 2


class ConfigError(UserError):
    """Unknown or invalid parameter, step or configuration file."""


class InputError(UserError):
    """An input that is missing, corrupt, truncated or of the wrong level."""


class MissingReferenceError(UserError):
    """No reference file matches an exposure."""


class ReferenceError(UserError):
    """A reference file that exists but can't be used."""


class OutputError(UserError):
    """The output can't be written: no permission, no space."""


class InternalError(AqueductError):
    """A defect of Aqueduct itself."""
