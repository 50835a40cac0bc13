"""A target's days as a picture: met from below, missed from above, and between them what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby

from markupsafe import Markup

from schoolbeat_server.history import Point

HEIGHT = 100
MOST_DAYS = 400


def history(points: Sequence[Point], label: str, required: tuple[int, int] | None, deadline: date | None) -> Markup:
    """required: numerator and denominator of the share that the plan asks for. Days without a verdict stay empty."""
    shown = points[-MOST_DAYS:]
    if not shown:
        return Markup("")
    first, last = shown[0].day, shown[-1].day
    width = (last - first).days + 1
    met, missed, unknown = [], [], []
    for at, count, (good, bad) in _runs(shown, first):
        met.append(_box(at, count, HEIGHT - good, good))
        missed.append(_box(at, count, 0, bad))
        unknown.append(_box(at, count, bad, HEIGHT - good - bad))
    paths = [_path(name, boxes) for name, boxes in (("unknown", unknown), ("met", met), ("missed", missed))]
    if required:
        paths.append(_path("mark", [f"M0 {HEIGHT - HEIGHT * required[0] // required[1]}h{width}"]))
    if deadline is not None and first <= deadline < last:
        paths.append(_path("deadline", [f"M{(deadline - first).days + 1} 0v{HEIGHT}"]))
    return Markup(
        '<svg class="history" role="img" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-label="{}">{}</svg>'
    ).format(width, HEIGHT, label, Markup("").join(paths))


def _runs(points: Sequence[Point], first: date) -> list[tuple[int, int, tuple[int, int]]]:
    """(place, days, heights of met and missed) of days in a row that look alike."""
    found = []
    for (_, heights), run in groupby(
        enumerate(points), key=lambda one: ((one[1].day - first).days - one[0], _heights(one[1]))
    ):
        mine = list(run)
        found.append(((mine[0][1].day - first).days, len(mine), heights))
    return found


def _heights(point: Point) -> tuple[int, int]:
    units = point.units or 1
    return HEIGHT * point.met // units, HEIGHT * point.missed // units


def _box(at: int, width: int, y: int, height: int) -> str:
    return f"M{at} {y}h{width}v{height}h-{width}z" if height else ""


def _path(name: str, parts: Sequence[str]) -> Markup:
    drawn = "".join(parts)
    return Markup('<path class="{}" d="{}"/>').format(name, drawn) if drawn else Markup("")
