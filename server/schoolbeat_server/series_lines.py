"""Line protocol: points of the catalogue as the lines that InfluxDB and VictoriaMetrics take. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from schoolbeat_server.series_catalogue import MEASUREMENTS, Field, Measurement
from schoolbeat_wire import bounds

Value = int | float

_INTEGERS: Final = range(-(2**63), 2**63)
_LONGEST: Final = 256  # characters of a tag; what the register lets be longer is a name that people read
_ESCAPED: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\\": "/"})


class NotInCatalogue(LookupError):
    """A measurement, tag or field that series_catalogue.py does not name."""


class NoPoint(ValueError):
    """What cannot be told by numbers: not finite, too big, or nothing at all."""


def line(measurement: str, tags: Mapping[str, str], fields: Mapping[str, Value | None], at_ms: int) -> str:
    """One point, without the end of the line. Tags that are empty and fields that are None are left out.

    Raises NotInCatalogue and NoPoint.
    """
    told = _measurement(measurement)
    _listed(measurement, "tag", tags, told.tags)
    _listed(measurement, "field", fields, told.fields)
    values = ",".join(
        f"{name}={number(measurement, name, value, told.fields[name])}"
        for name, value in fields.items()
        if value is not None
    )
    if not values:
        raise NoPoint(f"{measurement}: không có số nào / it has no number; fields: {', '.join(fields) or '-'}")
    return f"{prefix(measurement, tags)} {values} {at_ms}"


def prefix(measurement: str, tags: Mapping[str, str]) -> str:
    """What stands before the fields: the series."""
    escaped = ((name, escape(tags.get(name, ""))) for name in _measurement(measurement).tags)
    return ",".join([measurement, *(f"{name}={value}" for name, value in escaped if value)])


def escape(value: str) -> str:
    """A tag's value. A backslash would mean something only before some characters, in each store before others, and
    none at the end: it becomes a slash. Control characters and what reorders text become spaces."""
    if bounds.CONTROL.search(value):
        value = bounds.CONTROL.sub(" ", value)
    return value[:_LONGEST].strip().translate(_ESCAPED)


def number(measurement: str, name: str, value: Value, field: Field) -> str:
    """Whole numbers bear an i; others have a point or not, but never an exponent."""
    if field.kind == "integer":
        if not isinstance(value, int) or value not in _INTEGERS:
            raise NoPoint(f"{measurement} {name} = {value!r}: chỉ nhận số nguyên 64 bit / must be a 64-bit integer")
        return f"{value:d}i"
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise NoPoint(f"{measurement} {name} = {value!r}: không phải là số / is not a number")
    return format(exact, "f")


def _measurement(name: str) -> Measurement:
    try:
        return MEASUREMENTS[name]
    except KeyError:
        allowed = ", ".join(MEASUREMENTS)
        raise NotInCatalogue(f"measurement {name!r}: danh mục chỉ có / the catalogue has {allowed}") from None


def _listed(
    measurement: str, what: str, given: Mapping[str, object], allowed: Mapping[str, object] | tuple[str, ...]
) -> None:
    for name in given:
        if name not in allowed:
            has = ", ".join(allowed)
            raise NotInCatalogue(f"{measurement}: {what} {name!r}: danh mục chỉ có / the catalogue has {has}")
