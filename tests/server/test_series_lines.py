"""Lines are read again by a reader of its own and by the real stores; what the catalogue does not name is no line."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.server.line_protocol import Point, parse
from tests.stores import influxdb1, victoria_metrics

from schoolbeat_server.series_catalogue import MEASUREMENTS
from schoolbeat_server.series_lines import NoPoint, NotInCatalogue, escape, line

AT_MS = 1_790_000_000_000
STRANGE = [
    "Phòng học số 1",
    "a,b=c d",
    "dấu\\",
    "\\,\\=\\ ",
    "nháy \" và '",
    "#đầu",
    "dòng\nsau",
    "\ud800",
    "\u202eđảo",
    "=",
    "a\\",
    "x" * 300,
    " đầu và cuối ",
    "{a}[b](c)",
    "%41",
]


def told(value: str) -> str:
    """What is left of a tag, in other words than the product's."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", " ", value)[:256]
    return plain.strip().replace("\\", "/")


def test_a_line_is_measurement_tags_fields_and_time() -> None:
    written = line(
        "schoolbeat_site",
        {"site": "s1", "area": "xa-1", "school": "", "site_label": "Điểm chính (s1)"},
        {"state": 2, "latitude": 22.5, "longitude": 104, "cause": None},
        AT_MS,
    )

    assert written == (
        rf"schoolbeat_site,area=xa-1,site=s1,site_label=Điểm\ chính\ (s1) state=2i,latitude=22.5,longitude=104 {AT_MS}"
    )


def test_what_the_catalogue_does_not_name_is_refused_by_name() -> None:
    with pytest.raises(NotInCatalogue, match=r"measurement 'schoolbeat_x'.*schoolbeat_reading"):
        line("schoolbeat_x", {}, {"state": 1}, AT_MS)
    with pytest.raises(NotInCatalogue, match=r"schoolbeat_minute: tag 'isp'.*signal"):
        line("schoolbeat_minute", {"isp": "VNPT"}, {"up_seconds": 60}, AT_MS)
    with pytest.raises(NotInCatalogue, match=r"schoolbeat_minute: field 'seconds'.*up_seconds"):
        line("schoolbeat_minute", {"signal": "line.isp"}, {"seconds": 60}, AT_MS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_no_point(value: float) -> None:
    with pytest.raises(NoPoint, match="latitude"):
        line("schoolbeat_site", {"site": "s1"}, {"latitude": value}, AT_MS)


@pytest.mark.parametrize("value", [1.5, 2**63, -(2**63) - 1])
def test_a_whole_number_is_one_of_64_bits(value: float) -> None:
    with pytest.raises(NoPoint, match="up_seconds"):
        line("schoolbeat_minute", {"signal": "line.isp"}, {"up_seconds": value}, AT_MS)


def test_without_a_number_there_is_no_point() -> None:
    with pytest.raises(NoPoint, match="schoolbeat_minute"):
        line("schoolbeat_minute", {"signal": "line.isp"}, {"up_seconds": None}, AT_MS)


@given(st.sampled_from(sorted(MEASUREMENTS)), st.data(), st.integers(0, 2**42))
def test_what_is_written_reads_back(measurement: str, data: st.DataObject, at_ms: int) -> None:
    tags, fields = MEASUREMENTS[measurement].tags, MEASUREMENTS[measurement].fields
    numbers = {
        "integer": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    }
    texts = st.sampled_from(STRANGE) | st.text(max_size=300)
    given_tags = {name: data.draw(texts) for name in data.draw(st.sets(st.sampled_from(tags)))}
    names = data.draw(st.sets(st.sampled_from(sorted(fields)), min_size=1))
    given_fields = {name: data.draw(numbers[fields[name].kind]) for name in sorted(names)}

    written = line(measurement, given_tags, given_fields, at_ms)

    assert parse(written) == Point(
        measurement,
        {name: told(value) for name, value in given_tags.items() if told(value)},
        {name: float(value) if fields[name].kind == "float" else value for name, value in given_fields.items()},
        at_ms,
    )
    written.encode()


@given(st.text(max_size=300))
@example("\\" * 5)
def test_a_tag_never_ends_its_line_nor_escapes_what_follows(value: str) -> None:
    escaped = escape(value)

    assert "\n" not in escaped
    assert not re.search(r"\\(?![,= ])", escaped)
    assert not re.search(r"(?<!\\)[,= ]", escaped)


# ---- through the real stores -------------------------------------------------------------------------------

LINES = [
    line("schoolbeat_day", {"site": f"s{at}", "label": text}, {"up_seconds": at}, AT_MS)
    for at, text in enumerate(STRANGE)
]
LABELS = {f"s{at}": told(text) for at, text in enumerate(STRANGE)}
NUMBERS = [0, 0.1, -0.01, 1e-7, 123_456_789.125, 4e9, 2**53]


def _post(url: str, lines: list[str]) -> None:
    response = httpx.post(url, content="\n".join(lines).encode(), timeout=30)
    assert response.status_code == 204, response.text


def test_victoria_metrics_has_the_very_labels_and_numbers(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path) as store:
        sent = [line("schoolbeat_site", {"site": f"n{at}"}, {"latitude": one}, AT_MS) for at, one in enumerate(NUMBERS)]
        _post(f"{store.url}/api/v2/write?precision=ms", LINES + sent)

        labels = {found["site"]: found.get("label", "") for found, _ in store.export("schoolbeat_day_up_seconds")}
        numbers = {found["site"]: values for found, values in store.export("schoolbeat_site_latitude")}

    assert labels == LABELS
    assert numbers == {f"n{at}": [(AT_MS, float(one))] for at, one in enumerate(NUMBERS)}


def test_influxdb_has_the_very_labels_and_numbers(tmp_path: Path) -> None:
    with influxdb1(tmp_path) as store:
        sent = [line("schoolbeat_site", {"site": f"n{at}"}, {"latitude": one}, AT_MS) for at, one in enumerate(NUMBERS)]
        _post(f"{store.url}/write?db=schoolbeat&precision=ms", LINES + sent)

        days = store.query("SELECT up_seconds FROM schoolbeat_day GROUP BY site, label")
        sites = store.query("SELECT latitude FROM schoolbeat_site GROUP BY site")

    assert {row.tags["site"]: row.tags["label"] for row in days} == LABELS
    assert {row.tags["site"]: [(one["time"], one["latitude"]) for one in row.values] for row in sites} == {
        f"n{at}": [(AT_MS, float(one))] for at, one in enumerate(NUMBERS)
    }
