"""What a panel asks, as a value that names only what the catalogue has; rendered by influxql.py and metricsql.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from schoolbeat_server.said import Said
from schoolbeat_server.series_catalogue import MEASUREMENTS, Field

Per = Literal["interval", "day", "range", "month", "week", "now"]
"""interval: a value for each step of the chart. day: each local day. The others give one value of: the chosen time,
the last 30 days, the last 7 (of what is told anew each day), the last 15 minutes; these whatever time is chosen."""
How = Literal["mean", "median", "max", "min", "last", "sum", "increase"]
Across = Literal["sum", "mean", "max", "min", "count", "p10", "p50", "p90", "p95"]

MONTH: Final = "30d"
WEEK: Final = "7d"
NOW: Final = "15m"  # three snapshots
DAILY: Final = ("schoolbeat_day", "schoolbeat_target", "schoolbeat_verdict")  # their points are of local midnights


@dataclass(frozen=True)
class Where:
    """What a tag must be. pattern: of the whole value; with a variable, what is chosen in it."""

    tag: str
    value: str = ""
    pattern: str = ""
    variable: str = ""
    negated: bool = False


def is_(tag: str, value: str) -> Where:
    return Where(tag, value=value)


def is_not(tag: str, value: str) -> Where:
    return Where(tag, value=value, negated=True)


def like(tag: str, pattern: str) -> Where:
    return Where(tag, pattern=pattern)


def chosen(variable: str) -> Where:
    return Where(variable, variable=variable)


PLACE: Final = (chosen("area"), chosen("school"), chosen("site"))


@dataclass(frozen=True)
class Only:
    """Groups whose last value of the field fulfils it, and no others."""

    field: str
    relation: Literal["=", ">", "<"]
    number: int


@dataclass(frozen=True)
class Of:
    """A field over the time and all series of a group. scale: the number is multiplied by it."""

    field: str
    how: How
    scale: int = 1


@dataclass(frozen=True)
class Over:
    """The value of each series by itself (told apart by the tags `series`), then over these: each counts once."""

    field: str
    each: How
    across: Across
    series: tuple[str, ...]
    scale: int = 1


@dataclass(frozen=True)
class Share:
    """100 × the sum of the parts ÷ the sum of the whole; nothing where the whole is 0: unknown is no number.

    each: sum, of what adds up over days; last, of what is told anew each day (by the tags `series`)."""

    part: tuple[str, ...]
    whole: tuple[str, ...]
    each: Literal["sum", "last"] = "sum"
    series: tuple[str, ...] = ()


@dataclass(frozen=True)
class Query:
    """One number for each group of the tags `by`. name: of the curve or the column. legend: tags in a curve's name."""

    name: Said
    measurement: str
    value: Of | Over | Share
    by: tuple[str, ...] = ()
    where: tuple[Where, ...] = ()
    per: Per = "interval"
    only: Only | None = None
    legend: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        series = self.value.series if isinstance(self.value, Over | Share) else ()
        only = (self.only.field,) if self.only else ()
        _in_catalogue(self.measurement, (*self.by, *series, *(one.tag for one in self.where)), (*self.fields, *only))

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.value.part, *self.value.whole) if isinstance(self.value, Share) else (self.value.field,)

    @property
    def field(self) -> Field | None:
        """What the number is, where it is one of the catalogue's: its unit and codes."""
        if isinstance(self.value, Share) or (isinstance(self.value, Over) and self.value.across == "count"):
            return None
        return MEASUREMENTS[self.measurement].fields[self.value.field] if self.value.scale == 1 else None

    @property
    def shown(self) -> tuple[str, ...]:
        return self.by if self.legend is None else self.legend


@dataclass(frozen=True)
class Rows:
    """Points as they are, the newest first: events. fields: with a name, and what each is multiplied by."""

    measurement: str
    fields: tuple[tuple[str, Said, int], ...]
    by: tuple[str, ...]
    where: tuple[Where, ...]
    only: Only  # of a point, not of a group
    most: int = 500

    def __post_init__(self) -> None:
        names = tuple(name for name, _, _ in self.fields)
        _in_catalogue(self.measurement, (*self.by, *(one.tag for one in self.where)), (*names, self.only.field))


class NotInCatalogue(LookupError):
    """A measurement, tag or field that series_catalogue.py does not name."""


def _in_catalogue(measurement: str, tags: tuple[str, ...], fields: tuple[str, ...]) -> None:
    known = MEASUREMENTS.get(measurement)
    if known is None:
        raise NotInCatalogue(f"{measurement!r}: the catalogue has {', '.join(MEASUREMENTS)}")
    for given, allowed in ((tags, known.tags), (fields, tuple(known.fields))):
        for name in given:
            if name not in allowed:
                raise NotInCatalogue(f"{measurement}: {name!r}: the catalogue has {', '.join(allowed)}")
