"""docs/series.md has the catalogue that the code has; and the catalogue is one that every store can take."""

from __future__ import annotations

import re
from pathlib import Path

from schoolbeat_server.notice_texts import CAUSES as TOLD_CAUSES
from schoolbeat_server.series_catalogue import CAUSES, CAUSES_IN_WORDS, GRADES, MEASUREMENTS, SITE_STATES, VERDICTS
from schoolbeat_server.series_shown import BEGIN, END, catalogue, main
from schoolbeat_wire.catalogue import READINGS, RUNGS

DOCUMENT = Path(__file__).parents[2] / "docs" / "series.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_catalogue_in_the_document_is_the_codes() -> None:
    """If not: python -m schoolbeat_server.series_shown docs/series.md"""
    _, _, rest = TEXT.partition(BEGIN)

    assert rest.partition(END)[0].strip() == catalogue().strip()


def test_writing_it_again_changes_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "series.md"
    copy.write_text(TEXT.replace("| `up_seconds` |", "| `seconds_up` |"), encoding="utf-8")

    main(copy)

    assert copy.read_text(encoding="utf-8") == TEXT


def test_every_measurement_tag_and_field_is_in_the_document() -> None:
    sections = re.split(r"^### ", TEXT.partition(BEGIN)[2], flags=re.MULTILINE)[1:]
    told = {section.partition("\n")[0]: section for section in sections}

    assert {name for name in told if name.startswith("schoolbeat_")} == MEASUREMENTS.keys()
    for name, measurement in MEASUREMENTS.items():
        fields = set(re.findall(r"^\| `([a-z0-9_]+)` \|", told[name], re.MULTILINE))
        tags = set(re.findall(r"`([a-z_]+)`", re.search(r"^\* tag: (.*)$", told[name], re.MULTILINE)[1]))  # type: ignore[index]
        assert (fields, tags) == (set(measurement.fields), set(measurement.tags)), name


def test_no_name_is_a_tag_and_a_field_of_one_measurement() -> None:
    """InfluxDB 3 refuses it, InfluxDB 1 finds one of them only."""
    both = {name: set(one.tags) & one.fields.keys() for name, one in MEASUREMENTS.items()}

    assert both == {name: set() for name in MEASUREMENTS}


def test_names_are_such_that_no_store_changes_them() -> None:
    names = set(MEASUREMENTS)
    names |= {name for one in MEASUREMENTS.values() for name in (*one.tags, *one.fields)}

    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []
    assert names & {"time", "db", "job", "instance", "__name__", "le", "vmrange"} == set()


def test_every_reading_is_a_field_of_its_own_kind() -> None:
    fields = MEASUREMENTS["schoolbeat_reading"].fields

    assert {name: (one.kind, one.unit) for name, one in fields.items()} == {
        name: ("float" if one.decimals else "integer", one.unit) for name, one in READINGS.items()
    }


def test_every_cause_has_a_number_of_its_own_and_words() -> None:
    assert len(set(CAUSES.values())) == len(CAUSES)
    assert CAUSES_IN_WORDS.keys() == CAUSES.keys()
    assert TOLD_CAUSES.keys() - {"line.internet"} <= CAUSES.keys()
    assert set(RUNGS) <= CAUSES.keys()


def test_codes_are_told_once_each() -> None:
    for codes in (SITE_STATES, VERDICTS, GRADES):
        assert [code for code, _, _ in codes] == list(range(len(codes)))
