"""DAGs for Airflow 3: stock from every account, and levels back into a shop after approval.

`inventory_pull` has a task per account; each route has a DAG of its own, `inventory_write_back_`
and its name: read, plan, approve, apply. They only start commands; docs/airflow.md has the rest.
"""  # noqa: INP001 - a folder of DAGs is no package

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import inventory_commands as commands
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, BaseOperator, Connection, ObjectStoragePath
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)
from inventory_accounts import LOADER_CONNECTION, Account, Route, load

if TYPE_CHECKING:
    from airflow.sdk import Context

ACCOUNTS = os.environ.get("INVENTORY_ACCOUNTS") or Path(__file__).with_name("accounts.json")
# The time between tries begins with Airflow's own core.default_task_retry_delay.
# Few, since the next run of the schedule tries again, and waits for this one.
RETRIES = {"retries": 2, "retry_exponential_backoff": 2}
ANSWER_WITHIN = timedelta(hours=12)


class CommandOperator(BaseOperator):
    """A task made of commands. Only an unavailable provider (exit code 5) is worth another try."""

    # Nothing of it is rendered, so nothing of it is stored or shown.
    template_fields = ()

    def execute(self, context: Context) -> Any:
        """Do the work; every other end than a good one fails the task with the code's meaning."""
        folder = os.environ.get("INVENTORY_COMMANDS")
        with commands.Commands(self.log.info, folder) as self._commands:
            try:
                return self._work(self._commands, context)
            except commands.CommandFailed as failed:
                again = failed.code == commands.UNAVAILABLE
                kind = AirflowException if again else AirflowFailException
                raise kind(str(failed)) from None

    def _work(self, started: commands.Commands, context: Context) -> Any:
        raise NotImplementedError

    def on_kill(self) -> None:
        """Let no command outlive its task."""
        if hasattr(self, "_commands"):
            self._commands.stop()


class Pull(CommandOperator):
    """`tap-inventory | loader` for one account; its state is kept when both ended well."""

    def __init__(self, *, account: Account, loader: str, **kwargs: Any) -> None:
        super().__init__(pool=account.pool, **RETRIES, **kwargs)
        self._account, self._loader = account, loader

    def _work(self, started: commands.Commands, context: Context) -> None:  # noqa: ARG002
        account = self._account
        state = _place() / "accounts" / account.name / "state.json"
        known = state.read_text() if state.exists() else None
        config = {account.provider: _provider(account)}
        arguments = commands.tap_arguments(started, config, account.streams, known)
        loader = _extra(LOADER_CONNECTION, account=account.name)
        if new := commands.pull(started, arguments, self._loader, loader):
            _keep(state, new)


class RouteOperator(CommandOperator):
    """A step of a route. Its files stand in a folder of the run, what outlasts it beside that."""

    def __init__(self, *, route: Route, pool: str, **kwargs: Any) -> None:
        super().__init__(pool=pool, **RETRIES, **kwargs)
        self._route = route

    @property
    def folder(self) -> Path:
        """What the route keeps from run to run: its state and its journal."""
        place = _place()
        if not isinstance(place, Path):
            raise AirflowFailException("INVENTORY_STATE_DIR must be a folder to write back")
        return place / "routes" / self._route.name

    def of_run(self, context: Context, name: str) -> Path:
        """A file of this run."""
        folder = self.folder / re.sub(r"[^\w.-]", "_", context["run_id"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def target(self, started: commands.Commands, name: Path, **settings: Any) -> None:
        """Run `target-inventory` over a file."""
        sink = self._route.sink
        config = {
            sink.provider: _provider(sink),
            "levels_to": sink.provider,
            "levels_from": {"provider": self._route.source.provider},
            "journal_path": str(self.folder / "journal.sqlite"),
            **self._route.settings,
            **settings,
        }
        path = started.file("target.json", config)
        started.run(commands.TARGET, "--config", path, "--input", str(name))


class Read(RouteOperator):
    """The levels of the source, since the last plan that was carried out."""

    def _work(self, started: commands.Commands, context: Context) -> None:
        source, state = self._route.source, self.folder / "state.json"
        messages = self.of_run(context, "levels.jsonl")
        config = {source.provider: _provider(source)}
        known = state.read_text() if state.exists() else None
        arguments = commands.tap_arguments(started, config, [commands.LEVELS], known)
        with messages.open("w") as file:
            started.run(commands.TAP, *arguments, stdout=file)


class Plan(RouteOperator):
    """What would change; returns the page to approve, and the digest of what it shows."""

    def _work(self, started: commands.Commands, context: Context) -> dict[str, str]:
        plan, report = self.of_run(context, "plan.jsonl"), self.of_run(context, "plan.json")
        messages = self.of_run(context, "levels.jsonl")
        self.target(
            started,
            messages,
            mode="plan",
            plan_path=str(plan),
            plan_page_path=str(self.of_run(context, "plan.html")),
            report_path=str(report),
        )
        *_, state = [None, *commands.states(messages)]
        if state is not None:
            commands.keep(self.of_run(context, "state.json"), state)
        if not plan.read_bytes().strip():
            _done(self.of_run(context, "state.json"), self.folder)
            raise AirflowSkipException("nothing would change")
        page = commands.page(plan, json.loads(report.read_bytes()))
        return {"page": page, "digest": commands.digest(plan)}


class Apply(RouteOperator):
    """Carries out the plan that was approved, line by line, and no other."""

    def _work(self, started: commands.Commands, context: Context) -> None:
        plan = self.of_run(context, "plan.jsonl")
        approved = context["ti"].xcom_pull(task_ids="plan")
        if commands.digest(plan) != approved["digest"]:
            raise AirflowFailException(f"{plan} is not the file that was approved")
        self.target(
            started,
            plan,
            mode="apply",
            max_rejected=0,
            undo_path=str(self.of_run(context, "undo.jsonl")),
            report_path=str(self.of_run(context, "apply.json")),
        )
        _done(self.of_run(context, "state.json"), self.folder)


def _place() -> Path | ObjectStoragePath:
    place = os.environ.get("INVENTORY_STATE_DIR")
    if not place:
        raise AirflowFailException("INVENTORY_STATE_DIR is not set for this worker")
    return ObjectStoragePath(place) if "://" in place else Path(place)


def _keep(path: Path | ObjectStoragePath, content: str) -> None:
    if isinstance(path, Path):
        commands.keep(path, content)
    else:
        # An object store shows an object when it is whole.
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def _done(state: Path, folder: Path) -> None:
    """The next run of the route begins where this one has read to."""
    if state.exists():
        commands.keep(folder / "state.json", state.read_text())


def _provider(account: Account) -> dict[str, Any]:
    return {**account.settings, **_extra(account.connection)}


def _extra(connection: str, **names: str) -> dict[str, Any]:
    """The extra of a connection, read when it is needed, with the names filled in."""
    try:
        text = Connection.get(connection).extra or "{}"
    except AirflowNotFoundException:
        raise AirflowFailException(f"there is no connection {connection}") from None
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        # Without its text: that is full of secrets.
        raise AirflowFailException(f"the extra of {connection} is not JSON") from None
    return found


def _route(route: Route) -> None:
    with DAG(route.dag, schedule=route.schedule, **COMMON):
        read = Read(task_id="read", route=route, pool=route.source.pool)
        plan = Plan(task_id="plan", route=route, pool=route.sink.pool)
        approve = ApprovalOperator(
            task_id="approve",
            subject=f"Levels of {route.source.name} into {route.sink.name}",
            body="{{ ti.xcom_pull(task_ids='plan')['page'] }}",
            # Who does not answer has not approved.
            defaults=ApprovalOperator.REJECT,
            response_timeout=ANSWER_WITHIN,
        )
        apply = Apply(task_id="apply", route=route, pool=route.sink.pool)
        read >> plan >> approve >> apply


FILE = load(Path(ACCOUNTS))
COMMON: dict[str, Any] = {
    "start_date": datetime(2025, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "tags": ["inventory"],
}

with DAG("inventory_pull", schedule=FILE.schedule, **COMMON):
    for one in FILE.accounts:
        Pull(task_id=f"pull_{one.name}", account=one, loader=FILE.loader)

for each in FILE.routes:
    _route(each)
