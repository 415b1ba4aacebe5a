"""What stands in a configuration or a state is checked before the first request (T13 to T15)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import registry, times

if TYPE_CHECKING:
    from tests.conformance.harness import Harness, Result


def _assert_refused(tap: Harness, result: Result) -> None:
    assert result.code == 2, result.last_line
    assert not result.out
    assert tap.server.connections == 0


URLS = {
    "http": "http://shop.example/x",
    "ftp": "ftp://127.0.0.1/",
    "empty": "",
    "userinfo": "https://someone:hidden-Word@127.0.0.1/",
    "user in http": "http://someone:hidden-Word@127.0.0.1/",
    "no host": "https://",
    "no scheme": "127.0.0.1",
    "line end": "https://127.0.0.1/\r\nX: y",
    "number": 8765,
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_t13_an_address_that_gives_credentials_away_is_refused(tap: Harness, url: Any) -> None:
    assert tap.url_settings()
    for name in tap.url_settings():
        result = tap.command(tap.arguments(tap.with_setting(**{name: url})))
        _assert_refused(tap, result)
        assert f"{tap.provider}.{name}" in result.last_line
        assert "hidden" not in result.last_line


FILES = {
    "not JSON": b'{"a": 1,',
    "list": b"[]",
    "null": b"null",
    "empty": b"",
    "blank": b" \n",
    "not text": b"\xff\xfe\x00",
    "object": b"{}",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_t14_a_configuration_that_is_none_is_refused(tap: Harness, content: bytes) -> None:
    _assert_refused(tap, tap.command(tap.arguments(content)))


def test_t14_a_configuration_that_is_not_there_is_refused(tap: Harness) -> None:
    _assert_refused(tap, tap.command(["--config", str(tap.folder / "none.json")]))


@pytest.mark.parametrize("more", [[], ["--discover"], ["--test"]], ids=["sync", "discover", "test"])
def test_t14_a_missing_setting_is_named(tap: Harness, more: list[str]) -> None:
    model = registry.provider(tap.provider).settings
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    assert required
    for name in required:
        config = {tap.provider: {k: v for k, v in tap.config[tap.provider].items() if k != name}}
        result = tap.command([*tap.arguments(config), *more])
        _assert_refused(tap, result)
        assert f"{tap.provider}.{name}" in result.last_line


def test_t14_a_misspelt_setting_is_named(tap: Harness) -> None:
    for name in tap.secret_settings():
        result = tap.command(tap.arguments(tap.with_setting(**{f"{name}x": "hidden-Word"})))
        _assert_refused(tap, result)
        assert f"{tap.provider}.{name}x" in result.last_line
        assert "hidden" not in result.last_line


def test_t14_a_misspelt_provider_is_named(tap: Harness) -> None:
    misspelt = f"{tap.provider}x"
    result = tap.command(tap.arguments({misspelt: tap.config[tap.provider]}))
    _assert_refused(tap, result)
    assert misspelt in result.last_line


WRONG_TYPES = {
    "number": lambda secret: 12345678901234,
    "list": lambda secret: [secret],
    "object": lambda secret: {"value": secret},
    "true": lambda secret: True,
    "null": lambda secret: None,
    "empty": lambda secret: "",
}


@pytest.mark.parametrize("make", WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_t14_a_secret_of_another_type_is_named_not_shown(tap: Harness, make: Any) -> None:
    assert tap.secret_settings()
    for name in tap.secret_settings():
        config = tap.with_setting(**{name: make(tap.config[tap.provider][name])})
        result = tap.command(tap.arguments(config))
        _assert_refused(tap, result)
        assert f"{tap.provider}.{name}" in result.last_line
        assert "12345678901234" not in result.last_line


@pytest.mark.processes
def test_t14_the_command_names_a_wrong_setting_and_shows_no_value(tap: Harness) -> None:
    name = tap.secret_settings()[0]
    config = tap.with_setting(**{name: [tap.config[tap.provider][name]]})
    result = tap.run(config=config, process=True, env={"LOGLEVEL": "DEBUG"})
    _assert_refused(tap, result)


def _at(tap: Harness, value: Any) -> dict[str, Any]:
    """A state with this for a bookmark of the stream under test."""
    state = tap.subject.state_since()
    mark = state["bookmarks"][tap.stream.name]
    mark.get("partitions", [mark])[0]["replication_key_value"] = value
    return state


WRONG_STATES = {
    "not JSON": lambda tap: b'{"bookmarks": }',
    "list": lambda tap: b"[]",
    "null": lambda tap: b"null",
    "text": lambda tap: b'"2024-01-01T00:00:00Z"',
    "empty": lambda tap: b"",
    "truncated": lambda tap: json.dumps(tap.subject.state_since()).encode()[:-20],
    "number as bookmark": lambda tap: _at(tap, 17),
    "null as bookmark": lambda tap: _at(tap, None),
    "list as bookmark": lambda tap: _at(tap, ["2024-01-01T00:00:00Z"]),
    "future": lambda tap: _at(tap, times.rfc3339(datetime.now(UTC) + timedelta(days=2))),
    "garbage": lambda tap: _at(tap, "last Tuesday"),
    "no such day": lambda tap: _at(tap, "2024-02-30T00:00:00Z"),
    "no zone": lambda tap: _at(tap, "2024-01-01T00:00:00"),
    "stream is a list": lambda tap: {"bookmarks": {tap.stream.name: []}},
    "bookmarks are a list": lambda tap: {"bookmarks": []},
    "other tap": lambda tap: {"bookmarks": {"orders": {"replication_key_value": "2024-01-01"}}},
    "other form": lambda tap: {"last_sync": "2024-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("make", WRONG_STATES.values(), ids=WRONG_STATES)
def test_t15_a_wrong_state_is_refused(tap: Harness, make: Any) -> None:
    _assert_refused(tap, tap.command(tap.arguments(tap.config, make(tap))))


def test_t15_an_unknown_stream_is_kept_with_a_warning(tap: Harness) -> None:
    state = tap.start("incremental")
    assert state is not None
    gone = {"replication_key_value": "2024-01-01"}
    state["bookmarks"]["gone_stream"] = gone
    result = tap.run(state)
    assert result.state is not None
    assert result.state["bookmarks"]["gone_stream"] == gone
    assert result.warned("gone_stream")
    tap.assert_complete(result)


def test_t15_a_partition_that_is_no_longer_configured_is_kept_with_a_warning(tap: Harness) -> None:
    state = tap.start("incremental")
    assert state is not None
    gone = {
        "context": dict.fromkeys(tap.subject.parts(tap.stream)[0] or ["part"], "GONE"),
        "replication_key_value": tap.subject.beginning(tap.stream),
    }
    mark = state["bookmarks"][tap.stream.name]
    mark["partitions"] = [*mark.get("partitions", []), gone]
    result = tap.run(state)
    assert result.state is not None
    assert gone in result.state["bookmarks"][tap.stream.name]["partitions"]
    assert result.warned("GONE")
    tap.assert_complete(result)


@pytest.mark.parametrize("state", [{}, {"bookmarks": {}}], ids=["empty", "no bookmarks"])
def test_t15_a_state_without_bookmarks_is_a_first_run(tap: Harness, state: Any) -> None:
    tap.assert_complete(tap.run(state))
