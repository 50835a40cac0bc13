"""Registers for tests: drawn at random within what is allowed, and what a database holds of one."""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update

from schoolbeat_server import schema
from schoolbeat_server.database import writing
from schoolbeat_server.register import TABLES
from schoolbeat_server.register_columns import ROOM_KINDS, TAGS

Data = dict[str, list[dict[str, Any]]]


def stored(engine: Engine) -> Data:
    with engine.connect() as connection:
        return {
            section: [
                dict(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
            ]
            for section, table in TABLES.items()
        }


def emptied(engine: Engine) -> Engine:
    """A database with no register in it; making a new one takes longer."""
    with writing(engine) as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table in TABLES.values():
                connection.execute(update(table).values(parent=None) if table is schema.area else delete(table))
                connection.execute(delete(table))
    return engine


def _sound(text: str) -> bool:
    return bool(text) and unicodedata.normalize("NFC", text) == text and " ".join(text.split()) == text


# Names as people write them, and as nobody should: formulas, quotes, separators, other scripts.
names = st.one_of(
    st.sampled_from(
        ["Trường Tiểu học Nà Sương", "=1+1", "+84 214", "-", "@a", "'=x", "''", 'a "b"; c, d', "0012", "1/2"]
    ),
    st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" \n"[:1]), min_size=1, max_size=20),
).filter(_sound)
texts = st.one_of(st.just(""), names)
days = st.dates().map(str)
codes = st.one_of(st.just(""), st.sampled_from(["0012", "000", "VT-0001/2025", "=0", "+1", "12.5", "1E3x"]))


def _span(draw: Any, first: str, end: str) -> dict[str, Any]:
    one, two = sorted(draw(st.lists(days, min_size=2, max_size=2, unique=True)))
    return draw(st.sampled_from([{}, {first: one}, {first: one, end: two}, {end: two}]))


@st.composite
def registers(draw: Any) -> Data:
    data: Data = {section: [] for section in TABLES}
    data["areas"] = [{"id": f"0{n}", "name": draw(names), "kind": ("province", "commune")[n]} for n in range(2)]
    data["areas"][1]["parent"] = "00"
    for n in range(draw(st.integers(0, 3))):
        school, site = f"00{n}", f"s{n}"
        data["schools"].append(
            {
                "id": school,
                "name": draw(names),
                "area": "01",
                "code": draw(codes) and f"{draw(codes)}{n}"[:40],
                "cluster": draw(texts),
            }
            | _span(draw, "founded", "closed")
        )
        data["school_areas"] += [
            {"school": school, "area": "00", "valid_to": "2025-07-01"},
            {"school": school, "area": "01", "valid_from": "2025-07-01"},
        ][: draw(st.sampled_from([0, 2]))]
        where = draw(
            st.one_of(
                st.just({}),
                st.builds(
                    lambda north, east: {"latitude": north, "longitude": east},
                    st.floats(-90, 90).map(lambda x: round(x, 9)),
                    st.floats(-180, 180).map(lambda x: round(x, 9)),
                ),
            )
        )
        tags = draw(st.sets(st.sampled_from(sorted(TAGS))).map(lambda found: ",".join(sorted(found))))
        data["sites"].append(
            {"id": site, "school": school, "name": draw(names), "kind": "main", "tags": tags, **where}
            | _span(draw, "valid_from", "valid_to")
        )
        for shift in draw(st.sets(st.sampled_from(["morning", "afternoon", "evening"]))):
            data["shifts"].append({"site": site, "shift": shift, "pupils": draw(st.integers(0, 10_000))})
        speed = st.one_of(st.none(), st.sampled_from([1, 999, 1_000_000, 150_000_000, 150_500_000]))
        data["lines"].append(
            {
                "id": f"0{n}",
                "site": site,
                "isp": draw(texts),
                "technology": draw(st.sampled_from(["fibre", "unknown"])),
                "role": draw(st.sampled_from(["main", "backup"])),
                "contract": draw(codes),
                "universal_service": draw(st.sampled_from(["yes", "no", "có", "không"])),
            }
            | {f"contract_{one}_bps": draw(speed) for one in ("down", "up", "min")}
            | _span(draw, "contract_from", "contract_to")
        )
        data["rooms"].append(
            {"id": f"p{n}", "site": site, "name": draw(names), "kind": draw(st.sampled_from(sorted(ROOM_KINDS)))}
        )
        data["devices"].append(
            {
                "site": site,
                "id": "d",
                "name": draw(texts),
                "room": draw(st.sampled_from([None, f"p{n}"])),
                "serial": draw(codes),
            }
        )
        data["assets"].append(
            {
                "site": site,
                "code": draw(codes.filter(bool)),
                "name": draw(names),
                "kind": draw(st.sampled_from(["", "board", "camera"])),
                "year": draw(st.one_of(st.none(), st.integers(1945, 2100))),
                "status": draw(st.sampled_from(["in_use", "broken", "disposed", "lent"])),
                "funding": draw(texts),
                "device": draw(st.sampled_from([None, "d"])),
                "warranty_to": draw(st.one_of(st.none(), days)),
            }
        )
    data["room_needs"] = [{"kind": "any", "smart_level": "1", "device_kind": "board", "count": "2"}][
        : draw(st.integers(0, 1))
    ]
    return data
