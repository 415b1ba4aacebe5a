"""Promise: the DAGs are as docs/airflow.md says, and a task ends as its commands did."""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.orchestrate.conftest import DAGS, EXAMPLE, ROOT, Connections

if TYPE_CHECKING:
    from pathlib import Path

    from tests.orchestrate.conftest import Loaded

BACK = "inventory_write_back_warehouse_to_shop"
PAGE = ROOT / "docs" / "airflow.md"
FAILS = "sys.exit({})"
STATE = '{"bookmarks": {"new": 1}}'
LOADS = f"sys.stdin.read(); print('{STATE}')"
MESSAGES = json.dumps({"type": "STATE", "value": json.loads(STATE)})
CHANGE = {"key": {"id": 1}, "field": "inv_lvl", "before": 3, "after": 2}
# Writes the plan that it was told to write, and the report; keeps its arguments and its settings.
PLANS = f"""
config = json.load(open(sys.argv[2]))
json.dump(config, open(os.environ["INVENTORY_STATE_DIR"] + "/" + config["mode"], "w"))
if config["mode"] == "plan":
    open(config["plan_path"], "w").write({json.dumps(CHANGE)!r} + "\\n")
    open(config["report_path"], "w").write("{{}}")
"""

pytestmark = pytest.mark.processes


def discovers(then: str) -> str:
    streams = {"streams": [{"tap_stream_id": "inventory_levels"}]}
    return f"if '--discover' in sys.argv:\n  print({json.dumps(streams)!r})\nelse:\n  {then}"


def error(name: str) -> type[Exception]:
    found: type[Exception] = getattr(sys.modules["airflow.sdk.exceptions"], name)
    return found


def test_one_task_per_account_and_one_dag_per_route(loaded: Loaded) -> None:
    assert [*loaded.dags["inventory_pull"].tasks] == ["pull_warehouse", "pull_shop", "pull_fba_na"]
    steps = ["read", "plan", "approve", "apply"]
    assert [*loaded.dags[BACK].tasks] == steps
    for before, after in itertools.pairwise(steps):
        assert loaded.tasks[after].after == [loaded.tasks[before]]


def test_runs_do_not_overlap_and_the_past_is_not_caught_up(loaded: Loaded) -> None:
    for dag in loaded.dags.values():
        assert dag.kwargs["max_active_runs"] == 1
        assert dag.kwargs["catchup"] is False
    assert loaded.dags["inventory_pull"].kwargs["schedule"] == "@hourly"


def test_whatever_asks_an_account_holds_its_pool(loaded: Loaded) -> None:
    pools = {name: task.kwargs.get("pool") for name, task in loaded.tasks.items()}
    assert pools == {
        "pull_warehouse": "inventory_warehouse",
        "pull_shop": "inventory_shop",
        "pull_fba_na": "inventory_fba_na",
        "read": "inventory_warehouse",
        "plan": "inventory_shop",
        "approve": None,
        "apply": "inventory_shop",
    }


def test_nothing_of_a_command_is_rendered(loaded: Loaded) -> None:
    assert loaded.source.CommandOperator.template_fields == ()


def test_who_does_not_answer_has_not_approved(loaded: Loaded) -> None:
    approve = loaded.tasks["approve"].kwargs
    assert approve["defaults"] == "Reject"
    assert approve["response_timeout"].total_seconds() > 0
    assert "task_ids='plan'" in approve["body"]


def test_neither_the_plugins_nor_the_sdk_are_imported() -> None:
    for file in DAGS.glob("*.py"):
        found = re.findall(r"^(?:import|from) (\w+)", file.read_text("utf-8"), re.MULTILINE)
        own = {"airflow", "inventory_commands", "inventory_accounts"}
        assert not set(found) - {*sys.stdlib_module_names} - own


def test_a_good_pull_keeps_the_state_and_the_next_one_begins_there(
    loaded: Loaded, tmp_path: Path
) -> None:
    loaded.command("tap-inventory", f"open({str(tmp_path / 'seen')!r}, 'w').write(str(sys.argv))")
    loaded.command("target-jsonl", LOADS)
    loaded.run("pull_shop")
    assert "--state" not in (tmp_path / "seen").read_text()
    kept = loaded.state / "accounts" / "shop" / "state.json"
    assert json.loads(kept.read_text()) == json.loads(STATE)
    loaded.run("pull_shop")
    assert "--state" in (tmp_path / "seen").read_text()


def test_connection_and_file_together_are_the_provider_object(
    loaded: Loaded, tmp_path: Path
) -> None:
    copy = "open({!r}, 'w').write(open(sys.argv[2]).read())"
    loaded.command("tap-inventory", copy.format(str(tmp_path / "tap")))
    loaded.command("target-jsonl", copy.format(str(tmp_path / "loader")))
    loaded.run("pull_shop")
    config = json.loads((tmp_path / "tap").read_text())
    assert config == {"deconetwork": {"max_parallel": 2, "password": "of shop"}}
    assert json.loads((tmp_path / "loader").read_text()) == {"destination_path": "/out/shop"}


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 7, 8, 9, 10, 127, 137])
def test_what_another_try_cannot_mend_fails_at_once(loaded: Loaded, code: int) -> None:
    loaded.command("tap-inventory", FAILS.format(code))
    loaded.command("target-jsonl", LOADS)
    with pytest.raises(error("AirflowFailException"), match=f"tap-inventory ended with {code}"):
        loaded.run("pull_shop")
    assert not loaded.state.exists()


def test_an_unavailable_provider_is_tried_again(loaded: Loaded) -> None:
    loaded.command("tap-inventory", FAILS.format(5))
    loaded.command("target-jsonl", LOADS)
    with pytest.raises(error("AirflowException"), match="ended with 5: provider unavailable"):
        loaded.run("pull_shop")
    kwargs = loaded.tasks["pull_shop"].kwargs
    assert kwargs["retries"] > 0
    assert kwargs["retry_exponential_backoff"] > 1


def test_a_task_that_is_stopped_stops_its_commands(loaded: Loaded, tmp_path: Path) -> None:
    here = tmp_path / "here"
    loaded.command("tap-inventory", f"open({str(here)!r}, 'w'); import time; time.sleep(60)")
    loaded.command("target-jsonl", "sys.stdin.read(); print('{}')")
    with ThreadPoolExecutor() as pool:
        running = pool.submit(loaded.run, "pull_shop")
        while not here.exists() and not running.done():
            time.sleep(0.01)
        task: Any = loaded.tasks["pull_shop"]
        task.on_kill()
        with pytest.raises(error("AirflowFailException"), match="ended with 143"):
            running.result(30)
    assert not loaded.state.exists()


def test_a_failure_keeps_the_old_state(loaded: Loaded) -> None:
    loaded.command("tap-inventory", "")
    loaded.command("target-jsonl", LOADS)
    loaded.run("pull_shop")
    loaded.command("tap-inventory", FAILS.format(3))
    loaded.command("target-jsonl", "print('{}')")
    with pytest.raises(error("AirflowFailException")):
        loaded.run("pull_shop")
    kept = loaded.state / "accounts" / "shop" / "state.json"
    assert json.loads(kept.read_text()) == json.loads(STATE)


def test_a_broken_state_is_the_taps_to_judge(loaded: Loaded, tmp_path: Path) -> None:
    state = loaded.state / "accounts" / "shop" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{")
    copy = f"open({str(tmp_path / 'seen')!r}, 'w').write(open(sys.argv[4]).read()); sys.exit(2)"
    loaded.command("tap-inventory", copy)
    loaded.command("target-jsonl", "sys.stdin.read()")
    with pytest.raises(error("AirflowFailException"), match="ended with 2"):
        loaded.run("pull_shop")
    assert (tmp_path / "seen").read_text() == "{"


def test_a_connection_that_is_missing_or_broken_is_named_and_not_shown(loaded: Loaded) -> None:
    fails = error("AirflowFailException")
    Connections.extras["inventory_shop"] = '{"password": "open sesame"'
    with pytest.raises(fails, match="the extra of inventory_shop is not JSON") as broken:
        loaded.run("pull_shop")
    assert broken.value.__suppress_context__
    del Connections.extras["inventory_shop"]
    with pytest.raises(fails, match="there is no connection inventory_shop"):
        loaded.run("pull_shop")


def test_a_worker_without_a_place_for_states_says_so(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INVENTORY_STATE_DIR")
    with pytest.raises(error("AirflowFailException"), match="INVENTORY_STATE_DIR"):
        loaded.run("pull_shop")


def test_a_journal_needs_a_folder(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVENTORY_STATE_DIR", "s3://bucket/state")
    with pytest.raises(error("AirflowFailException"), match="must be a folder"):
        loaded.run("read")


class Xcom:
    """What earlier tasks have returned."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def xcom_pull(self, *, task_ids: str) -> Any:
        assert task_ids == "plan"
        return self.found


def planned(loaded: Loaded) -> dict[str, str]:
    loaded.command("tap-inventory", discovers(f"print({MESSAGES!r})"))
    loaded.command("target-inventory", PLANS)
    loaded.run("read")
    found: dict[str, str] = loaded.run("plan")
    return found


def test_a_plan_is_made_with_the_settings_of_the_route_and_moves_no_state(loaded: Loaded) -> None:
    found = planned(loaded)
    assert "| 1 |  | inv_lvl | 3 | 2 |" in found["page"]
    config = json.loads((loaded.state / "plan").read_text())
    assert config["deconetwork"]["password"] == "of shop"
    assert config["levels_to"] == "deconetwork"
    assert config["levels_from"] == {"provider": "shipstream", "location_id": "0"}
    assert config["leave_out"] == ["unmapped"]
    assert not (loaded.state / "routes" / "warehouse_to_shop" / "state.json").exists()


def test_just_the_approved_plan_is_applied_and_the_state_moves_on(loaded: Loaded) -> None:
    found = planned(loaded)
    loaded.command("target-inventory", f"print(sys.argv, file=sys.stderr)\n{PLANS}")
    loaded.run("apply", ti=Xcom(found))
    config = json.loads((loaded.state / "apply").read_text())
    assert config["mode"] == "apply"
    assert config["max_rejected"] == 0
    folder = loaded.state / "routes" / "warehouse_to_shop"
    assert config["journal_path"] == str(folder / "journal.sqlite")
    assert json.loads((folder / "state.json").read_text()) == json.loads(STATE)
    (plan,) = folder.glob("*/plan.jsonl")
    assert f"'--input', '{plan}'" in loaded.tasks["apply"].said[0]


def test_a_plan_that_is_not_what_was_approved_is_not_applied(loaded: Loaded) -> None:
    found = planned(loaded)
    (plan,) = loaded.state.glob("routes/*/*/plan.jsonl")
    plan.write_text(plan.read_text().replace("2", "9"))
    with pytest.raises(error("AirflowFailException"), match="not the file that was approved"):
        loaded.run("apply", ti=Xcom(found))
    assert not (loaded.state / "apply").exists()


def test_an_apply_that_fails_moves_no_state(loaded: Loaded) -> None:
    found = planned(loaded)
    loaded.command("target-inventory", FAILS.format(7))
    with pytest.raises(error("AirflowFailException"), match="ended with 7: done, with more"):
        loaded.run("apply", ti=Xcom(found))
    assert not (loaded.state / "routes" / "warehouse_to_shop" / "state.json").exists()


def test_where_nothing_would_change_nobody_is_asked_and_the_state_moves_on(loaded: Loaded) -> None:
    loaded.command("tap-inventory", discovers(f"print({MESSAGES!r})"))
    loaded.command("target-inventory", PLANS.replace(repr(json.dumps(CHANGE)) + ' + "\\n"', "''"))
    loaded.run("read")
    with pytest.raises(error("AirflowSkipException"), match="nothing would change"):
        loaded.run("plan")
    assert (loaded.state / "routes" / "warehouse_to_shop" / "state.json").exists()


# ---- the page ------------------------------------------------------------------------------------


def page() -> str:
    return PAGE.read_text("utf-8")


def test_every_name_of_ours_on_the_page_is_one_of_the_dags(loaded: Loaded) -> None:
    pools = {task.kwargs["pool"] for task in loaded.tasks.values() if "pool" in task.kwargs}
    ours = {*loaded.dags, *loaded.tasks, *pools, "inventory_loader"}
    shown = re.findall(r"`([a-z_]+)`", page())
    assert ours <= set(shown)
    beginnings = ("pull_", "inventory_")
    assert {name for name in shown if name.startswith(beginnings)} <= {*ours, *beginnings}
    path = re.findall(r"/dags/(\w+)/dagRuns/RUN/taskInstances/(\w+)/", page())
    assert path == [(BACK, "approve")]


def test_every_variable_of_ours_on_the_page_is_one_that_is_read(loaded: Loaded) -> None:
    read = re.findall(r"environ\.get\(\"(\w+)\"\)", (DAGS / "inventory.py").read_text("utf-8"))
    shown = re.findall(r"(?<![\w_])INVENTORY_[A-Z_]+", page())
    assert set(shown) == set(read)
    conns = re.findall(r"AIRFLOW_CONN_(\w+)", page())
    assert {name.lower() for name in conns} <= {*Connections.extras}
    assert loaded.dags


def test_the_accounts_file_on_the_page_is_the_example() -> None:
    blocks = re.findall(r"```json\n(.*?)```", page(), re.DOTALL)
    assert json.loads(EXAMPLE.read_text("utf-8")) in [json.loads(block) for block in blocks]


def test_numbers_on_the_page_are_those_of_the_dags(loaded: Loaded) -> None:
    retries = loaded.source.RETRIES
    assert f"{retries['retries']} times" in page()
    assert f"within {loaded.source.ANSWER_WITHIN.total_seconds() / 3600:.0f} hours" in page()
