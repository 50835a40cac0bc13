"""deploy/grafana's alert rules: what they say, and what their queries find in the real stores."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from dashboards import alerts
from tests.stores import InfluxDB1, VictoriaMetrics, influxdb1, victoria_metrics

from schoolbeat_server.series_catalogue import MEASUREMENTS, metric_of
from schoolbeat_server.series_lines import line

STORES = ("influxdb", "victoriametrics")
FILES = [(store, language) for store in STORES for language in ("vi", "en")]
SECONDS, HOUR_S, DAY_S = 1000, 3600, 86_400


def written(store: str, language: str) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((alerts.TO / f"{store}.{language}.yaml").read_text(encoding="utf-8"))
    return told


def rules(store: str, language: str = "vi") -> dict[str, dict[str, Any]]:
    return {rule["uid"]: rule for group in written(store, language)["groups"] for rule in group["rules"]}


# ---- what they say -----------------------------------------------------------------------------------------


def test_the_files_are_those_that_the_description_makes() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in alerts.TO.iterdir()}

    assert found == alerts.files(), "make dashboards"


@pytest.mark.parametrize(("store", "language"), FILES)
def test_each_rule_says_what_is_the_matter_and_what_to_do(store: str, language: str) -> None:
    for rule in rules(store, language).values():
        assert set(rule["annotations"]) == {"summary", "description"}
        assert len(rule["annotations"]["description"]) > 40
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert len(rule["uid"]) <= 40
        assert re.fullmatch(r"[0-9]+[smh]", rule["for"])
        assert rule["condition"] == "C"
        assert (
            [one["refId"] for one in rule["data"]] == ["A", "B", "C"] == [one["model"]["refId"] for one in rule["data"]]
        )
        assert [one["datasourceUid"] for one in rule["data"]] == ["schoolbeat", "__expr__", "__expr__"]


@pytest.mark.parametrize(("store", "language"), FILES)
def test_no_dollar_is_in_them_for_grafana_would_take_it_for_a_variable_of_the_environment(
    store: str, language: str
) -> None:
    text = (alerts.TO / f"{store}.{language}.yaml").read_text(encoding="utf-8")

    assert "$" not in text


def test_both_languages_and_stores_have_the_same_rules_in_their_own_words() -> None:
    vi, en = rules("influxdb", "vi"), rules("influxdb", "en")

    assert list(vi) == list(en) == list(rules("victoriametrics", "vi")) == list(rules("victoriametrics", "en"))
    assert all(vi[uid]["title"] != en[uid]["title"] for uid in vi)
    assert all(vi[uid]["data"] == en[uid]["data"] for uid in vi)
    assert len({rule["title"] for rule in vi.values()}) == len(vi)


def test_labels_that_a_text_names_are_those_that_its_query_gives() -> None:
    for rule in alerts.RULES:
        named = set(re.findall(r"\.Labels\.(\w+)", f"{rule.summary}{rule.to_do}"))
        grouped = rule.influxql.rpartition("GROUP BY")[2] if "GROUP BY" in rule.influxql else ""

        assert named <= set(re.findall(r'"(\w+)"', grouped)), rule.uid


def test_queries_name_only_what_is_in_the_catalogue() -> None:
    metrics = {metric_of(name, field): told for name, told in MEASUREMENTS.items() for field in told.fields}
    for rule in alerts.RULES:
        (measurement,) = set(re.findall(r'FROM "(\w+)"', rule.influxql))
        told = MEASUREMENTS[measurement]
        names = set(re.findall(r'"(\w+)"', rule.influxql)) - {measurement, "v"}
        assert names <= {*told.tags, *told.fields}, rule.uid

        used = set(re.findall(r"schoolbeat_\w+", rule.metricsql))
        assert used <= set(metrics), rule.uid
        tags = set(re.findall(r"by \(([^)]*)\)|\{(\w+)[!=]", rule.metricsql))
        assert {tag for pair in tags for part in pair for tag in part.split(", ") if tag} <= set(told.tags), rule.uid


# ---- what they find ----------------------------------------------------------------------------------------


def site(name: str, state: int, at_ms: int, isp: str = "VNPT") -> str:
    tags = {"area": "x1", "school": "c1", "site": name, "area_label": "Xã Một (x1)", "school_label": "Trường A (c1)"}
    fields = {"state": state, "cause": 0, "heard_seconds": 5}
    return line("schoolbeat_site", tags | {"site_label": f"Điểm {name} ({name})", "isp": isp}, fields, at_ms)


def outage(name: str, began_ms: int, version: int, down: int, end_seconds: int, victoria: bool) -> str:
    tags = {"area": "x1", "school": "c1", "site": name, "signal": "line.internet", "kind": "line", "isp": "VNPT"}
    fields = {"down_seconds": down, "end_seconds": end_seconds, "lessons": 0, "cause": 11}
    return line("schoolbeat_outage", tags, fields, began_ms + (version if victoria else 0))


def target(name: str, area: str, at_ms: int, **fields: int) -> str:
    return line("schoolbeat_target", {"plan": "p", "target": name, "area": area}, fields, at_ms)


def trouble(now_ms: int, victoria: bool) -> list[str]:
    """A bad day: what is over, taken back or too young to be told stands beside what is to be told."""
    now_ms -= now_ms % 60_000
    lines = [site(f"s{number}", 2, now_ms - 120_000) for number in range(1, 6)]
    lines += [site("s6", 2, now_ms - 600_000), site("s6", 0, now_ms - 120_000), site("s7", 3, now_ms - 120_000, "")]
    lines += [site("s8", 2, now_ms - 120_000, "Viettel"), site("s9", 2, now_ms - 3_600_000)]
    ago = {hours: now_ms - hours * HOUR_S * SECONDS for hours in (1, 5, 6)}
    lines += [outage("s1", ago[5], 1, 60, 0, victoria), outage("s1", ago[5], 2, 18_000, 0, victoria)]
    lines += [outage("s2", ago[1], 1, 3600, 0, victoria)]
    lines += [outage("s3", ago[5], 1, 60, 0, victoria), outage("s3", ago[5], 2, 600, now_ms // 1000, victoria)]
    lines += [outage("s4", ago[6], 1, 600, 0, victoria), outage("s4", ago[6], 2, 0, 0, victoria)]
    yesterday, today = now_ms - 2 * DAY_S * SECONDS, now_ms - DAY_S * SECONDS
    for name, before, verdict in (("t1", 1, 0), ("t2", 0, 2), ("t3", 0, 1)):
        counts = {"met": 9, "missed": 4, "unknown": 0, "silent": 0}
        lines += [
            target(name, "all", yesterday, verdict=before, **counts),
            target(name, "all", today, verdict=verdict, **counts),
        ]
    lines += [target("t1", "x1", today, met=6, missed=3, unknown=1, silent=1)]
    lines += [
        target("t1", "x2", today, met=9, missed=1, unknown=0, silent=0),
        target("t3", "x2", today, met=9, missed=0, unknown=0, silent=0),
    ]
    return [*lines, line("schoolbeat_server", {"server": "sb"}, {"ok": 0, "queue_seconds": 1000}, now_ms - 60_000)]


def fine(now_ms: int, _victoria: bool) -> list[str]:
    now_ms -= now_ms % 60_000
    good = {"met": 9, "missed": 0, "unknown": 0, "silent": 0}
    return [
        *(site(f"s{number}", 0, now_ms - 120_000) for number in range(1, 9)),
        outage("s1", now_ms - 5 * HOUR_S * SECONDS, 1, 600, now_ms // 1000 - HOUR_S, False),
        target("t1", "all", now_ms - DAY_S * SECONDS, verdict=1, **good),
        target("t1", "x1", now_ms - DAY_S * SECONDS, **good),
        line("schoolbeat_server", {"server": "sb"}, {"ok": 1, "queue_seconds": 20}, now_ms - 60_000),
    ]


@dataclass
class Asked:
    """A store that was written to."""

    store: InfluxDB1 | VictoriaMetrics

    def write(self, lines: list[str]) -> None:
        path = "/write?db=schoolbeat&precision=ms"
        httpx.post(self.store.url + path, content="\n".join(lines).encode(), timeout=60).raise_for_status()

    def found(self, rule: Mapping[str, Any]) -> dict[str, float]:
        """The query's numbers by their labels, as one line of text."""
        model = rule["data"][0]["model"]
        if isinstance(self.store, VictoriaMetrics):
            samples = self.store.instant(model["expr"], time.time_ns() // 1_000_000)
            told = [(one.labels, one.value) for one in samples]
        else:
            rows = self.store.query(model["query"])
            told = [(row.tags, _last(row.values)) for row in rows]
        return {" ".join(labels[name] for name in sorted(labels) if labels[name]): value for labels, value in told}

    def fires(self, rule: Mapping[str, Any]) -> set[str]:
        (condition,) = rule["data"][2]["model"]["conditions"]
        (bound,) = condition["evaluator"]["params"]
        over = condition["evaluator"]["type"] == "gt"
        found = self.found(rule)
        if not found and rule["noDataState"] == "Alerting":
            return {"no data"}
        return {labels for labels, value in found.items() if (value > bound if over else value < bound)}


def _last(values: list[dict[str, Any]]) -> float:
    (name,) = set(values[-1]) - {"time"}
    return float(values[-1][name])


@pytest.fixture(params=STORES)
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asked]:
    with (influxdb1 if request.param == "influxdb" else victoria_metrics)(tmp_path) as store:
        yield Asked(store)


def name_of(asked: Asked) -> str:
    return "victoriametrics" if isinstance(asked.store, VictoriaMetrics) else "influxdb"


def test_each_rule_tells_its_trouble_and_nothing_else(asked: Asked) -> None:
    asked.write(trouble(time.time_ns() // 1_000_000, isinstance(asked.store, VictoriaMetrics)))

    told = {uid: asked.fires(rule) for uid, rule in rules(name_of(asked)).items()}

    down = {f"Xã Một (x1) VNPT Trường A (c1) Điểm s{number} (s{number})" for number in range(1, 6)}
    assert told == {
        "schoolbeat-line-down": down | {"Xã Một (x1) Viettel Trường A (c1) Điểm s8 (s8)"},
        "schoolbeat-contact-lost": {"Xã Một (x1) Trường A (c1) Điểm s7 (s7)"},
        "schoolbeat-many-lines": {"VNPT"},
        "schoolbeat-outage-long": {"x1 VNPT c1 s1"},
        "schoolbeat-target-missed": {"p t1"},
        "schoolbeat-target-unknown": {"p t2"},
        "schoolbeat-commune-missed": {"x1 p t1"},
        "schoolbeat-server-unwell": {"sb"},
        "schoolbeat-queue-waits": {"sb"},
        "schoolbeat-nothing-arrives": set(),
    }
    assert asked.found(rules(name_of(asked))["schoolbeat-commune-missed"]) == {"x1 p t1": 30.0, "x2 p t1": 10.0}
    assert asked.found(rules(name_of(asked))["schoolbeat-many-lines"]) == {"VNPT": 5.0, "Viettel": 1.0}


def test_where_all_is_well_none_tells_anything(asked: Asked) -> None:
    asked.write(fine(time.time_ns() // 1_000_000, False))

    told = {uid: asked.fires(rule) for uid, rule in rules(name_of(asked)).items()}

    assert told == {uid: set() for uid in told}


def test_an_empty_store_is_told_once(asked: Asked) -> None:
    told = {uid: asked.fires(rule) for uid, rule in rules(name_of(asked)).items()}

    assert {uid: fires for uid, fires in told.items() if fires} == {"schoolbeat-nothing-arrives": {"no data"}}
