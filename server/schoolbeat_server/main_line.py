"""The minutes of a site's main line: what the ISP's edge says while another line may be in use is not said of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from schoolbeat_server.evidence import Window
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.summaries import DAY_SECONDS, Both, Seconds, apart, beside, seconds_of
from schoolbeat_server.sums import Sums
from schoolbeat_wire.catalogue import UNKNOWN, UP_FULL

EDGE: Final = "line.isp"
MAIN: Final = "line.main"  # up: whose edge answered is the main line's; known and not fully up: another one's was


class Carried(NamedTuple):
    """last: whose edge was seen last ("": nobody's yet). held: without a break since, so that it still carries."""

    last: Literal["", "main", "other"] = ""
    held: bool = False


NOBODY: Final = Carried()


class MainLine(NamedTuple):
    """seconds: of the main line. other: half-open minutes in which the edge was known and is not the main line's."""

    seconds: Both
    other: tuple[tuple[int, int], ...]

    def is_other(self, minute: int) -> bool:
        place = bisect_right(self.other, minute, key=lambda span: span[0]) - 1
        return place >= 0 and minute < self.other[place][1]


def of_main(edge: bytes, main: bytes, carried: Carried = NOBODY) -> tuple[bytes, Carried]:
    """The codes of `line.isp` as far as they are the main line's, unknown where they are not. Pure.

    The main line's own edge answered: they are. Another one answered, if only for part of the minute: they are not, for
    nobody asked the main line. None answered by name (mobile networks often keep silent): they are while the main line,
    seen last, has carried without a break; a break is the main line's, if that was seen last; after it, nobody knows
    which line came back until an edge answers again. Of a site where no edge was seen yet, nothing can be told apart.
    """
    found = bytearray(edge)
    last, held = carried
    for at, (code, named) in enumerate(zip(edge, main, strict=True)):
        if named <= UP_FULL:
            last, held = ("main" if named == UP_FULL else "other"), True
        elif code != UP_FULL:
            held = False
        if code <= UP_FULL and not _is_main(code, last, held):
            found[at] = UNKNOWN
    return bytes(found), Carried(last, held)


def _is_main(code: int, last: str, held: bool) -> bool:
    return not last or (last == "main" and (held or code < UP_FULL))


# ---- of a window -------------------------------------------------------------------------------------------


def read_main(sums: Sums, sites: Mapping[str, tuple[Both, Both]], window: Window) -> dict[str, MainLine]:
    """sites: what (line.isp, line.main) sum up to. Of those sites of which another line may have carried; the window
    has whole local days."""
    found = {}
    for site, (edge, main) in sites.items():
        if main.always.up + main.always.down and not _is_plain(edge, main, window):
            one = _of_site(sums, site, window)
            if one.other:
                found[site] = one
    return found


def _is_plain(edge: Both, main: Both, window: Window) -> bool:
    """Every second of the edge is one in which the main line's answered."""
    seconds = 60 * (window.end_minute - window.first_minute)
    own = edge.always.down == main.always.down == 0 and edge.always.up == main.always.up
    return own or main.always.up == seconds


def _of_site(sums: Sums, site: str, window: Window) -> MainLine:
    days = range(day_of(window.first_minute), day_of(window.end_minute))
    carried = _walked(sums, site, days.start - 1, NOBODY)[2]  # who carried when the window began
    total = 0
    other: list[tuple[int, int]] = []
    plain: int | None = None  # the last day that was not walked: it is only if somebody must know who carried after it
    for day in days:
        numbers = _plain_day(sums, site, day)
        if numbers is not None:
            total, plain = total + numbers, day
            continue
        if plain is not None:
            carried = _walked(sums, site, plain, carried)[2]
            plain = None
        numbers, spans, carried = _walked(sums, site, day, carried)
        total += numbers
        other += spans
    told = apart(total)
    return MainLine(Both(Seconds(*told[:5]), Seconds(*told[5:])), tuple(_joined(other)))


def _plain_day(sums: Sums, site: str, day: int) -> int | None:
    """Its numbers if the main line alone carried, whatever was before: it was seen in all that the edge was up, for
    both come from the same runs."""
    span = first_minute_of(day), first_minute_of(day + 1)
    edge, main = (sums.one(site, signal, *span) for signal in (EDGE, MAIN))
    up, down = apart(main)[:2]
    own = (up, down) == apart(edge)[:2] and down == 0 and up > 0
    return edge if own or up == DAY_SECONDS else None


def _walked(sums: Sums, site: str, day: int, carried: Carried) -> tuple[int, list[tuple[int, int]], Carried]:
    first, end = first_minute_of(day), first_minute_of(day + 1)
    edge, main = (sums.row(site, signal, first, end) for signal in (EDGE, MAIN))
    codes, after = of_main(edge.codes, main.codes, carried)
    return beside(seconds_of(codes, edge.lessons)), list(_differing(edge.codes, codes, first)), after


def _differing(edge: bytes, codes: bytes, first: int) -> Iterator[tuple[int, int]]:
    if edge != codes:
        for at, (was, now) in enumerate(zip(edge, codes, strict=True), first):
            if was != now:
                yield at, at + 1


def _joined(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    first = end = None
    for low, high in spans:
        if low == end:
            end = high
            continue
        if first is not None and end is not None:
            yield first, end
        first, end = low, high
    if first is not None and end is not None:
        yield first, end
