"""Promise: each error says what to do next by its class and its exit code."""

from __future__ import annotations

import pytest

from inventory_providers import errors

CODES = {
    "InventoryError": 1,
    "ConfigError": 2,
    "InputError": 2,
    "Denied": 3,
    "Malformed": 4,
    "Unavailable": 5,
    "Guarded": 6,
    "Rejected": 7,
    "Untracked": 7,
    "Uncertain": 8,
    "JournalHeld": 9,
    "OutputError": 10,
    "ScratchError": 10,
}


@pytest.mark.parametrize("name", CODES)
def test_the_exit_codes_of_the_contract(name: str) -> None:
    kind = getattr(errors, name)
    assert kind("x").exit_code == CODES[name]
    assert issubclass(kind, errors.InventoryError)


PUBLIC = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type)
    and issubclass(kind, errors.InventoryError)
    and not name.startswith("_")
}


@pytest.mark.parametrize("message", ["it is so", "it is so.", "is it so?"])
def test_a_message_and_its_advice_are_two_sentences(message: str) -> None:
    told = str(errors.ConfigError(message, advice="Do that"))
    assert told == f"{message.rstrip('.')}{'' if message.endswith('?') else '.'} Do that"


def test_every_error_that_can_be_raised_is_in_the_table_of_the_module() -> None:
    for name in PUBLIC:
        assert name in (errors.__doc__ or ""), name


def test_every_error_that_can_be_raised_is_tested_for_its_code() -> None:
    assert set(CODES) == PUBLIC


@pytest.mark.parametrize("kind", [errors.Unavailable, errors.Uncertain])
def test_no_answer_at_all_is_told_apart_from_a_bad_one(
    kind: type[errors.Unavailable | errors.Uncertain],
) -> None:
    assert not kind("503").silent
    assert kind("no answer in time", silent=True).silent


@pytest.mark.parametrize(("signum", "code"), [(2, 130), (15, 143)])
def test_a_stop_is_no_exception_that_a_handler_swallows(signum: int, code: int) -> None:
    assert errors.Stopped(signum).exit_code == code
    assert not issubclass(errors.Stopped, Exception)


def test_the_place_is_filled_in_once() -> None:
    error = errors.Malformed("no rows", advice="")
    assert str(error) == "no rows"
    assert str(error.at("a_stream")) == "a_stream: no rows"
    assert str(error.at("another")) == "a_stream: no rows"


@pytest.mark.parametrize("advice", ["", "Do this"])
@pytest.mark.parametrize("place", [None, "a_stream"])
def test_no_message_has_two_full_stops(advice: str, place: str | None) -> None:
    one, two = (errors.Malformed(text, place=place, advice=advice) for text in ("no", "no."))
    assert str(one) == str(two)
    assert ".." not in str(two)


def test_a_temporary_file_is_told_apart_from_standard_output() -> None:
    assert issubclass(errors.ScratchError, errors.OutputError)
    assert "TMPDIR" in str(errors.ScratchError("full"))
    assert "TMPDIR" not in str(errors.OutputError("full"))


@pytest.mark.parametrize(
    "name", ["ConfigError", "Malformed", "Unavailable", "Guarded", "Uncertain", "JournalHeld"]
)
def test_a_message_ends_with_what_to_do(name: str) -> None:
    kind = getattr(errors, name)
    assert str(kind("it broke")) == f"it broke. {kind.usual_advice}"
    assert str(kind("it broke", advice="Do this")) == "it broke. Do this"
