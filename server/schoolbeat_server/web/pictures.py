"""Pictures as inline SVG: the ladder, a strip of minutes, the bar of a target. Colour never speaks alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from markupsafe import Markup

from schoolbeat_server.local_time import local
from schoolbeat_wire.catalogue import OFF, UP_FULL

RungState = Literal["up", "part", "down", "off", "unknown"]
GLYPHS: dict[RungState, str] = {"up": "✓", "part": "!", "down": "✗", "off": "–", "unknown": "?"}

DAY_MINUTES = 1_440
_MOST_RUNS = 240  # a strip with more is drawn in coarser steps: a page must stay small on a slow line
_STEPS = (1, 2, 5, 10, 20)
_ORDER: tuple[RungState, ...] = ("down", "part", "unknown", "off", "up")  # the worst of a step is what it shows
_STEP_HEIGHT = 62
_HOUR = Markup('<path d="M{0} 0v{1}"/><text x="{0}" y="{2}" font-size="{3}" text-anchor="middle">{4:02d}:00</text>')
_OURS = Markup("")  # joins what is safe already


class Rung(NamedTuple):
    """One step of the ladder as it is drawn: its name, its state in a word, a remark such as its round-trip time."""

    name: str
    state: RungState
    word: str
    remark: str


def state_of(code: int) -> RungState:
    """What a ledger byte says. A disputed minute is unknown."""
    if code == UP_FULL:
        return "up"
    if code < UP_FULL:
        return "part" if code else "down"
    return "off" if code == OFF else "unknown"


_PLACES: Final = bytes(_ORDER.index(state_of(code)) for code in range(256))  # by ledger byte
_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)


def ladder(rungs: Sequence[Rung], title: str) -> Markup:
    """The way from gateway to services, top to bottom; a step that is down breaks the line above it."""
    height = _STEP_HEIGHT * len(rungs) - 14
    label = "; ".join(f"{rung.name}: {rung.word}" for rung in rungs)
    parts = [
        Markup('<svg class="ladder" role="img" viewBox="0 0 340 {}" aria-label="{}">').format(
            height, f"{title}. {label}"
        )
    ]
    for index, rung in enumerate(rungs):
        y = 24 + index * _STEP_HEIGHT
        if index:
            parts.append(_link(y, rung.state))
        parts.append(
            Markup(
                '<g class="rung {state}"><circle cx="26" cy="{y}" r="19"/>'
                '<text class="glyph" x="26" y="{glyph_y}" text-anchor="middle">{glyph}</text>'
                '<text class="name" x="58" y="{name_y}">{name}</text>'
                '<text class="word" x="58" y="{word_y}">{word}{remark}</text></g>'
            ).format(
                state=rung.state,
                y=y,
                glyph=GLYPHS[rung.state],
                glyph_y=y + 7,
                name=rung.name,
                name_y=y - 3,
                word=rung.word,
                word_y=y + 15,
                remark=f" · {rung.remark}" if rung.remark else "",
            )
        )
    return _OURS.join([*parts, Markup("</svg>")])


def _link(y: int, state: RungState) -> Markup:
    top, bottom = y - _STEP_HEIGHT + 21, y - 21
    line = Markup('<line class="link {}" x1="26" x2="26" y1="{}" y2="{}"/>').format(state, top, bottom)
    if state != "down":
        return line
    middle = (top + bottom) // 2
    return line + Markup('<path class="cut" d="M18 {0}l16 8M18 {1}l16 -8"/>').format(middle - 4, middle + 4)


def strip(codes: bytes, label: str) -> Markup:
    """Minutes as one row. Unknown minutes are not drawn: the hatching behind them shows."""
    runs = _drawn_runs(codes)
    known = "".join(_box(at, width, 0, 10) for state, at, width in runs if state != "unknown")
    bars = {
        "up": "".join(_box(at, width, 4, 6) for state, at, width in runs if state == "up"),
        "part": "".join(_box(at, width, 1, 9) for state, at, width in runs if state == "part"),
        "down": "".join(_box(at, width, 0, 10) for state, at, width in runs if state == "down"),
        "off": "".join(_box(at, width, 8, 2) for state, at, width in runs if state == "off"),
    }
    drawn = [_path(name, path) for name, path in (("known", known), *bars.items()) if path]
    return Markup(
        '<svg class="strip" role="img" viewBox="0 0 {} 10" preserveAspectRatio="none" aria-label="{}">{}</svg>'
    ).format(len(codes) or 1, label, _OURS.join(drawn))


def _path(name: str, d: str) -> Markup:
    return Markup('<path class="{}" d="{}"/>').format(name, d)


def _box(at: int, width: int, y: int, height: int) -> str:
    return f"M{at} {y}h{width}v{height}h-{width}z"


def _drawn_runs(codes: bytes) -> list[tuple[RungState, int, int]]:
    """(state, place, width) from left to right, in the finest steps that give few enough runs."""
    runs: list[tuple[RungState, int, int]] = []
    for step in _STEPS:
        runs = list(_runs(codes, step))
        if len(runs) <= _MOST_RUNS:
            break
    return runs


def _runs(codes: bytes, step: int) -> Iterator[tuple[RungState, int, int]]:
    places = codes.translate(_PLACES)
    if step > 1:
        places = bytes([min(places[at : at + step]) for at in range(0, len(places), step)])
    for run in _RUN.finditer(places):
        at = step * run.start()
        yield _ORDER[places[run.start()]], at, min(step * run.end(), len(codes)) - at


def hours(first_minute: int, minutes: int, every_hours: int, name: str) -> Markup:
    """The hours of the local clock under strips of these minutes; letters 'name' in proportion to the width."""
    size = 30 if name == "wide" else 52
    out = []
    for at in range(-first_minute % 60, minutes, 60):  # Viet Nam's hours begin with those of UTC
        when = local((first_minute + at) * 60_000)
        if when.hour % every_hours == 0 and 3 * size < 2 * at < 2 * minutes - 3 * size:
            out.append(_HOUR.format(at, size // 3, size * 4 // 3, size, when.hour))
    return Markup('<svg class="hours {}" aria-hidden="true" viewBox="0 0 {} {}">{}</svg>').format(
        name, minutes, size * 3 // 2, _OURS.join(out)
    )


def share_bar(met: int, missed: int, unknown: int, label: str, required: tuple[int, int] | None = None) -> Markup:
    """Units met, missed and unknown of a target, with a mark where the required share (numerator, denominator) lies."""
    total = met + missed + unknown
    if not total:
        return Markup("")
    a, b = met * 1_000 // total, (met + missed) * 1_000 // total
    boxes = [
        _path(name, f"M{left} 0h{right - left}v16h-{right - left}z")
        for name, left, right in (("met", 0, a), ("missed", a, b))
        if right > left
    ]
    if required:
        at = min(996, required[0] * 1_000 // required[1])
        boxes.append(_path("mark", f"M{at} 0h4v16h-4z"))
    return Markup(
        '<svg class="bar" role="img" viewBox="0 0 1000 16" preserveAspectRatio="none" aria-label="{}">{}</svg>'
    ).format(label, _OURS.join(boxes))
