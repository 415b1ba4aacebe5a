"""A client that others wrote understands the stand-in: an independent witness of both."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from inventory_providers.amazon_fba.sandbox import ADD, CREATE, DELETE, STREAM, Sandbox
from inventory_providers.amazon_fba.shelf import AWKWARD_SKUS, US
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer
from tests.inventory_providers.amazon_fba import examples
from tests.inventory_providers.amazon_fba.model import operation_of, request_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished

ROOT = Path(__file__).parents[3]
MODULE = "tests.inventory_providers.amazon_fba.public_client"


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """What the server shows, and what the client has to trust: the library speaks https only."""
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "authority.pem"
    issuer.cert_pem.write_to_path(path)
    return context, path


def said(example: str) -> list[str]:
    [error] = json.loads(example)["errors"]
    return [error["code"], error["message"]]


@pytest.mark.processes
def test_a_public_client_signs_in_reads_all_pages_and_writes(
    run_process: Callable[..., Finished], authority: tuple[ssl.SSLContext, Path]
) -> None:
    context, path = authority
    room = Sandbox(Clock(), size=300)
    truth = [row for key, row in room.rows(STREAM).items() if key[0] == US]
    # The client does not keep to the rate by itself; waiting for it costs nothing here.
    room.after_answer = lambda _request, _reply: room.clock.step(0.3)
    with SandboxServer([room], ssl_context=context) as server:
        told: dict[str, Any] = {
            "settings": server.settings("amazon_fba"),
            "authority": str(path),
            "marketplace": US,
            "skus": AWKWARD_SKUS,
        }
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = run_process(
            [MODULE],
            stdin=json.dumps(told).encode(),
            env={"PYTHONPATH": os.pathsep.join(paths)},
        )
        assert done.code == 0, done.err
        requests = server.requests("amazon_fba")
    answer = json.loads(done.out)

    assert [row for page in answer["pages"] for row in page] == truth
    assert [len(page) for page in answer["pages"]] == [50] * 5 + [41]
    assert answer["rate"] == "5.0"
    assert answer["found"] == list(AWKWARD_SKUS)
    assert answer["together"] == ["312033", "312034"]

    assert answer["written"] == [[], [0], [10], []]
    assert [write["operation"] for write in room.writes] == [CREATE, ADD, DELETE]

    refused = answer["refused"]
    assert refused["token"] == [400, *said(examples.DEAD_TOKEN)]
    assert refused["foreign"] == [403, *said(examples.UNAUTHORIZED)]
    assert [refused[name][0] for name in ("exists", "no key", "missing")] == [400, 400, 404]
    assert refused["stranger"][:2] == [401, "invalid_client"]

    # Once for what it may do, once in vain.
    assert room.sign_ins == 2
    good = [r for r in requests if operation_of(r) and "seed" not in r.target]
    keyless = [r for r in good if r.path == examples.ADD_PATH and not _key(r)]
    assert len(keyless) == 1
    judged = [request_errors(operation_of(r), r) for r in good if r not in keyless]
    assert len(judged) > 20
    assert not any(judged)


def _key(request: Any) -> str:
    value: str = request.headers.get("x-amzn-idempotency-token", "")
    return value
