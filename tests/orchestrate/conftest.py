"""The DAG file without an Airflow: the names that it uses, each doing next to nothing."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DAGS = ROOT / "orchestrate" / "dags"
EXAMPLE = ROOT / "orchestrate" / "accounts.example.json"

sys.path.insert(0, str(DAGS))
if not DAGS.is_dir():
    collect_ignore_glob = ["test_*.py"]


def module(name: str) -> Any:
    """A module of the folder of DAGs, by its file."""
    spec = importlib.util.spec_from_file_location(name, DAGS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


class Task:
    """An operator as far as it says what it is."""

    REJECT = "Reject"

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs, self.said = kwargs, list[str]()
        self.log = SimpleNamespace(info=self.said.append)
        self.task_id = kwargs["task_id"]
        self.after: list[Task] = []
        Recorded.dags[-1].tasks[self.task_id] = self

    def __rshift__(self, other: Task) -> Task:
        other.after.append(self)
        return other


class Dag:
    """A DAG as a list of its tasks."""

    def __init__(self, dag_id: str, **kwargs: Any) -> None:
        self.dag_id, self.kwargs = dag_id, kwargs
        self.tasks: dict[str, Task] = {}

    def __enter__(self) -> Self:
        Recorded.dags.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Recorded:
    """What a DAG file has made when it was read."""

    dags: list[Dag]


class Connections:
    """The connections that there are, by name."""

    extras: dict[str, str]

    @classmethod
    def get(cls, name: str) -> Any:
        if name not in cls.extras:
            raise sys.modules["airflow.sdk.exceptions"].AirflowNotFoundException  # type: ignore[attr-defined]
        return SimpleNamespace(extra=cls.extras[name])


def stand_in() -> dict[str, ModuleType]:
    names = ["airflow", "airflow.sdk", "airflow.sdk.exceptions", "airflow.providers"]
    names += [f"airflow.providers.standard{more}" for more in ("", ".operators", ".operators.hitl")]
    made: dict[str, Any] = {name: ModuleType(name) for name in names}
    sdk = {"DAG": Dag, "BaseOperator": Task, "Connection": Connections}
    vars(made["airflow.sdk"]).update(sdk, ObjectStoragePath=str)
    vars(made["airflow.providers.standard.operators.hitl"]).update(ApprovalOperator=Task)
    for name in ("", "Fail", "NotFound", "Skip"):
        kind = f"Airflow{name}Exception"
        setattr(made["airflow.sdk.exceptions"], kind, type(kind, (Exception,), {}))
    return made


class Loaded:
    """The DAG file as it was read with an accounts file."""

    def __init__(self, source: Any, folder: Path) -> None:
        self.source, self.state, self.commands = source, folder / "state", folder / "bin"
        self.dags = {dag.dag_id: dag for dag in Recorded.dags}
        self.tasks = {name: task for dag in Recorded.dags for name, task in dag.tasks.items()}

    def command(self, name: str, script: str) -> None:
        """A command of our own instead of the installed one."""
        self.commands.mkdir(exist_ok=True)
        path = self.commands / name
        path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{script}\n")
        path.chmod(0o700)

    def run(self, task: str, **context: Any) -> Any:
        """What a task does when its turn has come."""
        work: Any = self.tasks[task]
        return work.execute({"run_id": "manual__2026-01-02T03:04:05+00:00", **context})


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """The DAG file with the accounts of the example."""
    for name, made in stand_in().items():
        monkeypatch.setitem(sys.modules, name, made)
    for name in ("inventory", "inventory_accounts", "inventory_commands"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(DAGS))
    monkeypatch.setenv("INVENTORY_ACCOUNTS", str(EXAMPLE))
    monkeypatch.setenv("INVENTORY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("INVENTORY_COMMANDS", str(tmp_path / "bin"))
    Recorded.dags = []
    Connections.extras = {"inventory_loader": json.dumps({"destination_path": "/out/{account}"})}
    for name in ("warehouse", "shop", "fba_na"):
        Connections.extras[f"inventory_{name}"] = json.dumps({"password": f"of {name}"})
    return Loaded(module("inventory"), tmp_path)
