"""Whether a minute would carry a video lesson: the profile as data, and what it makes of a minute's figures."""

from __future__ import annotations

from typing import Final, NamedTuple

from schoolbeat_wire.catalogue import READINGS, UNKNOWN, UP_FULL

SIGNAL: Final = "lesson.video"
INTERNET: Final = "line.internet"
PATHS: Final = ("line.domestic", "line.international")  # of the first that is asked the figures count


class Profile(NamedTuple):
    """Round trip and loss must be below these. name: travels in the inventory, among the capabilities."""

    name: str
    below_rtt_ms: int
    below_loss_percent: int
    source: str
    not_measured: str


# A profile that stands here once is not changed: another one gets another name.
PROFILES: Final = {
    "video_mlab_giga_1": Profile(
        "video_mlab_giga_1",
        150,
        1,
        "M-Lab and Giga, unicef/giga-mlab-school-connectivity-cop, materials/ping-measurements-methodology.md",
        "jitter (below 30 ms there), headroom under the contracted speed",
    ),
}
PROFILE: Final = PROFILES["video_mlab_giga_1"]


def path_of(signals: list[str]) -> str:
    """The rung whose figures count; "" where a minute cannot be told."""
    return next((path for path in PATHS if path in signals), "") if INTERNET in signals else ""


def seconds_of(
    internet: int, path: int, rtt_ms: int | None, loss_percent: int | None, profile: Profile = PROFILE
) -> int:
    """The minute's byte: 60, 0, or UNKNOWN. internet, path: the minute's bytes of line.internet and of the rung;
    rtt_ms, loss_percent: its readings as they travel, scaled; None: there is none. So whoever has the report can
    check the byte.

    Lost ICMP alone never makes a lesson impossible: a rung that answered nothing all minute says nothing.
    """
    if internet > UP_FULL:
        return UNKNOWN
    if internet < UP_FULL:
        return 0
    if path == 0 or path > UP_FULL or rtt_ms is None or loss_percent is None:
        return UNKNOWN
    quick = rtt_ms < profile.below_rtt_ms * 10 ** READINGS["rtt_ms"].decimals
    whole = loss_percent < profile.below_loss_percent * 10 ** READINGS["loss_percent"].decimals
    return UP_FULL if path == UP_FULL and quick and whole else 0
