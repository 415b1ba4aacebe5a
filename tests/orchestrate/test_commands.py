"""Promise: commands get their secrets in files that only they can read and that go with them."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.orchestrate.conftest import module

if TYPE_CHECKING:
    from collections.abc import Callable

commands = module("inventory_commands")
pytestmark = pytest.mark.processes


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], None]:
    def write(name: str, body: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\nimport json, os, signal, sys, time\n{body}\n")
        path.chmod(0o700)

    return write


def started(folder: Path) -> Any:
    said: list[str] = []
    made = commands.Commands(said.append, str(folder))
    made.said = said
    return made


def pulled(folder: Path, *arguments: str) -> str | None:
    with started(folder) as running:
        found: str | None = commands.pull(running, [*arguments], "loader", {"key": "x"})
        return found


def test_a_configuration_is_for_its_user_only_and_gone_afterwards(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        path = Path(running.file("config.json", {"password": "x"}))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert json.loads(path.read_text()) == {"password": "x"}
    assert not path.parent.exists()


def test_it_is_gone_after_a_failure_as_well(tmp_path: Path, script: Any) -> None:
    script("tap-inventory", "sys.exit(4)")
    running = started(tmp_path)
    path = Path(running.file("config.json", {}))
    with pytest.raises(commands.CommandFailed), running:
        running.run("tap-inventory")
    assert not path.parent.exists()


def test_what_a_command_says_is_passed_on_line_by_line(tmp_path: Path, script: Any) -> None:
    script("tap-inventory", "print('one\\ntwo', file=sys.stderr)")
    with started(tmp_path) as running:
        running.run("tap-inventory")
        assert running.said == ["one", "two"]


@pytest.mark.parametrize("secret", ["open sesame", 'o"pen\\', "p\u00e4ss"])
def test_a_command_that_says_its_secrets_is_not_quoted(
    tmp_path: Path, script: Any, secret: str
) -> None:
    script("tap-inventory", "text = open(sys.argv[1]).read(); sys.stderr.write(text + '\\n')")
    script("loader", "print(json.load(open(sys.argv[1]))['s2']['password'], file=sys.stderr)")
    with started(tmp_path) as running:
        path = running.file("config.json", {"s2": {"password": secret, "api_url": "https://a.b"}})
        running.run("tap-inventory", path)
        running.run("loader", path)
        assert running.said == ['{"s2": {"password": "***", "api_url": "https://a.b"}}', "***"]


def test_commands_do_not_see_the_variables_of_airflow(
    tmp_path: Path, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_INVENTORY_SHOP", "x")
    monkeypatch.setenv("_AIRFLOW__X", "x")
    monkeypatch.setenv("INVENTORY_SEEN", "x")
    script("tap-inventory", "print(sorted(os.environ), file=sys.stderr)")
    with started(tmp_path) as running:
        running.run("tap-inventory")
        assert "AIRFLOW" not in running.said[0]
        assert "INVENTORY_SEEN" in running.said[0]


@pytest.mark.parametrize("code", [*commands.MEANINGS, 77])
def test_a_failure_says_which_command_which_code_and_what_it_means(code: int) -> None:
    text = str(commands.CommandFailed("tap-inventory", code))
    assert text.startswith(f"tap-inventory ended with {code}")
    assert text.endswith(commands.MEANINGS.get(code, str(code)))


def test_the_codes_of_another_loader_are_not_explained_by_ours() -> None:
    assert str(commands.CommandFailed("target-jsonl", 5)) == "target-jsonl ended with 5"


def test_the_codes_are_those_of_the_readme() -> None:
    readme = Path(__file__).resolve().parent.parent.parent / "README.md"
    table = readme.read_text("utf-8").split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")][1:]
    codes = {int(code) for cell in cells for code in cell.split(",")}
    assert codes == {0, *commands.MEANINGS}


def test_a_command_that_is_not_there_fails_for_good_and_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(commands.CommandFailed, match="INVENTORY_COMMANDS") as failed:
        pulled(tmp_path)
    assert failed.value.code != commands.UNAVAILABLE


def test_a_pull_returns_the_last_state_of_the_loader(tmp_path: Path, script: Any) -> None:
    script("tap-inventory", "print('1'); print('2')")
    script("loader", "[print(json.dumps({'state': line})) for line in sys.stdin]; print()")
    assert json.loads(pulled(tmp_path) or "") == {"state": "2\n"}


def test_a_pull_that_loads_nothing_has_no_state(tmp_path: Path, script: Any) -> None:
    script("tap-inventory", "")
    script("loader", "sys.stdin.read()")
    assert pulled(tmp_path) is None


@pytest.mark.parametrize(
    ("tap", "loader", "end"),
    [
        ("sys.exit(3)", "sys.stdin.read(); print('{}')", ("tap-inventory", 3)),
        ("os.kill(os.getpid(), signal.SIGKILL)", "sys.stdin.read()", ("tap-inventory", 137)),
        ("sys.exit(5)", "sys.stdin.read(); sys.exit(1)", ("tap-inventory", 5)),
        ("", "sys.stdin.read(); sys.exit(1)", ("loader", 1)),
        # Its reader has gone: the reader is the cause.
        ("sys.exit(10)", "sys.exit(2)", ("loader", 2)),
        ("os.kill(os.getpid(), signal.SIGPIPE); time.sleep(9)", "sys.exit(2)", ("loader", 2)),
        ("sys.exit(10)", "sys.stdin.read()", ("tap-inventory", 10)),
    ],
)
def test_a_part_that_fails_fails_the_pull(
    tmp_path: Path, script: Any, tap: str, loader: str, end: tuple[str, int]
) -> None:
    name, code = end
    script("tap-inventory", f"signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n{tap}")
    script("loader", loader)
    with pytest.raises(commands.CommandFailed, match=f"{name} ended with {code}") as failed:
        pulled(tmp_path)
    assert failed.value.code == code


def test_a_tap_whose_loader_leaves_notices_it(tmp_path: Path, script: Any) -> None:
    script(
        "tap-inventory",
        "try:\n  [print('x' * 9999) for _ in range(999)]\n"
        "except BrokenPipeError:\n  os.dup2(os.open(os.devnull, 1), 1); sys.exit(10)",
    )
    script("loader", "sys.exit(7)")
    with pytest.raises(commands.CommandFailed, match="loader ended with 7"):
        pulled(tmp_path)


def test_no_command_outlives_its_task(tmp_path: Path, script: Any) -> None:
    script("tap-inventory", "print('here', flush=True); time.sleep(60)")
    with started(tmp_path) as running:
        process = running.start("tap-inventory", stdout=subprocess.PIPE)
        assert process.stdout.readline() == "here\n"
    assert process.returncode == -15
    process.stdout.close()


def test_a_catalog_has_only_what_was_asked_for(tmp_path: Path, script: Any) -> None:
    script(
        "tap-inventory",
        "assert sys.argv[1] == '--config' and sys.argv[3] == '--discover'\n"
        "print(json.dumps({'streams': [{'tap_stream_id': name} for name in 'abc']}))",
    )
    with started(tmp_path) as running:
        config = running.file("tap.json", {})
        path = Path(commands.catalog(running, config, ["c", "a"]))
        assert json.loads(path.read_text()) == {
            "streams": [{"tap_stream_id": "a"}, {"tap_stream_id": "c"}]
        }


def test_without_streams_and_without_a_state_the_tap_reads_everything(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        arguments = commands.tap_arguments(running, {"s2": {}}, (), None)
        assert arguments[::2] == ["--config"]
        state = commands.tap_arguments(running, {"s2": {}}, (), '{"bookmarks": {}}')[3]
        assert json.loads(Path(state).read_text()) == {"bookmarks": {}}


def test_the_states_of_a_file_are_found_among_its_messages(tmp_path: Path) -> None:
    messages: list[Any] = [
        {"type": "RECORD", "record": {"sku": '"STATE"'}},
        {"type": "STATE", "value": {"a": 1}},
        {"type": "RECORD", "record": {"sku": "STATE"}},
        {"type": "STATE", "value": {"a": 2}},
    ]
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(f"{json.dumps(message)}\n" for message in messages))
    assert [*map(json.loads, commands.states(path))] == [{"a": 1}, {"a": 2}]


def test_a_state_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.json"
    commands.keep(path, "old")
    commands.keep(path, "new")
    assert [(each.name, each.read_text()) for each in path.parent.iterdir()] == [
        ("state.json", "new")
    ]


def change(number: int, **more: Any) -> dict[str, Any]:
    key = {"dn_sku_id": f"item{number}"}
    line = {"stream": "deconetwork_inventory", "key": key, "field": "inv_lvl"}
    return {**line, "before": 3, "after": 2, **more}


def shown(folder: Path, changes: list[Any], report: dict[str, Any] | None = None) -> str:
    plan = folder / "plan.jsonl"
    plan.write_text("".join(f"{json.dumps(each)}\n" for each in changes))
    text: str = commands.page(plan, report or {})
    return text


def test_the_page_has_a_row_per_change(tmp_path: Path) -> None:
    page = shown(tmp_path, [change(1, **{"from": {"sku": "312034"}}), change(2, before=None)])
    assert "| item1 | 312034 | inv_lvl | 3 | 2 |" in page
    assert "| item2 |  | inv_lvl |  | 2 |" in page
    assert page.startswith("**2 changes**")


def test_a_long_plan_says_how_much_of_it_is_not_shown(tmp_path: Path) -> None:
    page = shown(tmp_path, [change(number) for number in range(commands.ROWS_SHOWN + 7)])
    assert page.count("| inv_lvl |") == commands.ROWS_SHOWN
    assert "... and 7 more." in page
    assert str(tmp_path / "plan.html") in page


def test_the_page_for_approval_says_how_much_was_left_out(tmp_path: Path) -> None:
    assert "left out, and not compared: 7" in shown(tmp_path, [change(1)], {"left_out": 7})
    assert "left out" not in shown(tmp_path, [change(1)], {"left_out": 0})


def test_the_page_tells_what_was_rejected(tmp_path: Path) -> None:
    page = shown(tmp_path, [change(1)], {"rejected_by_reason": {"unmapped: no such SKU": 4}})
    assert "- 4: unmapped: no such SKU" in page


@pytest.mark.parametrize("sku", ["a|b", "a\nb", "<b>", "a\\|b", "[a](b)", "`a`", "x" * 999])
def test_a_sku_cannot_break_the_table(tmp_path: Path, sku: str) -> None:
    (row,) = [
        line
        for line in shown(tmp_path, [change(1, **{"from": {"sku": sku}})]).splitlines()
        if "item1" in line
    ]
    unescaped = re.sub(r"\\.", "", row)
    assert unescaped.count("|") == 6
    assert not set(unescaped) & set("<[`")
    assert len(row) < 200
