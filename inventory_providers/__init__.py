"""Inventory providers: sign-in, reads and safe writes, one room per provider, no Singer.

The doors of this package are `registry.PROVIDERS` (what there is), `contract` (what a room
promises) and `errors` (what can go wrong, by what to do next).
"""

from __future__ import annotations

import sys
from typing import Any, cast

# httpx imports its own command line where rich is installed: 60 ms that no run of ours needs. With
# None in its place that import fails, and httpx goes on without it.
sys.modules.setdefault("httpx._main", cast("Any", None))
