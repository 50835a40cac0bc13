"""The dashboards' JSON, and the copies made for schools: Grafana's published schema, and what no schema says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.grafana_schema import faults

from schoolbeat_server.grafana_copies import COPY_TAG, copies, originals, panels

ROOT = Path(__file__).parents[2] / "dashboards"
FILES = sorted(ROOT.glob("*/*/*.json"))
TYPES = {"influxdb": "influxdb", "victoriametrics": "prometheus"}
# What Grafana reads and writes although the published types lack it.
BEYOND_THE_SCHEMA = {
    "dashboard.templating.list[].definition: unknown",  # of query variables: what the list of variables shows
    "dashboard.panels[].fieldConfig.defaults.custom.spanNulls: unknown",  # of state timelines: «Connect null values»
}
TRANSFORMATIONS = {
    "filterFieldsByName",
    "joinByField",
    "labelsToFields",
    "merge",
    "organize",
    "seriesToColumns",
    "sortBy",
}
VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
GRAFANAS_OWN = re.compile(r"__\w+|timeFilter|tag_\w+|interval|m|col")


def read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def names(value: Any) -> set[str]:
    """The variables that a text, or any text within, names."""
    found = {one or other for one, other in VARIABLE.findall(json.dumps(value, ensure_ascii=False))}
    return {name for name in found if not GRAFANAS_OWN.fullmatch(name)}


def unexpected(dashboard: dict[str, Any]) -> set[str]:
    return {re.sub(r"\[\d+\]", "[]", fault) for fault in faults(dashboard)} - BEYOND_THE_SCHEMA


each = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def test_there_are_dashboards_of_each_store_in_each_language() -> None:
    named = {folder: {path.name for path in FILES if path.parent == ROOT / folder} for folder in folders()}

    assert set(map(frozenset, named.values())) == {frozenset(named["influxdb/vi"])}
    assert len(named["influxdb/vi"]) >= 1


def folders() -> list[str]:
    return [f"{store}/{language}" for store in TYPES for language in ("vi", "en")]


@each
def test_a_dashboard_is_what_the_published_schema_says(path: Path) -> None:
    assert unexpected(read(path)) == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"panles": []}, "dashboard.panles: unknown"),
        ({"uid": 5}, "dashboard.uid: 5 is no str"),
        ({"graphTooltip": 7}, "dashboard.graph_tooltip: 7 is none of [0, 1, 2]"),
        ({"editable": "yes"}, "dashboard.editable: 'yes' is no bool"),
        ({"tags": "schoolbeat"}, "dashboard.tags: 'schoolbeat' is no list"),
    ],
)
def test_the_schema_finds_what_is_wrong(change: dict[str, Any], said: str) -> None:
    assert said in faults(read(FILES[0]) | change)


def test_the_schema_finds_what_is_wrong_within_panels() -> None:
    dashboard = read(FILES[0])
    panel = next(one for one in panels(dashboard) if one["type"] == "stat")
    panel["options"]["colourMode"] = "value"
    panel["options"]["graphMode"] = "pie"
    panel["gridPos"]["w"] = "24"
    panel["transformations"] = [{"id": "merge", "opts": {}}]

    found = {fault.rpartition(".")[2] for fault in faults(dashboard)} - {"definition: unknown"}

    assert found >= {"colourMode: unknown", "w: '24' is no whole number", "opts: unknown"}
    assert any("'pie' is none of" in fault for fault in faults(dashboard))


def test_uids_and_titles_are_nobody_elses_in_one_grafana() -> None:
    for store in TYPES:
        told = [read(path) for path in FILES if path.parent.parent.name == store]
        uids = [one["uid"] for one in told]

        assert len(set(uids)) == len(uids)
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid) for uid in uids)
        assert all(one.get("id") is None for one in told)
        for language in ("vi", "en"):
            titles = [read(path)["title"] for path in FILES if path.parent == ROOT / store / language]
            assert len(set(titles)) == len(titles)


@each
def test_panels_have_their_own_id_and_place(path: Path) -> None:
    dashboard = read(path)

    assert_places(dashboard)


def assert_places(dashboard: dict[str, Any]) -> None:
    ids = [one["id"] for one in panels(dashboard)]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["w"] >= 1
        assert place["h"] >= 1
        assert 0 <= place["x"] <= 24 - place["w"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@each
def test_each_query_asks_the_chosen_data_source(path: Path) -> None:
    dashboard, kind = read(path), TYPES[path.parent.parent.name]
    chosen = {"type": kind, "uid": "${datasource}"}

    first = dashboard["templating"]["list"][0]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", kind)
    assert first["current"]["value"] == "schoolbeat"  # as deploy/grafana provisions it
    for panel in panels(dashboard):
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == chosen
        assert panel["targets"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        for target in panel["targets"]:
            assert target["datasource"] == chosen
            assert (target.get("query") or target.get("expr")).strip()
            if kind == "influxdb":
                assert (target["rawQuery"], target["resultFormat"]) in ((True, "table"), (True, "time_series"))
        assert {one["id"] for one in panel.get("transformations", [])} <= TRANSFORMATIONS
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["datasource"] == chosen


@each
def test_each_variable_is_defined_before_it_is_asked_for(path: Path) -> None:
    dashboard = read(path)

    assert_defined(dashboard)


def assert_defined(dashboard: dict[str, Any]) -> None:
    known: set[str] = set()
    for variable in dashboard["templating"]["list"]:
        asked = {key: value for key, value in variable.items() if key in ("query", "definition", "datasource")}
        if variable["type"] == "query":
            assert names(asked) <= known, variable["name"]
        assert variable["name"] not in known
        known.add(variable["name"])
    assert names([dashboard["panels"], dashboard["links"]]) <= known


@each
def test_each_panel_says_what_it_shows_and_what_to_do(path: Path) -> None:
    dashboard = read(path)

    assert dashboard["description"]
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["type"] == "row" or len(panel["description"]) > 40


@each
def test_links_lead_to_dashboards_that_are_there(path: Path) -> None:
    here = {read(one)["uid"] for one in FILES if one.parent == path.parent}

    led = set(re.findall(r"/d/([\w-]+)", path.read_text(encoding="utf-8")))

    assert led <= here


# ---- copies for schools and communes -----------------------------------------------------------------------

FIXED = {
    "school": {"area": ("Xã Một", "x1"), "school": ("Trường A, điểm", "001")},
    "commune": {"area": ("Xã Một", "x1")},
}


def copied(folder: str, by: str) -> Iterator[dict[str, Any]]:
    dashboards = [read(path) for path in sorted((ROOT / folder).glob("*.json"))]
    for one in copies(originals(dashboards, list(FIXED[by])[-1]), f"sb-{by}-1", "Trường A, điểm", FIXED[by]):
        yield one.body()


@pytest.mark.parametrize("by", FIXED)
@pytest.mark.parametrize("folder", folders())
def test_copies_are_dashboards_too_and_show_nothing_wider(folder: str, by: str) -> None:
    found = list(copied(folder, by))

    assert found
    uids = {one["uid"] for one in found}
    for one in found:
        assert unexpected(one) == set()
        assert_places(one)
        assert_defined(one)
        assert COPY_TAG in one["tags"]
        assert set(re.findall(r"/d/([\w-]+)", json.dumps(one))) <= uids
        for panel in panels(one):
            for target in panel.get("targets", []):
                assert by.replace("commune", "area") in names(target.get("query") or target.get("expr"))


def test_making_copies_leaves_the_dashboards_as_they_are() -> None:
    dashboards = [read(path) for path in sorted((ROOT / "influxdb" / "vi").glob("*.json"))]
    before = copy.deepcopy(dashboards)

    for one in copies(originals(dashboards, "school"), "sb-school-1", "A", FIXED["school"]):
        one.body()

    assert dashboards == before


def test_a_copy_has_another_version_when_anything_of_it_is_another() -> None:
    dashboards = [read(path) for path in sorted((ROOT / "influxdb" / "vi").glob("*.json"))]
    changed = copy.deepcopy(dashboards)
    changed[-1]["panels"][1]["title"] += "!"
    moved = {"area": ("Xã Hai", "x2"), "school": FIXED["school"]["school"]}

    def versions(told: list[dict[str, Any]], key: str, where: str, fixed: dict[str, tuple[str, str]]) -> list[str]:
        return [one.version for one in copies(originals(told, "school"), key, where, fixed)]

    first = versions(dashboards, "sb-school-1", "A", FIXED["school"])
    others = [
        versions(dashboards, "sb-school-2", "A", FIXED["school"]),
        versions(dashboards, "sb-school-1", "B", FIXED["school"]),
        versions(dashboards, "sb-school-1", "A", moved),
    ]
    assert first == versions(copy.deepcopy(dashboards), "sb-school-1", "A", FIXED["school"])
    assert all(not set(first) & set(other) for other in others)
    again = versions(changed, "sb-school-1", "A", FIXED["school"])
    assert (again[:-1], again[-1] == first[-1]) == (first[:-1], False)
