"""The yardstick: a target as the SDK's documentation would have it, over `RecordSink`."""

from __future__ import annotations

from typing import Any

import requests
from singer_sdk import RecordSink, Target
from singer_sdk import typing as th

FIELDS = ("dn_sku_id", "inv_on", "inv_lvl", "inv_warn", "inv_reorder_to")


class Levels(RecordSink):
    """Sends every record as it comes, without any care."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._http = requests.Session()

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """One request per record."""
        config = self.config
        form = {name: record[name] for name in FIELDS if record.get(name) is not None}
        form["inv_on"] = "true" if record.get("inv_on") else "false"
        login = {name: config[name] for name in ("username", "password")}
        url = f"{config['api_url']}/api/json/manage_inventory/update"
        self._http.post(url, data=form | login, timeout=60).raise_for_status()


class TargetPlain(Target):
    """A target for comparison."""

    name = "target-plain"
    default_sink_class = Levels
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType),
        th.Property("username", th.StringType),
        th.Property("password", th.StringType),
    ).to_dict()


if __name__ == "__main__":
    TargetPlain.cli()
