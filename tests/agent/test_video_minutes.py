"""Cut minutes say whether they would have carried a video lesson, by the figures they bring themselves."""

from __future__ import annotations

from schoolbeat_agent.minutes import Cutter
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.inventory import Column, Inventory

MINUTE = 29_000_000
RUNG, INTERNET = "line.domestic", "line.internet"
FOUND = inventories.with_revision(
    Inventory(
        revision="",
        signals=[RUNG, INTERNET, "lesson.video"],
        columns=[Column("rtt_ms", [RUNG]), Column("loss_percent", [RUNG])],
    )
)


def minute_of(rtts: list[float | None], losses: list[float], internet: State = State.UP) -> tuple[bytes, list[object]]:
    """Runs every ten seconds; None: no answer."""
    cutter = Cutter(MINUTE)
    for at, (rtt_ms, loss) in enumerate(zip(rtts, losses, strict=True), -1):
        state = State.DOWN if rtt_ms is None else State.UP
        readings = {} if rtt_ms is None else {(RUNG, "rtt_ms"): rtt_ms, (RUNG, "loss_percent"): loss}
        causes = {RUNG: "timeout"} if rtt_ms is None else {}
        seen = Observation({RUNG: state, INTERNET: internet}, readings, causes)
        cutter.feed(Run("path", 0.0, 0.1, seen, None), MINUTE * 60 + 10 * at)
    row = cutter.cut(FOUND)
    return row.signals, list(row.values)


def test_a_good_minute_carries_a_lesson() -> None:
    signals, values = minute_of([20.0] * 8, [0.0] * 8)

    assert signals == bytes([60, 60, 60])
    assert values == [[2_000], [0]]


def test_slow_and_lossy_minutes_do_not_and_those_without_internet_neither() -> None:
    assert minute_of([200.0] * 8, [0.0] * 8)[0][2] == 0
    assert minute_of([20.0] * 8, [5.0] * 8)[0][2] == 0
    assert minute_of([20.0] * 8, [0.0] * 8, internet=State.DOWN)[0][2] == 0
    assert minute_of([20.0] * 4 + [None] + [20.0] * 3, [0.0] * 8)[0] == bytes([50, 60, 0])


def test_what_was_not_measured_is_unknown() -> None:
    assert minute_of([None] * 8, [0.0] * 8)[0] == bytes([0, 60, UNKNOWN])
    assert minute_of([], [])[0] == bytes([UNKNOWN] * 3)
