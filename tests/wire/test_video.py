"""A minute that would carry a video lesson: below the profile's figures, and unknown where they are not known."""

from __future__ import annotations

import pytest

from schoolbeat_wire.catalogue import DISPUTED, UNKNOWN
from schoolbeat_wire.video import PROFILE, path_of, seconds_of


@pytest.mark.parametrize(
    ("internet", "path", "rtt_ms", "loss_percent", "byte"),
    [
        (60, 60, 14_999, 9, 60),
        (60, 60, 15_000, 0, 0),  # 150 ms are not below 150 ms
        (60, 60, 100, 10, 0),  # nor 1 % below 1 %
        (60, 60, 0, 0, 60),
        (59, 60, 100, 0, 0),
        (0, UNKNOWN, None, None, 0),  # no Internet, no lesson, whatever else is known
        (UNKNOWN, 60, 100, 0, UNKNOWN),
        (DISPUTED, 60, 100, 0, UNKNOWN),
        (60, 50, 100, 0, 0),  # ten seconds without an answer are more than one packet in a hundred
        (60, 0, None, None, UNKNOWN),  # lost ICMP alone proves nothing
        (60, UNKNOWN, 100, 0, UNKNOWN),
        (60, 60, None, 0, UNKNOWN),
        (60, 60, 100, None, UNKNOWN),
    ],
)
def test_a_minute_is_judged_by_its_own_figures(
    internet: int, path: int, rtt_ms: int | None, loss_percent: int | None, byte: int
) -> None:
    assert seconds_of(internet, path, rtt_ms, loss_percent) == byte


def test_the_domestic_target_counts_where_there_is_one() -> None:
    assert path_of(["line.internet", "line.international", "line.domestic"]) == "line.domestic"
    assert path_of(["line.internet", "line.international"]) == "line.international"
    assert path_of(["line.internet", "line.isp"]) == ""
    assert path_of(["line.domestic"]) == ""


def test_a_profile_is_known_by_its_name_for_ever() -> None:
    assert PROFILE == (
        "video_mlab_giga_1",
        150,
        1,
        "M-Lab and Giga, unicef/giga-mlab-school-connectivity-cop, materials/ping-measurements-methodology.md",
        "jitter (below 30 ms there), headroom under the contracted speed",
    )
