"""What a command of ours does besides its work: files, the last line, the exit code, signals."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from inventory_providers import redaction
from inventory_providers.errors import ConfigError, InventoryError, OutputError, Stopped
from inventory_providers.settings import closest, register_raw_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import FrameType

UNEXPECTED = InventoryError.exit_code


def read_json_object(path: str, what: str) -> dict[str, Any]:
    """The JSON object in a file given on the command line.

    Raises:
        ConfigError: it cannot be read, is no JSON or no object. Nothing of it is shown.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", place=what) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", place=what) from None
    if not text.strip():
        raise ConfigError(f"{path} is empty; it must hold a JSON object", place=what)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"{path} is not JSON{where}", place=what) from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must hold a JSON object", place=what)
    register_raw_secrets(document)
    return document


def read_config(paths: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Several configuration files merged left to right, and whether `ENV` was among them."""
    merged: dict[str, Any] = {}
    for path in paths:
        if path != "ENV":
            merged |= read_json_object(path, "configuration")
    return merged, "ENV" in paths


@contextlib.contextmanager
def environment_errors(prefix: str, *, used: bool) -> Iterator[None]:
    """Turn what the SDK says of a wrong environment variable into one line without its value."""
    try:
        yield
    except ValueError:
        if not used:
            raise
        raise ConfigError(
            f"a variable that begins with {prefix} cannot be read; objects and lists must be JSON",
            place="environment",
        ) from None


@contextlib.contextmanager
def environment_names(prefix: str, plugin: Any, *, used: bool) -> Iterator[None]:
    """Look at the names of the variables from which a plugin of the SDK is configured inside.

    Raises:
        ConfigError: one is no setting's and close to one's: it would be without effect.
    """
    if not used:
        yield
        return
    names = {prefix + name.upper(): name for name in [*_setting_names(plugin), "loglevel"]}
    _refuse_misspelt(prefix, names)
    yield
    # The SDK has read a .env file meanwhile.
    _refuse_misspelt(prefix, names)
    if strange := _strange(prefix, names):
        told = "environment: left alone, since they are no settings: %s"
        logging.getLogger("inventory").warning(told, ", ".join(strange))


def _setting_names(plugin: Any) -> list[str]:
    schema = plugin.config_jsonschema
    plugin.append_builtin_config(schema)
    return list(schema["properties"])


def _strange(prefix: str, names: Collection[str]) -> list[str]:
    return sorted(name for name in os.environ if name.startswith(prefix) and name not in names)


def _refuse_misspelt(prefix: str, names: Mapping[str, str]) -> None:
    # Compared without what all have in common, which would make any two alike.
    by_setting = {setting: name for name, setting in names.items()}
    hints = {
        name: by_setting[found]
        for name in _strange(prefix, names)
        if (found := closest(name.removeprefix(prefix).lower(), by_setting)) is not None
    }
    if hints:
        told = "; ".join(
            f"{name} is not a setting (did you mean {hint}?)" for name, hint in hints.items()
        )
        raise ConfigError(told, place="environment")


class Signals:
    """SIGINT and SIGTERM become `Stopped`, at once or, inside `deferred`, right after it."""

    def __init__(self) -> None:
        self.stop: Stopped | None = None
        self._deferred = 0

    def listen(self) -> None:
        """From now on; only the main thread may do it, elsewhere it is a no-op."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.arrived)

    def ignore(self) -> None:
        """The outcome is known; nothing can change it any more."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)

    def arrived(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """A signal came. While one is being obeyed, another changes nothing."""
        if self.stop is not None:
            return
        self.stop = Stopped(signum)
        if not self._deferred:
            raise self.stop

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Run a step that must not be cut in two; a stop that came meanwhile follows it."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        if self.stop is not None and not self._deferred:
            raise self.stop


SIGNALS = Signals()


def plugin_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that every plugin of the SDK has."""
    options = (
        click.option("--version", is_flag=True, help="Display the package version."),
        click.option("--about", is_flag=True, help="Display package metadata and settings."),
        click.option(
            "--format",
            "about_format",
            type=click.Choice(["json", "markdown"]),
            help="Specify output style for --about",
        ),
        click.option(
            "--config",
            multiple=True,
            help=(
                "Configuration file location or 'ENV' to use environment variables. May be given "
                "several times: a top-level key of a later file replaces that of an earlier one, "
                "and a variable replaces both."
            ),
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def click_main(parser: click.Command) -> int | None:
    """Run a click command inside `run`: a wrong option is a wrong configuration."""
    try:
        code = parser.main(standalone_mode=False)
    except click.ClickException as error:
        raise ConfigError(error.format_message(), place="command line") from None
    except click.Abort:
        raise Stopped(signal.SIGINT) from None
    return code if isinstance(code, int) else None


def set_up_logging(name: str) -> None:
    """Logs on standard error, at the level of `<NAME>_LOGLEVEL` or `LOGLEVEL`, INFO by default."""
    prefix = name.upper().replace("-", "_")
    level = os.environ.get(f"{prefix}_LOGLEVEL") or os.environ.get("LOGLEVEL") or "INFO"
    if level.upper() not in logging.getLevelNamesMapping():
        raise ConfigError(
            f"{level} is no log level; use DEBUG, INFO, WARNING or ERROR", place="LOGLEVEL"
        )
    redaction.guard_logging()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-8s %(name)s  %(message)s"))
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.addHandler(handler)


def run(name: str, work: Callable[[], int | None]) -> NoReturn:
    """Do `work` and end the process: one line on standard error, and the contract's exit code."""
    redaction.guard_logging()
    sys.excepthook = _last_resort
    try:
        code = _outcome(name, work)
    except Stopped as stop:  # while the last line was being written
        code = stop.exit_code
    _end(code)


def _outcome(name: str, work: Callable[[], int | None]) -> int:
    try:
        code = work() or 0
        if sys.stdout is not None:
            with standard_output() as out:
                out.flush()
    except InventoryError as error:
        say(name, str(error))
        return error.exit_code
    except Stopped as stop:
        say(name, f"stopped by {signal.Signals(stop.signum).name}; run again to continue")
        return stop.exit_code
    except BrokenPipeError:
        say(name, str(output_closed()))
        return OutputError.exit_code
    except Exception as error:
        logging.getLogger(name).debug("unexpected", exc_info=True)
        say(name, f"{_defect(error)}. This is a defect; LOGLEVEL=DEBUG shows more")
        return UNEXPECTED
    return code


def _defect(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


def output_closed() -> OutputError:
    """The reader of our standard output has gone."""
    return OutputError(
        "the reader closed the pipe before everything was written",
        place="output",
        advice="See why the reader ended, and run again",
    )


@contextlib.contextmanager
def standard_output() -> Iterator[TextIO]:
    """Standard output, to be written and flushed inside.

    Raises:
        OutputError: it is closed or full.
    """
    if sys.stdout is None:
        raise output_closed()
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise output_closed() from None
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", place="output") from None


def say(name: str, line: str) -> None:
    """One line for the user, on standard error."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(redaction.redact(f"{name}: {line}\n"))
        sys.stderr.flush()


def _last_resort(
    kind: type[BaseException], error: BaseException, trace: Any
) -> None:  # pragma: no cover - only reached by errors outside `run`
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(redaction.redact(text))


def _end(code: int) -> NoReturn:
    SIGNALS.ignore()
    with contextlib.suppress(Exception):
        logging.shutdown()
    if code:
        # Threads that still wait for an answer must not hold the process up, and a closed pipe
        # must not produce a second complaint from the interpreter.
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
