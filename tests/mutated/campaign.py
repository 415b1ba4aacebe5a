"""Runs the target over mutated inputs, in this process, and judges each."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

from inventory_providers.environment import Environment
from inventory_providers.errors import InventoryError
from inventory_providers.registry import provider
from target_inventory.journal import Journal
from target_inventory.run import Shop as Place
from target_inventory.target import TargetInventory
from tests.conftest import FakeClock
from tests.mutated import mutations, oracle
from tests.mutated.oracle import Ran
from tests.mutated.provider import US, Seller, Shop

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from inventory_providers.contract import Provider, Session
    from tests.mutated.mutations import Input

HERE = "http://127.0.0.1:9"
# The table for the terminal takes longer than all the rest: it is made for every so many inputs.
EVERY = 20


class Target(TargetInventory):
    """The target with providers in memory, and a journal there."""

    def __init__(self, sessions: dict[str, Session], **kwargs: Any) -> None:
        self._sessions = sessions
        super().__init__(**kwargs)

    def _open_journal(self) -> Journal:
        return Journal.in_memory(self.environment.clock.now)

    def _shop(self, room: Provider, settings: Any) -> Place:
        session = self._sessions[room.name]
        return Place(room.name, room.title, room.name, room.writes, lambda: session)


@dataclass
class Figures:
    """What many inputs came to."""

    inputs: int = 0
    sent: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def line(self) -> str:
        """One line of figures."""
        ends = ", ".join(f"{count} ended with {code}" for code, count in sorted(self.codes.items()))
        rate = self.inputs / self.seconds if self.seconds else 0
        return (
            f"{self.inputs} mutated inputs ({ends}), {self.sent} values sent: "
            f"{len(self.wrong)} wrong, in {self.seconds:.0f} s ({rate:.0f} a second)"
        )


class Campaign:
    """Judges inputs; files of the runs go into a folder."""

    def __init__(self, folder: Path, kind: type[Target] = Target) -> None:
        self._folder, self._kind = folder, kind
        self.figures = Figures()
        self._shows = True
        amazon = {"client_id": "id", "client_secret": "a-secret", "refresh_token": "a-token"}
        self._config = {
            "deconetwork": {
                "api_url": HERE,
                "username": "user",
                "password": "a-password",
                "max_parallel": 1,
            },
            "amazon_fba": {
                **amazon,
                "sandbox": True,
                "marketplace_ids": [US],
                "api_url": HERE,
                "lwa_url": HERE,
            },
            "dead_letter_path": str(folder / "letters.jsonl"),
            "plan_path": str(folder / "plan.jsonl"),
            "undo_path": str(folder / "undo.jsonl"),
            "report_path": str(folder / "report.json"),
        }

    def run(self, seeds: Iterable[int]) -> Figures:
        """All of these, without a word."""
        begin, before = time.monotonic(), logging.root.manager.disable
        logging.disable()
        for seed in seeds:
            self._shows = seed % EVERY == 0
            self.figures.wrong += [
                f"seed {seed}: {what}" for what in self.try_one(mutations.make(seed))
            ]
        logging.disable(before)
        self.figures.seconds += time.monotonic() - begin
        return self.figures

    def try_one(self, made: Input) -> list[str]:
        """What is wrong with the run over one input."""
        environment = Environment(clock=FakeClock())
        settings = provider("deconetwork").settings.model_validate(self._config["deconetwork"])
        shop, seller = Shop(settings), Seller(environment)
        ran = self._ran(made.data, environment, {"deconetwork": shop, "amazon_fba": seller})
        self.figures.inputs += 1
        self.figures.codes[ran.code] += 1
        self.figures.sent += len(shop.sent) + len(seller.sent)
        return list(oracle.judge(made, ran, shop, seller))

    def _ran(self, data: bytes, environment: Environment, sessions: dict[str, Session]) -> Ran:
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
        code, place, trace = 0, "", ""
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err if self._shows else None),
            # Whether it is on disk is no question here.
            mock.patch.object(os, "fsync"),
        ):
            try:
                target = self._kind(sessions, config=self._config, environment=environment)
                target.listen(io.BytesIO(data))  # type: ignore[arg-type]  # the reader takes bytes
            except InventoryError as error:
                code, place = error.exit_code, error.place or ""
            except Exception:  # noqa: BLE001 - that is what is looked for
                code, trace = 1, traceback.format_exc()[-1500:]
        out.flush()
        assert isinstance(out.buffer, io.BytesIO)
        return Ran(code, out.buffer.getvalue(), place, trace)
