"""Dashboards: what is committed is what is described, and every query of every panel and variable finds its numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from dashboards import build, influxql, look, metricsql
from dashboards.panels import Making, Panel, Store, targets
from dashboards.queries import NotInCatalogue, Of, Query, Rows, Share, is_
from fastapi.routing import APIRoute
from tests.server.dashboard_province import ODD, SCHOOLS, sent
from tests.server.grafana_asking import Desk, Series
from tests.server.series_sending import Sending
from tests.server.test_proof import DAY
from tests.stores import influxdb1, victoria_metrics

from schoolbeat_server import issued
from schoolbeat_server.availability import availability
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import first_minute_of
from schoolbeat_server.series_catalogue import CAUSES, MEASUREMENTS, VERDICTS, metric_of
from schoolbeat_server.web import minutes_page, pages, plan_pages, school_page

ROOT = Path(__file__).parents[2]
STORES: tuple[Store, ...] = ("influxdb", "victoriametrics")
FILES = build.files()
EACH_PANEL = [
    pytest.param(store, board.name, at, id=f"{store}-{board.name}-{panel.title.en}")
    for store in STORES
    for board in build.BOARDS
    for at, panel in enumerate(board.panels)
]


class Filled(NamedTuple):
    """asked: (dashboard, place of the panel) -> what each of its queries found."""

    store: Any
    sending: Sending
    asked: dict[tuple[str, int], list[list[Series]]]

    def answers(self, board: str, kind: str, at: int) -> list[list[Series]]:
        if (board, at) not in self.asked:
            desk = self.desk(board, kind)
            panel = desk.panels()[at]
            self.asked[board, at] = [desk.ask(panel, target) for target in panel["targets"]]
        return self.asked[board, at]

    def desk(self, board: str, kind: str, **chosen: list[str]) -> Desk:
        told = json.loads(FILES[f"{kind}/vi/{board}.json"])
        here = {one["name"] for one in told["templating"]["list"]}
        first = {"school": ["s1"]} if board == "school" else {}
        kept = {name: values for name, values in {**first, **chosen}.items() if name in here}
        return Desk(self.store, told, self.sending.province.minute * 60_000, kept)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Filled]]:
    """Both stores, filled by the real queue from what simulated agents reported."""
    with ExitStack() as stack:
        found = {}
        for kind, start in (("influxdb", influxdb1), ("victoriametrics", victoria_metrics)):
            folder = tmp_path_factory.mktemp(kind)
            store = stack.enter_context(start(folder))
            sending = sent(folder, store.settings)
            stack.callback(sending.close)
            found[kind] = Filled(store, sending, {})
        found["victoriametrics"].store.flush()
        yield found


def panels_of(board: str) -> tuple[Panel, ...]:
    return next(one for one in build.BOARDS if one.name == board).panels


def panel_of(board: str, at: int) -> Panel:
    return panels_of(board)[at]


# ---- what is committed -------------------------------------------------------------------------------------


def test_the_files_are_what_the_description_makes() -> None:
    committed = {
        str(path.relative_to(ROOT / "dashboards")): path.read_text(encoding="utf-8")
        for store in STORES
        for path in sorted((ROOT / "dashboards" / store).rglob("*"))
        if path.is_file()
    }

    assert {name for name in FILES if FILES[name] != committed.get(name)} == set(), "make dashboards"
    assert committed.keys() - FILES.keys() == set()


def test_another_address_of_the_server_and_another_folder_can_be_asked_for(tmp_path: Path) -> None:
    build.main(["--to", str(tmp_path), "--server", "https://mang.example.vn/"])

    written = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.json")}
    assert written == build.files("https://mang.example.vn")
    told = json.loads(written["influxdb/vi/school.json"])["templating"]["list"][-1]
    assert (told["name"], told["current"]["value"]) == ("server", "https://mang.example.vn")


# ---- each panel and each variable --------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "board", "at"), EACH_PANEL)
def test_each_query_of_a_panel_finds_numbers_of_the_shape_that_it_shows(
    filled: dict[str, Filled], kind: Store, board: str, at: int
) -> None:
    described = panel_of(board, at)
    panel = filled[kind].desk(board, kind).panels()[at]

    answers = filled[kind].answers(board, kind, at)

    for target, answer in zip(panel["targets"], answers, strict=True):
        assert any(series.values for series in answer), target.get("query") or target["expr"]
    first = described.queries[0]
    if isinstance(first, Rows):
        tags = {tag for answer in answers for series in answer for tag in series.labels} - {"__field__"}
        assert tags <= set(first.by)
        assert first.by[-1] == "label" or tags == set(first.by)
        return
    assert len(answers) == len(described.queries)
    for query, answer in zip(described.queries, answers, strict=True):
        assert isinstance(query, Query)
        assert {tag for series in answer for tag in series.labels} == set(query.by)
        assert len({tuple(sorted(series.labels.items())) for series in answer}) == len(answer)


TABLES = [
    (board.name, at)
    for board in build.BOARDS
    for at, panel in enumerate(board.panels)
    if panel.kind in ("table", "map") and len(panel.queries) > 1
]


@pytest.mark.parametrize(("board", "at"), TABLES)
def test_the_queries_of_a_table_are_put_together_by_what_is_unique_in_each(
    filled: dict[str, Filled], board: str, at: int
) -> None:
    """Grafana's merge takes the columns that all have as the key; two rows of one key would be put together at will."""
    queries = panel_of(board, at).queries
    key = sorted(set.intersection(*(set(query.by) for query in queries)))
    assert key

    for kind in STORES:
        for answer in filled[kind].answers(board, kind, at):
            keys = [tuple(series.labels.get(tag, "") for tag in key) for series in answer]
            assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("board", [one.name for one in build.BOARDS])
def test_each_variable_offers_names_and_keeps_ids(filled: dict[str, Filled], kind: Store, board: str) -> None:
    desk = filled[kind].desk(board, kind)
    queries = [name for name, one in desk.variables().items() if one["type"] == "query"]

    offered = {name: desk.offered(name) for name in queries}

    expected = {
        "area": [("Xã Thử 1", "xa-1"), ("Xã Thử 2", "xa-2")],
        "school": [(f"Trường {site}", site) for site in SCHOOLS],
        "site": [(f"Điểm {site}", site) for site in (SCHOOLS[:1] if board == "school" else SCHOOLS)],
        "room": [("Phòng 1", "p1"), ("Phòng 2", "p2")],
        "isp": [(ODD, ODD), ("VNPT", "VNPT")],
        "plan": [("lao-cai-2022-2025", "lao-cai-2022-2025")],
        "target": offered.get("target", []),
    }
    assert offered == {name: expected[name] for name in queries}
    assert ("T1", "T1") in offered.get("target", [("T1", "T1")])


@pytest.mark.parametrize("kind", STORES)
def test_a_choice_narrows_the_next_ones(filled: dict[str, Filled], kind: Store) -> None:
    def offered(name: str, **chosen: list[str]) -> list[str]:
        return [value for _, value in filled[kind].desk("rooms", kind, **chosen).offered(name)]

    assert offered("school", area=["xa-1"]) == ["s2", "s4", "s6", "s8"]
    assert offered("school", area=["xa-1", "xa-2"]) == list(SCHOOLS)
    assert offered("site", area=["xa-2"], school=["s3", "s5"]) == ["s3", "s5"]
    assert offered("site", area=["xa-1"], school=["s3"]) == []
    assert offered("room", area=["xa-2"], school=["s1"], site=["s1"]) == ["p1", "p2"]
    assert offered("room", site=["s3"]) == []


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("sites", [["s3"], ["s1", "s3"]])
def test_panels_show_only_what_is_chosen(filled: dict[str, Filled], kind: Store, sites: list[str]) -> None:
    desk = filled[kind].desk("lines", kind, site=sites, isp=["VNPT"])
    told: dict[str, set[str]] = {"site": set(), "isp": set()}

    for panel in desk.panels():
        for series in [one for target in panel["targets"] for one in desk.ask(panel, target)]:
            for tag, found in told.items():
                found |= {series.labels[tag]} if tag in series.labels else set()

    assert told == {"site": set(sites), "isp": {"VNPT"}}


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("isps", [[ODD], [ODD, "VNPT"]])
def test_what_is_chosen_is_a_name_and_no_expression(filled: dict[str, Filled], kind: Store, isps: list[str]) -> None:
    desk = filled[kind].desk("lines", kind, isp=isps)
    panel = next(one for one in desk.panels() if one["title"] == "Nhà mạng, 30 ngày")

    told = {series.labels["isp"] for target in panel["targets"] for series in desk.ask(panel, target)}

    assert told == set(isps)


# ---- the numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("board", "at"),
    [(b.name, at) for b in build.BOARDS for at, one in enumerate(b.panels) if not isinstance(one.queries[0], Rows)],
)
def test_both_stores_give_the_same_numbers(filled: dict[str, Filled], board: str, at: int) -> None:
    """But for percentiles (one takes a value that was told, the other one between two) and what differs by nature:
    rises, which are told from the first point on or from the second, and disks."""
    described = panel_of(board, at)

    def numbers(kind: Store, target: int) -> dict[Any, Any]:
        found = filled[kind].answers(board, kind, at)[target]
        keep_times = described.queries[target].per in ("interval", "day")  # type: ignore[union-attr]
        return {
            tuple(sorted(one.labels.items())): {
                (when if keep_times else 0): pytest.approx(value, rel=1e-9) for when, value in one.values
            }
            for one in found
        }

    for place, query in enumerate(described.queries):
        assert isinstance(query, Query)
        across = getattr(query.value, "across", "")
        field = getattr(query.value, "field", "")
        if across.startswith("p") or getattr(query.value, "how", "") == "increase":
            continue
        if query.per == "interval" and described.step != "1m":
            continue  # a step of one begins where the other's ends
        if query.measurement == "schoolbeat_server" and field not in ("ok", "agents", "agents_connected"):
            continue
        assert numbers("influxdb", place) == numbers("victoriametrics", place), query.name.en


def events(filled: dict[str, Filled], kind: Store, board: str, at: int) -> set[tuple[Any, ...]]:
    """(tags, beginning, ended, down, cause, lessons) of a list of events."""
    answers = filled[kind].answers(board, kind, at)
    if kind == "influxdb":
        by_row: dict[Any, list[float]] = {}
        for one in answers[0]:
            labels = tuple(sorted((k, v) for k, v in one.labels.items() if k != "__field__"))
            ((when, value),) = one.values
            by_row.setdefault((labels, when // 60_000), []).append(value)
        return {(*key, *values) for key, values in by_row.items()}
    began, *fields = ({_key(one, when): value for one in answer for when, value in one.values} for answer in answers)
    return {(key[0], int(value) // 60_000, *(one[key] for one in fields)) for key, value in began.items()}


def _key(series: Series, when: int) -> tuple[Any, int]:
    return tuple(sorted(series.labels.items())), when


@pytest.mark.parametrize(
    ("board", "at"),
    [(b.name, at) for b in build.BOARDS for at, one in enumerate(b.panels) if isinstance(one.queries[0], Rows)],
)
def test_lists_of_outages_are_the_servers(filled: dict[str, Filled], board: str, at: int) -> None:
    told = {kind: events(filled, kind, board, at) for kind in STORES}

    assert told["influxdb"] == told["victoriametrics"]
    assert told["influxdb"]


@pytest.mark.parametrize("kind", STORES)
def test_availability_is_what_the_ledger_says(filled: dict[str, Filled], kind: Store) -> None:
    """Over both days that are over, of which the first was told twice: before and after minutes came late."""
    desk = filled[kind].desk("school", kind)
    panel = next(one for one in desk.panels() if one["title"].startswith("Từng chặng"))
    first = first_minute_of(DAY)
    signals = ["lan.router", "line.isp", "line.domestic", "line.international", "line.internet"]
    codes = filled[kind].sending.ledger("s1", signals, first, first + 2 * 1_440)

    around, _, down, unknown = (
        {s.labels["signal"]: s.values[0][1] for s in desk.ask(panel, t)} for t in panel["targets"]
    )

    for signal in signals:
        counted = availability(codes[signal])
        assert around[signal] == pytest.approx(
            100 * counted.up_seconds / (counted.up_seconds + counted.down_seconds), rel=1e-12
        )
        assert down[signal] == counted.down_seconds
        assert unknown[signal] == pytest.approx(100 * counted.unknown_seconds / (2 * 86_400), rel=1e-12)


@pytest.mark.parametrize("kind", STORES)
def test_a_targets_share_is_that_of_its_newest_verdict(filled: dict[str, Filled], kind: Store) -> None:
    with filled[kind].sending.engine.connect() as connection:
        newest = {one.target: one for one in reversed(issued.read_issues(connection, limit=100))}
    at = next(at for at, one in enumerate(panels_of("province")) if one.title.en.startswith("Targets: "))

    state, share, *counts = (
        {series.labels["target"]: series.values[0][1] for series in answer}
        for answer in filled[kind].answers("province", kind, at)
    )

    assert state.keys() == newest.keys()
    assert share.keys() == {target for target, one in newest.items() if one.status != "not_applicable"}
    for target, one in newest.items():
        if target in share:  # no unit, no share
            assert share[target] == pytest.approx(100 * one.met / (one.met + one.missed + one.unknown), rel=1e-12)
        assert [found[target] for found in counts] == [one.met, one.missed, one.unknown, one.silent]
        assert VERDICTS[int(state[target])][2] == one.status.replace("_", " ")


@pytest.mark.parametrize("kind", STORES)
def test_a_share_of_nothing_known_is_no_number(filled: dict[str, Filled], kind: Store) -> None:
    """The day before anything was reported: InfluxQL says 0 for 0 ÷ 0."""
    making = Making(kind, "vi")
    nothing = Query(
        Said("x", "x"),
        "schoolbeat_day",
        Share(("off_seconds",), ("off_seconds",)),
        ("site",),
        (is_("signal", "line.isp"),),
        "month",
    )
    panel = Panel("table", Said("x", "x"), Said("x", "x"), (nothing,))
    desk = filled[kind].desk("province", kind)

    found = [desk.ask({"timeFrom": "30d", "interval": "1m"}, target) for target in targets(panel, making)]

    assert found == [[]]


# ---- how they are made -------------------------------------------------------------------------------------


def test_what_the_catalogue_does_not_name_is_refused() -> None:
    name = Said("x", "x")

    with pytest.raises(NotInCatalogue, match="schoolbeat_days"):
        Query(name, "schoolbeat_days", Of("up_seconds", "sum"))
    with pytest.raises(NotInCatalogue, match="'rtt'"):
        Query(name, "schoolbeat_reading", Of("rtt", "mean"))
    with pytest.raises(NotInCatalogue, match="'isp'"):
        Query(name, "schoolbeat_minute", Of("up_seconds", "min"), ("isp",))
    with pytest.raises(NotInCatalogue, match="'ward'"):
        Query(name, "schoolbeat_day", Of("up_seconds", "sum"), (), (is_("ward", "a"),))


@pytest.mark.parametrize("name", sorted(FILES))
def test_queries_as_written_name_only_what_the_catalogue_has(name: str) -> None:
    told = json.loads(FILES[name])
    texts = [t.get("query") or t["expr"] for p in told["panels"] for t in p.get("targets", [])]
    texts += [one["definition"] for one in told["templating"]["list"] if one["type"] == "query"]

    assert {problem for text in texts for problem in strangers(text)} == set()


METRICS = {metric_of(name, field): one for name, one in MEASUREMENTS.items() for field in one.fields}
OURS = {"each", "only", "v", *(f"v{letter}" for letter in "ABCDEFGHIJ")}  # names that a query gives


def strangers(text: str) -> set[str]:
    if "{" in text and "schoolbeat_" in text and '"schoolbeat_' not in text:
        found = set()
        for metric, where in re.findall(r"(schoolbeat_\w+)\{([^}]*(?:\$\{\w+\}[^}]*)*)\}", text):
            if metric not in METRICS:
                found.add(metric)
                continue
            found |= {tag for tag in re.findall(r"(\w+)(?:=~|!=|!~|=)\"", where) if tag not in METRICS[metric].tags}
        assert re.search(r"schoolbeat_\w+\{", text), text
        return found
    (measurement,) = set(re.findall(r'FROM "(\w+)"', text))
    known = MEASUREMENTS[measurement]
    named = set(re.findall(r'"(\w+)"', text)) - {measurement}
    return {name for name in named - OURS if name not in known.tags and name not in known.fields}


def test_a_stranger_in_a_query_is_found() -> None:
    assert strangers('SELECT last("up") AS "v" FROM "schoolbeat_day" WHERE "ward" = \'a\' GROUP BY "site"') == {
        "up",
        "ward",
    }
    assert strangers('max(last_over_time(schoolbeat_day_up_seconds{ward="a", site=~"${site}"}[1d]))') == {"ward"}
    assert strangers('max(schoolbeat_day_up{site="a"})') == {"schoolbeat_day_up"}


def test_each_dashboard_says_what_it_shows_and_what_to_do_in_both_languages() -> None:
    uids = [board.uid(language) for board in build.BOARDS for language in build.LANGUAGES]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)
    for board in build.BOARDS:
        for panel in board.panels:
            assert "Việc cần làm:" in panel.about.vi, panel.title.en
            assert "To do:" in panel.about.en, panel.title.en
            assert panel.title.vi != panel.title.en or panel.title.en in ("UPS",)
            assert len(panel.looks) in (
                1,
                len(panel.queries[0].fields) if isinstance(panel.queries[0], Rows) else len(panel.queries),
            )
        titles = [panel.title.vi for panel in board.panels]
        assert len(set(titles)) == len(titles)


def test_the_two_languages_and_stores_ask_the_same() -> None:
    def asked(name: str) -> list[Any]:
        told = json.loads(FILES[name])
        return [[t.get("query") or t["expr"] for t in p.get("targets", [])] for p in told["panels"]]

    for board in build.BOARDS:
        for store in STORES:
            assert asked(f"{store}/vi/{board.name}.json") == asked(f"{store}/en/{board.name}.json")
        stores = [json.loads(FILES[f"{store}/vi/{board.name}.json"]) for store in STORES]
        influx, victoria = ([panel["title"] for panel in one["panels"]] for one in stores)
        assert influx == victoria


def test_links_keep_the_choice_and_the_time_and_lead_to_dashboards_that_are_there() -> None:
    uids = {json.loads(text)["uid"] for text in FILES.values()}
    for name, text in FILES.items():
        told = json.loads(text)
        variables = {one["name"] for one in told["templating"]["list"]}
        others, page = told["links"]
        assert (others["includeVars"], others["keepTime"]) == (True, True)
        assert page["url"].startswith("${server:raw}/")
        for url in re.findall(r'"url": "([^"]+)"', text):
            for used in re.findall(r"\$\{(\w+):", url):
                assert used in variables, f"{name}: {url}"
            if url.startswith("/d/"):
                assert url.split("?")[0].removeprefix("/d/") in uids
                assert "${__url_time_range}" in url
                assert "${datasource:queryparam}" in url


def test_links_to_the_server_lead_to_pages_that_it_has() -> None:
    routers = (pages.router, school_page.router, minutes_page.router, plan_pages.router)
    paths = [route.path_regex for router in routers for route in router.routes if isinstance(route, APIRoute)]
    urls = {url for text in FILES.values() for url in re.findall(r'"url": "\$\{server:raw\}([^"]*)"', text)}

    asked = {re.sub(r"\$\{[^}]+\}", "x", url).partition("?")[0] for url in urls}

    assert {path for path in asked if not any(known.match(path) for known in paths)} == set()
    assert {"/", "/site/x", "/site/x/minutes", "/school/x", "/plans/x/x", "/sites", "/about"} == asked


def test_links_on_a_row_use_columns_that_the_row_has() -> None:
    for board in build.BOARDS:
        for panel in board.panels:
            tags = {tag for query in panel.queries for tag in query.by}
            for link in panel.links:
                used = set(re.findall(r"__data\.fields\.(\w+)", link.url)) | set(re.findall(r"labels\.(\w+)", link.url))
                assert used <= tags, f"{board.name}: {panel.title.en}: {link.url}"
                assert not link.column or link.column in tags, f"{board.name}: {panel.title.en}: {link.column}"


def test_no_number_of_a_code_is_shown_without_its_word() -> None:
    words = {code for code, _, _, _ in look.CAUSE_WORDS}

    assert words == set(CAUSES.values())
    for board in build.BOARDS:
        for panel in board.panels:
            for at, query in enumerate(panel.queries):
                field = query.field if isinstance(query, Query) else None
                if field is not None and field.codes:
                    shown = {int(code) for code, _, _, _ in panel.look_of(at).words}
                    assert shown == {code for code, _, _ in field.codes}, panel.title.en


def test_words_of_codes_are_never_put_on_tags() -> None:
    """A room's level 1 is not «ready»: mappings of a table belong to columns, not to the table."""
    for text in FILES.values():
        for panel in json.loads(text)["panels"]:
            if panel["type"] in ("table", "geomap"):
                assert panel["fieldConfig"]["defaults"]["mappings"] == []
                named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
                shown = panel["transformations"][-1]["options"]["renameByName"].values()
                assert named <= set(shown), panel["title"]


def test_the_same_query_in_both_tongues_by_hand() -> None:
    """Written out once, so that a change of the rendering is seen."""
    query = Query(
        Said("a", "a"),
        "schoolbeat_day",
        Share(("up_seconds",), ("up_seconds", "down_seconds")),
        ("isp",),
        (is_("signal", "line.isp"), is_("clock", "always")),
        "month",
    )

    assert influxql.render(query) == (
        'SELECT 100.0 * ("up_seconds") / ("up_seconds" + "down_seconds") AS "v" FROM (SELECT sum("up_seconds") AS "up_seconds", '
        'sum("down_seconds") AS "down_seconds" FROM "schoolbeat_day" WHERE $timeFilter AND "signal" = \'line.isp\' AND '
        '"clock" = \'always\' GROUP BY "isp") WHERE $timeFilter AND "up_seconds" + "down_seconds" > 0 GROUP BY "isp"'
    )
    selectors = [
        f'sum by (isp) (sum_over_time(last_over_time(schoolbeat_day_{name}_seconds{{signal="line.isp", clock="always"}}[1d])'
        "[30d:1d]))"
        for name in ("up", "down")
    ]
    assert metricsql.render(query) == f"100 * ({selectors[0]}) / ({selectors[0]} + {selectors[1]})"
