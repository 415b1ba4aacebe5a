"""Everything that can go wrong, named by what to do next.

Each class carries the exit code that `tap-inventory` and `target-inventory` end with. Messages are
written for the person who runs the command: what happened, and what to do. They never hold a
credential, a response body or a value of the configuration.

    InventoryError          1   a defect of ours
    |- ConfigError          2   change a setting, the state or the catalog
    |  `- InputError        2   the Singer input is broken at a line
    |- Denied               3   sign-in refused: change a credential
    |- Malformed            4   the provider's answer is not as documented
    |- Unavailable          5   was retried; run again later
    |- Guarded              6   a guard stopped the run before it wrote anything
    |- Rejected             7   this record cannot be written; the others can
    |  `- Untracked         7   the provider keeps no stock of the item
    |- Uncertain            8   a write was sent and no answer came
    |- JournalHeld          9   another run writes at the moment
    `- OutputError         10   standard output or a file cannot be written
       `- ScratchError     10   a temporary file cannot be written
"""

from __future__ import annotations

from typing import ClassVar

from inventory_providers.redaction import redact


class InventoryError(Exception):
    """The root. `place` is the provider or stream, `advice` what the user can do about it."""

    exit_code: ClassVar[int] = 1
    usual_advice: ClassVar[str] = ""
    # Whether an earlier try of the same request may have been carried out.
    in_doubt = False

    def __init__(
        self, message: str, *, place: str | None = None, advice: str | None = None
    ) -> None:
        super().__init__(redact(message))
        self.message = redact(message)
        self.place = place
        self.advice = self.usual_advice if advice is None else redact(advice)

    def at(self, place: str) -> InventoryError:
        """The same error, with `place` filled in where it was not known before."""
        self.place = self.place or place
        return self

    def __str__(self) -> str:
        message = self.message.rstrip(".")
        whole = f"{self.place}: {message}" if self.place else message
        end = "" if whole.endswith("?") else "."
        return f"{whole}{end} {self.advice}" if self.advice else whole


class ConfigError(InventoryError):
    """A setting, the state or the catalog is wrong; nothing was requested."""

    exit_code = 2
    usual_advice = "Correct that and run again"


class InputError(ConfigError):
    """A line of the target's input is not Singer; what came before it is done."""

    usual_advice = "What came before it is done; check what wrote it and run again"


class Denied(InventoryError):
    """The provider refused the sign-in. Never retried: accounts get locked.

    Everything else at this provider is then left alone, too; `partly` says that the refusal is
    for one part of it only, which other parts need not share.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        place: str | None = None,
        advice: str | None = None,
        partly: bool = False,
    ) -> None:
        super().__init__(message, place=place, advice=advice)
        self.partly = partly


class Malformed(InventoryError):
    """An answer that the provider's document does not allow, a redirect, or a TLS failure."""

    exit_code = 4
    usual_advice = (
        "Nothing is skipped, the bookmark stays. Ask the provider, or report it if it is documented"
    )


class _NotAnswered(InventoryError):
    """`silent` says that a request was sent which was not even answered with an error."""

    def __init__(
        self,
        message: str,
        *,
        place: str | None = None,
        advice: str | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__(message, place=place, advice=advice)
        self.silent = silent


class Unavailable(_NotAnswered):
    """Retried for the whole budget without success; safe to run again."""

    exit_code = 5
    usual_advice = "Nothing is lost: run again later"


class Guarded(InventoryError):
    """A guard stopped the run before it wrote anything."""

    exit_code = 6
    usual_advice = (
        "Nothing of this input was written, no STATE was passed on. See what would change with "
        "mode plan; where it is right, raise the limit for one run"
    )


class Rejected(InventoryError):
    """The provider, or our own check, refuses this record for good.

    `kind` is the list of the report that it goes into, where there is one.
    """

    exit_code = 7
    kind: ClassVar[str] = ""


class Untracked(Rejected):
    """The provider does not keep stock of the item, so a level of it means nothing."""

    kind: ClassVar[str] = "untracked"


class Uncertain(_NotAnswered):
    """A write left us and its outcome is not known."""

    exit_code = 8
    usual_advice = "Run again: live levels are compared before anything is sent"


class JournalHeld(InventoryError):
    """Another run holds the journal; this one wrote nothing."""

    exit_code = 9
    usual_advice = "Wait for it to end, or give each pipeline a journal_path of its own"


class OutputError(InventoryError):
    """Standard output or a file of ours cannot be written."""

    exit_code = 10
    usual_advice = "Make room, or see why the reader ended, and run again"


class ScratchError(OutputError):
    """A temporary file cannot be written: one stream's trouble, others may need none."""

    usual_advice = "Make room where temporary files go (TMPDIR), and run again"


class Stopped(BaseException):
    """A signal asked us to stop. Not an `Exception`: no handler of errors may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.exit_code = 128 + signum
