"""deploy/grafana: what Grafana reads at start. No Grafana is here, so the files are held to what its documentation says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from schoolbeat_server.settings import STORES

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
ENVIRONMENT = {"SCHOOLBEAT_STORE_URL", "SCHOOLBEAT_STORE_DATABASE", "SCHOOLBEAT_STORE_USER"}
SECRET = "$__file{/etc/grafana/schoolbeat.secret}"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def expanded(value: Any, environment: dict[str, str], secret: str) -> Any:
    """As Grafana's provisioning does: $__file{…}, then $NAME."""
    if isinstance(value, dict):
        return {key: expanded(one, environment, secret) for key, one in value.items()}
    if isinstance(value, list):
        return [expanded(one, environment, secret) for one in value]
    if isinstance(value, str):
        return re.sub(r"\$([A-Z_]+)", lambda name: environment[name[1]], value.replace(SECRET, secret))
    return value


def test_each_store_that_the_server_writes_to_has_its_data_source() -> None:
    assert {path.stem for path in (PROVISIONING / "datasources").iterdir()} == set(STORES)


@pytest.mark.parametrize("store", STORES)
def test_a_data_source_says_where_the_store_is_and_holds_no_secret(store: str) -> None:
    environment = {name: f"<{name}>" for name in ENVIRONMENT}

    file = expanded(read(PROVISIONING / "datasources" / f"{store}.yaml"), environment, "<secret>")

    assert file["apiVersion"] == 1
    (source,) = file["datasources"]
    secret = source.pop("secureJsonData", None)
    influx = {
        "database": "<SCHOOLBEAT_STORE_DATABASE>",
        "jsonData": {
            "version": "InfluxQL",
            "dbName": "<SCHOOLBEAT_STORE_DATABASE>",
            "httpMode": "GET" if store == "influxdb3" else "POST",
            "timeInterval": "1m",
            "maxSeries": 20000,
        },
    }
    token = {"httpHeaderName1": "Authorization"}
    more: dict[str, tuple[dict[str, Any], Any]] = {
        "influxdb1": (influx | {"user": "<SCHOOLBEAT_STORE_USER>"}, {"password": "<secret>"}),
        "influxdb2": (
            influx | {"jsonData": influx["jsonData"] | token},  # type: ignore[operator]
            {"httpHeaderValue1": "Token <secret>"},
        ),
        "influxdb3": (
            influx | {"jsonData": influx["jsonData"] | token},  # type: ignore[operator]
            {"httpHeaderValue1": "Bearer <secret>"},
        ),
        "victoriametrics": (
            {
                "jsonData": {
                    "httpMethod": "POST",
                    "timeInterval": "1m",
                    "prometheusType": "Prometheus",
                    "incrementalQuerying": False,
                }
            },
            None,
        ),
    }
    same = {
        "name": "SchoolBeat",
        "uid": "schoolbeat",
        "type": "prometheus" if store == "victoriametrics" else "influxdb",
        "access": "proxy",
        "url": "<SCHOOLBEAT_STORE_URL>",
        "editable": False,
    }
    assert (source, secret) == (same | more[store][0], more[store][1])


def test_dashboards_of_both_languages_are_read_from_where_the_documentation_puts_them() -> None:
    (path,) = (PROVISIONING / "dashboards").iterdir()

    providers = read(path)["providers"]

    assert [(one["folderUid"], one["options"]["path"]) for one in providers] == [
        ("schoolbeat-vi", "/etc/grafana/schoolbeat/vi"),
        ("schoolbeat-en", "/etc/grafana/schoolbeat/en"),
    ]
    assert {one["type"] for one in providers} == {"file"}
    assert len({one["name"] for one in providers}) == len({one["folder"] for one in providers}) == 2
    assert not any(one["allowUiUpdates"] for one in providers)
